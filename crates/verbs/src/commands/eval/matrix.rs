//! `eval matrix`: a study of models and tasks, each cell in a process of its own.

mod cell;
mod show;

use std::path::{Path, PathBuf};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use weighbridge_eval::compare::{RowReader, Settings, Side};
use weighbridge_eval::matrix::{CellEnd, CellReader, Standing, Study, StudyReport, front, report, run_cells};
use weighbridge_store::{Index, Recorder, RunFolder, read_record, replay_as_written};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::fresh::Fresh;
use weighbridge_types::record::{EngineDescription, LogLine, Phase, Record, Status, Tally};
use weighbridge_types::time::{Clock, Stamp, WallTime};

use cell::Cells;
pub(crate) use cell::{TIMING_FILE, Timing};

use crate::arguments::{MatrixArguments, OutputFormat};
use crate::build::build;
use crate::commands::bench::cancel_on_interrupt;
use crate::commands::serve::File;
use crate::commands::{runs, runtime};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// What kind of run this is.
const KIND: &str = "matrix";
/// Folder of the cells' runs within the study's.
const CELLS: &str = "cells";
/// The report of the study; nothing of the clock is in it.
const STUDY_FILE: &str = "study.json";
/// What comes from the clock: phases, latency, cost, the front.
const COSTS_FILE: &str = "costs.json";

/// The rows of one model: of each of its cells, by the cell's place, and all together as a side.
type ModelRows = (Vec<(usize, CellReader)>, Option<Side>);

/// Where a study lies, and what it is.
struct Place {
    folder: RunFolder,
    study: Study,
    record: Record,
}

pub(super) fn run(arguments: &MatrixArguments, environment: &Environment) -> Result<Exit, Failure> {
    if arguments.dry_run {
        return dry_run(arguments);
    }
    let results = &arguments.results.output_dir;
    let Place { folder, study, mut record } = place(arguments)?;
    let path = folder.path().to_owned();
    let clock = Clock::start();
    let begin = clock.now();
    let seconds = |from: Stamp| (clock.now() - from).as_secs_f64();
    let failed = |error: SinkError| Failure::usage(error.problem, error.hint);
    let mut recorder = Recorder::start(folder)?;
    recorder.event(&RunEvent::PhaseStarted { phase: Phase::Evaluate, attempt: 1 }).map_err(failed)?;
    recorder.checkpoint(&record).map_err(failed)?;

    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let cells = study.cells();
    let runner = Cells::new(&study, path.join(CELLS), cancel.clone())?;
    let ends = run_cells(&cells, study.cells_at_once, study.concurrency, &runner);
    runtime.shutdown_background();
    let executed = seconds(begin);

    let analysis = clock.now();
    let (report, standings) = analyse(&study, &ends, &runner)?;
    let timing = runner.timing();
    let analysed = seconds(analysis);
    let costs = costs(&timing, executed, analysed, &report, &standings);
    write(&path.join(STUDY_FILE), &report)?;
    write(&path.join(COSTS_FILE), &costs)?;

    conclude(&mut record, &report, &ends, seconds(begin));
    recorder.checkpoint(&record).map_err(failed)?;
    recorder.close().map_err(failed)?;
    Index::open(results)?.register(&path)?;
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&json!({"study": report, "costs": costs}))?,
        OutputFormat::Console => {
            output::data(&show::console(&report, &standings, &costs, output::columns(environment)))?;
        }
    }
    output::talk(&format!("study   {}", path.join(STUDY_FILE).display()));
    Ok(exit(&ends, &path))
}

fn exit(ends: &[CellEnd], path: &Path) -> Exit {
    if ends.contains(&CellEnd::Pending) {
        output::talk(&format!("go on with `weighbridge eval matrix --resume {}`", path.display()));
        return Exit::Interrupted;
    }
    let is_invalid = |end: &CellEnd| matches!(end, CellEnd::Failed(_));
    if ends.iter().any(is_invalid) || !ends.contains(&CellEnd::Complete) {
        output::fail("not every cell could be run; `--resume` tries those again");
        return Exit::Invalid;
    }
    Exit::Pass
}

fn dry_run(arguments: &MatrixArguments) -> Result<Exit, Failure> {
    let study = study(arguments)?;
    let name = |cell: &weighbridge_eval::matrix::Cell| {
        let again = if cell.again { " (again)" } else { "" };
        format!("{} {} × {}{again}", cell.label(), study.models[cell.model].name(), study.tasks[cell.task])
    };
    let cells: Vec<String> = study.cells().iter().map(name).collect();
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&cells)?,
        OutputFormat::Console => output::data(&(cells.join("\n") + "\n"))?,
    }
    Ok(Exit::Pass)
}

fn study(arguments: &MatrixArguments) -> Result<Study, Failure> {
    match (&arguments.file, &arguments.resume) {
        (Some(file), _) => bounded(Study::read(file)?, arguments),
        (None, Some(run)) => {
            let record = read_record(&runs::find(run, &arguments.results.output_dir)?)?;
            of_record(run, &record)
        }
        (None, None) => Err(Failure::usage("find a study: no file is named", "name the file of a study")),
    }
}

/// The study within the bounds of a file of `serve`.
fn bounded(mut study: Study, arguments: &MatrixArguments) -> Result<Study, Failure> {
    if let Some(path) = &arguments.config {
        let file = File::read(path)?;
        file.warn_of_what_has_no_effect();
        let bound = |count: usize, most: Option<usize>| most.map_or(count, |most| count.min(most));
        study.cells_at_once = bound(study.cells_at_once, file.evaluation_service.max_concurrent_evaluations);
        study.concurrency = bound(study.concurrency, file.evaluation_service.batch_size);
    }
    Ok(study)
}

