//! What keeps a load from being run.

use weighbridge_engine::SubjectError;
use weighbridge_summary::{SloError, UntilError};
use weighbridge_types::event::SinkError;
use weighbridge_workload::SpecError;

/// An error of the load laboratory. A request that fails is a row, not an error.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The target could not be reached or loaded.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// The record could not be kept.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A setting is out of range.
    #[error("accept `{value}` as {setting}: {problem}")]
    Setting {
        /// Name of the setting.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Arrivals, lengths or data that describe no load.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// An objective that limits nothing known.
    #[error(transparent)]
    Slo(#[from] SloError),
    /// A precision of nothing known.
    #[error(transparent)]
    Until(#[from] UntilError),
    /// The traffic could not be made.
    #[error("{problem}")]
    Traffic {
        /// What failed, with the place.
        problem: String,
        /// What to do about it.
        hint: String,
    },
    /// Something that was to be watched is not there, or is something else.
    #[error("watch what `--{flag}` names: {problem}")]
    Watch {
        /// The flag that named it.
        flag: &'static str,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        hint: String,
    },
    /// A run whose figures cannot be recovered, or need not be.
    #[error("{problem}")]
    Recover {
        /// Which run, and why.
        problem: String,
        /// What to do instead.
        hint: String,
    },
    /// The system refused a thread or an event queue.
    #[error("start the reactors: {0}")]
    System(#[from] std::io::Error),
    /// Settings that are no JSON.
    #[error("write down the settings: {0}")]
    Settings(#[from] serde_json::Error),
}

impl LoadError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Subject(error) => error.hint.clone(),
            Self::Sink(error) => error.hint.clone(),
            Self::Spec(error) => error.hint().to_owned(),
            Self::Slo(error) => error.hint(),
            Self::Until(error) => error.hint(),
            Self::Traffic { hint, .. } | Self::Watch { hint, .. } | Self::Recover { hint, .. } => hint.clone(),
            Self::Setting { .. } => {
                "correct the value; `weighbridge load --help` lists the flags with their defaults".to_owned()
            }
            Self::System(_) => "free some threads or file descriptors; `ulimit -a` shows the limits".to_owned(),
            Self::Settings(_) => "report this as a bug".to_owned(),
        }
    }
}
