//! llama-bench JSON: a prompt test (pp) and a generation test (tg) per cell, with the times of its requests.
//!
//! Ours are not quite its tests, and the mark says so: pp is the time to the first token, so its rate is our prefill
//! rate; tg is the time of the gaps after it, so it counts one token less than was generated.

use serde_json::{Value, json};
use weighbridge_stats::Summary;
use weighbridge_summary::{Rows, figure_cell};
use weighbridge_types::definition::{DECODE_RATE, PREFILL_RATE};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::Record;
use weighbridge_types::request::RequestRow;

use super::source::{is_import_of, own_figures, rows_of, whole};
use super::{ExportError, ExportFile, ExportFormat};
use crate::import::Tool;
use crate::import::marker::{MARKER_KEY, Marker};

const FILE: &str = "llama-bench.json";

pub(super) fn export(record: &Record, rows: Option<&Rows>) -> Result<Vec<ExportFile>, ExportError> {
    let format = ExportFormat::LlamaBench;
    own_figures(record, format, Tool::LlamaBench)?;
    if is_import_of(record, Tool::LlamaBench) {
        return Ok(vec![ExportFile::json(FILE, &imported(record))]);
    }
    let requests = rows.map(|rows| rows.requests.as_slice()).unwrap_or_default();
    if requests.is_empty() {
        return Err(ExportError::NeedsRows { run_id: record.run_id.clone(), format });
    }
    let mut cells: Vec<Cell> = Vec::new();
    for row in requests {
        let cell = figure_cell(&row.cell);
        if lengths(&cell).is_some() && !cells.contains(&cell) {
            cells.push(cell);
        }
    }
    let tests: Vec<Value> = cells.iter().flat_map(|cell| tests(record, &rows_of(rows, cell), cell)).collect();
    if tests.is_empty() {
        let needs = "cell with known input and output lengths whose requests reached them";
        return Err(ExportError::Lacks { run_id: record.run_id.clone(), format, needs });
    }
    Ok(vec![ExportFile::json(FILE, &tests)])
}

fn lengths(cell: &Cell) -> Option<(u64, u64)> {
    let length = |key: &str| cell.get(key)?.parse::<u64>().ok();
    length("input_tokens").zip(length("output_tokens"))
}

fn tests(record: &Record, rows: &[&RequestRow], cell: &Cell) -> Vec<Value> {
    let Some((prompt, generated)) = lengths(cell) else { return Vec::new() };
    // A request of another length is another test.
    let fits = |row: &&RequestRow| {
        let cached = row.usage.and_then(|usage| usage.cached_input_tokens).unwrap_or(0);
        row.outcome.is_success() && row.input_tokens().map(u64::from) == Some(prompt) && cached == 0
    };
    let nanos = |span: std::time::Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let alike = || rows.iter().copied().filter(fits);
    let first: Vec<u64> = alike().filter_map(|row| row.timeline.ttft()).map(nanos).collect();
    let whole = alike().filter(|row| row.output_tokens() == generated);
    let decode: Vec<u64> = whole.filter_map(|row| row.timeline.decode_time()).map(nanos).collect();
    let of = |field: &str, definition: String| {
        let mut marker = Marker::for_cell(&record.run_id, cell);
        // The lengths of the test are those that it counts, not those of the cell.
        marker.cell.remove("input_tokens");
        marker.cell.remove("output_tokens");
        marker.cell.insert("request".to_owned(), format!("{prompt}/{generated}"));
        marker.definitions.insert(field.to_owned(), definition);
        marker
    };
    [
        test(record, (prompt, 0), &first, &of("pp", PREFILL_RATE.id())),
        test(record, (0, generated.saturating_sub(1)), &decode, &of("tg", DECODE_RATE.id())),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn test(record: &Record, (prompt, generated): (u64, u64), samples: &[u64], marker: &Marker) -> Option<Value> {
    let times: Vec<f64> = samples.iter().filter(|nanos| **nanos > 0).map(|nanos| *nanos as f64).collect();
    let tokens = (prompt + generated) as f64;
    let rates: Vec<f64> = times.iter().map(|nanos| tokens * 1e9 / nanos).collect();
    let (time, rate) = (Summary::new(&times).ok()?, Summary::new(&rates).ok()?);
    let mut out = head(record, prompt, generated);
    out["avg_ns"] = whole(Some(time.mean));
    out["stddev_ns"] = whole(time.sd);
    out["avg_ts"] = rate.mean.into();
    out["stddev_ts"] = rate.sd.into();
    out["samples_ns"] = samples.into();
    out["samples_ts"] = rates.into();
    out[MARKER_KEY] = json!(marker);
    (tokens > 0.0).then_some(out)
}

fn head(record: &Record, prompt: u64, generated: u64) -> Value {
    let (engine, environment) = (&record.engine, &record.environment);
    let gpus: Vec<&str> = environment.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
    json!({
        "build_commit": environment.build.commit,
        "build_number": null,
        "cpu_info": environment.cpu_model,
        "gpu_info": gpus.join(", "),
        "backends": engine.device,
        "model_filename": engine.model_ref,
        "model_type": engine.model,
        "model_size": engine.model_bytes,
        "model_n_params": engine.parameters,
        "n_threads": environment.cores_usable,
        "n_prompt": prompt,
        "n_gen": generated,
        "n_depth": 0,
        "test_time": record.created_at,
    })
}

/// The tests of an imported file again, from its figures and the repetitions that the record keeps.
fn imported(record: &Record) -> Vec<Value> {
    let mut out = Vec::new();
    let is_time = |metric: &&Metric| metric.name == "llama_bench.time" && metric.statistic == Statistic::Mean;
    for time in record.metrics.iter().filter(is_time) {
        let cell = &time.cell;
        let rate = record.metrics.iter().find(|metric| metric.cell == *cell && metric.unit == "tokens/s");
        let (Some((prompt, generated)), Some(rate)) = (lengths(cell), rate) else { continue };
        let mut test = head(record, prompt, generated);
        for (key, value) in record.settings["source"].as_object().into_iter().flatten() {
            test[key] = value.clone();
        }
        for (key, value) in cell.iter().filter(|(key, _)| !matches!(*key, "phase" | "input_tokens" | "output_tokens")) {
            test[if key == "depth" { "n_depth" } else { key }] =
                value.parse::<u64>().map_or_else(|_| value.into(), Value::from);
        }
        test["avg_ns"] = whole(time.value.map(|millis| millis * 1e6));
        test["stddev_ns"] = whole(time.deviation.map(|millis| millis * 1e6));
        test["avg_ts"] = rate.value.into();
        test["stddev_ts"] = rate.deviation.into();
        for key in ["samples_ns", "samples_ts"] {
            test[key] = record.settings["samples"][cell.to_string()][key].clone();
        }
        out.push(test);
    }
    out
}
