//! `compare`: whether figures changed between sides, each of one or more runs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use weighbridge_report::import::import;
use weighbridge_report::{console, html, markdown};
use weighbridge_stats::{Confidence, Resampling};
use weighbridge_store::{Filter, Index, StoreError, read_record};
use weighbridge_types::comparison::{Comparison, Verdict};
use weighbridge_types::record::Record;
use weighbridge_verdict::{Settings, Side, compare};

use super::import::read;
use crate::arguments::{CompareRunsArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Earlier runs from which the noise of this host is learned at most, the newest.
const MOST_KNOWN: u32 = 200;

pub(super) fn run(arguments: &CompareRunsArguments, environment: &Environment) -> Result<Exit, Failure> {
    let settings = settings(arguments)?;
    let results = &arguments.results.output_dir;
    let sides: Vec<Side> = arguments.sides.iter().map(|side| self::side(side, results)).collect::<Result<_, _>>()?;
    let known = known(&sides, results)?;
    let comparison = compare(&sides, &known, &settings)?;
    if let Some(path) = &arguments.markdown {
        write(path, &markdown::comparison(&comparison))?;
    }
    if let Some(path) = &arguments.html {
        write(path, &html::comparison(&comparison))?;
    }
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&comparison)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&console::comparison(&comparison, arguments.all, width, color))?;
        }
    }
    Ok(exit(&comparison))
}

fn exit(comparison: &Comparison) -> Exit {
    match comparison.verdict() {
        Verdict::Better | Verdict::Equivalent => Exit::Pass,
        Verdict::Worse => Exit::GateFailed,
        Verdict::Inconclusive => Exit::Inconclusive,
    }
}

fn settings(arguments: &CompareRunsArguments) -> Result<Settings, Failure> {
    let confidence = Confidence::new(arguments.confidence)
        .map_err(|error| Failure::usage(error.to_string(), "write 95 % as `--confidence 0.95`"))?;
    Ok(Settings {
        threshold: arguments.threshold / 100.0,
        confidence,
        power: arguments.power,
        gates: arguments.gate.clone(),
        force: arguments.force,
        resampling: Resampling::new(arguments.seed).with_count(arguments.resamples),
    })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        let hint = "name a file in a folder that exists and can be written";
        Failure::usage(format!("write `{}`: {error}", path.display()), hint)
    })
}

/// A side as it is written: `[NAME=]RUN[,RUN…]`.
fn side(text: &str, results: &Path) -> Result<Side, Failure> {
    // A path may hold the sign; a name holds no separator.
    let named = text.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains(['/', '\\', ',']));
    let (name, list) = named.unwrap_or((short(text), text));
    let mut runs = Vec::new();
    for part in list.split(',').filter(|part| !part.is_empty()) {
        runs.extend(records(part, results)?);
    }
    runs.sort_by(|a: &Record, b| (&a.created_at, &a.run_id).cmp(&(&b.created_at, &b.run_id)));
    Ok(Side { name: name.to_owned(), runs })
}

/// The last part of a path.
fn short(text: &str) -> &str {
    let end = text.trim_end_matches('/');
    end.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(text)
}

/// The records that one name stands for.
fn records(name: &str, results: &Path) -> Result<Vec<Record>, Failure> {
    for path in [PathBuf::from(name), results.join(name)] {
        if path.is_file() && path.file_name().is_none_or(|file| file != "record.json") {
            return Ok(vec![foreign(&path)?]);
        }
        if path.is_dir() && !path.join("record.json").exists() {
            let mut runs: Vec<PathBuf> = std::fs::read_dir(&path)?.flatten().map(|entry| entry.path()).collect();
            runs.retain(|run| run.join("record.json").exists());
            runs.sort();
            if runs.is_empty() {
                let what = format!("find runs in the folder `{}`", path.display());
                return Err(Failure::usage(what, "name the folder of a run, or one that holds such folders"));
            }
            return Ok(runs.iter().map(|run| read_record(run)).collect::<Result<_, StoreError>>()?);
        }
        if path.exists() {
            return Ok(vec![read_record(&path)?]);
        }
    }
    labelled(name, results)
}

/// Every run with this label.
fn labelled(label: &str, results: &Path) -> Result<Vec<Record>, Failure> {
    let none = || {
        let what = format!(
            "find `{label}`: there is no such path, no run of this name in `{}`, and none with this label",
            results.display()
        );
        Failure::usage(what, "see `weighbridge history` for the runs and their labels")
    };
    if !results.is_dir() {
        return Err(none());
    }
    let mut index = Index::open(results)?;
    index.refresh()?;
    let runs = if label == "latest" {
        index.list(&Filter { limit: Some(1), ..Filter::default() })?
    } else {
        index.list(&Filter { label: Some(label.to_owned()), ..Filter::default() })?
    };
    if runs.is_empty() {
        return Err(none());
    }
    Ok(runs.iter().map(|run| read_record(&results.join(&run.run_id))).collect::<Result<_, StoreError>>()?)
}

/// The record of another tool's result file.
fn foreign(path: &Path) -> Result<Record, Failure> {
    let mut record = import(&read(path)?, None)?.record;
    record.run_id = path.display().to_string();
    Ok(record)
}

/// Runs of the results folder that may be like the baseline's, with the baseline's own.
fn known(sides: &[Side], results: &Path) -> Result<Vec<Record>, Failure> {
    let Some(first) = sides.first().and_then(|side| side.runs.first()) else { return Ok(Vec::new()) };
    let mut all: Vec<Record> = sides.iter().flat_map(|side| side.runs.clone()).collect();
    if !results.is_dir() {
        return Ok(all);
    }
    let mut index = Index::open(results)?;
    index.refresh()?;
    let filter = Filter {
        kind: Some(first.kind.clone()),
        model: Some(first.engine.model.clone()),
        limit: Some(MOST_KNOWN),
        ..Filter::default()
    };
    let had: BTreeSet<String> = all.iter().map(|run| run.run_id.clone()).collect();
    for run in index.list(&filter)? {
        if run.environment_digest == first.environment.digest && !had.contains(&run.run_id) {
            // One that cannot be read teaches nothing, and is named by `history`.
            all.extend(read_record(&results.join(&run.run_id)));
        }
    }
    Ok(all)
}
