//! What can go wrong with stored runs.

use std::io;
use std::path::{Path, PathBuf};

use weighbridge_types::event::SinkError;
use weighbridge_types::record::RecordError;

/// A run, or the index of runs, that could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("{action} `{path}`: {source}", path = path.display())]
    Io {
        /// What was tried: `create the folder`, `write`, …
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A kind or label that cannot be part of a folder's name.
    #[error(
        "name a run `{name}`: only letters, digits, `.`, `_` and `-` are allowed, 1 to 64 of them, the first a letter or digit"
    )]
    Name {
        /// The name as given.
        name: String,
    },
    /// Another process writes this run.
    #[error("open the run `{path}`: another process is writing it", path = path.display())]
    Locked {
        /// The run's folder.
        path: PathBuf,
    },
    /// The path leads to no run.
    #[error("find a run in `{path}`", path = path.display())]
    NoRun {
        /// The path as given.
        path: PathBuf,
    },
    /// An event log damaged before its end; a torn end alone is no error.
    #[error("read the event log `{path}` at byte {offset}: {problem}", path = path.display())]
    Corrupt {
        /// The log.
        path: PathBuf,
        /// Where the damaged frame begins, bytes from the start of the file.
        offset: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A `record.json` that cannot be taken.
    #[error("{source} in `{path}`", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: RecordError,
    },
    /// The list of baselines is damaged.
    #[error("read the baselines `{path}`: {problem}", path = path.display())]
    Baselines {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A record is not what it was when it became part of a baseline.
    #[error("use the run `{path}` as a baseline: its record was changed after it became one", path = path.display())]
    Doctored {
        /// The run's folder.
        path: PathBuf,
    },
    /// The index failed.
    #[error("use the index `{path}`: {source}", path = path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
}

impl StoreError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "name a folder that you may write to with `--output-dir`"
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                    "free some space, or name a folder on another disk with `--output-dir`"
                }
                io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
                    "a file stands where a folder is needed: name another one with `--output-dir`"
                }
                io::ErrorKind::NotFound => "check the path",
                _ => "check the path and the disk",
            },
            Self::Name { .. } => "choose another `--label`",
            Self::Locked { .. } => "wait for the other process, or end it",
            Self::NoRun { .. } => "name the folder of a run, or its `record.json`; `weighbridge history` lists them",
            Self::Corrupt { .. } => "restore the log from a copy, or run again; `record.json` may still be whole",
            Self::Record { source, .. } => source.hint(),
            Self::Baselines { .. } => "restore the file from a copy, or delete it and set the baselines again",
            Self::Doctored { .. } => {
                "restore the record from a copy, or promote other runs with `weighbridge baseline promote`"
            }
            Self::Index { .. } => "delete the index: it is made again from the folders of the runs",
        }
    }
}

impl From<&StoreError> for SinkError {
    fn from(error: &StoreError) -> Self {
        Self { problem: error.to_string(), hint: error.hint().to_owned() }
    }
}
