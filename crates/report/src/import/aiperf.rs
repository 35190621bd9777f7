//! AIPerf `profile_export_aiperf.json` and its aggregate over runs, and GenAI-Perf's older form of the same.
//!
//! Field names as AIPerf 0.13.0 (schema 1.4) writes them, and GenAI-Perf by its documents; the deviation divides by n in a run and by
//! n − 1 in an aggregate.

use serde_json::Value;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;

use super::definitions::meaning;
use super::draft::Draft;
use super::figures::{self, Entry, Reading, count, number, sample_deviation, text};
use super::marker::Marker;
use super::{Format, ImportError, time, units};

/// The newest major version of AIPerf's export that is known.
const KNOWN_MAJOR: u64 = 1;

/// Figures that come first, in this order: the first mean is the headline.
const FIRST: [&str; 4] = ["time_to_first_token", "inter_token_latency", "request_latency", "request_throughput"];

/// Keys of a figure and the statistics they are.
const STATISTICS: [(&str, Statistic); 11] = [
    ("min", Statistic::Min),
    ("p1", Statistic::P1),
    ("p5", Statistic::P5),
    ("p10", Statistic::P10),
    ("p25", Statistic::P25),
    ("p50", Statistic::P50),
    ("p75", Statistic::P75),
    ("p90", Statistic::P90),
    ("p95", Statistic::P95),
    ("p99", Statistic::P99),
    ("max", Statistic::Max),
];

/// Where model and load may stand, by version.
const MODELS: [&str; 4] = [
    "/input_config/endpoint/model_names/0",
    "/input_config/models/items/0/name",
    "/input_config/models/0",
    "/input_config/model/0",
];
const CONCURRENCY: [&str; 3] = [
    "/input_config/loadgen/concurrency",
    "/input_config/perf_analyzer/stimulus/concurrency",
    "/input_config/concurrency",
];

pub(super) fn read(format: Format, document: &Value) -> Result<Draft, ImportError> {
    let mut draft = Draft::new(format.tool());
    head(&mut draft, document, format)?;
    let marker = Marker::of(document);
    let cell = CONCURRENCY.iter().find_map(|pointer| count(document.pointer(pointer)));
    let cell = cell.map_or_else(|| Cell::of(Phase::Load), |n| Cell::of(Phase::Load).with("concurrency", n));
    let cell = marker.restore(cell);
    draft.sheet.mark(marker);
    let succeeded = count(document.pointer("/request_count/avg"));
    let failed = count(document.pointer("/error_request_count/avg"));
    tally(&mut draft, &cell, succeeded, failed);
    let names = document.as_object().into_iter().flat_map(|map| map.iter());
    let is_figure = |value: &Value| value.get("unit").is_some_and(Value::is_string);
    let mut names: Vec<&str> = names.filter(|(_, value)| is_figure(value)).map(|(name, _)| name.as_str()).collect();
    if names.is_empty() {
        return Err(ImportError::Missing { format, missing: "a figure with a unit".to_owned() });
    }
    names.sort_by_key(|name| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    for name in names {
        figure(&mut draft, format, name, &document[name], &cell, succeeded);
    }
    draft.duration_s = number(document.pointer("/benchmark_duration/avg"), "").ok().filter(|seconds| *seconds >= 0.0);
    draft.is_failed = succeeded == Some(0);
    Ok(draft)
}

/// Version, model, start and state.
fn head(draft: &mut Draft, document: &Value, format: Format) -> Result<(), ImportError> {
    if let Some(version) = text(document, "schema_version") {
        let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok());
        match major {
            Some(major) if major <= KNOWN_MAJOR => draft.settings.insert("schema_version".to_owned(), version.into()),
            _ => return Err(ImportError::Version { format, found: version.to_owned(), supported: "1" }),
        };
    } else if format != Format::GenaiPerf {
        draft.sheet.note("the file names no schema version; read as 1");
    }
    draft.tool_version = text(document, "aiperf_version").map(str::to_owned);
    draft.model = MODELS.iter().find_map(|pointer| document.pointer(pointer)?.as_str()).map(str::to_owned);
    if let Some(start) = text(document, "start_time") {
        draft.started_at = time::rfc_3339(start, &mut draft.sheet);
    }
    draft.is_cancelled = document.get("was_cancelled") == Some(&Value::Bool(true));
    if document.get("is_complete") == Some(&Value::Bool(false)) {
        draft.is_cancelled = true;
        let reason = text(document, "incomplete_reason").unwrap_or("no reason given");
        let reason: String = reason.chars().take(200).collect();
        draft.sheet.note(format!("the tool says that the run is incomplete: {reason}"));
    }
    Ok(())
}

fn tally(draft: &mut Draft, cell: &Cell, succeeded: Option<u64>, failed: Option<u64>) {
    draft.tally.succeeded = succeeded.unwrap_or(0);
    draft.tally.failed = failed.unwrap_or(0);
    draft.tally.scheduled = draft.tally.succeeded.saturating_add(draft.tally.failed);
    if let Some((succeeded, failed)) = succeeded.zip(failed) {
        let total = succeeded.saturating_add(failed);
        draft.sheet.value("requests", cell, Ok(total as f64), total);
    } else {
        draft.sheet.note("the file does not state both succeeded and failed requests; the tally counts what it states");
    }
}

