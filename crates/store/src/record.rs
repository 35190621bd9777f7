//! Reading and writing `record.json`.

use std::fs;
use std::path::Path;

use weighbridge_types::record::Record;

use crate::folder::{RECORD_FILE, folder_of};
use crate::{StoreError, atomic};

/// Reads a record. The path is that of a run's folder, or of a record's file, whatever its name.
///
/// # Errors
/// When there is no record, it cannot be read, or a newer program wrote it.
pub fn read_record(path: &Path) -> Result<Record, StoreError> {
    let path = if path.is_file() { path.to_owned() } else { folder_of(path).join(RECORD_FILE) };
    if !path.exists() {
        return Err(StoreError::NoRun { path });
    }
    let text = fs::read_to_string(&path).map_err(StoreError::io("read", &path))?;
    Record::from_json(&text).map_err(|source| StoreError::Record { path, source })
}

/// Replaces the record of a run.
pub(crate) fn write_record(path: &Path, record: &Record) -> Result<(), StoreError> {
    let json = serde_json::to_vec_pretty(record).map_err(|error| StoreError::io("write", path)(error.into()))?;
    atomic::replace(path, &[json.as_slice(), b"\n"].concat())
}
