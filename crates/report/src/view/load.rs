//! What a load run says: what the target carried, how fast, where the time went, and whether that can be trusted.

use weighbridge_types::definition as d;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::{Phase, Record};

use super::Table;
use super::matrix::{Measure, cells_by_measures, cells_with, measures_by_cells};

const CARRIED: &[Measure] = &[
    Measure::typical(&d::OFFERED_RATE, "offered"),
    Measure::typical(&d::REQUEST_THROUGHPUT, ""),
    Measure::typical(&d::OUTPUT_THROUGHPUT, ""),
    Measure::typical(&d::CONCURRENCY, "in flight"),
    Measure::typical(&d::GOOD_FRACTION, "good"),
    Measure::typical(&d::ERROR_RATE, "errors"),
];

const LATENCY: &[Measure] = &[
    Measure::typical(&d::TTFT, "TTFT"),
    Measure::at(&d::TTFT, &[Statistic::P50], "TTFT p50"),
    Measure::at(&d::TTFT, &[Statistic::P95], "TTFT p95"),
    Measure::at(&d::TTFT, &[Statistic::P99], "TTFT p99"),
    Measure::at(&d::TTFT_USER, &[Statistic::P50], "TTFT from plan p50"),
    Measure::at(&d::TTFT_USER, &[Statistic::P99], "TTFT from plan p99"),
    Measure::typical(&d::ITL, "ITL"),
    Measure::at(&d::ITL, &[Statistic::P50], "ITL p50"),
    Measure::at(&d::ITL, &[Statistic::P99], "ITL p99"),
    Measure::typical(&d::TPOT, "TPOT"),
    Measure::at(&d::TPOT, &[Statistic::P99], "TPOT p99"),
    Measure::typical(&d::E2E, "E2E"),
    Measure::at(&d::E2E, &[Statistic::P50], "E2E p50"),
    Measure::at(&d::E2E, &[Statistic::P99], "E2E p99"),
];

const PATH: &[Measure] = &[
    Measure::typical(&d::SCHEDULE_LAG, "planned to released"),
    Measure::typical(&d::CONNECT_TIME, "released to connected"),
    Measure::typical(&d::CLIENT_QUEUE, "released to written"),
    Measure::typical(&d::HEADERS_TIME, "written to headers"),
    Measure::typical(&d::HEADERS_TO_TOKEN, "headers to first token"),
    Measure::typical(&d::THINK_TIME, "first token to answer"),
    Measure::typical(&d::ANSWER_TIME, "answer"),
    Measure::typical(&d::TAIL_TIME, "last token to end"),
];

const STREAM: &[Measure] = &[
    Measure::typical(&d::INTERACTIVITY, "interactivity"),
    Measure::typical(&d::FLUIDITY, "fluidity"),
    Measure::typical(&d::STALLED, "stalled"),
    Measure::at(&d::STALL, &[Statistic::Max], "longest stall"),
    Measure::typical(&d::BUNDLE_SIZE, "tokens per frame"),
    Measure::typical(&d::CACHE_HIT, "cached prompt tokens"),
    Measure::typical(&d::TOKEN_DISAGREEMENT, "token counts that disagree"),
    Measure::typical(&d::RETRIED, "retried"),
];

/// Answers held against golden ones; runs without them have none of these.
const ANSWERS: &[Measure] = &[
    Measure::typical(&d::GOLDEN_MATCH, "as golden"),
    Measure::typical(&d::QUALITY_DRIFT, "changed by the load"),
    Measure::typical(&d::QUALITY_DRIFT_P, "p"),
    Measure::at(&d::FIRST_DIVERGENCE, &[Statistic::P50], "first difference p50"),
    Measure::typical(&d::ANSWER_LENGTH_SHIFT, "length"),
    Measure::typical(&d::FINISH_CHANGED, "other end"),
    Measure::typical(&d::ANSWER_SCORE, "as expected"),
    Measure::typical(&d::SCORE_DRIFT, "lost by the load"),
];

const TRUST: &[Measure] = &[
    Measure::typical(&d::ACHIEVED_SHARE, "achieved of offered"),
    Measure::typical(&d::IN_FLIGHT_SLOPE, "in-flight slope"),
    Measure::typical(&d::LITTLE_RESIDUAL, "Little residual"),
    Measure::at(&d::SCHEDULE_LAG, &[Statistic::P99], "schedule lag p99"),
    Measure::at(&d::RECEIVE_DELAY_MAX, &[Statistic::P99], "receive delay p99"),
    Measure::typical(&d::KERNEL_STAMPED, "stamped by the kernel"),
    Measure::typical(&d::CLIENT_TOUCHED, "touched by the client"),
    Measure::typical(&d::CLIENT_CPU_PER_REQUEST, "client CPU"),
    Measure::typical(&d::WARMUP_TIME, "warm-up"),
    Measure::typical(&d::LOAD_WINDOW, "window"),
    Measure::typical(&d::DRAIN_TIME, "drain"),
];

/// The tables of a load run.
pub(super) fn tables(record: &Record) -> Vec<Table> {
    let mut cells = cells_with(record, Phase::Load, CARRIED);
    // Errors by class and faults by kind have cells of their own, and stand among all numbers.
    cells.retain(|cell| cell.get("error").is_none() && cell.get("fault").is_none());
    let mut carried = cells_by_measures(record, load_name(&cells), CARRIED, &cells);
    carried.caption = "What the target carried, in the steady window".to_owned();
    let by_load = |caption: &str, measures: &[Measure], is_detail: bool| {
        let mut table = measures_by_cells(record, caption.to_owned(), measures, &cells);
        table.is_detail = is_detail;
        super::phases::drop_empty_columns(&mut table);
        table
    };
    let mut tables = vec![
        carried,
        by_load("Latency from the first byte written; from plan: from the intended start", LATENCY, false),
        by_load("Whether it can be trusted", TRUST, false),
        by_load("Where the time went, mean", PATH, true),
        by_load("The streams", STREAM, true),
    ];
    tables.splice(3..3, super::server::tables(record, &cells));
    tables.splice(1..1, answers(record));
    tables
}

/// What each load did to the answers.
fn answers(record: &Record) -> Option<Table> {
    let cells = cells_with(
        record,
        Phase::Load,
        &[Measure::typical(&d::GOLDEN_MATCH, ""), Measure::typical(&d::ANSWER_SCORE, "")],
    );
    let caption = "Answers to the same prompts, held against golden ones made one request at a time".to_owned();
    let mut table = cells_by_measures(record, load_name(&cells), ANSWERS, &cells);
    table.caption = caption;
    super::phases::drop_empty_columns(&mut table);
    (!cells.is_empty()).then_some(table)
}

/// What is varied: the heading of the loads.
fn load_name(cells: &[Cell]) -> &'static str {
    let is_varied = |key: &str| cells.iter().any(|cell| cell.get(key).is_some());
    match (is_varied("concurrency"), is_varied("rate")) {
        (true, false) => "in flight",
        (false, true) => "rate",
        _ => "load",
    }
}
