//! The tokenizer that counts answers again: `--tokenizer PATH`.

use std::path::Path;
use std::sync::Arc;

use weighbridge_engine_local::tokenize::open_tokenizer;
use weighbridge_load::Recount;

use crate::failure::Failure;

/// What it is called in a record: its file, without the folders of this machine.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| "tokenizer".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Opens it, before anything is measured.
pub(super) fn open(path: &Path) -> Result<Recount, Failure> {
    Ok(Recount { name: name(path), tokenizer: Arc::new(open_tokenizer(path)?) })
}
