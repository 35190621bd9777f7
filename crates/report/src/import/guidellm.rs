//! GuideLLM `benchmarks.json`, versions 1 and 2.
//!
//! Field names as GuideLLM 0.8.1 (version 2) writes them. It counts a missing latency as 0.0 and takes it into the
//! distribution, so that one zero taints every statistic of the figure.

use serde_json::Value;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;

use super::draft::Draft;
use super::figures::{self, Entry, Reading, count, number, sample_deviation, text};
use super::serving::is_zero;
use super::{Format, ImportError, Tool, time};

/// The newest version of the report that is known.
const KNOWN_VERSION: u64 = 2;

/// Figures in the order of the record, with what they are to be multiplied by.
const FIGURES: [&str; 13] = [
    "time_to_first_token_ms",
    "inter_token_latency_ms",
    "time_per_output_token_ms",
    "request_latency",
    "time_to_first_output_token_ms",
    "requests_per_second",
    "output_tokens_per_second",
    "tokens_per_second",
    "request_concurrency",
    "request_dispatch_delay",
    "request_scheduled_latency",
    "prompt_token_count",
    "output_token_count",
];

/// Latencies: a request has none of exactly 0.
const LATENCIES: [&str; 5] = [
    "time_to_first_token_ms",
    "inter_token_latency_ms",
    "time_per_output_token_ms",
    "time_to_first_output_token_ms",
    "request_latency",
];

/// Figures whose values are weighted by tokens or by time: a deviation of n − 1 does not exist for them.
const WEIGHTED: [&str; 6] = [
    "inter_token_latency_ms",
    "time_per_output_token_ms",
    "requests_per_second",
    "output_tokens_per_second",
    "tokens_per_second",
    "request_concurrency",
];

const PERCENTILES: [(&str, Statistic); 10] = [
    ("p01", Statistic::P1),
    ("p05", Statistic::P5),
    ("p10", Statistic::P10),
    ("p25", Statistic::P25),
    ("p50", Statistic::P50),
    ("p75", Statistic::P75),
    ("p90", Statistic::P90),
    ("p95", Statistic::P95),
    ("p99", Statistic::P99),
    ("p999", Statistic::P999),
];

pub(super) fn read(document: &Value) -> Result<Draft, ImportError> {
    let format = Format::Guidellm;
    let mut draft = Draft::new(Tool::Guidellm);
    version(&mut draft, document)?;
    let benchmarks = document["benchmarks"].as_array().filter(|benchmarks| !benchmarks.is_empty());
    let Some(benchmarks) = benchmarks else {
        return Err(ImportError::Missing { format, missing: "a benchmark under `benchmarks`".to_owned() });
    };
    draft.model =
        ["/config/model", "/args/model", "/benchmarks/0/config/backend/model", "/benchmarks/0/worker/backend_model"]
            .iter()
            .find_map(|pointer| document.pointer(pointer)?.as_str())
            .map(str::to_owned);
    for (index, benchmark) in benchmarks.iter().enumerate() {
        if !benchmark["metrics"].is_object() {
            let missing = format!("`metrics` of benchmark {}", index + 1);
            return Err(ImportError::Missing { format, missing });
        }
        let base = Cell::of(Phase::Load);
        let base = if benchmarks.len() > 1 { base.with("benchmark", index + 1) } else { base };
        one(&mut draft, benchmark, &load_of(benchmark, base));
    }
    draft.is_failed = draft.tally.succeeded == 0;
    draft.sheet.note("figures are those of successful requests; time per output token and ITL are weighted by tokens");
    Ok(draft)
}

fn version(draft: &mut Draft, document: &Value) -> Result<(), ImportError> {
    let metadata = &document["metadata"];
    match count(metadata.get("version")) {
        Some(version) if version > KNOWN_VERSION => {
            return Err(ImportError::Version { format: Format::Guidellm, found: version.to_string(), supported: "2" });
        }
        Some(version) => {
            draft.settings.insert("version".to_owned(), version.into());
        }
        None => draft.sheet.note("the file names no version; read as 1"),
    }
    draft.tool_version = text(metadata, "guidellm_version").map(str::to_owned);
    Ok(())
}

