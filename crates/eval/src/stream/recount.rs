//! The figures of a stream once more, from the lines of its log alone: what a check compares a record with, and what is left
//! of a run that was killed.

use weighbridge_types::definition as d;
use weighbridge_types::metric::{Flag, Metric};
use weighbridge_types::record::{LogLine, Record, Status};

use super::error::StreamError;
use super::figures::{key_metric, process_metrics, stream_metrics, tally};
use super::ledger::Ledger;
use super::settings::StreamSettings;
use super::targets::Target;

/// Adds up the lines of a log.
#[derive(Debug)]
pub struct Recount {
    ledger: Ledger,
    settings: Option<StreamSettings>,
    seconds: f64,
}

impl Recount {
    /// Begins with the settings of a record.
    #[must_use]
    pub fn of(record: &Record) -> Self {
        let settings = record.settings.get("stream").cloned().and_then(|value| serde_json::from_value(value).ok());
        Self { ledger: Ledger::default(), settings, seconds: record.duration_s }
    }

    /// Takes a line, in the order of the log.
    pub fn line(&mut self, line: LogLine) {
        match line {
            LogLine::Pane(pane) => self.ledger.pane(&pane),
            LogLine::Incident(incident) => self.ledger.incident(incident),
            LogLine::Resource { sample, .. } => self.ledger.sample(&sample),
            LogLine::PhaseStarted { .. }
            | LogLine::Request(_)
            | LogLine::Item(_)
            | LogLine::Start(_)
            | LogLine::Breach { .. }
            | LogLine::Telemetry { .. }
            | LogLine::Sample(_)
            | LogLine::Exhibit(_) => {}
        }
    }

    /// Events that the log holds.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.ledger.events()
    }

    /// Every figure; none where the settings, which figures rest on, cannot be read.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        let Some(settings) = &self.settings else { return Vec::new() };
        let has_model = !settings.routes.is_empty();
        let mut metrics = stream_metrics(&self.ledger, self.seconds, settings.analyst_capacity, has_model);
        metrics.extend(process_metrics(&self.ledger));
        metrics
    }

    /// Whether a figure rests on the log: the temperature is read once, when the run ends.
    #[must_use]
    pub fn covers(metric: &Metric) -> bool {
        metric.name != d::HOST_TEMPERATURE.name
    }

    /// The record of a run that was killed, with the figures of what is durable.
    ///
    /// # Errors
    /// When a target of the record cannot be read.
    pub fn recovered(mut self, mut record: Record) -> Result<Record, StreamError> {
        self.seconds = self.seconds.max(self.ledger.sampled_s());
        record.metrics = self.metrics();
        if record.engine.scripted {
            record.metrics.iter_mut().for_each(|metric| metric.flags.push(Flag::Scripted));
        }
        record.status = Status::Interrupted;
        record.duration_s = self.seconds;
        if let Some(phase) = record.phases.first_mut() {
            phase.status = Status::Interrupted;
            phase.duration_s = Some(self.seconds);
            phase.tally = tally(&self.ledger);
            phase.key_metric = key_metric(&record.metrics);
            phase.notes.push("killed: the figures are of the stretches that were closed before".to_owned());
        }
        let settings = self.settings.unwrap_or_default();
        record.targets = Target::all(&settings)?.iter().map(|target| target.judge(&record)).collect();
        Ok(record)
    }
}
