//! What a long job says while it runs. Recorder, progress bar and dashboard are readers of these events and share
//! nothing else.

use crate::exhibit::Exhibit;
use crate::health::HealthBreach;
use crate::metric::Metric;
use crate::record::{ItemRow, Phase, PhaseResult, Record};
use crate::request::RequestRow;
use crate::resource::ResourceSample;
use crate::sample::SampleRow;
use crate::start::StartRow;
use crate::stream::{Incident, Pane};
use crate::telemetry::Telemetry;
use crate::time::Stamp;

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
    /// A load as it stands; told several times a second.
    Pulse(Pulse),
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
    /// A server was started and stopped again.
    Start(StartRow),
    /// The client was not fit to measure for a while; requests that were told of may be among those it touches.
    Breach {
        /// The phase.
        phase: Phase,
        /// What was wrong, and when.
        breach: HealthBreach,
    },
    /// Something was seen of the server that carries a load.
    Telemetry {
        /// The phase.
        phase: Phase,
        /// What was seen.
        seen: Telemetry,
    },
    /// A document of a task was answered.
    Sample(Box<SampleRow>),
    /// What a report shows of a task beside its figures.
    Exhibit(Box<Exhibit>),
    /// A stretch of a stream was closed.
    Pane(Box<Pane>),
    /// An attack within a stream is over.
    Incident(Incident),
    /// A phase ended, with its figures.
    PhaseFinished {
        /// How it went.
        result: Box<PhaseResult>,
        /// Its figures; they replace those of an earlier attempt.
        metrics: Vec<Metric>,
    },
}

/// A load as it stands, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// What the load is, for people: `8 in flight`, `poisson:20`.
    pub what: String,
    /// Which load of the run, from 1.
    pub number: u32,
    /// How many loads the run has as far as is known.
    pub count: u32,
    /// When it began.
    pub begin: Stamp,
    /// Now.
    pub at: Stamp,
    /// When its releases end; `None` when a count ends them.
    pub until: Option<Stamp>,
    /// Sessions at most; `None` when the time ends them.
    pub sessions: Option<u64>,
    /// Requests released.
    pub released: u64,
    /// Requests in flight.
    pub in_flight: u64,
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
