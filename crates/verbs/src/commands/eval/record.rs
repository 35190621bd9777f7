//! The record of a scoring: a run of kind `eval`, with the tables and curves beside it.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde::Deserialize;
use serde_json::json;
use weighbridge_eval::predictions::{Form, Mapping};
use weighbridge_eval::score::{Report, Settings};
use weighbridge_eval::text::bleu::Bleu;
use weighbridge_eval::text::matching::Normalization;
use weighbridge_eval::text::tokenize::Tokenizer;
use weighbridge_stats::{Confidence, Resampling};
use weighbridge_store::{Index, Recorder, RunFolder};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::record::{
    EngineDescription, MetricPointer, Phase, PhaseResult, Record, SCHEMA_VERSION, Status, Tally,
};
use weighbridge_types::time::{Clock, Stamp, WallTime};

use super::super::bench::REPORT_FILE;
use super::super::runs;
use crate::arguments::{BleuTokenizer, ScoreArguments};
use crate::build::build;
use crate::failure::Failure;
use crate::output;

/// What kind of run this is.
const KIND: &str = "eval";

/// What a record of a scored file names as its engine.
pub(in crate::commands) const PREDICTIONS: &str = "predictions";
/// File beside the record that holds every figure with tables and curves.
const SCORES_FILE: &str = "scores.json";
/// Longest label made of a file's name; a folder's name holds a time and the kind beside it.
const LONGEST_LABEL: usize = 48;

/// When the scoring began.
pub(super) struct Watch {
    clock: Clock,
    start: Stamp,
    wall: WallTime,
}

impl Watch {
    pub(super) fn start() -> Self {
        let clock = Clock::start();
        let start = clock.now();
        Self { clock, start, wall: WallTime::now() }
    }

    fn seconds(&self) -> f64 {
        (self.clock.now() - self.start).as_secs_f64()
    }
}

/// Writes the run; gives its folder.
pub(super) fn keep(arguments: &ScoreArguments, report: &Report, watch: &Watch) -> Result<PathBuf, Failure> {
    let label = arguments.label.clone().unwrap_or_else(|| label_of(&arguments.file));
    let folder = RunFolder::create(&arguments.results.output_dir, KIND, &label, watch.wall)?;
    let path = folder.path().to_owned();
    let record = record(arguments, report, watch, (folder.run_id().to_owned(), label));
    let failed = |error: SinkError| Failure::usage(error.problem, error.hint);
    output::write(&path.join(SCORES_FILE), serde_json::to_vec_pretty(report)?)?;
    let mut recorder = Recorder::start(folder)?;
    recorder.event(&RunEvent::PhaseStarted { phase: Phase::Evaluate, attempt: 1 }).map_err(failed)?;
    recorder.event(&RunEvent::Exhibit(Box::new(report.exhibit()))).map_err(failed)?;
    recorder.checkpoint(&record).map_err(failed)?;
    recorder.close().map_err(failed)?;
    output::write(&path.join(REPORT_FILE), runs::page(&path, &record)?)?;
    Index::open(&arguments.results.output_dir)?.register(&path)?;
    Ok(path)
}

fn record(arguments: &ScoreArguments, report: &Report, watch: &Watch, (run_id, label): (String, String)) -> Record {
    let seconds = watch.seconds();
    let phase = PhaseResult {
        phase: Phase::Evaluate,
        status: Status::Complete,
        attempt: 1,
        started_at: Some(watch.wall.to_string()),
        duration_s: Some(seconds),
        estimated_s: None,
        key_metric: key_metric(report),
        tally: Tally {
            scheduled: report.samples,
            succeeded: report.samples - report.failures,
            failed: report.failures,
            ..Tally::default()
        },
        checks: Vec::new(),
        notes: report.notes.clone(),
    };
    Record {
        schema_version: SCHEMA_VERSION.to_string(),
        run_id,
        kind: KIND.to_owned(),
        label,
        created_at: watch.wall.to_string(),
        updated_at: WallTime::now().to_string(),
        status: Status::Complete,
        settings: settings(arguments, report),
        seed: arguments.seed,
        engine: EngineDescription {
            engine: PREDICTIONS.to_owned(),
            model_ref: arguments.file.display().to_string(),
            model: label_of(&arguments.file),
            device: "none".to_owned(),
            ..EngineDescription::default()
        },
        environment: fingerprint(&SystemRoot::host(), build(), &arguments.results.output_dir),
        calibration: None,
        phases: vec![phase],
        duration_s: seconds,
        metrics: report.figures.clone(),
        targets: Vec::new(),
        findings: Vec::new(),
    }
}

