//! vLLM `bench serve` JSON: the summary of one load, and the detailed arrays where the rows are at hand.

use serde_json::{Map, Value, json};
use weighbridge_summary::Rows;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::Record;
use weighbridge_types::request::{Outcome, RequestRow};

use super::source::{
    cells, figures, mark, own_figures, population_deviation, rows_of, seconds, single, statistic, whole,
};
use super::{ExportError, ExportFile, ExportFormat, file_name};
use crate::import::Tool;
use crate::import::marker::{MARKER_KEY, Marker};

/// Latencies of the form.
const LATENCIES: [&str; 4] = ["ttft", "tpot", "itl", "e2el"];

/// Single values of the form that are figures of ours or of an imported file.
const SINGLES: [&str; 7] = [
    "request_throughput",
    "output_throughput",
    "duration",
    "total_token_throughput",
    "request_goodput",
    "max_output_tokens_per_s",
    "max_concurrent_requests",
];

pub(super) fn export(record: &Record, rows: Option<&Rows>) -> Result<Vec<ExportFile>, ExportError> {
    own_figures(record, ExportFormat::Vllm, Tool::Vllm)?;
    let cells = cells(record, Tool::Vllm, &LATENCIES);
    if cells.is_empty() {
        let needs = "TTFT, TPOT, ICL or E2E with a value";
        return Err(ExportError::Lacks { run_id: record.run_id.clone(), format: ExportFormat::Vllm, needs });
    }
    let one = |(index, cell): (usize, &Cell)| {
        let name = file_name("vllm", cell, index, cells.len(), "json");
        ExportFile::json(name, &document(record, rows, cell))
    };
    Ok(cells.iter().enumerate().map(one).collect())
}

fn document(record: &Record, rows: Option<&Rows>, cell: &Cell) -> Value {
    let mut marker = Marker::for_cell(&record.run_id, cell);
    let mut out = Map::new();
    let mut set = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    let rows = rows_of(rows, cell);
    let (requests, failed) = (single(record, Tool::Vllm, "requests", cell), single(record, Tool::Vllm, "failed", cell));
    let succeeded: Vec<&RequestRow> = rows.iter().copied().filter(|row| row.outcome.is_success()).collect();
    let completed = match rows.is_empty() {
        true => requests.zip(failed).map(|(requests, failed)| requests - failed).filter(|completed| *completed >= 0.0),
        false => Some(succeeded.len() as f64),
    };
    set("date", date(&record.created_at).into());
    set("backend", record.engine.engine.clone().into());
    set("label", record.label.clone().into());
    set("model_id", record.engine.model.clone().into());
    set("num_prompts", whole(requests));
    // vLLM writes the word for "as fast as the concurrency allows".
    set(
        "request_rate",
        cell.get("rate")
            .and_then(|rate| rate.parse::<f64>().ok())
            .filter(|rate| rate.is_finite())
            .map_or_else(|| "inf".into(), Value::from),
    );
    set("max_concurrency", whole(cell.get("concurrency").and_then(|level| level.parse().ok())));
    set("completed", whole(completed));
    set("failed", whole(failed));
    let total = |values: Option<u64>| values.map_or(Value::Null, Value::from);
    let inputs: Option<u64> = succeeded.iter().map(|row| row.input_tokens().map(u64::from)).sum();
    set("total_input_tokens", total(inputs.filter(|_| !succeeded.is_empty())));
    let outputs = (!succeeded.is_empty()).then(|| succeeded.iter().map(|row| row.output_tokens()).sum());
    set("total_output_tokens", total(outputs));
    for field in SINGLES {
        if let Some(metric) = statistic(&figures(record, Tool::Vllm, field, cell), Statistic::Value) {
            set(field, metric.value.map_or(Value::Null, Value::from));
            mark(&mut marker, field, metric);
        }
    }
    // The key that every file has, by which it is known.
    if !out.contains_key("duration") {
        out.insert("duration".to_owned(), Value::Null);
    }
    for field in LATENCIES {
        latency(&mut out, &mut marker, field, &figures(record, Tool::Vllm, field, cell));
    }
    if !rows.is_empty() {
        arrays(&mut out, &rows);
    }
    out.insert(MARKER_KEY.to_owned(), json!(marker));
    Value::Object(out)
}

fn latency(out: &mut Map<String, Value>, marker: &mut Marker, field: &str, figures: &[&Metric]) {
    for metric in figures {
        let Some(value) = metric.value else { continue };
        let name = match metric.statistic {
            Statistic::Mean => {
                mark(marker, field, metric);
                if let Some(deviation) = population_deviation(metric) {
                    out.insert(format!("std_{field}_ms"), deviation.into());
                }
                "mean"
            }
            Statistic::P50 => "median",
            Statistic::Value | Statistic::Slope => continue,
            other => other.name(),
        };
        out.insert(format!("{name}_{field}_ms"), value.into());
    }
}

/// The arrays, in order of the schedule. A time that does not exist is 0.0 there, as the form has it; `errors` says why.
fn arrays(out: &mut Map<String, Value>, rows: &[&RequestRow]) {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|row| row.id);
    let mut list = |key: &str, value: &dyn Fn(&RequestRow) -> Value| {
        out.insert(key.to_owned(), rows.iter().map(|row| value(row)).collect());
    };
    list("input_lens", &|row| row.input_tokens().map_or(Value::Null, Value::from));
    list("output_lens", &|row| if row.outcome.is_success() { row.output_tokens().into() } else { 0.into() });
    list("ttfts", &|row| row.timeline.ttft().map_or(0.0, seconds).into());
    list("itls", &|row| row.timeline.chunk_gaps().map(seconds).collect::<Vec<f64>>().into());
    list("latencies", &|row| row.timeline.e2e().map_or(0.0, seconds).into());
    list("start_times", &|row| (row.timeline.origin().as_nanos() as f64 / 1e9).into());
    list("errors", &|row| error(&row.outcome).into());
    if rows.iter().any(|row| row.text.is_some()) {
        let texts = rows.iter().map(|row| row.text.clone().unwrap_or_default());
        out.insert("generated_texts".to_owned(), texts.collect());
    }
}

/// Text of a failure; empty for a success. A failure without words still has a word.
pub(super) fn error(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Succeeded { .. } => String::new(),
        Outcome::Failed { class, message } if message.trim().is_empty() => format!("{class:?}"),
        Outcome::Failed { message, .. } => message.clone(),
        Outcome::Cancelled => "cancelled".to_owned(),
        Outcome::Dropped => "dropped".to_owned(),
    }
}

/// `2026-03-01T12:30:00.250Z` → `20260301-123000`; empty when there is no such time.
fn date(created_at: &str) -> String {
    let digits: String = created_at.chars().filter(char::is_ascii_digit).collect();
    match (digits.get(..8), digits.get(8..14)) {
        (Some(day), Some(time)) => format!("{day}-{time}"),
        _ => String::new(),
    }
}