fn of_record(run: &str, record: &Record) -> Result<Study, Failure> {
    if record.kind != KIND {
        let what = format!("resume `{run}`: it is a run of the kind `{}`", record.kind);
        return Err(Failure::usage(what, "name a study of `eval matrix`"));
    }
    serde_json::from_value(record.settings.clone()).map_err(|error| {
        Failure::usage(format!("resume the study: its settings cannot be read: {error}"), "start it again")
    })
}

fn place(arguments: &MatrixArguments) -> Result<Place, Failure> {
    let results = &arguments.results.output_dir;
    if let Some(run) = &arguments.resume {
        let path = runs::find(run, results)?;
        let record = read_record(&path)?;
        let study = bounded(of_record(run, &record)?, arguments)?;
        return Ok(Place { folder: RunFolder::open(&path)?, study, record });
    }
    let study = study(arguments)?;
    let label = super::record::label(&study.study);
    let folder = RunFolder::create(results, KIND, &label, WallTime::now())?;
    let fresh = Fresh {
        run_id: folder.run_id().to_owned(),
        kind: KIND.to_owned(),
        label,
        settings: serde_json::to_value(&study)?,
        seed: study.seed.unsigned_abs(),
        engine: EngineDescription {
            engine: KIND.to_owned(),
            model: format!("{} models", study.models.len()),
            device: "as each model says".to_owned(),
            ..EngineDescription::default()
        },
        environment: fingerprint(&SystemRoot::host(), build(), results),
    };
    let record = fresh.record(Phase::Evaluate);
    Ok(Place { folder, study, record })
}

/// Reads every cell, a model at a time in each thread, and compares the models.
fn analyse(study: &Study, ends: &[CellEnd], runner: &Cells<'_>) -> Result<(StudyReport, Vec<Standing>), Failure> {
    let cells = study.cells();
    let of_model = |model: usize| -> Result<ModelRows, Failure> {
        let mut side =
            RowReader::new(study.models[model].name().to_owned(), study.models[model].reference().to_owned());
        let mut readers = Vec::new();
        for (place, cell) in cells.iter().enumerate().filter(|(_, cell)| cell.model == model) {
            let mut reader = CellReader::default();
            if let Some(folder) = runner.folder(*cell) {
                replay_as_written(&folder, 0, |line| {
                    if let LogLine::Sample(row) = line {
                        reader.row(&row, &study.models[model]);
                        if !cell.again {
                            side.row(&row);
                        }
                    }
                })?;
            }
            reader.shrink();
            readers.push((place, reader));
        }
        Ok((readers, side.finish().ok()))
    };
    let mut readers: Vec<CellReader> = cells.iter().map(|_| CellReader::default()).collect();
    let mut sides = Vec::new();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let models: Vec<usize> = (0..study.models.len()).collect();
    for group in models.chunks(threads) {
        let found: Vec<_> = std::thread::scope(|scope| {
            let started: Vec<_> = group.iter().map(|&model| scope.spawn(move || of_model(model))).collect();
            started.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        for result in found {
            let (own, side) = result
                .map_err(|_| Failure::new(Exit::Bug, "read a cell: a thread stopped", "report this as a bug"))??;
            own.into_iter().for_each(|(place, reader)| readers[place] = reader);
            sides.extend(side);
        }
    }
    let (report, standings) = std::thread::scope(|scope| {
        let standings = scope.spawn(|| front(study, &readers, Settings::default().resampling));
        (report(study, ends, &readers, &sides, &Settings::default()), standings.join())
    });
    let standings =
        standings.map_err(|_| Failure::new(Exit::Bug, "weigh the models: a thread stopped", "report this as a bug"))?;
    Ok((report?, standings))
}

fn costs(
    timing: &[Timing],
    executed: f64,
    analysed: f64,
    report: &StudyReport,
    standings: &[Standing],
) -> serde_json::Value {
    let sum = |of: fn(&Timing) -> f64| timing.iter().map(of).sum::<f64>();
    let rows: u64 = report.cells.iter().map(|cell| cell.rows).sum();
    let peak = timing.iter().map(|timing| timing.peak_rss_bytes).max();
    json!({
        "phases": {
            "load_s": sum(|timing| timing.load_s),
            "prepare_s": sum(|timing| timing.prepare_s),
            "execute_s": sum(|timing| timing.execute_s),
            "analyse_s": analysed,
        },
        "cells_wall_s": executed,
        "rows": rows,
        "rows_per_s": if executed > 0.0 { Some(rows as f64 / executed) } else { None },
        "peak_cell_rss_bytes": peak,
        "standings": standings,
    })
}

fn write(path: &Path, value: &impl serde::Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    // By rename, so that a kill leaves the old file or the new one.
    let part: PathBuf = path.with_extension("part");
    output::write(&part, text)?;
    Ok(std::fs::rename(&part, path)?)
}

fn conclude(record: &mut Record, report: &StudyReport, ends: &[CellEnd], seconds: f64) {
    let status = if ends.contains(&CellEnd::Pending) { Status::Interrupted } else { Status::Complete };
    let rows: u64 = report.cells.iter().map(|cell| cell.rows).sum();
    let failed: u64 = report.cells.iter().map(|cell| cell.failed).sum();
    record.updated_at = WallTime::now().to_string();
    record.status = status;
    record.duration_s += seconds;
    if let Some(phase) = record.phases.first_mut() {
        phase.status = status;
        phase.duration_s = Some(record.duration_s);
        phase.tally = Tally { scheduled: rows, succeeded: rows - failed, failed, ..Tally::default() };
        phase.notes = vec![format!("{} of {} cells are complete; see `{STUDY_FILE}`", report.complete, ends.len())];
    }
}
