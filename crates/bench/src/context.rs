//! What every phase works with, and what it leaves.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_summary::{Basis, Rows};
use weighbridge_telemetry::SystemRoot;
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{Check, Phase, Record};
use weighbridge_types::time::{Clock, Stamp};

use crate::campaign::RecordCheck;
use crate::driver::Stop;
use crate::load::Loaded;
use crate::prompts::Prompts;
use crate::settings::{BenchSettings, Lengths};
use crate::subject::Subject;

/// Ids of a phase's requests begin at its number times this, so that a phase run again numbers its requests as before.
const IDS_PER_PHASE: u64 = 1_000_000;

/// Least time between two reports of progress: a bar needs no more, and requests are being timed.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// One phase at work.
pub(crate) struct Context<'a> {
    pub(crate) phase: Phase,
    pub(crate) settings: &'a BenchSettings,
    pub(crate) subject: &'a Subject,
    pub(crate) loaded: &'a Loaded,
    pub(crate) record: &'a Record,
    pub(crate) check_record: Option<&'a RecordCheck>,
    pub(crate) root: &'a SystemRoot,
    pub(crate) clock: Clock,
    pub(crate) cancel: &'a CancellationToken,
    pub(crate) sink: &'a mut dyn Sink,
    /// Which repetition, from 1.
    pub(crate) run: u32,
    next_id: u64,
    last_progress: Option<Stamp>,
}

/// What a phase leaves.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Its rows.
    pub(crate) rows: Rows,
    /// Figures that do not follow from rows.
    pub(crate) metrics: Vec<Metric>,
    pub(crate) checks: Vec<Check>,
    pub(crate) notes: Vec<String>,
    /// Why it ended before its end.
    pub(crate) stop: Option<Stop>,
    /// Why there was nothing to do.
    pub(crate) skipped: Option<String>,
}

/// What a phase needs of the campaign, beside the sink.
pub(crate) struct Surroundings<'a> {
    pub(crate) settings: &'a BenchSettings,
    pub(crate) subject: &'a Subject,
    pub(crate) loaded: &'a Loaded,
    pub(crate) record: &'a Record,
    pub(crate) check_record: Option<&'a RecordCheck>,
    pub(crate) root: &'a SystemRoot,
    pub(crate) clock: Clock,
    pub(crate) cancel: &'a CancellationToken,
}

impl<'a> Context<'a> {
    pub(crate) fn new(phase: Phase, around: &Surroundings<'a>, sink: &'a mut dyn Sink) -> Self {
        let ordinal = Phase::WEIGH_IN.iter().position(|other| *other == phase).unwrap_or_default() as u64;
        Self {
            phase,
            settings: around.settings,
            subject: around.subject,
            loaded: around.loaded,
            record: around.record,
            check_record: around.check_record,
            root: around.root,
            clock: around.clock,
            cancel: around.cancel,
            sink,
            run: 1,
            next_id: ordinal * IDS_PER_PHASE,
            last_progress: None,
        }
    }

    /// The phase's own cell: with the repetition where there is more than one.
    pub(crate) fn cell(&self) -> Cell {
        let cell = Cell::of(self.phase);
        if self.settings.runs > 1 { cell.with("run", self.run) } else { cell }
    }

    /// The time that this repetition may take.
    pub(crate) fn budget(&self) -> Duration {
        self.settings.budgets_s.of(self.phase)
    }

    /// Prompts of this phase and repetition; `part` tells its cells apart.
    pub(crate) fn prompts(&self, part: u64) -> Prompts {
        Prompts::new(&self.loaded.engine, [self.settings.seed, self.phase as u64, u64::from(self.run), part])
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    pub(crate) fn basis(&self) -> Basis {
        Basis::new(self.settings.seed, &self.loaded.description)
    }

    /// Whether a request of these lengths fits the model; otherwise why not.
    pub(crate) fn fits(&self, lengths: Lengths) -> Result<(), String> {
        let needed = u64::from(lengths.input) + u64::from(lengths.output);
        match self.loaded.description.context_length {
            Some(context) if needed > u64::from(context) => {
                Err(format!("{lengths} tokens do not fit the context of {context}"))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn emit(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        self.sink.event(event)
    }

    /// Tells how far the phase is, at most ten times a second and always at the end.
    pub(crate) fn progress(&mut self, what: &str, done: usize, total: usize) -> Result<(), SinkError> {
        let now = self.clock.now();
        let is_due = self.last_progress.is_none_or(|last| now - last >= PROGRESS_INTERVAL);
        if !is_due && done < total {
            return Ok(());
        }
        self.last_progress = Some(now);
        let (done, total) = (done as u64, total as u64);
        self.sink.event(&RunEvent::Progress { phase: self.phase, what: what.to_owned(), done, total })
    }
}
