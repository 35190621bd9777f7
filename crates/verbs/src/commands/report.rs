//! `report`: show, check and export the record of a run.

use std::path::{Path, PathBuf};

use weighbridge_eval::runner::Recount;
use weighbridge_eval::stream::{self, KIND};
use weighbridge_eval::task::GroupConfig;
use weighbridge_report::check::{self, CheckReport};
use weighbridge_report::export::{self, ExportFile};
use weighbridge_report::{console, documents, html, import, json, markdown};
use weighbridge_store::{RunFolder, StoreError, read_record, replay_as_written};
use weighbridge_summary::Rows;
use weighbridge_types::metric::Metric;
use weighbridge_types::record::{LogLine, Phase, Record, Status};

use super::{eval, recover, runs};
use crate::arguments::{ExportFormat, OutputFormat, ReportVerb};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Folder of the documents within a run's folder.
const DOCUMENTS_FOLDER: &str = "reports";

pub(super) fn run(verb: ReportVerb, environment: &Environment) -> Result<Exit, Failure> {
    match verb {
        ReportVerb::Show { run, results, output: format } => {
            let record = read_record(&runs::find(&run, &results.output_dir)?)?;
            match format.output_format {
                OutputFormat::Json => output::json(&record)?,
                OutputFormat::Console => {
                    let (width, color) = output::console(environment);
                    let text = match record.kind.as_str() {
                        import::KIND => import::console::render(&record, output::columns(environment), color),
                        _ => console::render(&record, width, color),
                    };
                    output::data(&text)?;
                }
            }
            Ok(Exit::Pass)
        }
        ReportVerb::Check { run, results, output: format } => {
            let path = runs::find(&run, &results.output_dir)?;
            let record = read_record(&path)?;
            let report = match record.kind.as_str() {
                import::KIND => import::check::check_imported(&record),
                _ => checked(&record, &path)?,
            };
            match format.output_format {
                OutputFormat::Json => output::json(&report)?,
                OutputFormat::Console => output::data(&report.render())?,
            }
            Ok(if report.passed() { Exit::Pass } else { Exit::GateFailed })
        }
        ReportVerb::Recover { run, results, output: format } => {
            recover::run(&run, &results.output_dir, format.output_format, environment)
        }
        ReportVerb::Export { run, format, path, results } => {
            let folder = runs::find(&run, &results.output_dir)?;
            export(&folder, format, path)
        }
    }
}

/// Checks a record against its event log. That of a load may hold millions of requests, and is never held.
fn checked(record: &Record, path: &Path) -> Result<CheckReport, Failure> {
    match record.kind.as_str() {
        "eval" => return evaluation(record, path),
        KIND => return stream(record, path),
        // Its cells are runs of their own, each with its log.
        "matrix" => return Ok(check::check(record, None)),
        _ => {}
    }
    if record.phase(Phase::Load).is_none() {
        return Ok(check::check(record, rows_of(path)?.as_ref()));
    }
    let Some(folder) = log_folder(path) else { return Ok(check::check(record, None)) };
    let report = check::check_load(record, |each| replay_as_written(folder, 0, each))?;
    if record.status == Status::Running && matches!(RunFolder::open(folder), Err(StoreError::Locked { .. })) {
        output::talk("note: another process is writing this run; what it has written so far was checked");
    }
    Ok(report)
}

/// Checks the record of an evaluation: its figures are computed again from the scores of its log, or from the file of
/// predictions that it names.
fn evaluation(record: &Record, path: &Path) -> Result<CheckReport, Failure> {
    if record.engine.engine == eval::PREDICTIONS {
        return Ok(match eval::scored_again(record)? {
            Some(report) => check::check_figures(record, &report.figures, report.samples, |_| true),
            None => check::check(record, None),
        });
    }
    let Some(folder) = log_folder(path) else { return Ok(check::check(record, None)) };
    let mut recount = Recount::default();
    replay_as_written(folder, 0, |line| {
        if let LogLine::Sample(row) = line {
            recount.row(*row);
        }
    })?;
    // The figures of a run under way are those of its last checkpoint, and the log has gone on.
    let is_under_way = record.status == Status::Running;
    // Records of earlier versions do not say how their groups add up.
    let groups: Option<Vec<GroupConfig>> = serde_json::from_value(record.settings["groups"].clone()).ok();
    let found = if is_under_way { Vec::new() } else { recount.metrics(groups.as_deref().unwrap_or_default()) };
    let has = |metric: &Metric, key: &str| metric.cell.get(key).is_some();
    let is_covered =
        |metric: &Metric| !is_under_way && (has(metric, "task") || has(metric, "group") && groups.is_some());
    if groups.is_none() && record.metrics.iter().any(|metric| has(metric, "group")) {
        output::talk("note: the figures of groups are not computed again; those of their tasks are");
    }
    Ok(check::check_figures(record, &found, recount.documents(), is_covered))
}

