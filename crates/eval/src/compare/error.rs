//! Why sides cannot be compared.

use crate::predictions::PredictionsError;

/// Why sides cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A file of predictions is wrong.
    #[error("read `{side}`: {source}")]
    Predictions {
        /// The side.
        side: String,
        /// What is wrong.
        #[source]
        source: PredictionsError,
    },
    /// Samples of a file have no names to pair them by.
    #[error("pair the samples of `{side}`: line {line} has no id")]
    NoId {
        /// The side.
        side: String,
        /// The first such line.
        line: u64,
    },
    /// An id stands twice.
    #[error("pair the samples of `{side}`: line {line} has the id `{id}` of an earlier line")]
    RepeatedId {
        /// The side.
        side: String,
        /// The second line with it.
        line: u64,
        /// The id.
        id: String,
    },
    /// The rows of a run hold no scores.
    #[error("compare `{side}`: its event log holds no score of any sample")]
    NoScores {
        /// The side.
        side: String,
    },
    /// There is nothing to compare with.
    #[error("compare {count} side{}: at least two are needed", if *count == 1 { "" } else { "s" })]
    TooFew {
        /// How many were given.
        count: usize,
    },
    /// Two sides have no sample in common.
    #[error("pair `{baseline}` with `{candidate}`: they have no sample in common")]
    NothingInCommon {
        /// The first side.
        baseline: String,
        /// The second side.
        candidate: String,
    },
    /// Two sides have no metric in common.
    #[error("compare `{baseline}` with `{candidate}`: no metric is known of both; known are {known}")]
    NoMetric {
        /// The first side.
        baseline: String,
        /// The second side.
        candidate: String,
        /// The metrics of the two sides.
        known: String,
    },
    /// A sample is not the same on both sides.
    #[error("pair `{baseline}` with `{candidate}`: the sample `{id}` has another {what} on either side")]
    Disagree {
        /// The first side.
        baseline: String,
        /// The second side.
        candidate: String,
        /// The sample.
        id: String,
        /// What differs: `target` or `cluster`.
        what: &'static str,
    },
    /// A setting is out of range.
    #[error("accept {setting} `{value}`: it must be {expected}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// Its value.
        value: f64,
        /// What it must be.
        expected: &'static str,
    },
}

impl CompareError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Predictions { source, .. } => source.hint(),
            Self::NoId { .. } => {
                "samples are paired by their ids: name the column that holds them with `--map id=COLUMN`"
            }
            Self::RepeatedId { .. } => "give each sample an id of its own; average repeats of one sample first",
            Self::NoScores { .. } => {
                "name a run of `eval run` whose tasks have metrics; runs of earlier versions must be made again"
            }
            Self::TooFew { .. } => "name two or more runs or files",
            Self::NothingInCommon { .. } => {
                "compare runs of the same tasks and data, or files whose ids name the same samples"
            }
            Self::NoMetric { .. } => "leave out `--metric`, or name one that both sides have",
            Self::Disagree { .. } => "the files are not about the same data: an id must mean the same sample in both",
            Self::Setting { .. } => "correct the flag",
        }
    }
}
