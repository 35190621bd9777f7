//! AIPerf's export: the summary of one load, and a line per request.

use serde_json::{Map, Value, json};
use weighbridge_summary::Rows;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::Record;
use weighbridge_types::request::{Outcome, RequestRow};
use weighbridge_types::units::millis;

use super::source::{cells, figures, mark, own_figures, population_deviation, single, statistic};
use super::vllm::error;
use super::{ExportError, ExportFile, ExportFormat, file_name};
use crate::import::Tool;
use crate::import::marker::{MARKER_KEY, Marker};

/// The version of AIPerf's schema that the summary follows.
const SCHEMA_VERSION: &str = "1.4";

/// Figures of the form, with the unit that it spells.
const FIGURES: [(&str, &str); 15] = [
    ("time_to_first_token", "ms"),
    ("time_to_first_output_token", "ms"),
    ("time_to_second_token", "ms"),
    ("inter_token_latency", "ms"),
    ("inter_chunk_latency", "ms"),
    ("request_latency", "ms"),
    ("output_token_throughput_per_user", "tokens/sec/user"),
    ("prefill_throughput_per_user", "tokens/sec/user"),
    ("input_sequence_length", "tokens"),
    ("output_sequence_length", "tokens"),
    ("request_throughput", "requests/sec"),
    ("output_token_throughput", "tokens/sec"),
    ("total_token_throughput", "tokens/sec"),
    ("benchmark_duration", "sec"),
    ("error_request_count", "requests"),
];

/// Figures without which a cell says nothing in this form.
const NEEDED: [&str; 4] = ["time_to_first_token", "inter_token_latency", "inter_chunk_latency", "request_latency"];

pub(super) fn export(record: &Record) -> Result<Vec<ExportFile>, ExportError> {
    own_figures(record, ExportFormat::Aiperf, Tool::Aiperf)?;
    let cells = cells(record, Tool::Aiperf, &NEEDED);
    if cells.is_empty() {
        let needs = "TTFT, TPOT, ICL or E2E with a value";
        return Err(ExportError::Lacks { run_id: record.run_id.clone(), format: ExportFormat::Aiperf, needs });
    }
    let one = |(index, cell): (usize, &Cell)| {
        let name = file_name("profile_export_aiperf", cell, index, cells.len(), "json");
        ExportFile::json(name, &document(record, cell))
    };
    Ok(cells.iter().enumerate().map(one).collect())
}

fn document(record: &Record, cell: &Cell) -> Value {
    let mut marker = Marker::for_cell(&record.run_id, cell);
    let mut out = Map::new();
    out.insert("schema_version".to_owned(), SCHEMA_VERSION.into());
    out.insert("benchmark_id".to_owned(), record.run_id.clone().into());
    if !record.created_at.is_empty() {
        out.insert("start_time".to_owned(), record.created_at.clone().into());
    }
    out.insert("input_config".to_owned(), json!({"endpoint": {"model_names": [record.engine.model]}}));
    for (field, unit) in FIGURES {
        let found = figures(record, Tool::Aiperf, field, cell);
        if let Some(figure) = figure(&found, unit) {
            if let Some(metric) = found.iter().find(|metric| metric.value.is_some()) {
                mark(&mut marker, field, metric);
            }
            out.insert(field.to_owned(), figure);
        }
    }
    let requests = single(record, Tool::Aiperf, "requests", cell);
    let failed = single(record, Tool::Aiperf, "error_request_count", cell);
    let stated = single(record, Tool::Aiperf, "request_count", cell);
    if let Some(count) = stated.or_else(|| requests.zip(failed).map(|(requests, failed)| requests - failed)) {
        out.insert("request_count".to_owned(), json!({"unit": "requests", "avg": count}));
    }
    out.insert(MARKER_KEY.to_owned(), json!(marker));
    Value::Object(out)
}

