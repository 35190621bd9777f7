//! What is known of a load while it runs. Takes the events of a run, draws nothing, and keeps flat memory.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use weighbridge_types::event::{Pulse, RunEvent};
use weighbridge_types::request::{ClientFault, FailureClass, Outcome, RequestRow};
use weighbridge_types::time::Stamp;

use super::LiveSettings;
use super::disturbed::Disturbed;
use super::seconds::{Latencies, Seconds};

/// Ended loads that are kept to be shown.
const EARLIER: usize = 16;

/// Characters of a failure's message that are kept.
const MESSAGE: usize = 200;

/// How far a load is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nothing was told of it yet.
    Starting,
    /// Requests are released.
    Releasing,
    /// Its time is over; what is in flight may end.
    Draining,
    /// It is over; its figures are being made from the log.
    Figures,
    /// Its figures are made.
    Over,
}

impl Stage {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Releasing => "releasing",
            Self::Draining => "draining",
            Self::Figures => "over, making the figures",
            Self::Over => "over",
        }
    }
}

/// Counts of one load, of every request that ended, warm-up too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) succeeded: u64,
    pub(crate) failed: BTreeMap<FailureClass, u64>,
    pub(crate) cancelled: u64,
    pub(crate) dropped: u64,
    pub(crate) retries: u64,
    /// Those of the above that are warm-up.
    pub(crate) warmup: u64,
    /// What the last failure said.
    pub(crate) last_failure: Option<String>,
}

impl Counts {
    fn add(&mut self, row: &RequestRow) {
        match &row.outcome {
            Outcome::Succeeded { .. } => self.succeeded += 1,
            Outcome::Failed { class, message } => {
                *self.failed.entry(*class).or_default() += 1;
                self.last_failure = Some(first_line(message));
            }
            Outcome::Cancelled => self.cancelled += 1,
            Outcome::Dropped => self.dropped += 1,
        }
        self.retries += u64::from(row.retries);
        self.warmup += u64::from(row.warmup);
    }

    /// Requests that failed, of any class.
    pub(crate) fn errors(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// How much of a load is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Done {
    /// A load that its time ends.
    Time { elapsed: Duration, of: Duration },
    /// A load that a count of sessions ends; each has one request or more.
    Sessions { elapsed: Duration, released: u64, of: u64 },
    /// A load whose end is not known.
    Open { elapsed: Duration },
}

impl Done {
    /// The share that is done, 0 to 1; `None` where the end is not known.
    pub(crate) fn share(self) -> Option<f64> {
        let share = |part: f64, whole: f64| (whole > 0.0).then(|| (part / whole).clamp(0.0, 1.0));
        match self {
            Self::Time { elapsed, of } => share(elapsed.as_secs_f64(), of.as_secs_f64()),
            Self::Sessions { released, of, .. } => share(released as f64, of as f64),
            Self::Open { .. } => None,
        }
    }
}

/// One load under way.
#[derive(Clone, Debug, Default)]
struct Load {
    pulse: Option<Pulse>,
    /// The moment its seconds are counted from.
    origin: Option<Stamp>,
    /// The end of the row that ended last.
    last_end: Option<Stamp>,
    counts: Counts,
    seconds: Seconds,
    in_figures: bool,
    is_over: bool,
}

/// A load that is over.
#[derive(Clone, Debug)]
pub(crate) struct EarlierLoad {
    pub(crate) number: u32,
    pub(crate) what: String,
    pub(crate) succeeded: u64,
    pub(crate) errors: u64,
    /// Successful requests over the time from the load's begin to its last end, warm-up and drain included.
    pub(crate) rate: Option<f64>,
    /// Median and 99th percentile of the TTFT, ms.
    pub(crate) ttft: Option<(f64, f64)>,
}

/// A run of loads as it stands.
///
/// Percentiles leave out the requests marked as warm-up. What `--warmup auto` leaves out is known only when a load is
/// over, so they include it: the report's figures are the measured ones.
#[derive(Clone, Debug)]
pub(crate) struct LiveModel {
    /// What was asked for.
    pub(crate) settings: LiveSettings,
    with_gaps: bool,
    load: Load,
    earlier: VecDeque<EarlierLoad>,
    disturbed: Disturbed,
}

impl LiveModel {
    /// A model that was told nothing. Gaps between tokens are the costly part; `with_gaps` says whether they are wanted.
    pub(crate) fn new(settings: LiveSettings, with_gaps: bool) -> Self {
        Self { settings, with_gaps, load: Load::default(), earlier: VecDeque::new(), disturbed: Disturbed::default() }
    }

    /// Takes an event.
    pub(crate) fn take(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Pulse(pulse) => self.pulse(pulse),
            RunEvent::Request(row) => self.row(row),
            RunEvent::Breach { breach, .. } => self.disturbed.breach(breach),
            RunEvent::Progress { done, total, .. } => self.load.in_figures = done < total,
            RunEvent::PhaseStarted { .. }
            | RunEvent::Resource { .. }
            | RunEvent::Telemetry { .. }
            | RunEvent::Item(_)
            | RunEvent::Start(_)
            | RunEvent::Sample(_)
            | RunEvent::Exhibit(_)
            | RunEvent::Pane(_)
            | RunEvent::Incident(_)
            | RunEvent::PhaseFinished { .. } => {}
        }
    }

