//! vLLM `bench serve` and SGLang `bench_serving`: flat keys, `mean_ttft_ms` and their like.
//!
//! Field names as `vllm/benchmarks/serve.py` at 009e6d4 and `sglang/bench_serving.py` at 0033168 write them. Both write 0 for the mean of nothing, and divide their deviation
//! by n.

use std::collections::BTreeMap;

use serde_json::Value;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;

use super::draft::Draft;
use super::figures::{self, Entry, Reading, count, number, sample_deviation, text};
use super::marker::Marker;
use super::serving_rows::{self, Arrays};
use super::{Format, ImportError};

/// Latencies that every complete file holds.
const LATENCIES: [&str; 3] = ["ttft", "tpot", "itl"];

/// Settings kept: none of them holds a secret.
const SETTINGS: [&str; 22] = [
    "backend",
    "endpoint_type",
    "label",
    "tokenizer_id",
    "dataset_name",
    "num_prompts",
    "request_rate",
    "burstiness",
    "max_concurrency",
    "random_input_len",
    "random_output_len",
    "random_range_ratio",
    "sharegpt_output_len",
    "ramp_up_strategy",
    "ramp_up_start_rps",
    "ramp_up_end_rps",
    "ignore_eos",
    "num_warmups",
    "date",
    "spec_decode_acceptance_rate",
    "spec_decode_acceptance_length",
    "best_of",
];

/// What a key of the form `p99_ttft_ms` names.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Is(Statistic),
    Deviation,
    /// A percentile that the grid does not have.
    OffGrid,
}

pub(super) fn read(format: Format, documents: &[Value]) -> Result<Draft, ImportError> {
    let mut draft = Draft::new(format.tool());
    let is_many = documents.len() > 1;
    for (index, document) in documents.iter().enumerate() {
        if document.get("completed").is_none() {
            return Err(ImportError::Missing { format, missing: format!("`completed` of document {}", index + 1) });
        }
        let base = Cell::of(Phase::Load);
        let cell = if is_many { base.with("result", index + 1) } else { base };
        one(&mut draft, document, cell, format);
    }
    if is_many {
        draft.sheet.note(format!("the file holds {} results; each is a cell of its own", documents.len()));
    }
    draft.is_failed = draft.tally.succeeded == 0;
    Ok(draft)
}

fn one(draft: &mut Draft, document: &Value, cell: Cell, format: Format) {
    let marker = Marker::of(document);
    let cell = marker.restore(load_of(document, cell));
    draft.sheet.mark(marker);
    draft.keep(document, &SETTINGS);
    draft.engine = draft.engine.take().or_else(|| text(document, "backend").map(str::to_owned));
    draft.started_at = draft.started_at.take().or_else(|| text(document, "date").and_then(date));
    if draft.started_at.is_some() {
        draft
            .sheet
            .note("the start is the local time of the tool's host, whose zone the file does not name; shown as UTC");
    }
    let arrays = Arrays::of(document);
    let completed = count(document.get("completed"));
    let failed = count(document.get("failed"))
        .or_else(|| arrays.failed())
        .or_else(|| count(document.get("num_prompts"))?.checked_sub(completed?));
    if let Ok(seconds) = number(document.get("duration"), "duration") {
        draft.duration_s = Some(draft.duration_s.unwrap_or(0.0) + seconds.max(0.0)).filter(|total| total.is_finite());
    }
    counts(draft, &cell, completed, failed);
    latencies(draft, document, &cell, completed, &arrays, format);
    singles(draft, document, &cell, completed);
    lengths(draft, &cell, &arrays);
    let rows = serving_rows::rows(&arrays, &cell, draft.rows.len() as u64, &mut draft.sheet);
    serving_rows::cross_check(document, &rows, &mut draft.sheet);
    draft.rows.extend(rows);
}

