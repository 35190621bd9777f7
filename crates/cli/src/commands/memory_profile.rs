//! `memory-profile`: equal loads again and again, and whether what each leaves in memory grows.

use std::path::Path;

use tokio_util::sync::CancellationToken;
use weighbridge_bench::Subject;
use weighbridge_bench::memory_profile::{MemoryProfileRun, MemoryReader, MemoryReadings};
use weighbridge_report::console;
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::environment::Environment as Host;
use weighbridge_types::memory_profile::{
    LeakOutcome, LeakVerdict, MEMORY_PROFILE_VERSION, MemoryEntry, MemoryProfile, MemoryProfileSettings, Watched,
};
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::time::{Clock, WallTime};
use weighbridge_verdict::leak::{LeakSettings, Work, judge};

use super::bench::cancel_on_interrupt;
use super::load::settings::time;
use super::runtime;
use crate::arguments::{MemoryProfileArguments, OutputFormat};
use crate::build::build;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// Times that progress is told.
const TOLD: u64 = 20;

pub(super) fn run(arguments: &MemoryProfileArguments, environment: &Environment) -> Result<Exit, Failure> {
    let model: Option<ModelRef> = arguments.model.as_deref().map(str::parse).transpose()?;
    let watched = watched(arguments, model.as_ref())?;
    let settings = settings(arguments)?;
    if let Some(path) = &arguments.output {
        // A file that cannot be written is found before an hour of cycles, not after.
        check_writable(path)?;
    }
    let root = SystemRoot::host();
    let host = fingerprint(&root, build(), Path::new("."));
    let reader = MemoryReader::new(&root, watched)?;
    let limits = host.memory_bytes.into_iter().chain(group_limit(&reader, &host));
    let limit_bytes = limits.min().map(|bytes| bytes as f64);
    let registry = Registry::new(environment, arguments.local)?;
    let (created_at, cancel) = (WallTime::now(), CancellationToken::new());
    let watched = reader.watched().clone();
    let run = MemoryProfileRun {
        subject: model.as_ref().map(|model| Subject {
            model_ref: model.to_string(),
            load: registry.factory(model.clone()),
            variants: Vec::new(),
        }),
        settings: settings.clone(),
        request_limit: time("request-timeout", &arguments.request_timeout)?,
        reader,
        clock: Clock::start(),
        cancel: cancel.clone(),
    };
    let runtime = runtime()?;
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let ended = runtime.block_on(async {
        if let Some(model) = &model {
            // A reference that is wrong is told from a model that does not answer.
            registry.check(model).await?;
        }
        Ok::<_, Failure>(run.run(&mut |entry| told(entry, settings.cycles)).await?)
    });
    runtime.shutdown_background();
    let readings = ended?;
    let verdict = verdict(&readings, arguments, limit_bytes);
    let profile = MemoryProfile {
        schema_version: MEMORY_PROFILE_VERSION.to_owned(),
        created_at: created_at.to_string(),
        model_ref: model.map(|model| model.to_string()),
        engine: readings.engine,
        watched,
        settings,
        start_bytes: readings.start_bytes,
        entries: readings.entries,
        series: arguments.track.then_some(readings.series),
        verdict,
        notes: readings.notes,
        environment: host,
    };
    show(&profile, arguments, environment)?;
    Ok(exit(profile.verdict.outcome, arguments.fail_on_leak, cancel.is_cancelled()))
}

/// Whose memory tells: this process for a model that computes here, and what the user names for any other.
fn watched(arguments: &MemoryProfileArguments, model: Option<&ModelRef>) -> Result<Watched, Failure> {
    match (arguments.pid, &arguments.cgroup, model) {
        (Some(pid), _, _) => Ok(Watched::Process { pid }),
        (None, Some(folder), _) => Ok(Watched::ControlGroup { folder: folder.clone() }),
        (None, None, Some(model @ ModelRef::Endpoint(_))) => {
            let what = format!("watch the memory of `{model}`: it does not compute in this process");
            Err(Failure::usage(what, "name its server's process with `--pid`, or its control group with `--cgroup`"))
        }
        (None, None, _) => Ok(Watched::ThisProcess),
    }
}

