//! `report`: show, check and export the record of a run.

use std::path::{Path, PathBuf};

use weighbridge_report::{check, console, documents, html, json, markdown};
use weighbridge_store::read_record;
use weighbridge_summary::Rows;
use weighbridge_types::record::Record;

use super::runs;
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
                    output::data(&console::render(&record, width, color))?;
                }
            }
            Ok(Exit::Pass)
        }
        ReportVerb::Check { run, results, output: format } => {
            let path = runs::find(&run, &results.output_dir)?;
            let record = read_record(&path)?;
            let report = check::check(&record, rows_of(&path)?.as_ref());
            match format.output_format {
                OutputFormat::Json => output::json(&report)?,
                OutputFormat::Console => output::data(&report.render())?,
            }
            Ok(if report.passed() { Exit::Pass } else { Exit::GateFailed })
        }
        ReportVerb::Export { run, format, path, results } => {
            let folder = runs::find(&run, &results.output_dir)?;
            export(&folder, format, path)
        }
    }
}

/// The event log beside a record; a record that was moved away from its log is judged alone.
fn rows_of(path: &Path) -> Result<Option<Rows>, Failure> {
    let folder = if path.is_dir() { Some(path) } else { path.parent() };
    match folder {
        Some(folder) if folder.join("events.jsonl.zst").exists() => Ok(Some(runs::rows(folder)?)),
        _ => {
            output::talk("note: there is no event log beside the record, so that only the record itself is looked at");
            Ok(None)
        }
    }
}

fn export(run: &Path, format: ExportFormat, path: Option<PathBuf>) -> Result<Exit, Failure> {
    let record = read_record(run)?;
    let text = match format {
        ExportFormat::Html => html::render(&record, rows_of(run)?.as_ref()),
        ExportFormat::Markdown => markdown::render(&record),
        ExportFormat::Csv => json::csv(&record),
        ExportFormat::All => {
            let folder = path.unwrap_or_else(|| documents_folder(run));
            return export_all(&record, run, &folder);
        }
    };
    match path {
        Some(path) => write(&path, &text)?,
        None => output::data(&text)?,
    }
    Ok(Exit::Pass)
}

fn documents_folder(run: &Path) -> PathBuf {
    let folder = if run.is_dir() { run } else { run.parent().unwrap_or(run) };
    folder.join(DOCUMENTS_FOLDER)
}

fn export_all(record: &Record, run: &Path, folder: &Path) -> Result<Exit, Failure> {
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::usage(format!("create the folder `{}`: {error}", folder.display()), ""))?;
    let documents = documents::documents(record, rows_of(run)?.as_ref());
    for (name, contents) in &documents {
        write(&folder.join(name), contents)?;
    }
    output::talk(&format!("wrote {} documents into `{}`", documents.len(), folder.display()));
    Ok(Exit::Pass)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| {
        let hint = "name a file in a folder that exists and can be written";
        Failure::usage(format!("write `{}`: {error}", path.display()), hint)
    })
}
