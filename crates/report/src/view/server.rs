//! What was seen of the server beside a load: its own figures next to the client's, devices, energy and cost.

use weighbridge_types::definition as d;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::Record;

use super::Table;
use super::matrix::{Measure, measures_by_cells};
use crate::number;

const SERVER: &[Measure] = &[
    Measure::typical(&d::SERVER_RUNNING, "running"),
    Measure::at(&d::SERVER_RUNNING, &[Statistic::Max], "running, most"),
    Measure::typical(&d::SERVER_WAITING, "waiting"),
    Measure::at(&d::SERVER_WAITING, &[Statistic::Max], "waiting, most"),
    Measure::typical(&d::SERVER_KV_USAGE, "KV cache in use"),
    Measure::at(&d::SERVER_KV_USAGE, &[Statistic::Max], "KV cache in use, most"),
    Measure::typical(&d::SERVER_PREFIX_HITS, "prefix cache hits"),
    Measure::typical(&d::CACHE_HIT, "cached by usage"),
    Measure::typical(&d::SERVER_PREEMPTIONS, "preemptions"),
    Measure::typical(&d::SERVER_FINISHED, "finished by the server"),
    Measure::typical(&d::SERVER_OUTPUT_RATE, "output by the server"),
    Measure::typical(&d::OUTPUT_THROUGHPUT, "output by the client"),
    Measure::at(&d::SERVER_TTFT, &[Statistic::P50], "TTFT p50 by the server"),
    Measure::at(&d::TTFT, &[Statistic::P50], "TTFT p50 by the client"),
    Measure::at(&d::SERVER_TTFT, &[Statistic::P99], "TTFT p99 by the server"),
    Measure::at(&d::TTFT, &[Statistic::P99], "TTFT p99 by the client"),
    Measure::at(&d::SERVER_ITL, &[Statistic::P50], "ITL p50 by the server"),
    Measure::at(&d::ITL, &[Statistic::P50], "ITL p50 by the client"),
    Measure::at(&d::SERVER_ITL, &[Statistic::P99], "ITL p99 by the server"),
    Measure::at(&d::ITL, &[Statistic::P99], "ITL p99 by the client"),
    Measure::at(&d::SERVER_QUEUE_TIME, &[Statistic::P50], "queue time p50"),
    Measure::at(&d::SERVER_QUEUE_TIME, &[Statistic::P99], "queue time p99"),
    Measure::at(&d::SERVER_MEMORY, &[Statistic::Max], "resident memory, most"),
];

const PROCESSES: &[Measure] = &[
    Measure::at(&d::TREE_RSS, &[Statistic::Max], "resident memory, most"),
    Measure::at(&d::TREE_RSS_GROWTH, &[Statistic::Slope], "memory growth"),
    Measure::at(&d::TREE_PSS, &[Statistic::Max], "proportional memory, most"),
    Measure::at(&d::TREE_THREADS, &[Statistic::Max], "threads, most"),
    Measure::at(&d::TREE_OPEN_FILES, &[Statistic::Max], "open files, most"),
    Measure::typical(&d::TREE_CPU, "CPU"),
];

const DEVICES: &[Measure] = &[
    Measure::typical(&d::GPU_UTILIZATION, "GPU utilization"),
    Measure::at(&d::GPU_MEMORY, &[Statistic::Max], "GPU memory, most"),
    Measure::typical(&d::GPU_POWER, "GPU power"),
    Measure::at(&d::GPU_TEMPERATURE, &[Statistic::Max], "GPU temperature, most"),
    Measure::typical(&d::GPU_CLOCK, "GPU clock"),
    Measure::typical(&d::GPU_THROTTLED, "GPU throttled"),
    Measure::at(&d::GPU_XID, &[Statistic::Max], "GPU error"),
    Measure::typical(&d::ENERGY_GPU, "GPU energy"),
    Measure::typical(&d::GPU_JOULES_PER_TOKEN, "GPU energy per token"),
    Measure::typical(&d::ENERGY_HOST, "host energy"),
    Measure::typical(&d::HOST_JOULES_PER_TOKEN, "host energy per token"),
    Measure::typical(&d::COST_OUTPUT, "per million output tokens"),
    Measure::typical(&d::COST_INPUT, "per million prompt tokens"),
    Measure::typical(&d::COST_TOTAL, "per million tokens"),
];

/// What watching cost the client's host.
fn cost_words(record: &Record) -> Option<String> {
    let of_watch = record.metrics.iter().filter(|metric| metric.name == d::WATCH_COST.name);
    let cost = |metric: &Metric| {
        let watch = metric.cell.get("watch")?.replace('_', " ");
        Some(format!("{watch} {}", number::significant(metric.value?, 2)))
    };
    let costs: Vec<String> = of_watch.filter_map(cost).collect();
    (!costs.is_empty()).then(|| format!("watching took, % of one core: {}", costs.join(", ")))
}

/// What no load knows, by the reason.
fn unknown_words(record: &Record, cells: &[Cell], unknown: &[Measure]) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for measure in unknown {
        let metric = cells.iter().find_map(|cell| measure.find(record, cell));
        let reason = metric.and_then(|metric| metric.reason.as_deref()).unwrap_or("no reason is known");
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, headings)) => headings.push(measure.heading),
            None => reasons.push((reason, vec![measure.heading])),
        }
    }
    reasons.into_iter().map(|(reason, headings)| format!("no {}: {reason}", headings.join(", "))).collect()
}

/// The tables of the server side of these loads; empty ones where nothing was watched.
pub(super) fn tables(record: &Record, cells: &[Cell]) -> Vec<Table> {
    let is_known = |measure: &Measure| {
        cells.iter().any(|cell| measure.find(record, cell).is_some_and(|metric| metric.value.is_some()))
    };
    let is_held = |measure: &Measure| cells.iter().any(|cell| measure.find(record, cell).is_some());
    // The client's figures stand beside the server's, and not alone.
    let is_beside = |measure: &Measure| {
        let server = match measure.definition.name {
            name if name == d::TTFT.name => &d::SERVER_TTFT,
            name if name == d::ITL.name => &d::SERVER_ITL,
            name if name == d::OUTPUT_THROUGHPUT.name => &d::SERVER_OUTPUT_RATE,
            name if name == d::CACHE_HIT.name => return is_known(measure),
            _ => return is_held(measure),
        };
        let beside = Measure { definition: server, ..*measure };
        is_known(&beside) && is_held(measure)
    };
    let has_server = is_held(&SERVER[0]);
    let group = |caption: &str, measures: &[Measure], wanted: bool| {
        let held: Vec<Measure> = measures.iter().filter(|measure| wanted && is_beside(measure)).copied().collect();
        let (shown, unknown): (Vec<Measure>, Vec<Measure>) = held.into_iter().partition(|measure| is_known(measure));
        let mut table = measures_by_cells(record, caption.to_owned(), &shown, cells);
        table.remarks.extend(unknown_words(record, cells, &unknown));
        super::phases::drop_empty_columns(&mut table);
        table
    };
    let mut tables = vec![
        group("Server side, by the server's own metrics in the steady window", SERVER, has_server),
        group("Server side: its processes", PROCESSES, true),
        group("Server side: devices, energy and cost", DEVICES, true),
    ];
    tables.retain(|table| !table.rows.is_empty());
    if let Some(table) = tables.first_mut() {
        table.remarks.extend(cost_words(record));
    }
    tables
}
