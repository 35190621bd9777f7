//! What a stream of events says: whether attacks were seen, how soon, and what that asks of analysts.

use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::{Phase, Record};

use super::matrix::{Measure, cells_by_measures, cells_with, list};
use super::{Table, Tone};

const DETECTION: &[Measure] = &[
    Measure::typical(&d::ACCURACY, "accuracy"),
    Measure::typical(&d::FPR, "FPR"),
    Measure::typical(&d::RECALL, "recall"),
    Measure::typical(&d::PRECISION, "precision"),
    Measure::typical(&d::F1, "f1"),
    Measure::typical(&d::MCC, "mcc"),
];

const LATENCY: &[Measure] = &[
    Measure::at(&d::VERDICT_LATENCY, &[Statistic::P50], "p50"),
    Measure::at(&d::VERDICT_LATENCY, &[Statistic::P90], "p90"),
    Measure::at(&d::VERDICT_LATENCY, &[Statistic::P95], "p95"),
    Measure::at(&d::VERDICT_LATENCY, &[Statistic::P99], "p99"),
    Measure::at(&d::VERDICT_LATENCY, &[Statistic::Max], "longest"),
];

const OF_LABELS: &[Measure] = &[Measure::typical(&d::RECALL, "recall")];

const OF_ROUTES: &[Measure] = &[Measure::typical(&d::PREDICTIONS_PER_HOUR, "")];

const OUTCOMES: &[Measure] = &[Measure::typical(&d::EVENTS, "")];

/// Figures of the whole stream, in the order of their list.
const DESK: &[&Definition] = &[
    &d::VERDICTS_PER_HOUR,
    &d::ALERTS_PER_HOUR,
    &d::FALSE_ALERTS_PER_HOUR,
    &d::ALERTS_HOUR_MAX,
    &d::ALERTS_REPEATED,
    &d::ALERTS_UNSEEN,
    &d::INCIDENTS,
    &d::INCIDENTS_DETECTED,
    &d::TIME_TO_DETECT,
    &d::UPTIME,
    &d::VERDICT_RATE,
    &d::BACKLOG,
    &d::SHED,
    &d::OUT_OF_ORDER,
    &d::LATE_EVENTS,
];

const PROCESS: &[&Definition] = &[
    &d::RSS_PEAK,
    &d::RSS_MEAN,
    &d::RSS_BASELINE,
    &d::MEMORY_EFFICIENCY,
    &d::CPU_PEAK,
    &d::CPU_USED,
    &d::CPU_LEAST,
    &d::HOST_TEMPERATURE,
];

/// The tables of a stream.
pub(super) fn tables(record: &Record) -> Vec<Table> {
    let of = |definitions: &'static [&Definition]| {
        definitions.iter().flat_map(|definition| {
            record.metrics_of(Phase::Stream).filter(move |metric| metric.name == definition.name)
        })
    };
    vec![
        table(record, "events", "Attack or not, with 95 % intervals over blocks of time", DETECTION, |cell| {
            cell.get("label").is_none()
        }),
        table(record, "events", "From the planned arrival of an event to its verdict", LATENCY, |_| true),
        list("The desk", of(DESK)),
        table(record, "kind of attack", "Attacks that raised an alert", OF_LABELS, |cell| cell.get("label").is_some()),
        table(record, "model", "Verdicts by model", OF_ROUTES, |cell| cell.get("route").is_some()),
        table(record, "outcome", "What became of the events", OUTCOMES, |_| true),
        list("Memory and processor of this program", of(PROCESS)),
    ]
}

fn table(record: &Record, label: &str, caption: &str, measures: &[Measure], is_shown: impl Fn(&Cell) -> bool) -> Table {
    let mut cells = cells_with(record, Phase::Stream, measures);
    cells.retain(is_shown);
    let mut table = cells_by_measures(record, label, measures, &cells);
    table.caption = caption.to_owned();
    for first in table.rows.iter_mut().filter_map(|row| row.first_mut()) {
        if first.text.is_empty() {
            first.text.push_str("all");
        }
        if first.text == "over=answered" {
            "with a verdict".clone_into(&mut first.text);
        }
        first.tone = Tone::Strong;
    }
    table
}
