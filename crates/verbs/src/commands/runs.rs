//! Finding a run by what a user calls it, and showing one that has ended.

use std::path::{Path, PathBuf};

use weighbridge_report::console;
use weighbridge_report::html::{self, LoadReading, LoadTraces};
use weighbridge_store::{Filter, Index, RunLog, StoreError, read_log, replay};
use weighbridge_summary::Rows;
use weighbridge_types::record::{LogLine, Phase, Record};

use super::bench::REPORT_FILE;
use crate::arguments::OutputFormat;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;

/// The folder of a run: a path, the name of a run in the results folder, the label of its newest run of that label, or
/// `latest`.
pub(super) fn find(run: &str, results: &Path) -> Result<PathBuf, Failure> {
    if run == "latest" {
        let none = || StoreError::NoRun { path: results.to_owned() }.into();
        return newest(results, None)?.ok_or_else(none);
    }
    let named = results.join(run);
    let path = if Path::new(run).exists() { PathBuf::from(run) } else { named };
    if path.exists() {
        return Ok(path);
    }
    newest(results, Some(run))?.ok_or_else(|| StoreError::NoRun { path: run.into() }.into())
}

/// The newest run, or the newest with this label.
fn newest(results: &Path, label: Option<&str>) -> Result<Option<PathBuf>, Failure> {
    if !results.is_dir() {
        return Ok(None);
    }
    let mut index = Index::open(results)?;
    index.refresh()?;
    let newest = index.list(&Filter { limit: Some(1), label: label.map(str::to_owned), ..Filter::default() })?;
    Ok(newest.first().map(|run| results.join(&run.run_id)))
}

/// Prints a record that was just written, and says where it and its page lie.
pub(super) fn print(
    record: &Record,
    folder: &Path,
    format: OutputFormat,
    environment: &Environment,
) -> Result<(), Failure> {
    match format {
        OutputFormat::Json => output::json(record)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&console::render(record, width, color))?;
        }
    }
    say_where(folder);
    Ok(())
}

/// Says where a record and its page lie.
pub(super) fn say_where(folder: &Path) {
    output::talk(&format!("record  {}", folder.display()));
    output::talk(&format!("report  {}", folder.join(REPORT_FILE).display()));
}

/// The page of a run with what its event log adds. A load run may have millions of requests: its log is read twice, row
/// by row, and never held.
pub(super) fn page(run: &Path, record: &Record) -> Result<String, Failure> {
    if record.phase(Phase::Load).is_none() {
        return Ok(html::render(record, Some(&rows(run)?)));
    }
    Ok(match traces(run, record)? {
        Some(traces) => html::render_load(record, &traces),
        None => html::render(record, None),
    })
}

/// `None` for a load without a plan, which is one of another tool.
fn traces(run: &Path, record: &Record) -> Result<Option<LoadTraces>, Failure> {
    let Some(mut reading) = LoadReading::new(record) else { return Ok(None) };
    replay(run, 0, |line| {
        if let LogLine::Request(row) = line {
            reading.push(&row);
        }
    })?;
    let mut traces = reading.finish();
    replay(run, 0, |line| match line {
        LogLine::Request(row) => traces.push(&row),
        LogLine::Telemetry { seen, .. } => traces.push_seen(&seen),
        _ => {}
    })?;
    Ok(Some(traces))
}

/// The rows of a run's event log, for whoever recomputes or draws them.
pub(super) fn rows(run: &Path) -> Result<Rows, Failure> {
    let RunLog { phases, .. } = read_log(run)?;
    let mut rows = Rows::default();
    for (phase, log) in phases {
        rows.requests.extend(log.requests);
        rows.items.extend(log.items);
        rows.starts.extend(log.starts);
        rows.telemetry.extend(log.telemetry);
        rows.exhibits.extend(log.exhibits);
        rows.panes.extend(log.panes);
        rows.incidents.extend(log.incidents);
        rows.samples.extend(log.samples.into_iter().map(|sample| (phase, sample)));
    }
    Ok(rows)
}
