//! The loads of a run as points of a chart: how large each was, and whether the target carried it.

use weighbridge_summary::{ANSWERS, LoadKind, LoadPlan};
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{Phase, Record, Verdict};

use crate::view::{cell_words, cells_with_any};

/// What the loads of a run differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Varied {
    /// Requests held in flight.
    Concurrency,
    /// Requests that start per second.
    Rate,
}

impl Varied {
    /// The quantity with its unit, as an axis says it.
    pub(super) const fn axis(self) -> &'static str {
        match self {
            Self::Concurrency => "requests held in flight",
            Self::Rate => "offered rate, requests/s",
        }
    }

    /// The metric with which a search for this quantity ends.
    pub(super) const fn capacity(self) -> &'static Definition {
        match self {
            Self::Concurrency => &d::CAPACITY_CONCURRENCY,
            Self::Rate => &d::CAPACITY,
        }
    }
}

/// One load.
#[derive(Debug)]
pub(super) struct Point<'a> {
    record: &'a Record,
    /// Its figures' cell.
    pub(super) cell: Cell,
    /// `4 in flight`, `rate 10`.
    pub(super) name: String,
    /// What it differs in, and how large it is.
    pub(super) size: Option<(Varied, f64)>,
    /// Why the target did not carry it, where it did not.
    pub(super) missed: Option<String>,
}

impl<'a> Point<'a> {
    /// A figure of this load.
    pub(super) fn metric(&self, of: &Definition, statistic: Statistic) -> Option<&'a Metric> {
        let wanted = |m: &&Metric| m.name == of.name && m.statistic == statistic && m.cell == self.cell;
        self.record.metrics.iter().find(wanted)
    }

    /// The mean, or the single value, of a figure; with its value.
    pub(super) fn typical(&self, of: &Definition) -> Option<(f64, &'a Metric)> {
        let metric = self.metric(of, Statistic::Mean).or_else(|| self.metric(of, Statistic::Value))?;
        Some((metric.value?, metric))
    }
}

/// The loads of a run, in ascending order.
pub(super) fn points(record: &Record) -> Vec<Point<'_>> {
    let plan = plan(record);
    let cells = cells_with_any(record, Phase::Load, d::REQUEST_THROUGHPUT.name);
    // Golden answers are made one at a time, whatever the loads are.
    let cells = cells.into_iter().filter(|cell| cell.get(ANSWERS).is_none());
    cells.map(|cell| point(record, cell, plan.as_ref())).collect()
}

/// The settings that the figures rest on; a load of another tool has none.
pub(super) fn plan(record: &Record) -> Option<LoadPlan> {
    serde_json::from_value(record.settings.get("plan")?.clone()).ok()
}

fn point<'a>(record: &'a Record, cell: Cell, plan: Option<&LoadPlan>) -> Point<'a> {
    let name = match cell_words(&cell) {
        words if words.is_empty() => "the load".to_owned(),
        words => words,
    };
    let mut point = Point { record, cell, name, size: None, missed: None };
    let stated = |key: &str| point.cell.get(key).and_then(|text| text.parse::<f64>().ok());
    let offered = || point.typical(&d::OFFERED_RATE).map(|(rate, _)| rate);
    point.size = match stated("concurrency") {
        Some(level) => Some((Varied::Concurrency, level)),
        None => offered().or_else(|| stated("rate")).map(|rate| (Varied::Rate, rate)),
    };
    point.size = point.size.filter(|(_, size)| size.is_finite() && *size > 0.0);
    point.missed = missed(record, &point.cell, plan);
    point
}

/// Why a load was not carried. A search keeps the verdicts of its capacity alone, so that the loads beyond it are judged
/// here again, by the rule of the search: each limit by its interval, and in open loop no queue that grows.
fn missed(record: &Record, cell: &Cell, plan: Option<&LoadPlan>) -> Option<String> {
    let kept = record.targets.iter().find(|target| target.metric.cell == *cell && target.verdict == Verdict::Missed);
    if let Some(target) = kept {
        return Some(format!("{}: {}", target.name, target.because));
    }
    let plan = plan?;
    let judged = plan.slo.judge(&record.metrics, cell, plan.good_share);
    if let Some(target) = judged.into_iter().find(|target| target.verdict == Verdict::Missed) {
        return Some(format!("{}: {}", target.name, target.because));
    }
    let is_search = record.metrics.iter().any(|metric| metric.name == d::CAPACITY.name);
    let is_slope = |metric: &&Metric| metric.name == d::IN_FLIGHT_SLOPE.name && metric.cell == *cell;
    let slope = record.metrics.iter().find(is_slope)?.interval.as_ref()?;
    let grows = is_search && plan.kind == LoadKind::Open && slope.low > 0.0;
    grows.then(|| format!("requests in flight grow by {:.2} to {:.2} per second", slope.low, slope.high))
}
