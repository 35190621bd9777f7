//! What a long job says while it runs. Recorder, progress bar and dashboard are readers of these events and share
//! nothing else.

use crate::metric::Metric;
use crate::record::{ItemRow, Phase, PhaseResult, Record};
use crate::request::RequestRow;
use crate::resource::ResourceSample;

/// An event of a run.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// A phase begins.
    PhaseStarted {
        /// Which.
        phase: Phase,
        /// Which try, from 1.
        attempt: u32,
    },
    /// Work within the phase moved on.
    Progress {
        /// The phase.
        phase: Phase,
        /// What is being done, for people.
        what: String,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
    },
    /// A request ended.
    Request(Box<RequestRow>),
    /// Process and host were sampled.
    Resource {
        /// The phase.
        phase: Phase,
        /// The sample.
        sample: ResourceSample,
    },
    /// An item was scored.
    Item(ItemRow),
    /// A phase ended, with its figures.
    PhaseFinished {
        /// How it went.
        result: Box<PhaseResult>,
        /// Its figures; they replace those of an earlier attempt.
        metrics: Vec<Metric>,
    },
}

/// A reader of a run's events: the recorder, a progress bar, a dashboard.
///
/// A run calls [`event`](Sink::event) after a request has ended, never while one is being timed, and
/// [`checkpoint`](Sink::checkpoint) when the record changed: at its start, after each phase, and at its end.
pub trait Sink: Send {
    /// Takes an event.
    ///
    /// # Errors
    /// When it could not be kept, for example on a full disk. The run stops and says so.
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError>;

    /// Takes the record as it stands.
    ///
    /// # Errors
    /// As [`event`](Sink::event).
    fn checkpoint(&mut self, record: &Record) -> Result<(), SinkError>;
}

/// An event that could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SinkError {
    /// What failed, with the path.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}
