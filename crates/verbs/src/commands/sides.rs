//! Sides of a comparison, by what a user calls them.

use std::path::{Path, PathBuf};

use weighbridge_report::import::import;
use weighbridge_store::{Baseline, Baselines, Filter, Index, StoreError, read_record};
use weighbridge_types::record::Record;
use weighbridge_verdict::Side;

use super::import::read;
use crate::failure::Failure;

/// What begins the name of a baseline: `baseline:NAME`, `baseline:NAME@BRANCH`.
const BASELINE: &str = "baseline:";

/// All sides. A baseline is that of the host on which the other sides were measured.
pub(super) fn all(texts: &[String], results: &Path) -> Result<Vec<Side>, Failure> {
    let of_runs = texts.iter().filter(|text| !text.starts_with(BASELINE));
    let measured = of_runs.map(|text| one(text, results)).collect::<Result<Vec<Side>, _>>()?;
    let host = measured.iter().flat_map(|side| &side.runs).map(|run| run.environment.digest.clone()).next();
    let mut measured = measured.into_iter();
    let side = |text: &String| match text.strip_prefix(BASELINE) {
        Some(name) => baseline(name, host.as_deref(), results),
        None => measured.next().map_or_else(|| one(text, results), Ok),
    };
    texts.iter().map(side).collect()
}

/// The runs of a baseline, `NAME` or `NAME@BRANCH`.
fn baseline(text: &str, host: Option<&str>, results: &Path) -> Result<Side, Failure> {
    let (name, branch) = text.split_once('@').map_or((text, None), |(name, branch)| (name, Some(branch)));
    let baselines = Baselines::read(results)?;
    let found: Vec<&Baseline> = baselines.named(name, branch).collect();
    let of_host: Vec<&Baseline> = found.iter().copied().filter(|of| host == Some(&of.host)).collect();
    match (&of_host[..], &found[..]) {
        ([one], _) => Ok(Side { name: name.to_owned(), runs: baselines.records(one)? }),
        ([], []) => {
            let what = format!("find the baseline `{text}` in `{}`", results.display());
            Err(Failure::usage(what, "see `weighbridge baseline show`, or set it with `weighbridge baseline set`"))
        }
        ([], others) => {
            let hosts: Vec<&str> = others.iter().map(|of| of.host_words.as_str()).collect();
            let what = format!("use the baseline `{text}` here: it is of another host ({})", hosts.join("; "));
            Err(Failure::usage(what, "measure a baseline on this host with `weighbridge baseline set`"))
        }
        (several, _) => {
            let branches: Vec<&str> = several.iter().map(|of| of.branch.as_str()).collect();
            let what = format!("choose a baseline `{text}`: there are some of the branches {}", branches.join(", "));
            Err(Failure::usage(what, format!("write `{BASELINE}{name}@BRANCH`")))
        }
    }
}

/// A side as it is written: `[NAME=]RUN[,RUN…]`.
pub(super) fn one(text: &str, results: &Path) -> Result<Side, Failure> {
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