fn figure(draft: &mut Draft, format: Format, name: &str, value: &Value, cell: &Cell, succeeded: Option<u64>) {
    let Some(meaning) = meaning(format.tool(), name) else {
        draft.sheet.note(format!("`{name}` is not mapped and left out"));
        return;
    };
    let unit = text(value, "unit").unwrap_or_default();
    let Some(scale) = units::scale(unit, meaning.definition.unit) else {
        draft.sheet.note(format!("`{name}` is in `{unit}`, not in {}, and left out", meaning.definition.unit));
        return;
    };
    let known = draft.sheet.marked_count(name).or_else(|| count(value.get("count")));
    let n = known.unwrap_or(0);
    let is_distribution = STATISTICS.iter().any(|(key, _)| value.get(*key).is_some_and(|value| !value.is_null()));
    let nothing = (succeeded == Some(0) && is_distribution).then(|| "no request succeeded".to_owned());
    let reading = |key: &str| -> Reading {
        nothing.clone().map_or_else(|| number(value.get(key), &format!("{name}.{key}")), Err)
    };
    let statistic = if is_distribution { Statistic::Mean } else { Statistic::Value };
    let entry = Entry { field: name, statistic, cell, reading: reading("avg"), scale, n };
    if let Some(metric) = draft.sheet.put(entry).filter(|_| is_distribution) {
        let deviation = reading("std").ok().and_then(|std| sample_deviation(std * scale, n));
        figures::spread(metric, deviation);
    }
    for (key, statistic) in STATISTICS {
        if value.get(key).is_some_and(|value| !value.is_null()) {
            draft.sheet.put(Entry { field: name, statistic, cell, reading: reading(key), scale, n });
        }
    }
    if is_distribution && known.is_none() {
        draft.sheet.note("how many values figures rest on is not in the file; their deviations are left out");
    }
}

/// The aggregate over several runs: each value is a mean over runs of a statistic within a run.
pub(super) fn read_aggregate(document: &Value) -> Result<Draft, ImportError> {
    let format = Format::AiperfAggregate;
    let mut draft = Draft::new(format.tool());
    head(&mut draft, document, format)?;
    let metadata = &document["metadata"];
    if metadata["aggregation_type"] != "confidence" {
        let found = metadata["aggregation_type"].to_string();
        return Err(ImportError::Missing {
            format,
            missing: format!("the aggregation `confidence`; {found} stands there;"),
        });
    }
    let runs = count(metadata.get("num_successful_runs")).unwrap_or(0);
    let confidence = number(metadata.get("confidence_level"), "confidence_level").unwrap_or(0.0);
    let cell = Cell::of(Phase::Load).with("over_runs", runs);
    draft.sheet.note("values are means over runs of a statistic within a run; n counts runs");
    draft.keep(metadata, &["num_profile_runs", "num_successful_runs", "confidence_level"]);
    let metrics = document["metrics"].as_object();
    for (name, value) in metrics.into_iter().flatten() {
        let Some((field, statistic)) = split_aggregate(name) else {
            draft.sheet.note(format!("`{name}` is not mapped and left out"));
            continue;
        };
        aggregate_figure(&mut draft, (name, field, statistic), value, &cell, (runs, confidence));
    }
    draft.is_failed = runs == 0;
    Ok(draft)
}

fn aggregate_figure(
    draft: &mut Draft,
    (name, field, statistic): (&str, &str, Statistic),
    value: &Value,
    cell: &Cell,
    (runs, confidence): (u64, f64),
) {
    let unit = text(value, "unit").unwrap_or_default();
    let Some(scale) =
        meaning(Format::Aiperf.tool(), field).and_then(|meaning| units::scale(unit, meaning.definition.unit))
    else {
        draft.sheet.note(format!("`{name}` in `{unit}` is not mapped and left out"));
        return;
    };
    let scaled = |key: &str| number(value.get(key), &format!("{name}.{key}")).map(|number| number * scale);
    let entry = Entry { field, statistic, cell, reading: scaled("mean"), scale: 1.0, n: runs };
    let Some(metric) = draft.sheet.put(entry) else { return };
    if runs >= 2 {
        figures::spread(metric, scaled("std").ok());
        figures::interval(metric, &scaled("ci_low"), &scaled("ci_high"), confidence, "student_t_over_runs");
    } else if metric.value.is_some() {
        metric.interval_reason = Some("one run has no interval".to_owned());
    }
}

/// `time_to_first_token_p99` → field and statistic.
fn split_aggregate(name: &str) -> Option<(&str, Statistic)> {
    let (field, key) = name.rsplit_once('_')?;
    let known = [("avg", Statistic::Mean)].into_iter().chain(STATISTICS);
    known.into_iter().find(|(known, _)| *known == key).map(|(_, statistic)| (field, statistic))
}
