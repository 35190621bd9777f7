//! A load run as the load room leaves it: rows from a fixed recipe, figures and verdicts from the summary room.

use std::time::Duration;

use weighbridge_summary::{Basis, LoadKind, LoadPlan, LoadSummary, Rows, Steady, TimeBins, Warmup};
use weighbridge_types::definition as d;
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Statistic};
use weighbridge_types::record::{MetricPointer, Phase, PhaseResult, Record, Status};
use weighbridge_types::request::{
    Channel, FailureClass, FinishReason, FrameStamp, Outcome, RequestRow, Timeline, Usage,
};
use weighbridge_types::time::Stamp;

use crate::sample;

/// Output tokens of every answer.
const TOKENS: u32 = 8;
/// Seconds of each load.
const LENGTH_S: f64 = 4.0;

/// One load of the recipe.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Requests per second.
    pub(crate) rate: u32,
    pub(crate) ttft_ms: f64,
    pub(crate) gap_ms: f64,
    /// Every request with a number that this divides fails; 0 fails none.
    pub(crate) failing: u64,
}

/// Three loads, of which the last is too much.
pub(crate) const LOADS: [Load; 3] = [
    Load { rate: 20, ttft_ms: 30.0, gap_ms: 5.0, failing: 0 },
    Load { rate: 40, ttft_ms: 45.0, gap_ms: 8.0, failing: 0 },
    Load { rate: 80, ttft_ms: 420.0, gap_ms: 21.0, failing: 9 },
];

/// Moves the stamps of a request apart, the same way at every run: 0.8 to 1.2.
fn jitter(id: u64) -> f64 {
    0.8 + 0.4 * (id.wrapping_mul(2_654_435_761) % 1_000) as f64 / 1_000.0
}

fn row(load: Load, id: u64, start_ms: f64) -> RequestRow {
    let at = |ms: f64| Stamp::from_nanos((1e6 * (start_ms + ms)) as u64);
    let ttft = load.ttft_ms * jitter(id);
    let is_failing = load.failing > 0 && id.is_multiple_of(load.failing);
    let frame = |index: u32| FrameStamp {
        at: at(0.5 + ttft + load.gap_ms * jitter(id + u64::from(index)) * f64::from(index)),
        tokens: 1,
        channel: Channel::Answer,
    };
    let frames: Vec<FrameStamp> = if is_failing { Vec::new() } else { (0..TOKENS).map(frame).collect() };
    let mut frames = frames;
    frames.sort_by_key(|frame| frame.at);
    let last = frames.last().map(|frame| frame.at);
    let timeline = Timeline {
        planned: at(0.0),
        released: at(0.1),
        connected: id.is_multiple_of(4).then(|| at(0.25)),
        first_byte_written: Some(at(0.4)),
        sent: Some(at(0.45)),
        headers: (!is_failing).then(|| at(0.6 + 0.4 * ttft)),
        ended: Some(last.map_or(at(3.0), |last| Stamp::from_nanos(last.as_nanos() + 60_000))),
        frames,
    };
    let outcome = if is_failing {
        Outcome::Failed { class: FailureClass::ServerError, message: "status 503".into() }
    } else {
        Outcome::Succeeded { finish: FinishReason::Length }
    };
    let cell = Cell::of(Phase::Load).with("rate", load.rate);
    RequestRow {
        planned_input_tokens: Some(32),
        usage: (!is_failing).then(|| Usage { input_tokens: 32, output_tokens: TOKENS, ..Usage::default() }),
        ..RequestRow::new(id, cell, TOKENS, timeline, outcome)
    }
}

/// The rows of the loads, one load after the other.
pub(crate) fn rows(loads: &[Load]) -> Rows {
    let mut rows = Rows::default();
    let mut begin_ms = 100.0;
    for load in loads {
        let count = (LENGTH_S * f64::from(load.rate)) as u32;
        for index in 0..count {
            let start = begin_ms + f64::from(index) * 1e3 / f64::from(load.rate);
            rows.requests.push(row(*load, rows.requests.len() as u64, start));
        }
        begin_ms += 1e3 * LENGTH_S + 2_000.0;
    }
    rows
}

fn plan() -> LoadPlan {
    LoadPlan {
        kind: LoadKind::Open,
        warmup: Warmup::Time(Duration::from_millis(500)),
        schedule: Some(Duration::from_secs_f64(LENGTH_S)),
        slo: "mean.ttft<200ms,error<5%".parse().unwrap(),
        ..LoadPlan::default()
    }
}

/// The record that belongs to rows; with what a search would have found between the second and the third load.
pub(crate) fn record(rows: &Rows, with_capacity: bool) -> Record {
    let plan = plan();
    let mut record = sample::record();
    let basis = Basis::new(record.seed, &record.engine);
    let mut bins = TimeBins::new(&plan);
    rows.requests.iter().for_each(|row| bins.push(row));
    let stages = bins.stages();
    assert!(stages.iter().all(|(_, stages)| !matches!(stages.steady, Steady::No { .. })));
    let mut summary = LoadSummary::new(&stages, &plan, &basis);
    rows.requests.iter().for_each(|row| summary.push(row));
    let figures = summary.finish();
    record.targets =
        stages.iter().flat_map(|(cell, _)| plan.slo.judge(&figures.metrics, cell, plan.good_share)).collect();
    record.metrics = figures.metrics;
    if with_capacity {
        record.metrics.push(capacity());
    }
    (record.kind, record.label) = ("load".into(), "load".into());
    record.run_id = "20260301T123000Z-load-load".into();
    record.settings = serde_json::json!({ "plan": serde_json::to_value(&plan).unwrap() });
    record.findings.clear();
    record.phases = vec![PhaseResult {
        phase: Phase::Load,
        status: Status::Complete,
        attempt: 1,
        started_at: Some("2026-03-01T12:30:00.250Z".into()),
        duration_s: Some(18.0),
        estimated_s: None,
        key_metric: record
            .metrics
            .iter()
            .find(|metric| metric.name == d::REQUEST_THROUGHPUT.name)
            .map(|metric| MetricPointer { key: metric.key(), cell: metric.cell.clone() }),
        tally: figures.tally,
        checks: Vec::new(),
        notes: figures.notes,
    }];
    record.duration_s = 18.0;
    record
}

fn capacity() -> Metric {
    let interval = MetricInterval { low: 40.0, high: 80.0, confidence: 0.95, method: "search_bracket".to_owned() };
    Metric::measured(&d::CAPACITY, Statistic::Value, &Cell::of(Phase::Load), 40.0, 3).with_interval(interval)
}
