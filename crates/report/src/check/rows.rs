//! What the event log says of the figures.

use std::collections::BTreeMap;
use std::convert::Infallible;

use weighbridge_summary::{
    Basis, LoadPlan, LoadSummary, Rows, TimeBins, figure_cell, start_metrics, start_tally, summarize, tally,
};
use weighbridge_telemetry::{WatchSettings, Watched};
use weighbridge_types::breach::Marks;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{LogLine, Phase, PhaseResult, Record, Status, Tally};
use weighbridge_types::request::RequestRow;
use weighbridge_types::telemetry::Telemetry;

use super::{Checker, is_close, shown};

impl Checker<'_> {
    /// Recomputes every figure that follows from the rows, and the counts of requests.
    pub(super) fn rows(&mut self, rows: &Rows) {
        let record = self.record;
        if record.phase(Phase::Load).is_some() {
            let lines = |each: &mut dyn FnMut(LogLine)| -> Result<(), Infallible> {
                rows.requests.iter().for_each(|row| each(LogLine::Request(Box::new(row.clone()))));
                rows.starts.iter().for_each(|row| each(LogLine::Start(row.clone())));
                rows.samples.iter().for_each(|&(phase, sample)| each(LogLine::Resource { phase, sample }));
                let seen = rows.telemetry.iter().cloned();
                seen.for_each(|seen| each(LogLine::Telemetry { phase: Phase::Load, seen }));
                Ok(())
            };
            let Ok(()) = self.load_log(lines);
            return;
        }
        rows.requests.iter().for_each(|row| self.row(row));
        for result in &record.phases {
            let of_phase = rows.requests.iter().filter(|row| row.cell.get("phase") == Some(result.phase.name()));
            self.tally(result, &tally(of_phase));
        }
        self.figures(summarize(rows, &Basis::new(record.seed, &record.engine)));
    }

    /// The same for the log of a load, which is read twice and never held; `replay` hands over its lines as written.
    ///
    /// # Errors
    /// When `replay` fails.
    pub(super) fn load_log<E>(
        &mut self,
        mut replay: impl FnMut(&mut dyn FnMut(LogLine)) -> Result<(), E>,
    ) -> Result<(), E> {
        let record = self.record;
        let basis = Basis::new(record.seed, &record.engine);
        let plan = self.plan();
        let (mut bins, mut marks) = (TimeBins::new(&plan.clone().unwrap_or_default()), Marks::default());
        let (mut starts, mut is_covered) = (Vec::new(), covered(record));
        replay(&mut |line| {
            marks.take(&line);
            match line {
                LogLine::Request(row) => {
                    self.row(&row);
                    if is_covered(&row) {
                        bins.push(&row);
                    }
                }
                LogLine::Start(row) => starts.push(row),
                _ => {}
            }
        })?;
        if !starts.is_empty() {
            record.phases.iter().for_each(|result| self.tally(result, &start_tally(&starts)));
            self.figures(start_metrics(&starts, &basis));
            return Ok(());
        }
        let Some(plan) = plan else {
            self.without_plan(self.report.requests.unwrap_or_default());
            return Ok(());
        };
        let stages = bins.stages();
        let mut summary = LoadSummary::new(&stages, &plan, &basis);
        let (mut watched, mut is_covered) = (Watched::new(stages.windows()), covered(record));
        replay(&mut |line| match line {
            LogLine::Request(mut row) => {
                marks.mark(&mut row);
                if is_covered(&row) {
                    summary.push(&row);
                }
            }
            LogLine::Resource { sample, .. } => summary.push_sample(&sample),
            LogLine::Telemetry { seen, .. } => {
                if let Telemetry::Tree(sample) = &seen {
                    summary.push_tree(sample);
                }
                watched.push(seen);
            }
            _ => {}
        })?;
        let figures = summary.finish();
        if let Some(result) = record.phase(Phase::Load) {
            self.tally(result, &figures.tally);
        }
        let mut metrics = figures.metrics;
        metrics.extend(watched.metrics(&figures.windows, &self.watch_settings()));
        self.figures(metrics);
        Ok(())
    }

    fn row(&mut self, row: &RequestRow) {
        self.report.requests = Some(self.report.requests.unwrap_or_default() + 1);
        if row.timeline.is_ordered() {
            self.report.checked += 1;
            return;
        }
        let stated = format!("request {} [{}]", row.id, figure_cell(&row.cell));
        self.field(false, "timeline-ordered", "events", stated, "stamps in order");
    }

    /// Compares the figures of the record with those recomputed.
    fn figures(&mut self, figures: Vec<Metric>) {
        let record = self.record;
        let mut recomputed: BTreeMap<(String, Cell), Metric> = BTreeMap::new();
        for metric in figures {
            recomputed.insert((metric.key(), metric.cell.clone()), metric);
        }
        for metric in &record.metrics {
            if let Some(expected) = recomputed.remove(&(metric.key(), metric.cell.clone())) {
                self.compare(metric, &expected);
            }
        }
        recomputed.retain(|(_, cell), _| self.is_finished(cell));
        for expected in recomputed.values() {
            self.of_metric(false, "figure-left-out", expected, "not in the record", described(expected));
        }
    }

    /// What the run says that it watched; nothing in records from before it could.
    fn watch_settings(&self) -> WatchSettings {
        let stored = self.record.settings.get("watch").cloned();
        stored.and_then(|stored| serde_json::from_value(stored).ok()).unwrap_or_default()
    }

    fn plan(&self) -> Option<LoadPlan> {
        serde_json::from_value(self.record.settings.get("plan").cloned().unwrap_or_default()).ok()
    }

    /// A load of another tool has no plan, and its figures are that tool's.
    fn without_plan(&mut self, requests: u64) {
        self.field(requests == 0, "plan", "settings.plan", "none", "the plan that the figures rest on");
    }

    /// Only a phase that came to its end has all its figures.
    fn is_finished(&self, cell: &Cell) -> bool {
        self.record
            .phases
            .iter()
            .any(|result| cell.get("phase") == Some(result.phase.name()) && result.status == Status::Complete)
    }

    fn compare(&mut self, metric: &Metric, expected: &Metric) {
        let holds = match (metric.value, expected.value) {
            (Some(stated), Some(value)) => is_close(stated, value),
            (None, None) => true,
            _ => false,
        };
        self.of_metric(holds, "recomputed-value", metric, described(metric), described(expected));
        self.of_metric(metric.n == expected.n, "recomputed-count", metric, metric.n, expected.n);
        let has_doubts = expected.flags.iter().all(|flag| metric.flags.contains(flag));
        self.of_metric(has_doubts, "doubts", metric, format!("{:?}", metric.flags), format!("{:?}", expected.flags));
        if let (Some(stated), Some(interval)) = (&metric.interval, &expected.interval) {
            let holds = is_close(stated.low, interval.low) && is_close(stated.high, interval.high);
            let ends = |low, high| format!("{} to {}", shown(low), shown(high));
            self.of_metric(
                holds,
                "recomputed-interval",
                metric,
                ends(stated.low, stated.high),
                ends(interval.low, interval.high),
            );
        } else {
            let holds = metric.interval.is_some() == expected.interval.is_some();
            let words = |metric: &Metric| if metric.interval.is_some() { "an interval" } else { "no interval" };
            self.of_metric(holds, "recomputed-interval", metric, words(metric), words(expected));
        }
    }

    fn tally(&mut self, result: &PhaseResult, counted: &Tally) {
        // The documents of an evaluation are not among the rows: they may be millions.
        let has_rows = !matches!(result.phase, Phase::Validate | Phase::Evaluate | Phase::Stream);
        if !has_rows || result.status != Status::Complete {
            return;
        }
        let subject = format!("phases.{}", result.phase);
        let words = |tally: &Tally| {
            format!("{} scheduled, {} succeeded, {} failed", tally.scheduled, tally.succeeded, tally.failed)
        };
        self.field(*counted == result.tally, "recomputed-tally", &subject, words(&result.tally), words(counted));
    }
}

/// Which rows, in the order of the log, a record speaks of: the log of one under way goes on after its last checkpoint.
fn covered(record: &Record) -> impl FnMut(&RequestRow) -> bool + use<> {
    let running = record.phase(Phase::Load).filter(|load| load.status == Status::Running);
    let mut left = running.map_or(u64::MAX, |load| load.tally.scheduled);
    move |row| {
        let is_covered = left > 0;
        left -= u64::from(is_covered && !row.warmup);
        is_covered
    }
}

fn described(metric: &Metric) -> String {
    metric.value.map_or_else(|| "null".to_owned(), shown)
}