/// A figure as AIPerf writes it; `None` without a value.
fn figure(found: &[&Metric], unit: &str) -> Option<Value> {
    let mut out = Map::new();
    out.insert("unit".to_owned(), unit.into());
    let average = statistic(found, Statistic::Mean).or_else(|| statistic(found, Statistic::Value))?;
    out.insert("avg".to_owned(), average.value?.into());
    if average.statistic == Statistic::Mean {
        if let Some(deviation) = population_deviation(average) {
            out.insert("std".to_owned(), deviation.into());
        }
        if average.n > 0 {
            out.insert("count".to_owned(), average.n.into());
        }
        // The form ends at p99.
        let others = found.iter().filter(|metric| {
            !matches!(
                metric.statistic,
                Statistic::Mean | Statistic::Value | Statistic::Slope | Statistic::P999 | Statistic::P9999
            )
        });
        for metric in others {
            if let Some(value) = metric.value {
                out.insert(metric.statistic.name().to_owned(), value.into());
            }
        }
    }
    Some(Value::Object(out))
}

pub(super) fn export_rows(record: &Record, rows: Option<&Rows>) -> Result<Vec<ExportFile>, ExportError> {
    let requests = rows.map(|rows| rows.requests.as_slice()).unwrap_or_default();
    if requests.is_empty() {
        let format = ExportFormat::AiperfRows;
        return Err(ExportError::NeedsRows { run_id: record.run_id.clone(), format });
    }
    let mut text = String::new();
    for row in requests {
        text.push_str(&line(row).to_string());
        text.push('\n');
    }
    Ok(vec![ExportFile::text("profile_export.jsonl", text)])
}

/// One request. Times are of the run's own monotonic clock, which begins at 0; AIPerf's are wall time.
fn line(row: &RequestRow) -> Value {
    let timeline = &row.timeline;
    let start = timeline.origin().as_nanos();
    let end = timeline.ended.or_else(|| timeline.frames.last().map(|frame| frame.at));
    let mut metadata = json!({
        "session_num": row.turn.map_or(row.id, |turn| turn.session),
        "turn_index": row.turn.map(|turn| turn.turn),
        "credit_issued_ns": timeline.planned.as_nanos(),
        "request_start_ns": start,
        "request_ack_ns": timeline.headers.map(|stamp| stamp.as_nanos()),
        "request_end_ns": end.map_or(start, |end| end.as_nanos()),
        "worker_id": "weighbridge",
        "record_processor_id": "weighbridge",
        "benchmark_phase": if row.warmup { "warmup" } else { "profiling" },
        "was_cancelled": row.outcome == Outcome::Cancelled,
    });
    metadata["cell"] = row.cell.to_string().into();
    json!({"metadata": metadata, "metrics": metrics(row), "error": failure(&row.outcome)})
}

fn metrics(row: &RequestRow) -> Value {
    let timeline = &row.timeline;
    let mut out = Map::new();
    let mut set = |name: &str, value: Option<Value>, unit: &str| {
        if let Some(value) = value {
            out.insert(name.to_owned(), json!({"value": value, "unit": unit}));
        }
    };
    if row.outcome.is_success() {
        let span = |span: Option<std::time::Duration>| span.map(|span| millis(span).into());
        set("time_to_first_token", span(timeline.ttft()), "ms");
        set("time_to_first_output_token", span(timeline.ttfo()), "ms");
        set("inter_token_latency", span(row.tpot()), "ms");
        let gaps: Vec<f64> = timeline.chunk_gaps().map(millis).collect();
        set("inter_chunk_latency", (!gaps.is_empty()).then(|| gaps.into()), "ms");
        set("request_latency", span(timeline.e2e()), "ms");
        set("output_sequence_length", Some(row.output_tokens().into()), "tokens");
        set("output_token_throughput_per_user", row.decode_rate().map(Value::from), "tokens/sec/user");
    }
    set("input_sequence_length", row.input_tokens().map(Value::from), "tokens");
    Value::Object(out)
}

fn failure(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Succeeded { .. } => Value::Null,
        Outcome::Failed { class, .. } => json!({"type": format!("{class:?}"), "message": error(outcome)}),
        Outcome::Cancelled | Outcome::Dropped => json!({"type": "cancelled", "message": error(outcome)}),
    }
}