    /// The load is over; says so once, with what it was. `None` when there is none to end.
    pub(crate) fn end_load(&mut self) -> Option<EarlierLoad> {
        if self.load.is_over {
            return None;
        }
        let pulse = self.load.pulse.as_ref()?;
        let counts = &self.load.counts;
        let seconds = self.load.last_end.map(|end| (end - pulse.begin).as_secs_f64()).filter(|&seconds| seconds > 0.0);
        let (_, all) = self.latencies();
        let earlier = EarlierLoad {
            number: pulse.number,
            what: pulse.what.clone(),
            succeeded: counts.succeeded,
            errors: counts.errors(),
            rate: seconds.map(|seconds| counts.succeeded as f64 / seconds),
            ttft: all.ttft.quantile(0.5).zip(all.ttft.quantile(0.99)),
        };
        self.load.is_over = true;
        if self.earlier.len() == EARLIER {
            self.earlier.pop_front();
        }
        self.earlier.push_back(earlier.clone());
        Some(earlier)
    }

    /// Whether the load that was told of last is among the [earlier](Self::earlier) ones.
    pub(crate) fn is_over(&self) -> bool {
        self.load.is_over
    }

    fn pulse(&mut self, pulse: &Pulse) {
        if self.load.is_over || self.load.pulse.as_ref().is_some_and(|last| last.number != pulse.number) {
            self.load = Load::default();
        }
        let origin = *self.load.origin.get_or_insert(pulse.begin);
        self.load.seconds.in_flight(pulse.at - origin, pulse.in_flight);
        self.load.pulse = Some(pulse.clone());
    }

    fn row(&mut self, row: &RequestRow) {
        if self.load.is_over {
            self.load = Load::default();
        }
        let load = &mut self.load;
        load.counts.add(row);
        let end = row.timeline.ended.unwrap_or(row.timeline.released);
        load.last_end = load.last_end.max(Some(end));
        let at = end - *load.origin.get_or_insert(row.timeline.planned);
        if row.outcome.is_success() {
            load.seconds.count(at, row.output_tokens());
        }
        if row.warmup {
            return;
        }
        if row.outcome.is_success() {
            load.seconds.measure(at, row, self.with_gaps);
        }
        self.disturbed.row(row);
    }

    /// What was told last of the load.
    pub(crate) fn last_pulse(&self) -> Option<&Pulse> {
        self.load.pulse.as_ref()
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.load.counts
    }

    pub(crate) fn seconds(&self) -> &Seconds {
        &self.load.seconds
    }

    /// Loads that are over, in their order; the last sixteen.
    pub(crate) fn earlier(&self) -> &VecDeque<EarlierLoad> {
        &self.earlier
    }

    /// Time from the load's first moment to the last pulse.
    pub(crate) fn now(&self) -> Duration {
        match (&self.load.pulse, self.load.origin) {
            (Some(pulse), Some(origin)) => pulse.at - origin,
            (None, _) | (_, None) => Duration::ZERO,
        }
    }

    pub(crate) fn stage(&self) -> Stage {
        match &self.load.pulse {
            _ if self.load.in_figures => Stage::Figures,
            _ if self.load.is_over => Stage::Over,
            None => Stage::Starting,
            Some(pulse) if pulse.until.is_some_and(|until| pulse.at >= until) => Stage::Draining,
            Some(_) => Stage::Releasing,
        }
    }

    /// How much of the load is done; `None` before the first pulse.
    pub(crate) fn done(&self) -> Option<Done> {
        let pulse = self.load.pulse.as_ref()?;
        let elapsed = pulse.at - pulse.begin;
        Some(match (pulse.until, pulse.sessions) {
            (Some(until), _) => Done::Time { elapsed, of: until - pulse.begin },
            (None, Some(of)) => Done::Sessions { elapsed, released: pulse.released, of },
            (None, None) => Done::Open { elapsed },
        })
    }

    /// Requests and output tokens per second; see [`Seconds::rates`].
    pub(crate) fn rates(&self) -> Option<(f64, f64)> {
        self.load.seconds.rates(self.now())
    }

    /// Latencies of the last ten seconds, and of the whole load so far.
    pub(crate) fn latencies(&self) -> (Latencies, Latencies) {
        self.load.seconds.latencies(self.now())
    }

    /// Measured requests of the whole run, and those of them that the client disturbed.
    pub(crate) fn disturbed(&self) -> (u64, u64) {
        (self.disturbed.measured, self.disturbed.disturbed)
    }

    /// Disturbed requests by fault; one request may have several.
    pub(crate) fn faults(&self) -> &BTreeMap<ClientFault, u64> {
        &self.disturbed.faults
    }
}

/// The first line of a message, cut to a length that fits any screen.
fn first_line(message: &str) -> String {
    let printable = |letter: &char| !letter.is_control();
    message.lines().next().unwrap_or_default().chars().filter(printable).take(MESSAGE).collect()
}

#[cfg(test)]
mod tests;
