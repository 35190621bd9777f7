//! `import`: result files of other tools become runs of the results folder.

use std::path::Path;

use serde::Serialize;
use weighbridge_report::import::{Format, Imported, KIND, import};
use weighbridge_store::{Recorder, RunFolder};
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::record::{Phase, Status};
use weighbridge_types::time::WallTime;

use crate::arguments::{ImportArguments, OutputFormat};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Largest file that is read: it is held in memory as a whole, several times its size.
const LARGEST_FILE: u64 = 1 << 30;

/// Longest label made of a file's name; a folder's name holds a time and the kind beside it.
const LONGEST_LABEL: usize = 48;

/// What became of one file.
#[derive(Serialize)]
struct Taken {
    file: String,
    format: &'static str,
    tool: &'static str,
    run_id: String,
    figures: usize,
    requests: usize,
    notes: Vec<String>,
}

pub(super) fn run(arguments: &ImportArguments) -> Result<Exit, Failure> {
    let mut taken = Vec::new();
    let mut exit = Exit::Pass;
    for file in &arguments.files {
        // A file that cannot be read does not keep the others out.
        match take(file, arguments) {
            Ok(one) => taken.push(one),
            Err(failure) => {
                exit = failure.exit;
                output::fail(&format!("`{}`: {}", file.display(), failure.text()));
            }
        }
    }
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&taken)?,
        OutputFormat::Console => {
            for one in &taken {
                output::data(&line(one))?;
            }
        }
    }
    Ok(exit)
}

fn line(taken: &Taken) -> String {
    let Taken { file, tool, run_id, figures, requests, notes, .. } = taken;
    format!(
        "{file}: {figures} figures and {requests} requests of {tool}, {} notes\n  weighbridge report show {run_id}\n",
        notes.len()
    )
}

fn take(file: &Path, arguments: &ImportArguments) -> Result<Taken, Failure> {
    let bytes = read(file)?;
    let imported = import(&bytes, arguments.format)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let label = arguments.label.clone().unwrap_or_else(|| label_of(&name, imported.format));
    let now = WallTime::now();
    let folder = RunFolder::create(&arguments.results.output_dir, KIND, &label, now)?;
    keep(folder, imported, (name, label), now)
}

pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let hint = "name a result file that can be read";
    let fail = |error: std::io::Error| Failure::usage(format!("read the file: {error}"), hint);
    let length = std::fs::metadata(file).map_err(fail)?.len();
    if length > LARGEST_FILE {
        let what = format!("read the file: its {length} bytes exceed the limit of {LARGEST_FILE}");
        return Err(Failure::usage(what, "import a file without detailed arrays, or a part of it"));
    }
    std::fs::read(file).map_err(fail)
}

/// The file's name without its ending, with what a folder's name must not hold replaced.
fn label_of(name: &str, format: Format) -> String {
    let stem = name.split('.').next().unwrap_or_default();
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '-' };
    let label: String = stem.chars().map(keep).take(LONGEST_LABEL).collect();
    let label = label.trim_start_matches(['-', '_']);
    if label.is_empty() { format.name().to_owned() } else { label.to_owned() }
}

fn keep(
    folder: RunFolder,
    imported: Imported,
    (name, label): (String, String),
    now: WallTime,
) -> Result<Taken, Failure> {
    let Imported { format, mut record, rows, notes } = imported;
    record.run_id = folder.run_id().to_owned();
    record.label = label;
    record.updated_at = now.to_string();
    if record.created_at.is_empty() {
        record.created_at = now.to_string();
    }
    record.settings["import"]["file"] = name.clone().into();
    record.settings["import"]["imported_at"] = now.to_string().into();
    if record.status == Status::Failed {
        output::warn(&format!("by `{name}` the run was no success; see its notes"));
    }
    let failed = |error: SinkError| Failure::usage(error.problem, error.hint);
    let mut recorder = Recorder::start(folder)?;
    recorder.event(&RunEvent::PhaseStarted { phase: Phase::Load, attempt: 1 }).map_err(failed)?;
    let requests = rows.len();
    for row in rows {
        recorder.event(&RunEvent::Request(Box::new(row))).map_err(failed)?;
    }
    recorder.checkpoint(&record).map_err(failed)?;
    recorder.close().map_err(failed)?;
    let figures = record.metrics.iter().filter(|metric| metric.value.is_some()).count();
    Ok(Taken {
        file: name,
        format: format.name(),
        tool: format.tool().name(),
        run_id: record.run_id,
        figures,
        requests,
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fit_a_folders_name() {
        let check = |name: &str, expected: &str| assert_eq!(label_of(name, Format::Vllm), expected);
        check("run 1.json", "run-1");
        check("größe.json", "gr--e");
        check("-x.json", "x");
        check(".json", "vllm");
        check(&"x".repeat(90), &"x".repeat(48));
    }
}