/// Checks the record of a stream: its figures are computed again from the stretches of its log.
fn stream(record: &Record, path: &Path) -> Result<CheckReport, Failure> {
    let Some(folder) = log_folder(path) else { return Ok(check::check(record, None)) };
    let mut recount = stream::Recount::of(record);
    replay_as_written(folder, 0, |line| recount.line(line))?;
    // The figures of a run under way are those of its last checkpoint, and the log has gone on.
    let is_under_way = record.status == Status::Running;
    let found = if is_under_way { Vec::new() } else { recount.metrics() };
    let covers = |metric: &Metric| !is_under_way && stream::Recount::covers(metric);
    Ok(check::check_figures(record, &found, recount.events(), covers))
}

/// The event log beside a record; a record that was moved away from its log is judged alone.
fn rows_of(path: &Path) -> Result<Option<Rows>, Failure> {
    log_folder(path).map(runs::rows).transpose()
}

/// The folder with the event log of a record; without one, a word about it.
fn log_folder(path: &Path) -> Option<&Path> {
    let folder = if path.is_dir() { Some(path) } else { path.parent() };
    let found = folder.filter(|folder| folder.join("events.jsonl.zst").exists());
    if found.is_none() {
        output::talk("note: there is no event log beside the record, so that only the record itself is looked at");
    }
    found
}

/// Writes the run in this folder in a form: to the path, or to stdout.
pub(super) fn export(run: &Path, format: ExportFormat, path: Option<PathBuf>) -> Result<Exit, Failure> {
    let record = read_record(run)?;
    let form = match format {
        ExportFormat::Html => {
            let page = match log_folder(run) {
                Some(folder) => runs::page(folder, &record)?,
                None => html::render(&record, None),
            };
            return whole(&page, path);
        }
        ExportFormat::Markdown => return whole(&markdown::render(&record), path),
        ExportFormat::Csv => return whole(&json::csv(&record), path),
        ExportFormat::All => {
            let folder = path.unwrap_or_else(|| documents_folder(run));
            return export_all(&record, run, &folder);
        }
        ExportFormat::Vllm => export::ExportFormat::Vllm,
        ExportFormat::Aiperf => export::ExportFormat::Aiperf,
        ExportFormat::AiperfRows => export::ExportFormat::AiperfRows,
        ExportFormat::LlamaBench => export::ExportFormat::LlamaBench,
        ExportFormat::Sql => export::ExportFormat::Sql,
        ExportFormat::Prometheus => export::ExportFormat::Prometheus,
        ExportFormat::Junit => export::ExportFormat::Junit,
        ExportFormat::GithubAction => export::ExportFormat::GithubAction,
        ExportFormat::Bencher => export::ExportFormat::Bencher,
        ExportFormat::JobSummary => export::ExportFormat::JobSummary,
    };
    let needs_rows = matches!(format, ExportFormat::Vllm | ExportFormat::AiperfRows | ExportFormat::LlamaBench);
    let rows = if needs_rows { rows_of(run)? } else { None };
    files(export::export(&record, rows.as_ref(), form)?, run, path)
}

/// A form that is one text: to the file named, or to stdout.
fn whole(text: &str, path: Option<PathBuf>) -> Result<Exit, Failure> {
    match path {
        Some(path) => output::file(&path, text)?,
        None => output::data(text)?,
    }
    Ok(Exit::Pass)
}

/// The files of a form: one goes where a text would go, several go into a folder.
fn files(files: Vec<ExportFile>, run: &Path, path: Option<PathBuf>) -> Result<Exit, Failure> {
    match (files.as_slice(), &path) {
        ([file], None) => output::data(&String::from_utf8_lossy(&file.bytes))?,
        ([file], Some(path)) if !path.is_dir() => output::file(path, &file.bytes)?,
        _ => {
            let folder = path.unwrap_or_else(|| documents_folder(run));
            create(&folder)?;
            for file in &files {
                output::file(&folder.join(&file.name), &file.bytes)?;
            }
            output::talk(&format!("wrote {} files into `{}`", files.len(), folder.display()));
        }
    }
    Ok(Exit::Pass)
}

fn create(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::usage(format!("create the folder `{}`: {error}", folder.display()), ""))
}

fn documents_folder(run: &Path) -> PathBuf {
    let folder = if run.is_dir() { run } else { run.parent().unwrap_or(run) };
    folder.join(DOCUMENTS_FOLDER)
}

fn export_all(record: &Record, run: &Path, folder: &Path) -> Result<Exit, Failure> {
    create(folder)?;
    let documents = documents::documents(record, rows_of(run)?.as_ref());
    for (name, contents) in &documents {
        output::file(&folder.join(name), contents)?;
    }
    output::talk(&format!("wrote {} documents into `{}`", documents.len(), folder.display()));
    Ok(Exit::Pass)
}
