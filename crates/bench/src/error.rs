//! Why a campaign could not be run.

use weighbridge_types::event::SinkError;

use crate::settings::SettingsError;
use weighbridge_engine::SubjectError;

/// A campaign that could not be run, or not to its end. Requests that fail are rows, not errors.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A setting is out of range.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// What is to be weighed could not be loaded.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// None of the engines can take part.
    #[error("compare engines: {}", .reasons.iter().map(|(engine, why)| format!("{engine}: {why}")).collect::<Vec<_>>().join("; "))]
    NoEngine {
        /// Each engine, and why.
        reasons: Vec<(String, String)>,
    },
    /// A row or the record could not be kept.
    #[error("keep the results: {0}")]
    Sink(#[from] SinkError),
    /// The earlier record is of something else.
    #[error("continue run `{run}`: its {what} is `{previous}`, now it is `{now}`")]
    Mismatch {
        /// The earlier run.
        run: String,
        /// What differs.
        what: String,
        /// As recorded.
        previous: String,
        /// As asked now.
        now: String,
    },
    /// The settings could not be written down.
    #[error("write the settings into the record: {0}")]
    Serialize(#[from] serde_json::Error),
}

impl BenchError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Settings(error) => error.hint().to_owned(),
            Self::Subject(error) => error.hint.clone(),
            Self::NoEngine { .. } => "name an engine that runs this model, such as `local`".to_owned(),
            Self::Sink(error) => error.hint.clone(),
            Self::Mismatch { .. } => {
                "continue with the model and the settings of that run, or start a new one without `--resume`".to_owned()
            }
            Self::Serialize(_) => "report this as a bug".to_owned(),
        }
    }
}
