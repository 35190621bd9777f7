//! llama-bench `-o json` and `-o jsonl`: a test per object, with the values of its repetitions.
//!
//! Field names as the README at 08d0baa documents them. Times are whole nanoseconds, the deviation divides by n − 1.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use weighbridge_stats::{Confidence, student_t_mean};
use weighbridge_types::environment::Gpu;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;

use super::draft::Draft;
use super::figures::{self, Entry, count, number, text};
use super::marker::Marker;
use super::{Format, ImportError, Tool, time};

/// Settings that become part of the cell where the tests of a file differ in them.
const VARIED: [&str; 11] = [
    "model_filename",
    "model_type",
    "backends",
    "n_threads",
    "n_batch",
    "n_ubatch",
    "n_gpu_layers",
    "type_k",
    "type_v",
    "flash_attn",
    "split_mode",
];

/// Settings kept when all tests share them.
const SHARED: [&str; 13] = [
    "build_commit",
    "build_number",
    "model_filename",
    "model_type",
    "backends",
    "n_threads",
    "n_batch",
    "n_ubatch",
    "n_gpu_layers",
    "type_k",
    "type_v",
    "flash_attn",
    "use_mmap",
];

/// Repetitions of one test that are kept.
const MOST_SAMPLES: usize = 10_000;

pub(super) fn read(documents: &[Value]) -> Result<Draft, ImportError> {
    let mut draft = Draft::new(Tool::LlamaBench);
    let Some(first) = documents.first() else {
        return Err(ImportError::Missing { format: Format::LlamaBench, missing: "a test".to_owned() });
    };
    describe(&mut draft, first);
    let varied: Vec<&str> = VARIED.into_iter().filter(|key| is_varied(documents, key)).collect();
    let mut total_ns = Some(0.0);
    for (index, document) in documents.iter().enumerate() {
        let lengths = count(document.get("n_prompt")).zip(count(document.get("n_gen")));
        let Some((prompt, generated)) = lengths.filter(|lengths| *lengths != (0, 0)) else {
            let missing = format!("`n_prompt` or `n_gen` of test {}", index + 1);
            return Err(ImportError::Missing { format: Format::LlamaBench, missing });
        };
        let marker = Marker::of(document);
        let cell = marker.restore(cell_of(document, prompt, generated, &varied));
        draft.sheet.mark(marker);
        test(&mut draft, document, &cell, prompt, generated);
        let samples = samples(document, "samples_ns");
        total_ns = total_ns.filter(|_| !samples.is_empty()).map(|total| total + samples.iter().sum::<f64>());
    }
    draft.duration_s = total_ns.map(|nanos| nanos / 1e9).filter(|seconds| seconds.is_finite());
    draft.sheet.note("the duration is the sum of the timed repetitions; loading and warm-up are not in the file");
    draft.sheet.note("a test is no request: there is no tally and there are no rows");
    Ok(draft)
}

fn describe(draft: &mut Draft, first: &Value) {
    draft.engine = Some("llama.cpp".to_owned());
    draft.keep(first, &SHARED);
    draft.model = text(first, "model_type").or_else(|| text(first, "model_filename")).map(str::to_owned);
    draft.description.parameters = count(first.get("model_n_params")).filter(|count| *count > 0);
    draft.description.model_bytes = count(first.get("model_size")).filter(|size| *size > 0);
    draft.environment.cpu_model = text(first, "cpu_info").map(str::to_owned);
    let gpus = text(first, "gpu_info").into_iter().flat_map(|names| names.split(", "));
    draft.environment.gpus = gpus.take(64).map(|name| Gpu { name: name.to_owned(), ..Gpu::default() }).collect();
    let commit = text(first, "build_commit").unwrap_or("unknown");
    let build = count(first.get("build_number")).map_or_else(String::new, |number| format!(" ({number})"));
    draft.tool_version = Some(format!("{commit}{build}"));
    draft.started_at = text(first, "test_time").and_then(|start| time::rfc_3339(start, &mut draft.sheet));
}

fn is_varied(documents: &[Value], key: &str) -> bool {
    documents.iter().map(|document| document.get(key).map(Value::to_string)).collect::<BTreeSet<_>>().len() > 1
}

fn cell_of(document: &Value, prompt: u64, generated: u64, varied: &[&str]) -> Cell {
    let mut cell = Cell::of(Phase::Load).with("input_tokens", prompt).with("output_tokens", generated);
    if let Some(depth) = count(document.get("n_depth")).filter(|depth| *depth > 0) {
        cell = cell.with("depth", depth);
    }
    for key in varied {
        match document.get(*key) {
            Some(Value::String(text)) => cell = cell.with(key, text),
            Some(value) => cell = cell.with(key, value),
            None => {}
        }
    }
    cell
}

fn samples(document: &Value, key: &str) -> Vec<f64> {
    let values = document.get(key).and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_f64).filter(|value| *value > 0.0).take(MOST_SAMPLES).collect()
}

fn test(draft: &mut Draft, document: &Value, cell: &Cell, prompt: u64, generated: u64) {
    let field = match (prompt, generated) {
        (_, 0) => "pp",
        (0, _) => "tg",
        _ => "pg",
    };
    let times = samples(document, "samples_ns");
    let n = times.len() as u64;
    let tokens = prompt.saturating_add(generated) as f64;
    let rates: Vec<f64> = times.iter().map(|nanos| tokens * 1e9 / nanos).collect();
    let figures = [(field, "avg_ts", "stddev_ts", 1.0, rates), ("time", "avg_ns", "stddev_ns", 1e-6, times.clone())];
    for (field, mean, deviation, scale, values) in figures {
        let reading = match number(document.get(mean), mean) {
            Ok(value) if value <= 0.0 => Err(format!("`{mean}` is {value} in the file, which is no speed and no time")),
            other => other,
        };
        let entry = Entry { field, statistic: Statistic::Mean, cell, reading, scale, n };
        let Some(metric) = draft.sheet.put(entry) else { continue };
        let deviation = number(document.get(deviation), deviation);
        figures::spread(metric, deviation.ok().map(|deviation| deviation * scale));
        if let Some(interval) = student_t_mean(&values, Confidence::P95).ok().map(|estimate| estimate.interval) {
            let (low, high) = (Ok(interval.low * scale), Ok(interval.high * scale));
            figures::interval(metric, &low, &high, 0.95, "student_t_over_repetitions");
        }
    }
    if n == 0 {
        draft.sheet.note("the file does not hold the repetitions: counts, deviations and intervals are left out");
    } else {
        draft
            .samples
            .insert(cell.to_string(), json!({"samples_ns": times, "samples_ts": samples(document, "samples_ts")}));
    }
}
