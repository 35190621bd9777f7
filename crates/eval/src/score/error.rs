//! Why a file could not be scored.

use crate::predictions::PredictionsError;

/// Why a file could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// The file is wrong.
    #[error(transparent)]
    Predictions(#[from] PredictionsError),
    /// The columns allow no metric at all.
    #[error("find a metric for the columns {columns}")]
    NothingToScore {
        /// The columns that hold something.
        columns: String,
    },
    /// A table of costs cannot be read.
    #[error("read the costs in line {line}: {what}")]
    Costs {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A setting does not fit the file.
    #[error("use `{value}` as {setting}: {what}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
        /// What is wrong.
        what: String,
    },
}

impl ScoreError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Predictions(error) => error.hint(),
            Self::NothingToScore { .. } => {
                "give `target` and `prediction`, `target` and `score`, or `text` and `references`; `--map FIELD=COLUMN` \
                 names columns that are called otherwise"
            }
            Self::Costs { .. } => {
                "write a CSV table: the head `truth,LABEL,LABEL,…`, then a line with a cost for each answer per true label"
            }
            Self::Setting { .. } => "choose one that occurs in the file",
        }
    }
}
