//! Soaks: a record on disk that is never older than the time between two checkpoints.

use std::time::Duration;

use weighbridge_summary::{Basis, Growth, GrowthVerdict, PROCESS, Soak};
use weighbridge_types::definition as define;
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::metric::Metric;
use weighbridge_types::record::{Finding, FindingKind, LogLine, MetricPointer, Record, Tally};
use weighbridge_types::telemetry::Telemetry;
use weighbridge_types::time::{Stamp, WallTime};

use crate::error::LoadError;
use crate::journal::Journal;

/// What is known of a soak while it runs, in memory that does not grow: a checkpoint reads this and not the log.
#[derive(Debug)]
pub(crate) struct Watch {
    soak: Soak,
    tally: Tally,
    every: Duration,
    begin: Stamp,
    last: Stamp,
}

impl Watch {
    pub(crate) fn new(every: Duration, begin: Stamp) -> Self {
        Self { soak: Soak::default(), tally: Tally::default(), every, begin, last: begin }
    }

    /// Whether the record on disk is old.
    pub(crate) fn is_due(&self, now: Stamp) -> bool {
        now - self.last >= self.every
    }

    /// Writes the record with what is known so far. Its counts say which lines of the log its figures cover.
    pub(crate) fn checkpoint(
        &mut self,
        now: Stamp,
        record: &mut Record,
        basis: &Basis,
        journal: &mut dyn Journal,
    ) -> Result<(), LoadError> {
        self.last = now;
        record.metrics = self.soak.figures(basis);
        record.updated_at = WallTime::now().to_string();
        record.duration_s = (now - self.begin).as_secs_f64();
        if let Some(load) = record.phases.first_mut() {
            load.tally = self.tally;
            load.duration_s = Some(record.duration_s);
        }
        // The lines that the record speaks of are on disk before it is.
        journal.mark()?;
        journal.checkpoint(record)?;
        Ok(())
    }

    fn take(&mut self, event: &RunEvent) {
        match event {
            RunEvent::Request(row) => {
                self.soak.push(row);
                self.tally.count(row);
            }
            RunEvent::Resource { sample, .. } => self.soak.push_sample(sample),
            RunEvent::Telemetry { seen: Telemetry::Tree(sample), .. } => self.soak.push_tree(sample),
            _ => {}
        }
    }
}

/// A journal whose lines a watch sees too.
pub(crate) struct Overheard<'a> {
    pub(crate) journal: &'a mut dyn Journal,
    pub(crate) watch: Option<&'a mut Watch>,
}

impl Sink for Overheard<'_> {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        self.journal.event(event)?;
        if let Some(watch) = &mut self.watch {
            watch.take(event);
        }
        Ok(())
    }

    fn checkpoint(&mut self, record: &Record) -> Result<(), SinkError> {
        self.journal.checkpoint(record)
    }
}

impl Journal for Overheard<'_> {
    fn mark(&mut self) -> Result<u64, SinkError> {
        self.journal.mark()
    }

    fn replay(&mut self, from: u64, each: &mut dyn FnMut(LogLine)) -> Result<(), SinkError> {
        self.journal.replay(from, each)
    }
}

/// What a soak found, by the project's one rule for growth and by the intervals of its trends.
pub(crate) fn findings(record: &Record) -> Vec<Finding> {
    let mut findings = Vec::new();
    let slopes = record.metrics.iter().filter(|metric| metric.name == define::SOAK_MEMORY_GROWTH.name);
    findings.extend(slopes.map(|slope| memory(record, slope)));
    let trends = [&define::TTFT_TREND, &define::E2E_TREND, &define::ERROR_TREND, &define::THROUGHPUT_TREND];
    for definition in trends {
        let metric = record.metrics.iter().find(|metric| metric.name == definition.name);
        findings.extend(metric.and_then(|metric| drift(definition.title, definition.direction, metric)));
    }
    findings
}

fn memory(record: &Record, slope: &Metric) -> Finding {
    let process = slope.cell.get(PROCESS).unwrap_or("process");
    let growth = Growth::of_soak(&record.metrics, process);
    let verdict = growth.map_or(GrowthVerdict::Unclear, |growth| growth.verdict());
    let kind = match verdict {
        GrowthVerdict::Flat | GrowthVerdict::LevelledOff => FindingKind::Strength,
        GrowthVerdict::Leak | GrowthVerdict::Slow => FindingKind::Weakness,
        GrowthVerdict::Unclear => FindingKind::Limitation,
    };
    let told = match (slope.value, &slope.interval) {
        (Some(value), Some(interval)) => {
            format!(" ({value:.1} bytes per request, {:.1} to {:.1})", interval.low, interval.high)
        }
        _ => slope.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default(),
    };
    finding("memory-growth", kind, format!("memory of the {process}: {}{told}", verdict.words()), slope)
}

/// A drift whose interval leaves zero out is told; what may be none is not.
fn drift(title: &str, direction: define::Direction, metric: &Metric) -> Option<Finding> {
    let (value, interval) = (metric.value?, metric.interval.as_ref()?);
    let (rises, falls) = (interval.low > 0.0, interval.high < 0.0);
    if !rises && !falls {
        return None;
    }
    let is_worse = match direction {
        define::Direction::Lower => rises,
        define::Direction::Higher => falls,
        define::Direction::Neutral => false,
    };
    let kind = if is_worse { FindingKind::Weakness } else { FindingKind::Strength };
    let text = format!("{title}: {value:+.3} {} ({:+.3} to {:+.3})", metric.unit, interval.low, interval.high);
    Some(finding("drift", kind, text, metric))
}

fn finding(rule: &str, kind: FindingKind, text: String, metric: &Metric) -> Finding {
    Finding {
        rule: rule.to_owned(),
        kind,
        priority: None,
        impact: None,
        text,
        evidence: vec![MetricPointer { key: metric.key(), cell: metric.cell.clone() }],
    }
}
