//! `memory-profile`: equal loads again and again, and whether what each leaves in memory grows.

use std::path::Path;

use tokio_util::sync::CancellationToken;
use weighbridge_bench::Subject;
use weighbridge_bench::memory_profile::{MemoryProfileRun, MemoryReader, MemoryReadings};
use weighbridge_report::console;
use weighbridge_telemetry::profile::{Profile as AllocationProfile, allocation_sites};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::environment::Environment as Host;
use weighbridge_types::memory_profile::{
    AllocationSite, LeakOutcome, LeakVerdict, MEMORY_PROFILE_VERSION, MemoryEntry, MemoryGrowth, MemoryProfile,
    MemoryProfileSettings, Watched,
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
use crate::registry::Registry;
use crate::{output, profiling};

const GB: f64 = 1e9;

/// Times that progress is told.
const TOLD: u64 = 20;

/// Places that are named as those that allocated most.
const SITES: usize = 10;

/// What its profiles are called.
const PROFILE: &str = "memory_profile";

pub(super) fn run(arguments: &MemoryProfileArguments, environment: &Environment) -> Result<Exit, Failure> {
    profiling::during(arguments.profile.folder(), PROFILE, || profiled(arguments, environment))
}

fn profiled(arguments: &MemoryProfileArguments, environment: &Environment) -> Result<Exit, Failure> {
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
        trim: arguments.trim,
        clock: Clock::start(),
        cancel: cancel.clone(),
    };
    let runtime = runtime()?;
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let mut watch = Watch { cycles: settings.cycles, warn_bytes: arguments.warn_growth.0, grown: 0, is_warned: false };
    let folder = arguments.profile.allocations_folder();
    let (ended, allocated) = profiling::allocations_of(folder, &format!("{PROFILE}_allocations"), || {
        runtime.block_on(async {
            if let Some(model) = &model {
                // A reference that is wrong is told from a model that does not answer.
                registry.check(model).await?;
            }
            Ok(run.run(&mut |entry| watch.told(entry)).await?)
        })
    })?;
    runtime.shutdown_background();
    let mut readings = ended?;
    if arguments.profile.folder().is_some() {
        readings.notes.push("this process was sampled meanwhile: what its samples take counts as growth".to_owned());
    }
    let growth = growth(&readings, arguments.warn_growth.0, &watched, allocated.as_ref());
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
        growth: Some(growth),
        trims: readings.trims,
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

/// Whoever follows the cycles.
struct Watch {
    cycles: u64,
    /// Growth of which to warn.
    warn_bytes: u64,
    /// Since the start, bytes.
    grown: i64,
    is_warned: bool,
}

impl Watch {
    fn told(&mut self, entry: &MemoryEntry) {
        let (cycles, cycle) = (self.cycles, entry.cycle);
        if cycle.is_multiple_of(cycles.div_ceil(TOLD)) || cycle == cycles {
            let mib = entry.floor_bytes as f64 / f64::from(1 << 20);
            output::talk(&format!("cycle {cycle} of {cycles}: {} requests, {mib:.2} MiB at rest", entry.requests));
        }
        self.grown += entry.memory_delta;
        // Said at once: who watches may end it before memory ends.
        if self.grown > self.warn_bytes.cast_signed() && !self.is_warned {
            self.is_warned = true;
            let (grown, limit) = (self.grown as f64 / GB, self.warn_bytes as f64 / GB);
            output::warn(&format!(
                "memory has grown by {grown:.3} GB by cycle {cycle}, beyond --warn-growth {limit} GB"
            ));
        }
    }
}

/// How far memory went, with where it was allocated as far as that was sampled.
fn growth(
    readings: &MemoryReadings,
    warn_bytes: u64,
    watched: &Watched,
    allocated: Option<&AllocationProfile>,
) -> MemoryGrowth {
    let total =
        allocated.map_or(0, |profile| allocation_sites(profile, usize::MAX).iter().map(|(_, bytes)| bytes).sum());
    let site =
        |(function, bytes): (String, u64)| AllocationSite { function, bytes, share: bytes as f64 / total as f64 };
    let sites = allocated.map(|profile| allocation_sites(profile, SITES).into_iter().map(site).collect());
    let reason = match (watched, allocated) {
        (_, Some(_)) => None,
        (Watched::ThisProcess, None) => Some("allocations were not sampled: `--profile --profile-allocations` does"),
        (Watched::Process { .. } | Watched::ControlGroup { .. }, None) => Some("only this process can be sampled"),
    };
    MemoryGrowth { sites, sites_reason: reason.map(str::to_owned), ..readings.growth(warn_bytes) }
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