fn settings(arguments: &MemoryProfileArguments) -> Result<MemoryProfileSettings, Failure> {
    let is_load = arguments.model.is_some();
    let wait = match is_load {
        true => time("wait", &arguments.wait)?,
        false => time("interval", &arguments.interval)?,
    };
    if let Some(share) = arguments.least_hourly.filter(|share| !(0.0..=1_000_000.0).contains(share)) {
        let what = format!("accept `{share}` as --least-hourly: it must be a number of per cent from 0 on");
        return Err(Failure::usage(what, "1 counts growth by a hundredth of the memory at rest in an hour"));
    }
    Ok(MemoryProfileSettings {
        cycles: arguments.cycles,
        requests: if is_load { arguments.requests } else { 0 },
        concurrency: if is_load { arguments.concurrency } else { 0 },
        input_tokens: if is_load { arguments.isl } else { 0 },
        output_tokens: if is_load { arguments.osl } else { 0 },
        wait_s: wait.as_secs_f64(),
        seed: arguments.seed,
    })
}

/// The limit of the group that is watched; of this process its own. Of another process the group is not known.
fn group_limit(reader: &MemoryReader, host: &Host) -> Option<u64> {
    match reader.watched() {
        Watched::ThisProcess => host.cgroup_memory_limit_bytes,
        Watched::Process { .. } => None,
        Watched::ControlGroup { .. } => reader.limit(),
    }
}

fn told(entry: &MemoryEntry, cycles: u64) {
    if entry.cycle.is_multiple_of(cycles.div_ceil(TOLD)) || entry.cycle == cycles {
        let mib = entry.floor_bytes as f64 / f64::from(1 << 20);
        output::talk(&format!("cycle {} of {cycles}: {} requests, {mib:.2} MiB at rest", entry.cycle, entry.requests));
    }
}

fn verdict(readings: &MemoryReadings, arguments: &MemoryProfileArguments, limit_bytes: Option<f64>) -> LeakVerdict {
    let is_load = arguments.model.is_some();
    let work = match is_load {
        true => Work::Requests { per_hour: readings.requests_per_hour() },
        false => Work::Hours,
    };
    let usual = LeakSettings::new(work);
    let settings = LeakSettings {
        least_bytes: is_load.then_some(arguments.least_growth.0 as f64),
        least_share: arguments.least_hourly.map(|percent| percent / 100.0).or(usual.least_share),
        warmup: arguments.warmup_cycles,
        limit_bytes,
        seed: arguments.seed,
        ..usual
    };
    let entries = &readings.entries;
    let floors: Vec<f64> = entries.iter().map(|entry| entry.floor_bytes as f64).collect();
    let done = entries.iter().map(|entry| if is_load { entry.requests as f64 } else { entry.at_s / 3_600.0 });
    judge(&floors, &done.collect::<Vec<f64>>(), &settings)
}

fn show(profile: &MemoryProfile, arguments: &MemoryProfileArguments, environment: &Environment) -> Result<(), Failure> {
    match arguments.format.output_format {
        OutputFormat::Json => output::json(profile)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&console::memory_profile(profile, width, color))?;
        }
    }
    if let Some(path) = &arguments.output {
        output::file(path, serde_json::to_string_pretty(profile)? + "\n")?;
        output::talk(&format!("profile {}", path.display()));
    }
    Ok(())
}

/// Opens the file as writing would, and leaves what is in it.
fn check_writable(path: &Path) -> Result<(), Failure> {
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(path);
    opened.map(drop).map_err(|error| output::unwritable(path, &error))
}

const fn exit(outcome: LeakOutcome, is_gate: bool, is_interrupted: bool) -> Exit {
    match outcome {
        _ if is_interrupted => Exit::Interrupted,
        _ if !is_gate => Exit::Pass,
        LeakOutcome::Leak => Exit::GateFailed,
        LeakOutcome::NoLeak => Exit::Pass,
        LeakOutcome::Undecided => Exit::Inconclusive,
    }
}
