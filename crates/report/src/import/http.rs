//! k6 and oha: HTTP exchanges, of which no one knows whether they hold a token.

use serde_json::Value;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;

use super::draft::Draft;
use super::figures::{self, Entry, Reading, count, number};
use super::{Format, ImportError, Tool};

/// k6 times with the counter that says how many they are.
const K6_TIMES: [(&str, &str); 8] = [
    ("http_req_duration", "http_reqs"),
    ("http_req_waiting", "http_reqs"),
    ("http_req_blocked", "http_reqs"),
    ("http_req_connecting", "http_reqs"),
    ("http_req_tls_handshaking", "http_reqs"),
    ("http_req_sending", "http_reqs"),
    ("http_req_receiving", "http_reqs"),
    ("iteration_duration", "iterations"),
];

/// The values of a k6 metric: beside its type (`handleSummary`), or the metric itself (`--summary-export`).
fn k6_values(metric: &Value) -> &Value {
    match metric.get("values") {
        Some(values) if values.is_object() => values,
        _ => metric,
    }
}

pub(super) fn read_k6(document: &Value) -> Result<Draft, ImportError> {
    let metrics = &document["metrics"];
    if !metrics.is_object() {
        return Err(ImportError::Missing { format: Format::K6, missing: "`metrics`".to_owned() });
    }
    let mut draft = Draft::new(Tool::K6);
    let cell = Cell::of(Phase::Load);
    let values = |name: &str| k6_values(&metrics[name]);
    for (field, counter) in K6_TIMES {
        if metrics.get(field).is_some() {
            k6_times(&mut draft, field, values(field), &cell, count(values(counter).get("count")));
        }
    }
    for field in ["http_reqs", "iterations"] {
        let n = count(values(field).get("count")).unwrap_or(0);
        if metrics.get(field).is_some() {
            draft.sheet.value(field, &cell, number(values(field).get("rate"), &format!("{field}.rate")), n);
        }
    }
    if let Some(dropped) = values("dropped_iterations").get("count") {
        draft.sheet.value("dropped_iterations", &cell, number(Some(dropped), "dropped_iterations.count"), 0);
    }
    for field in ["http_req_failed", "checks"] {
        let share = values(field).get("rate").or_else(|| values(field).get("value"));
        if share.is_some() {
            draft.sheet.value(field, &cell, number(share, field), 0);
        }
    }
    k6_tally(&mut draft, &cell, values("http_reqs"), values("http_req_failed"));
    let millis = document.pointer("/state/testRunDurationMs").and_then(Value::as_f64);
    draft.duration_s = millis.map(|millis| millis / 1e3).filter(|seconds| *seconds >= 0.0);
    draft.sheet.note("times are of whole HTTP exchanges, failed ones too; percentiles are of the tool's own method");
    Ok(draft)
}

fn k6_times(draft: &mut Draft, field: &str, values: &Value, cell: &Cell, n: Option<u64>) {
    let nothing = (n == Some(0)).then(|| "nothing was measured; the tool writes 0".to_owned());
    let n = n.unwrap_or(0);
    for (key, value) in values.as_object().into_iter().flatten() {
        let statistic = match key.as_str() {
            "avg" => Some(Statistic::Mean),
            "min" => Some(Statistic::Min),
            "max" => Some(Statistic::Max),
            "med" => Some(Statistic::P50),
            _ => key
                .strip_prefix("p(")
                .and_then(|rest| rest.strip_suffix(')'))
                .and_then(|percent| figures::percentile(percent.parse().ok()?)),
        };
        let Some(statistic) = statistic else { continue };
        let reading = nothing.clone().map_or_else(|| number(Some(value), &format!("{field}.{key}")), Err);
        draft.sheet.put(Entry { field, statistic, cell, reading, scale: 1.0, n });
    }
}

