//! What the event log says of the figures.

use std::collections::BTreeMap;

use weighbridge_summary::{
    Basis, LoadPlan, LoadSummary, Rows, TimeBins, figure_cell, start_metrics, start_tally, summarize, tally,
};
use weighbridge_telemetry::{WatchSettings, Watched};
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{Phase, Record, Status};
use weighbridge_types::request::RequestRow;
use weighbridge_types::telemetry::Telemetry;

use super::{Checker, is_close, shown};

impl Checker<'_> {
    /// Recomputes every figure that follows from the rows, and the counts of requests.
    pub(super) fn rows(&mut self, rows: &Rows) {
        let record = self.record;
        let covered = covered(record, rows);
        let rows = covered.as_ref().unwrap_or(rows);
        for row in &rows.requests {
            let cell = figure_cell(&row.cell);
            let stated = format!("request {} [{cell}]", row.id);
            self.field(row.timeline.is_ordered(), "timeline-ordered", "events", stated, "stamps in order");
        }
        self.tallies(rows);
        let basis = Basis::new(record.seed, &record.engine);
        let mut recomputed: BTreeMap<(String, Cell), Metric> = BTreeMap::new();
        for metric in self.figures(rows, &basis) {
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

    /// Every figure that follows from the rows, as the run computed them: a load by the plan that it was made by.
    fn figures(&mut self, rows: &Rows, basis: &Basis) -> Vec<Metric> {
        if !rows.starts.is_empty() {
            return start_metrics(&rows.starts, basis);
        }
        if self.record.phase(Phase::Load).is_none() {
            return summarize(rows, basis);
        }
        let plan = self.record.settings.get("plan").cloned().unwrap_or_default();
        let Ok(plan) = serde_json::from_value::<LoadPlan>(plan) else {
            // A load of another tool has none, and its figures are that tool's.
            self.field(rows.requests.is_empty(), "plan", "settings.plan", "none", "the plan that the figures rest on");
            return Vec::new();
        };
        let mut bins = TimeBins::new(&plan);
        rows.requests.iter().for_each(|row| bins.push(row));
        let stages = bins.stages();
        let mut summary = LoadSummary::new(&stages, &plan, basis);
        rows.requests.iter().for_each(|row| summary.push(row));
        rows.samples.iter().for_each(|(_, sample)| summary.push_sample(sample));
        for seen in &rows.telemetry {
            if let Telemetry::Tree(sample) = seen {
                summary.push_tree(sample);
            }
        }
        let figures = summary.finish();
        let mut watched = Watched::new(stages.windows());
        rows.telemetry.iter().for_each(|seen| watched.push(seen.clone()));
        let mut metrics = figures.metrics;
        metrics.extend(watched.metrics(&figures.windows, &self.watch_settings()));
        metrics
    }

    /// What the run says that it watched; nothing in records from before it could.
    fn watch_settings(&self) -> WatchSettings {
        let stored = self.record.settings.get("watch").cloned();
        stored.and_then(|stored| serde_json::from_value(stored).ok()).unwrap_or_default()
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

    fn tallies(&mut self, rows: &Rows) {
        for result in &self.record.phases {
            if result.phase == Phase::Validate || result.status != Status::Complete {
                continue;
            }
            let of_phase = rows.requests.iter().filter(|row| row.cell.get("phase") == Some(result.phase.name()));
            let counted = if rows.starts.is_empty() { tally(of_phase) } else { start_tally(&rows.starts) };
            let subject = format!("phases.{}", result.phase);
            let words = |tally: &weighbridge_types::record::Tally| {
                format!("{} scheduled, {} succeeded, {} failed", tally.scheduled, tally.succeeded, tally.failed)
            };
            self.field(counted == result.tally, "recomputed-tally", &subject, words(&result.tally), words(&counted));
        }
    }
}

/// The rows that a record under way speaks of: its log goes on after its last checkpoint. `None` for all of them.
fn covered(record: &Record, rows: &Rows) -> Option<Rows> {
    let load = record.phase(Phase::Load).filter(|load| load.status == Status::Running)?;
    let mut left = load.tally.scheduled;
    let is_covered = |row: &&RequestRow| {
        let is_covered = left > 0;
        left -= u64::from(is_covered && !row.warmup);
        is_covered
    };
    let requests = rows.requests.iter().take_while(is_covered).cloned().collect();
    Some(Rows { requests, ..rows.clone() })
}

fn described(metric: &Metric) -> String {
    metric.value.map_or_else(|| "null".to_owned(), shown)
}