/// The load as settings of the cell. A rate of infinity is a setting with a meaning: everything at once.
fn load_of(document: &Value, cell: Cell) -> Cell {
    let cell = match count(document.get("max_concurrency")) {
        Some(limit) => cell.with("concurrency", limit),
        None => cell,
    };
    match document.get("request_rate") {
        Some(Value::String(word)) if figures::is_non_finite(word) => cell.with("rate", "inf"),
        Some(Value::Number(rate)) => cell.with("rate", rate),
        _ => cell,
    }
}

fn counts(draft: &mut Draft, cell: &Cell, completed: Option<u64>, failed: Option<u64>) {
    draft.tally.succeeded += completed.unwrap_or(0);
    draft.tally.failed += failed.unwrap_or(0);
    draft.tally.scheduled = draft.tally.succeeded + draft.tally.failed;
    let missing = |name: &str| format!("the file does not state how many requests {name}");
    let total = completed.zip(failed).map(|(completed, failed)| completed + failed);
    draft.sheet.value(
        "requests",
        cell,
        total.map(|n| n as f64).ok_or_else(|| missing("were made")),
        total.unwrap_or(0),
    );
    draft.sheet.value("failed", cell, failed.map(|n| n as f64).ok_or_else(|| missing("failed")), total.unwrap_or(0));
    if failed.is_none() {
        draft.sheet.note("the file does not state how many requests failed; the tally counts none");
    }
    if completed == Some(0) {
        draft.sheet.note("no request completed; the zeros that the tool writes are left out");
    }
}

fn latencies(
    draft: &mut Draft,
    document: &Value,
    cell: &Cell,
    completed: Option<u64>,
    arrays: &Arrays<'_>,
    format: Format,
) {
    let mut found: BTreeMap<&str, Vec<(Part, &str)>> = BTreeMap::new();
    for key in document.as_object().into_iter().flat_map(|map| map.keys()) {
        if let Some((part, field)) = parse_key(key) {
            found.entry(field).or_default().push((part, key));
        }
    }
    let last = if format == Format::Vllm { "e2el" } else { "e2e_latency" };
    // What every file has comes first, and its first mean is the headline.
    let others: Vec<&str> =
        found.keys().copied().filter(|field| !LATENCIES.contains(field) && *field != last).collect();
    for field in LATENCIES.into_iter().chain([last]).chain(others) {
        let parts = found.remove(field).unwrap_or_default();
        let known = draft.sheet.marked_count(field);
        let n = known
            .or_else(|| arrays.observations(field))
            .or_else(|| completed.filter(|_| !matches!(field, "tpot" | "itl")));
        distribution(draft, document, cell, field, &parts, completed, n.unwrap_or(0));
    }
}

fn distribution(
    draft: &mut Draft,
    document: &Value,
    cell: &Cell,
    field: &str,
    parts: &[(Part, &str)],
    completed: Option<u64>,
    n: u64,
) {
    let mean_key = format!("mean_{field}_ms");
    let mean = number(document.get(&mean_key), &mean_key);
    let emptiness = match (&mean, completed) {
        (_, Some(0)) => Some("no request completed; the tool writes 0 for that".to_owned()),
        (Ok(value), _) if is_zero(*value) => Some("the tool writes 0 where it has no value".to_owned()),
        _ => None,
    };
    let reading = |key: &str| -> Reading { emptiness.clone().map_or_else(|| number(document.get(key), key), Err) };
    let put = |draft: &mut Draft, statistic, key: &str| {
        draft.sheet.put(Entry { field, statistic, cell, reading: reading(key), scale: 1.0, n }).is_some()
    };
    if put(draft, Statistic::Mean, &mean_key) {
        let key = format!("std_{field}_ms");
        deviation(draft, field, reading(&key), n);
    }
    for (part, key) in parts {
        match part {
            Part::Is(Statistic::Mean) | Part::Deviation => {}
            Part::Is(statistic) => {
                put(draft, *statistic, key);
            }
            Part::OffGrid => draft.sheet.note(format!("`{key}` is off our grid of percentiles and left out")),
        }
    }
}

