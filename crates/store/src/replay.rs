//! Reading an event log line by line, in memory for one frame.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use weighbridge_types::record::LogLine;

use crate::StoreError;
use crate::folder::{LOG_FILE, folder_of};
use crate::frames::FrameReader;

/// Hands every line from `from` on to `each`, in order; `from` is 0 or what [`Recorder::mark`](crate::Recorder::mark)
/// gave. A torn tail is left out.
///
/// # Errors
/// When there is no log, it cannot be read, or it is damaged before its end.
pub fn replay(path: &Path, from: u64, mut each: impl FnMut(LogLine)) -> Result<(), StoreError> {
    let path = folder_of(path).join(LOG_FILE);
    let mut file = File::open(&path).map_err(StoreError::io("open the event log", &path))?;
    file.seek(SeekFrom::Start(from)).map_err(StoreError::io("read", &path))?;
    let mut reader = FrameReader::new(file, &path);
    while let Some(frame) = reader.next_frame()? {
        let lines = frame.content.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        for (index, line) in lines.enumerate() {
            let corrupt = |error: serde_json::Error| StoreError::Corrupt {
                path: path.clone(),
                offset: from + frame.offset,
                problem: format!("line {} of the frame: {error}", index + 1),
            };
            each(serde_json::from_slice(line).map_err(corrupt)?);
        }
    }
    Ok(())
}