/// In `http_req_failed`, `passes` are the requests that failed: the rate counts what is true.
fn k6_tally(draft: &mut Draft, cell: &Cell, requests: &Value, failed: &Value) {
    let made = count(requests.get("count"));
    let failed = count(failed.get("passes"));
    if let Some((made, failed)) = made.zip(failed).filter(|(made, failed)| failed <= made) {
        draft.tally.scheduled = made;
        draft.tally.failed = failed;
        draft.tally.succeeded = made - failed;
        draft.is_failed = made == failed;
    } else {
        draft.sheet.note("the file does not state how many requests failed; there is no tally");
    }
    if let Some(made) = made {
        draft.sheet.value("requests", cell, Ok(made as f64), made);
    }
}

pub(super) fn read_oha(document: &Value) -> Result<Draft, ImportError> {
    let summary = &document["summary"];
    if !summary.is_object() {
        return Err(ImportError::Missing { format: Format::Oha, missing: "`summary`".to_owned() });
    }
    let mut draft = Draft::new(Tool::Oha);
    let cell = Cell::of(Phase::Load);
    let counts = |key: &str| {
        let entries = document[key].as_object().into_iter().flatten();
        entries.map(|(name, value)| (name.as_str(), count(Some(value)).unwrap_or(0))).collect::<Vec<_>>()
    };
    let (codes, errors) = (counts("statusCodeDistribution"), counts("errorDistribution"));
    let sum = |entries: &[(&str, u64)]| entries.iter().fold(0_u64, |sum, (_, n)| sum.saturating_add(*n));
    let is_failure = |code: &str| code.parse::<u16>().map_or(true, |code| code >= 400);
    let bad: Vec<_> = codes.iter().copied().filter(|(code, _)| is_failure(code)).collect();
    let (answered, lost) = (sum(&codes), sum(&errors));
    draft.tally.scheduled = answered.saturating_add(lost);
    draft.tally.failed = sum(&bad).saturating_add(lost);
    draft.tally.succeeded = draft.tally.scheduled.saturating_sub(draft.tally.failed);
    draft.is_failed = draft.tally.succeeded == 0;
    if sum(&bad) > 0 {
        draft.sheet.note(format!(
            "{} answers with an HTTP error are within the times, and count as successes of the tool",
            sum(&bad)
        ));
    }
    oha_times(&mut draft, document, &cell, answered);
    let nothing = (answered == 0).then(|| "no answer came".to_owned());
    let reading = |key: &str| -> Reading { nothing.clone().map_or_else(|| number(summary.get(key), key), Err) };
    for (field, key) in [("requests_per_sec", "requestsPerSec"), ("size_per_request", "sizePerRequest")] {
        draft.sheet.value(field, &cell, reading(key), answered);
    }
    for (field, key) in [("success_rate", "successRate"), ("total", "total")] {
        draft.sheet.value(field, &cell, number(summary.get(key), key), draft.tally.scheduled);
    }
    draft.sheet.value("requests", &cell, Ok(draft.tally.scheduled as f64), draft.tally.scheduled);
    draft.duration_s = summary.get("total").and_then(Value::as_f64).filter(|seconds| *seconds >= 0.0);
    Ok(draft)
}

fn oha_times(draft: &mut Draft, document: &Value, cell: &Cell, answered: u64) {
    let nothing = (answered == 0).then(|| "no answer came".to_owned());
    let mut put = |statistic, reading: Reading| {
        let reading = nothing.clone().map_or(reading, Err);
        draft.sheet.put(Entry { field: "latency", statistic, cell, reading, scale: 1e3, n: answered });
    };
    let summary = &document["summary"];
    for (key, statistic) in [("average", Statistic::Mean), ("fastest", Statistic::Min), ("slowest", Statistic::Max)] {
        put(statistic, number(summary.get(key), key));
    }
    for (key, value) in document["latencyPercentiles"].as_object().into_iter().flatten() {
        let statistic = key.strip_prefix('p').and_then(|percent| figures::percentile(percent.parse().ok()?));
        if let Some(statistic) = statistic {
            put(statistic, number(Some(value), key));
        }
    }
}