/// The file's deviation divides by n; ours by n − 1.
fn deviation(draft: &mut Draft, field: &str, population: Reading, n: u64) {
    let Ok(population) = population else { return };
    let sample = sample_deviation(population, n);
    if sample.is_none() {
        draft.sheet.note(format!("the deviation of `{field}` is left out: how many values it rests on is not known"));
    }
    if let Some(metric) = draft.sheet.last() {
        figures::spread(metric, sample);
    }
}

fn singles(draft: &mut Draft, document: &Value, cell: &Cell, completed: Option<u64>) {
    let n = completed.unwrap_or(0);
    let always = ["request_throughput", "output_throughput", "duration"];
    let sometimes = [
        "total_token_throughput",
        "input_throughput",
        "request_goodput",
        "max_output_tokens_per_s",
        "max_concurrent_requests",
        "concurrency",
        "accept_length",
        "total_output_tokens_retokenized",
    ];
    for field in always {
        draft.sheet.value(field, cell, number(document.get(field), field), n);
    }
    for field in sometimes {
        // `request_goodput:` with a colon was the key of early versions.
        let value = document.get(field).or_else(|| document.get(format!("{field}:"))).filter(|value| !value.is_null());
        if value.is_some() {
            draft.sheet.value(field, cell, number(value, field), n);
        }
    }
}

/// Lengths, where the file holds them one by one.
fn lengths(draft: &mut Draft, cell: &Cell, arrays: &Arrays<'_>) {
    for (field, values) in
        [("input_lens", arrays.lengths("input_lens")), ("output_lens", arrays.lengths("output_lens"))]
    {
        draft.sheet.summarize(field, cell, values);
    }
}

fn parse_key(key: &str) -> Option<(Part, &str)> {
    let (head, field) = key.strip_suffix("_ms")?.split_once('_')?;
    let part = match head {
        "mean" => Part::Is(Statistic::Mean),
        "median" => Part::Is(Statistic::P50),
        "min" => Part::Is(Statistic::Min),
        "max" => Part::Is(Statistic::Max),
        "std" => Part::Deviation,
        _ => {
            let percent: f64 = head.strip_prefix('p')?.parse().ok()?;
            // The median has a key of its own, and wins.
            figures::percentile(percent)
                .filter(|statistic| *statistic != Statistic::P50)
                .map_or(Part::OffGrid, Part::Is)
        }
    };
    Some((part, field))
}

/// `20250301-123000` → `2025-03-01T12:30:00Z`.
fn date(text: &str) -> Option<String> {
    let (day, time) = text.split_once('-')?;
    let is_number = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(day, 8) && is_number(time, 6)).then(|| {
        let (year, month, day) = (&day[..4], &day[4..6], &day[6..]);
        format!("{year}-{month}-{day}T{}:{}:{}Z", &time[..2], &time[2..4], &time[4..])
    })
}

pub(super) fn is_zero(value: f64) -> bool {
    value.abs() <= 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_say_statistic_and_field() {
        let check = |key: &str, expected| assert_eq!(parse_key(key), expected, "{key}");
        check("mean_ttft_ms", Some((Part::Is(Statistic::Mean), "ttft")));
        check("p99.9_itl_ms", Some((Part::Is(Statistic::P999), "itl")));
        check("p97_itl_ms", Some((Part::OffGrid, "itl")));
        check("std_e2e_latency_ms", Some((Part::Deviation, "e2e_latency")));
        check("probe_median_e2el_ms", None);
        check("duration", None);
    }

    #[test]
    fn dates_become_rfc_3339() {
        assert_eq!(date("20250301-123000").as_deref(), Some("2025-03-01T12:30:00Z"));
        assert_eq!((date("yesterday"), date("2025030-123000"), date("20250301-12é00")), (None, None, None));
    }
}
