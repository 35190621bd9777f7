//! inference-perf `summary_lifecycle_metrics.json` and its stages. Latencies are in seconds.
//!
//! Field names as `reportgen/base.py` at 010d12f writes them. A token count of 0 gives a normalized time of 0, which is no time.

use serde_json::Value;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;

use super::draft::Draft;
use super::figures::{self, Entry, count, number};
use super::serving::is_zero;
use super::{Format, ImportError, Tool};

const LATENCIES: [&str; 5] = [
    "time_to_first_token",
    "time_per_output_token",
    "inter_token_latency",
    "normalized_time_per_output_token",
    "request_latency",
];

const RATES: [&str; 4] = ["requests_per_sec", "output_tokens_per_sec", "input_tokens_per_sec", "total_tokens_per_sec"];

pub(super) fn read(document: &Value) -> Result<Draft, ImportError> {
    let (load, successes) = (&document["load_summary"], &document["successes"]);
    if !successes.is_object() {
        return Err(ImportError::Missing { format: Format::InferencePerf, missing: "`successes`".to_owned() });
    }
    let mut draft = Draft::new(Tool::InferencePerf);
    let cell = Cell::of(Phase::Load);
    let cell = match load.get("requested_rate").and_then(Value::as_f64) {
        Some(rate) => cell.with("rate", rate),
        None => cell,
    };
    let cell = match count(load.get("concurrency")) {
        Some(streams) => cell.with("concurrency", streams),
        None => cell,
    };
    let succeeded = count(successes.get("count"));
    let failed = count(document["failures"].get("count"));
    tally(&mut draft, &cell, succeeded, failed);
    for field in LATENCIES {
        // Early versions kept latencies beside the count.
        let figure = successes["latency"].get(field).or_else(|| successes.get(field));
        distribution(&mut draft, field, figure, &cell, 1e3, succeeded);
    }
    for field in ["prompt_len", "output_len"] {
        if let Some(figure) = successes.get(field) {
            distribution(&mut draft, field, Some(figure), &cell, 1.0, succeeded);
        }
    }
    for field in RATES {
        let value = successes["throughput"].get(field);
        let reading = match succeeded {
            Some(0) => Err("no request succeeded".to_owned()),
            _ => number(value, field),
        };
        draft.sheet.value(field, &cell, reading, succeeded.unwrap_or(0));
    }
    let made = count(load.get("count"));
    distribution(&mut draft, "schedule_delay", load.get("schedule_delay"), &cell, 1e3, made);
    for field in ["requested_rate", "achieved_rate"] {
        if let Some(value) = load.get(field) {
            draft.sheet.value(field, &cell, number(Some(value), field), made.unwrap_or(0));
        }
    }
    if let Ok(seconds) = number(document.get("benchmark_time_seconds"), "benchmark_time_seconds") {
        draft.duration_s = Some(seconds).filter(|seconds| *seconds >= 0.0);
        draft.sheet.value("benchmark_time_seconds", &cell, Ok(seconds), made.unwrap_or(0));
    }
    draft.is_failed = succeeded == Some(0);
    Ok(draft)
}

fn tally(draft: &mut Draft, cell: &Cell, succeeded: Option<u64>, failed: Option<u64>) {
    draft.tally.succeeded = succeeded.unwrap_or(0);
    draft.tally.failed = failed.unwrap_or(0);
    draft.tally.scheduled = draft.tally.succeeded.saturating_add(draft.tally.failed);
    let total = draft.tally.scheduled;
    let reading = |n: Option<u64>| n.map(|n| n as f64).ok_or_else(|| "the file does not state it".to_owned());
    draft.sheet.value("requests", cell, reading(succeeded.and(failed).map(|_| total)), total);
    draft.sheet.value("failed", cell, reading(failed), total);
}

fn distribution(draft: &mut Draft, field: &str, figure: Option<&Value>, cell: &Cell, scale: f64, n: Option<u64>) {
    // Not every success has every latency: only the first and the last rest on all of them.
    let n = n.filter(|_| matches!(field, "request_latency" | "schedule_delay")).unwrap_or(0);
    let name = |key: &str| format!("{field}.{key}");
    let has_zero = figure.and_then(|figure| figure.get("min")?.as_f64()).is_some_and(is_zero);
    let tainted = (field == "normalized_time_per_output_token" && has_zero)
        .then(|| "at least one value is 0, which stands for an answer without a token".to_owned());
    let null = Value::Null;
    let figure = figure.unwrap_or(&null);
    let mut put = |statistic, key: &str| {
        let reading = match &tainted {
            Some(reason) => Err(reason.clone()),
            None if figure.is_null() => Err(format!("`{field}` is not in the file")),
            None => number(figure.get(key), &name(key)),
        };
        draft.sheet.put(Entry { field, statistic, cell, reading, scale, n });
    };
    put(Statistic::Mean, "mean");
    for key in figure.as_object().into_iter().flat_map(|map| map.keys()) {
        let statistic = match key.as_str() {
            "min" => Some(Statistic::Min),
            "max" => Some(Statistic::Max),
            "median" => Some(Statistic::P50),
            _ => key.strip_prefix('p').and_then(|percent| figures::percentile(percent.parse().ok()?)),
        };
        if let Some(statistic) = statistic.filter(|statistic| key == "median" || *statistic != Statistic::P50) {
            put(statistic, key);
        }
    }
}