fn settings(arguments: &ScoreArguments, report: &Report) -> serde_json::Value {
    json!({
        "score": {
            "file": arguments.file.file_name().unwrap_or_default().to_string_lossy(),
            "bytes": report.bytes,
            "format": arguments.format.map(|format| super::form(format).name()),
            "map": arguments.map,
            "labels": arguments.labels,
            "positive": arguments.positive,
            "threshold": arguments.threshold,
            "cost": arguments.cost,
            "cost_matrix": arguments.cost_matrix,
            "cwe": arguments.cwe,
            "tokenize": format!("{:?}", arguments.tokenize),
            "ignore_case": arguments.ignore_case,
            "ignore_punctuation": arguments.ignore_punctuation,
            "ignore_numbers": arguments.ignore_numbers,
            "metrics": arguments.metric,
            "confidence": arguments.confidence,
            "resamples": arguments.resamples,
        }
    })
}

/// The settings of a record, to score its file again; an error says why they cannot be read.
pub(super) fn settings_of(record: &Record) -> Result<Settings, String> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        score: Stored,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Stored {
        #[serde(rename = "file")]
        _file: String,
        #[serde(rename = "bytes")]
        _bytes: u64,
        #[serde(default)]
        format: Option<String>,
        map: Vec<String>,
        labels: Vec<String>,
        positive: Option<String>,
        threshold: f64,
        #[serde(default)]
        cost: Vec<String>,
        #[serde(default)]
        cost_matrix: Option<PathBuf>,
        #[serde(default)]
        cwe: Option<PathBuf>,
        tokenize: String,
        ignore_case: bool,
        ignore_punctuation: bool,
        ignore_numbers: bool,
        metrics: Vec<String>,
        confidence: f64,
        resamples: u32,
    }
    let stored: Outer = serde_json::from_value(record.settings.clone()).map_err(|error| error.to_string())?;
    let stored = stored.score;
    let tokenizers = [Tokenizer::V13a, Tokenizer::International, Tokenizer::Char, Tokenizer::None];
    let names = BleuTokenizer::value_variants().iter().map(|name| format!("{name:?}"));
    let tokenizer = names.zip(tokenizers).find(|(name, _)| *name == stored.tokenize);
    let tokenizer = tokenizer.ok_or_else(|| format!("`{}` is no tokenizer", stored.tokenize))?.1;
    Ok(Settings {
        form: stored.format.and_then(|name| Form::ALL.into_iter().find(|form| form.name() == name)),
        mapping: Mapping::parse(stored.map.iter().map(String::as_str)).map_err(|error| error.to_string())?,
        labels: stored.labels,
        positive: stored.positive,
        threshold: stored.threshold,
        costs: super::costs(&stored.cost, stored.cost_matrix.as_deref()).map_err(|error| error.into_parts().0)?,
        weaknesses: super::weaknesses(stored.cwe.as_deref()).map_err(|error| error.into_parts().0)?,
        bleu: Bleu { tokenizer, ..Bleu::default() },
        normalization: Normalization {
            ignore_case: stored.ignore_case,
            ignore_punctuation: stored.ignore_punctuation,
            ignore_numbers: stored.ignore_numbers,
        },
        metrics: stored.metrics,
        confidence: Confidence::new(stored.confidence).map_err(|error| error.to_string())?,
        resampling: Resampling::new(record.seed).with_count(stored.resamples),
    })
}

/// The first share of the report stands for the run in lists.
fn key_metric(report: &Report) -> Option<MetricPointer> {
    let is_score = |name: &str| !matches!(name, "samples" | "answered");
    let metric = report.figures.iter().find(|metric| metric.value.is_some() && is_score(&metric.name))?;
    Some(MetricPointer { key: metric.key(), cell: metric.cell.clone() })
}

/// The file's name without its endings, with what a folder's name must not hold replaced.
fn label_of(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split('.').find(|part| !part.is_empty()).unwrap_or("predictions");
    let label = label(stem);
    if label.is_empty() { "predictions".to_owned() } else { label }
}

/// A text as a folder's name may hold it.
pub(super) fn label(text: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '-' };
    let label: String = text.chars().map(keep).take(LONGEST_LABEL).collect();
    label.trim_start_matches(['-', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit_a_folders_name() {
        let check = |name: &str, expected: &str| assert_eq!(label_of(Path::new(name)), expected);
        check("a/run 1.jsonl.gz", "run-1");
        check(".csv", "csv");
        check("größe.csv", "gr--e");
        check("-.csv", "predictions");
    }
}