/// Strategy and load, wherever the version keeps them.
fn load_of(benchmark: &Value, cell: Cell) -> Cell {
    let strategy = ["/config/strategy", "/args/strategy", "/scheduler/strategy"]
        .iter()
        .find_map(|pointer| benchmark.pointer(pointer).filter(|value| value.is_object()));
    let Some(strategy) = strategy else { return cell };
    let cell = match text(strategy, "type_") {
        Some(name) => cell.with("strategy", name),
        None => cell,
    };
    let cell = match count(strategy.get("streams")) {
        Some(streams) => cell.with("concurrency", streams),
        None => cell,
    };
    match strategy.get("rate").and_then(Value::as_f64) {
        Some(rate) => cell.with("rate", rate),
        None => cell,
    }
}

fn one(draft: &mut Draft, benchmark: &Value, cell: &Cell) {
    let metrics = &benchmark["metrics"];
    let totals = &metrics["request_totals"];
    let state = |key: &str| count(totals.get(key));
    tally(draft, cell, [state("successful"), state("errored"), state("incomplete")]);
    for field in FIGURES {
        let figure = &metrics[field];
        if figure.is_null() && !LATENCIES.contains(&field) {
            continue;
        }
        distribution(draft, field, &figure["successful"], cell, state("successful"));
    }
    let duration = benchmark.get("duration").and_then(Value::as_f64).filter(|seconds| *seconds >= 0.0);
    if let Some(seconds) = duration {
        draft.duration_s = Some(draft.duration_s.unwrap_or(0.0) + seconds).filter(|total| total.is_finite());
        draft.sheet.value("duration", cell, Ok(seconds), state("successful").unwrap_or(0));
    }
    let start = benchmark.get("start_time").and_then(Value::as_f64);
    draft.started_at = draft.started_at.take().or_else(|| start.and_then(time::from_unix_seconds));
}

fn tally(draft: &mut Draft, cell: &Cell, [succeeded, failed, cancelled]: [Option<u64>; 3]) {
    let known = [succeeded, failed, cancelled].map(Option::unwrap_or_default);
    let total = known.iter().fold(0_u64, |sum, n| sum.saturating_add(*n));
    draft.tally.succeeded += known[0];
    draft.tally.failed += known[1];
    draft.tally.cancelled += known[2];
    draft.tally.scheduled += total;
    let reading = |n: Option<u64>| n.map(|n| n as f64).ok_or_else(|| "the file does not state it".to_owned());
    draft.sheet.value("requests", cell, reading(succeeded.and(Some(total))), total);
    draft.sheet.value("failed", cell, reading(failed), total);
    if known[2] > 0 {
        draft.sheet.note(format!("{} requests were incomplete; they count as cancelled", known[2]));
    }
}

fn distribution(draft: &mut Draft, field: &str, summary: &Value, cell: &Cell, succeeded: Option<u64>) {
    let stated = |key: &str| number(summary.get(key), &format!("{field}.successful.{key}"));
    let doubt = doubt(field, summary, succeeded);
    if let Some(reason) = &doubt {
        draft.sheet.note(format!("`{field}`: {reason}"));
    }
    let reading = |value: Reading| doubt.clone().map_or(value, Err);
    let n = count(summary.get("count")).unwrap_or(0);
    let entry = |statistic, value| Entry { field, statistic, cell, reading: reading(value), scale: 1.0, n };
    if let Some(metric) = draft.sheet.put(entry(Statistic::Mean, stated("mean"))) {
        let deviation = stated("std_dev").ok().and_then(|std| sample_deviation(std, n));
        figures::spread(metric, deviation.filter(|_| metric.value.is_some() && !WEIGHTED.contains(&field)));
    }
    if summary.is_null() {
        return;
    }
    for (key, statistic) in [("min", Statistic::Min), ("max", Statistic::Max)] {
        draft.sheet.put(entry(statistic, stated(key)));
    }
    for (key, statistic) in PERCENTILES {
        if let Some(value) = summary["percentiles"].get(key) {
            draft.sheet.put(entry(statistic, number(Some(value), &format!("{field}.{key}"))));
        }
    }
}

/// Why a distribution says nothing, when it says nothing.
fn doubt(field: &str, summary: &Value, succeeded: Option<u64>) -> Option<String> {
    if succeeded == Some(0) {
        return Some("no request succeeded".to_owned());
    }
    let is_zero_at = |key: &str| summary.get(key).and_then(Value::as_f64).is_some_and(is_zero);
    if !LATENCIES.contains(&field) {
        return None;
    }
    match (is_zero_at("min"), is_zero_at("max")) {
        (true, true) => Some("0 stands for a missing value in this tool".to_owned()),
        (true, false) => Some(
            "at least one value is 0, which stands for a missing one in this tool, and taints every statistic"
                .to_owned(),
        ),
        _ => None,
    }
}
