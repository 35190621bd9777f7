//! What keeps a record from being exported.

use super::ExportFormat;

/// A record that cannot be exported in a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// No such form.
    #[error("export in the format `{name}`: there is no such format")]
    UnknownFormat {
        /// The name as given.
        name: String,
    },
    /// The record has nothing that the form holds.
    #[error("export the run `{run_id}` as {format}: it has no {needs}")]
    Lacks {
        /// The run.
        run_id: String,
        /// The form.
        format: ExportFormat,
        /// What it is made of.
        needs: &'static str,
    },
    /// The form is made of requests, and the event log is not at hand or empty.
    #[error("export the run `{run_id}` as {format}: it needs the requests of the event log, and there are none")]
    NeedsRows {
        /// The run.
        run_id: String,
        /// The form.
        format: ExportFormat,
    },
    /// The figures are of a third tool.
    #[error("export the run `{run_id}` as {format}: its figures are those of {tool}, under other definitions")]
    ForeignFigures {
        /// The run.
        run_id: String,
        /// The form.
        format: ExportFormat,
        /// Whose figures they are.
        tool: String,
    },
}

impl ExportError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownFormat { .. } => {
                format!("write one of {}", ExportFormat::ALL.map(ExportFormat::name).join(", "))
            }
            Self::Lacks { format: ExportFormat::Junit, .. } => {
                "run with `--targets FILE`, so that there is something to pass or fail".to_owned()
            }
            Self::Lacks { .. } => {
                "choose a run with a latency, throughput or load phase, or the format `csv`".to_owned()
            }
            Self::NeedsRows { .. } => "name the run's folder, with `events.jsonl.zst` in it".to_owned(),
            Self::ForeignFigures { .. } => {
                "use `csv`, `sql`, `prometheus` or `bencher`, which keep the definitions".to_owned()
            }
        }
    }
}
