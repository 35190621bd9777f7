//! Which tool wrote a file, by its shape.

use serde_json::Value;

use super::json::Body;
use super::{Format, ImportError};

/// Keys shown when no shape fits.
const SHOWN_KEYS: usize = 8;

/// Finds the format. The marks are keys that a tool always writes and no other one has.
pub(super) fn detect(body: &Body) -> Result<Format, ImportError> {
    let found = match body {
        Body::Text(text) => is_loadgen(text).then_some(Format::Loadgen),
        Body::One(value) => of_document(value),
        Body::Lines { values, .. } => values.first().and_then(of_document),
    };
    found.ok_or_else(|| ImportError::UnknownFormat { found: described(body) })
}

fn of_document(value: &Value) -> Option<Format> {
    if let Value::Array(values) = value {
        return values.first().filter(|first| has(first, &["n_prompt", "n_gen"])).map(|_| Format::LlamaBench);
    }
    let rules: [(Format, bool); 13] = [
        (Format::LlamaBench, has(value, &["n_prompt", "n_gen"])),
        (Format::AiperfRows, has(value, &["metadata", "metrics"]) && has(&value["metadata"], &["request_start_ns"])),
        (
            Format::AiperfAggregate,
            has(value, &["metadata", "metrics"]) && has(&value["metadata"], &["aggregation_type"]),
        ),
        (Format::Guidellm, has(value, &["benchmarks"]) && value["benchmarks"].is_array()),
        (Format::InferencePerf, has(value, &["load_summary", "successes"])),
        (
            Format::Sglang,
            has(value, &["completed"]) && has_any(value, &["mean_e2e_latency_ms", "total_output_tokens_retokenized"]),
        ),
        (Format::Vllm, has(value, &["completed", "duration"])),
        (Format::Hyperfine, value["results"].get(0).is_some_and(|first| has(first, &["command", "mean"]))),
        (Format::Oha, has(value, &["summary", "latencyPercentiles"])),
        (Format::K6, value["metrics"].is_object() && has_any(&value["metrics"], &["http_req_duration", "iterations"])),
        (Format::Criterion, value["mean"]["point_estimate"].is_number() && has(value, &["median"])),
        (Format::Aiperf, is_summary(value) && has_any(value, &["aiperf_version", "schema_version", "benchmark_id"])),
        (Format::GenaiPerf, is_summary(value)),
    ];
    rules.into_iter().find(|(_, fits)| *fits).map(|(format, _)| format)
}

/// Whether an object holds figures as AIPerf and GenAI-Perf write them.
fn is_summary(value: &Value) -> bool {
    ["request_latency", "request_throughput", "time_to_first_token"]
        .iter()
        .any(|key| has(&value[*key], &["unit", "avg"]))
}

fn is_loadgen(text: &str) -> bool {
    text.contains("MLPerf Results Summary") || (text.contains("SUT name") && text.contains("Result is"))
}

fn has(value: &Value, keys: &[&str]) -> bool {
    keys.iter().all(|key| value.get(*key).is_some())
}

fn has_any(value: &Value, keys: &[&str]) -> bool {
    keys.iter().any(|key| value.get(*key).is_some())
}

fn described(body: &Body) -> String {
    let keys = |value: &Value| match value {
        Value::Object(map) => {
            let keys: Vec<String> =
                map.keys().take(SHOWN_KEYS).map(|key| format!("`{}`", key.escape_debug())).collect();
            if keys.is_empty() { "an empty object".to_owned() } else { format!("the keys {}", keys.join(", ")) }
        }
        Value::Array(values) if values.is_empty() => "an empty list".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        _ => "a single value".to_owned(),
    };
    match body {
        Body::One(value) => keys(value),
        Body::Lines { values, .. } => values.first().map_or_else(|| "no line".to_owned(), keys),
        Body::Text(text) => {
            let line: String = text.lines().next().unwrap_or_default().chars().take(60).collect();
            format!("the text `{}`", line.escape_debug())
        }
    }
}
