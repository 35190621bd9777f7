//! Why a study cannot be made.

use std::io;
use std::path::PathBuf;

use crate::compare::CompareError;

/// A study that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    /// The file cannot be read.
    #[error("read the study `{}`: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file is wrong.
    #[error("use the study `{}`: {problem}", path.display())]
    Study {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The models cannot be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
}

impl MatrixError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Read { .. } => "name a file that can be read",
            Self::Study { .. } => "a study has `study`, `models` and `tasks`; see docs/guides/compare-two-models.md",
            Self::Compare(error) => error.hint(),
        }
    }
}
