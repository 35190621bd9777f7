//! Why a pipeline cannot go on. What goes wrong with a document or a call is no error but a state.

use std::io;
use std::path::{Path, PathBuf};

use crate::settings::SettingsError;

/// A pipeline that cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// A setting is out of its range.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A file or folder.
    #[error("{action} `{}`", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// Another pipeline writes to the same folder.
    #[error("begin in `{}`: another pipeline writes to it", path.display())]
    Locked {
        /// Its journal.
        path: PathBuf,
    },
    /// A journal of another form.
    #[error("read `{}`: it is `{found}`, and this version reads `weighbridge-pipeline-journal 1`", path.display())]
    Version {
        /// The journal.
        path: PathBuf,
        /// What its first line says.
        found: String,
    },
    /// A value that has no form.
    #[error("write {what}: {problem}")]
    Form {
        /// What was to be written.
        what: &'static str,
        /// Why it cannot.
        problem: String,
    },
    /// The run was asked to stop. What was finished is kept, and the next run goes on from it.
    #[error("finish the pipeline: it was stopped")]
    Stopped,
    /// A finished file could not be replaced.
    #[error(transparent)]
    Store(#[from] weighbridge_store::StoreError),
}

impl PipelineError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Settings(_) => "correct the value",
            Self::Io { .. } | Self::Store(_) => {
                "see that the folder can be written and the disk has room, and run it again: it goes on from where it was"
            }
            Self::Locked { .. } => "wait for it, or take another folder",
            Self::Version { .. } => "take another folder, or the version that wrote it",
            Self::Form { .. } => "report this as a bug",
            Self::Stopped => "run it again with the same folder: it goes on from where it was",
        }
    }
}
