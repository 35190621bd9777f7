//! `performance-benchmark`: the measurements of other verbs under the names, flags and files of the older system.
//!
//! Nothing is measured here. Each test is a run of `load`, `cache bench` or `bench`, whose record stays in the results folder,
//! and its file is made from the rows of that record.

mod baseline;
mod benchmark;
mod compare;
mod lab;
mod monitor;

use std::ffi::OsString;
use std::path::Path;

use serde::Serialize;
use weighbridge_bench::performance::advise;
use weighbridge_store::replace;
use weighbridge_types::performance::PerformanceTargets;

use super::{load, memory_profile, typed};
use crate::arguments::{
    DoctorPerformanceArguments, MemoryBenchmarkArguments, OutputFormat, PerformanceVerb, StressBenchmarkArguments, Verb,
};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(verb: &PerformanceVerb, environment: &Environment) -> Result<Exit, Failure> {
    match verb {
        PerformanceVerb::Baseline(arguments) => baseline::run(arguments, environment),
        PerformanceVerb::Benchmark(arguments) => benchmark::run(arguments, environment),
        PerformanceVerb::Compare(arguments) => compare::run(arguments, environment),
        PerformanceVerb::Monitor(arguments) => monitor::run(arguments),
        PerformanceVerb::Stress(arguments) => stress(arguments, environment),
        PerformanceVerb::MemoryProfile(arguments) => memory(arguments, environment),
    }
}

fn stress(arguments: &StressBenchmarkArguments, environment: &Environment) -> Result<Exit, Failure> {
    let target = match (&arguments.target, &arguments.model) {
        (Some(target), model) => {
            let is_url = ["http://", "https://"].iter().any(|scheme| target.starts_with(scheme));
            let reference = if is_url { format!("openai:{target}") } else { target.clone() };
            match model {
                Some(model) if !reference.contains('#') => format!("{reference}#{model}"),
                _ => reference,
            }
        }
        (None, Some(model)) => model.clone(),
        (None, None) => "tiny".to_owned(),
    };
    let mut words: Vec<OsString> = ["stress".to_owned(), target].map(OsString::from).to_vec();
    let flags = [
        ("--clients", arguments.clients.to_string()),
        ("--rate", arguments.rate.to_string()),
        ("--duration", arguments.duration.to_string()),
    ];
    words.extend(flags.into_iter().flat_map(|(flag, value)| [flag.into(), value.into()]));
    words.extend(arguments.more.iter().cloned());
    match typed::verb(words, "the stress test", "see `weighbridge stress --help` for what may stand behind `--`")? {
        Verb::Stress(stress) => load::stress(&stress, environment),
        _ => Err(Failure::usage("read the flags of the stress test", "write flags only behind `--`")),
    }
}

fn memory(arguments: &MemoryBenchmarkArguments, environment: &Environment) -> Result<Exit, Failure> {
    let mut words: Vec<OsString> = vec!["memory-profile".into(), arguments.model.clone().into()];
    words.extend(["--cycles".into(), arguments.cycles.to_string().into()]);
    words.extend(arguments.track.then(|| "--track".into()));
    words.extend(["--warn-growth".into(), arguments.warn_growth.clone().into()]);
    words.extend(arguments.trim.then(|| "--trim".into()));
    words.extend(arguments.profile.words());
    words.extend(arguments.fail_on_leak.then(|| "--fail-on-leak".into()));
    words.extend(arguments.output.iter().flat_map(|path| ["--output".into(), path.clone().into_os_string()]));
    words.extend(arguments.more.iter().cloned());
    let hint = "see `weighbridge memory-profile --help` for what may stand behind `--`";
    match typed::verb(words, "the memory profile", hint)? {
        Verb::MemoryProfile(profile) => memory_profile::run(&profile, environment),
        _ => Err(Failure::usage("read the flags of the memory profile", "write flags only behind `--`")),
    }
}

/// `doctor performance`: what results point at.
pub(super) fn doctor(arguments: &DoctorPerformanceArguments) -> Result<Exit, Failure> {
    let results = compare::read(&arguments.results)?;
    if results.is_empty() {
        let what = format!("judge `{}`: it holds no result", arguments.results.display());
        return Err(Failure::usage(what, "make results with `weighbridge performance-benchmark benchmark`"));
    }
    let found = advise(&results, &targets(arguments.targets.as_deref())?);
    match arguments.format.output_format {
        OutputFormat::Json => output::json(&found)?,
        OutputFormat::Console if found.is_empty() => output::data("✓ nothing that the rules know is wrong")?,
        OutputFormat::Console => {
            let lines =
                found.iter().map(|advice| format!("✗ {}\n    {}\n    {}\n", advice.rule, advice.evidence, advice.next));
            output::data(&lines.collect::<String>())?;
        }
    }
    Ok(if found.is_empty() { Exit::Pass } else { Exit::GateFailed })
}

/// The targets of a file, or the usual ones.
fn targets(path: Option<&Path>) -> Result<PerformanceTargets, Failure> {
    let Some(path) = path else { return Ok(PerformanceTargets::default()) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("read the targets file `{}`: {error}", path.display()), "name an existing file")
    })?;
    let names = PerformanceTargets::default().all().map(|(name, _)| name).join(", ");
    let targets: PerformanceTargets = serde_json::from_str(&text).map_err(|error| {
        let what = format!("use the targets file `{}`: {error}", path.display());
        Failure::usage(what, format!("write one JSON object of numbers with keys from {names}"))
    })?;
    match targets.wrong() {
        None => Ok(targets),
        Some((name, value, range)) => {
            let what = format!("use the targets file `{}`: {name} is {value}", path.display());
            Err(Failure::usage(what, format!("it must be {range}")))
        }
    }
}

/// Makes the folder of results, before anything is measured.
fn folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| {
        let what = format!("make the folder `{}`: {error}", path.display());
        Failure::usage(what, "name a folder that can be made and written with `--output`")
    })
}

/// Writes a file whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    replace(path, text.as_bytes())?;
    output::debug(|| format!("wrote {}, {} bytes", path.display(), text.len()));
    Ok(())
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    write(path, &(serde_json::to_string_pretty(value)? + "\n"))
}
