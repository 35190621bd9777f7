//! `bench`: the weigh-in.

mod accel;
mod engines;
mod plan;
mod settings;
mod switch;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weighbridge_bench::{Campaign, Gate, Identity, Previous, RecordCheck, Subject, Targets, gate};
use weighbridge_report::html;
use weighbridge_store::{Index, RunFolder};
use weighbridge_telemetry::{SamplerSettings, SystemRoot, fingerprint};
use weighbridge_types::record::{Record, Status};
use weighbridge_types::time::{Clock, WallTime};

use super::{runs, runtime};
use crate::arguments::{BenchArguments, BenchVerb};
use crate::build::build;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::live;
use crate::output;
use crate::progress::Progress;
use crate::readers::Readers;
use crate::registry::Registry;
use settings::Resolved;

/// File of the report in a run's folder.
pub(super) const REPORT_FILE: &str = "report.html";

/// A day: no phase is ended by time before its count is reached.
const MOST_SECONDS: u32 = 86_400;

pub(super) fn run(arguments: &BenchArguments, environment: &Environment) -> Result<Exit, Failure> {
    match &arguments.verb {
        Some(BenchVerb::Accel(arguments)) => return accel::run(arguments, environment),
        Some(BenchVerb::Switch(arguments)) => return switch::run(arguments, environment),
        None => {}
    }
    if !arguments.engines.is_empty() {
        return engines::run(arguments, environment);
    }
    let resolved = Resolved::from_arguments(arguments)?;
    let registry = Registry::new(environment, arguments.local)?;
    if arguments.dry_run {
        output::data(&plan::describe(&resolved))?;
        return Ok(Exit::Pass);
    }
    let (record, folder) = measured(&resolved, arguments, &registry)?;
    conclude(&record, &folder, arguments, environment)
}

/// Weighs memory with so many requests, and returns the record without printing it.
pub(super) fn memory(
    arguments: &BenchArguments,
    requests: u32,
    environment: &Environment,
) -> Result<(Record, PathBuf), Failure> {
    let mut resolved = Resolved::from_arguments(arguments)?;
    resolved.settings.memory_requests = requests;
    // The count ends the phase, and not the time.
    resolved.settings.budgets_s.memory = MOST_SECONDS;
    resolved.settings = resolved.settings.checked()?;
    measured(&resolved, arguments, &Registry::new(environment, arguments.local)?.with_class_names())
}

/// Makes the run and writes its record.
fn measured(
    resolved: &Resolved,
    arguments: &BenchArguments,
    registry: &Registry,
) -> Result<(Record, PathBuf), Failure> {
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let ended = runtime.block_on(weigh(resolved, arguments, registry, cancel));
    // Work that a timed-out or cancelled request left behind does not hold the process up.
    runtime.shutdown_background();
    ended
}

/// The first Ctrl-C ends the run in order, the second one at once.
pub(super) async fn cancel_on_interrupt(cancel: CancellationToken) {
    if asked_to_stop().await.is_ok() {
        output::talk("interrupted: cancelling what is in flight, keeping what was measured (again to stop at once)");
        cancel.cancel();
    }
    if asked_to_stop().await.is_ok() {
        stop_at_once();
    }
}

/// Waits for Ctrl-C, or for the signal by which a supervisor ends a process.
#[cfg(unix)]
async fn asked_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_stop() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

#[expect(clippy::exit, reason = "the user asked twice; the record is valid at every byte")]
fn stop_at_once() {
    live::restore();
    std::process::exit(i32::from(Exit::Interrupted.code()));
}

async fn weigh(
    resolved: &Resolved,
    arguments: &BenchArguments,
    registry: &Registry,
    cancel: CancellationToken,
) -> Result<(Record, PathBuf), Failure> {
    // A model that is not there is found before anything is written.
    let scratch = tempfile::tempdir()?;
    registry.check(&resolved.model).await?;
    let subject = registry.subject(&resolved.model, &resolved.variants, scratch.path()).await?;

    let results = &arguments.results.output_dir;
    let (folder, previous) = match &resolved.earlier {
        Some(earlier) => {
            let record = earlier.record.clone();
            (RunFolder::open(&earlier.folder)?, Some(Previous { record, rerun: resolved.rerun.clone() }))
        }
        None => (RunFolder::create(results, "bench", &resolved.label, WallTime::now())?, None),
    };
    let path = folder.path().to_owned();
    let root = SystemRoot::host();
    let identity = Identity {
        run_id: folder.run_id().to_owned(),
        label: resolved.label.clone(),
        environment: fingerprint(&root, build(), results),
    };
    let mut sink = Readers::start(folder, Progress::new(std::io::stderr().is_terminal()))?;
    let campaign = campaign(resolved, subject, identity, root, cancel);
    let ended = campaign.run(previous, &mut sink).await;
    sink.view.clear();
    let closed = sink.close();
    let record = ended?;
    closed?;
    finish(&record, &path, results)?;
    Ok((record, path))
}

fn campaign(
    resolved: &Resolved,
    subject: Subject,
    identity: Identity,
    root: SystemRoot,
    cancel: CancellationToken,
) -> Campaign {
    let check: RecordCheck = Arc::new(|record: &Record| {
        let report = weighbridge_report::check::check(record, None);
        let page = html::render(record, None);
        if report.passed() {
            Ok(format!("{} checks hold, the page has {} bytes", report.checked, page.len()))
        } else {
            Err(report.render())
        }
    });
    Campaign {
        settings: resolved.settings.clone(),
        subject,
        identity,
        targets: resolved.targets.clone().map_or_else(Targets::default, |own| Targets::default().and(own)),
        root,
        clock: Clock::start(),
        cancel,
        sampling: Some(SamplerSettings::default()),
        check_record: Some(check),
    }
}

/// Writes the report and takes the run into the index.
fn finish(record: &Record, folder: &Path, results: &Path) -> Result<(), Failure> {
    let rows = runs::rows(folder)?;
    output::write(&folder.join(REPORT_FILE), html::render(record, Some(&rows)))?;
    Index::open(results)?.register(folder)?;
    Ok(())
}

/// Prints the result and decides the exit code.
fn conclude(
    record: &Record,
    folder: &Path,
    arguments: &BenchArguments,
    environment: &Environment,
) -> Result<Exit, Failure> {
    runs::print(record, folder, arguments.output.output_format, environment)?;
    let nothing_succeeded = record.phases.iter().all(|phase| phase.tally.succeeded == 0);
    Ok(match record.status {
        Status::Interrupted => Exit::Interrupted,
        Status::Failed => Exit::Invalid,
        _ if nothing_succeeded => {
            output::fail("no request succeeded: there is no measurement; the notes of the phases say why");
            Exit::Invalid
        }
        Status::Pending | Status::Running | Status::Complete | Status::Skipped => match gate(record) {
            Gate::Passed => Exit::Pass,
            Gate::Inconclusive => Exit::Inconclusive,
            Gate::Failed => Exit::GateFailed,
        },
    })
}
