//! `bench --engines`: engines side by side on one model.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use comfy_table::{Table, presets};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use weighbridge_bench::engines::{Candidate, Comparison, EnginesRun, KIND, Measured, Standing};
use weighbridge_bench::{BenchSettings, Identity, Lengths};
use weighbridge_store::RunFolder;
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::record::{Record, Status};
use weighbridge_types::time::{Clock, WallTime};

use super::{REPORT_FILE, cancel_on_interrupt, finish, settings};
use crate::arguments::{BenchArguments, OutputFormat};
use crate::build::build;
use crate::commands::runtime;
use crate::embedded;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::readers::Readers;
use crate::registry::{BUILD_LLAMA_CPP, NO_LLAMA_CPP, Registry};

/// The model's own engine.
const LOCAL: &str = "local";

/// Other engines that read the model's file, by the kind of their references.
const OF_FILES: [&str; 2] = ["llama-cpp", "candle"];

/// Rounds where the user does not say: what an interval of 95 % needs at least.
const ROUNDS: u32 = 5;

/// Requests of an engine in a round, one after the other.
const REQUESTS: u32 = 3;

/// Requests in flight in the second phase, and how many times as many are made.
const AT_ONCE: u32 = 4;
const TURNS: u32 = 3;

/// Seconds after which an engine is asked nothing more in a round.
const ROUND_SECONDS: u32 = 60;

#[derive(Serialize)]
struct Printed<'a> {
    run: &'a str,
    #[serde(flatten)]
    comparison: &'a Comparison,
}

pub(super) fn run(arguments: &BenchArguments, environment: &Environment) -> Result<Exit, Failure> {
    let reference = arguments.model.as_deref().or(arguments.model_flag.as_deref());
    let model: ModelRef = reference.map_or(Ok(ModelRef::Tiny), str::parse)?;
    let settings = of_engines(arguments)?;
    if !(0.0..=100.0).contains(&arguments.threshold) {
        let what = format!("accept `{}` as threshold: it must be 0 to 100 percent", arguments.threshold);
        return Err(Failure::usage(what, "differences up to it count as none; leave it out for 5"));
    }
    let registry = Registry::new(environment, arguments.local)?;
    // Engines of files need one of the model inside the program too.
    let scratch = tempfile::tempdir()?;
    let candidates = candidates(&arguments.engines, &model, &registry, scratch.path())?;
    if arguments.dry_run {
        output::data(&plan(&model, &settings, &candidates))?;
        return Ok(Exit::Pass);
    }
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let ended = runtime.block_on(compare(arguments, &model, settings, candidates, cancel));
    runtime.shutdown_background();
    let (record, comparison, folder) = ended?;
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&Printed { run: &record.run_id, comparison: &comparison })?,
        OutputFormat::Console => output::data(&text(&comparison))?,
    }
    output::talk(&format!("record  {}", folder.display()));
    output::talk(&format!("report  {}", folder.join(REPORT_FILE).display()));
    Ok(match record.status {
        Status::Interrupted => Exit::Interrupted,
        Status::Complete => Exit::Pass,
        _ => Exit::Invalid,
    })
}

async fn compare(
    arguments: &BenchArguments,
    model: &ModelRef,
    settings: BenchSettings,
    candidates: Vec<Candidate>,
    cancel: CancellationToken,
) -> Result<(Record, Comparison, PathBuf), Failure> {
    let results = &arguments.results.output_dir;
    let label = arguments.label.clone().unwrap_or_else(|| settings::default_label(model));
    let folder = RunFolder::create(results, KIND, &label, WallTime::now())?;
    let path = folder.path().to_owned();
    let root = SystemRoot::host();
    let identity =
        Identity { run_id: folder.run_id().to_owned(), label, environment: fingerprint(&root, build(), results) };
    let mut sink = Readers::start(folder, Progress::new(std::io::stderr().is_terminal()))?;
    let threshold = arguments.threshold / 100.0;
    let run = EnginesRun { settings, candidates, threshold, identity, root, clock: Clock::start(), cancel };
    let ended = run.run(&mut sink).await;
    sink.view.clear();
    let closed = sink.close();
    let (record, comparison) = ended?;
    closed?;
    finish(&record, &path, results)?;
    Ok((record, comparison, path))
}

/// One length and one level where the user names none: rounds are worth more than cells.
fn of_engines(arguments: &BenchArguments) -> Result<BenchSettings, Failure> {
    let mut settings = settings::settings(arguments, &[])?;
    settings.runs = arguments.runs.unwrap_or(ROUNDS);
    settings.latency_requests = arguments.requests.unwrap_or(REQUESTS);
    if arguments.lengths.is_empty() {
        settings.lengths = vec![Lengths::new(128, 64)];
    }
    if arguments.concurrency.is_empty() {
        settings.concurrency = vec![AT_ONCE];
    }
    settings.throughput_requests = TURNS * settings.concurrency.iter().max().copied().unwrap_or(AT_ONCE);
    settings.budgets_s.latency = ROUND_SECONDS;
    settings.budgets_s.throughput = ROUND_SECONDS;
    Ok(settings.checked()?)
}

fn candidates(
    names: &[String],
    model: &ModelRef,
    registry: &Registry,
    scratch: &Path,
) -> Result<Vec<Candidate>, Failure> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let names = whole(names);
    for (place, name) in names.iter().enumerate() {
        let name = name.as_str();
        if names[..place].iter().any(|earlier| earlier == name) {
            return Err(Failure::usage(format!("compare `{name}` with itself: it is named twice"), "name each once"));
        }
        let found = match name {
            LOCAL => match model {
                ModelRef::Tiny | ModelRef::Gguf(_) | ModelRef::Safetensors(_) => Ok(model.clone()),
                _ => Err(format!("`{model}` is no file of this engine")),
            },
            "onnx" | "ort" => Err(format!("an ONNX export of the model must be named, `{name}:FOLDER`")),
            _ if OF_FILES.contains(&name) => of_file(name, model, scratch)?,
            _ if name.contains(':') => Ok(name.parse::<ModelRef>()?),
            _ => {
                let what = format!("compare the engine `{name}`: there is no such engine");
                return Err(Failure::usage(
                    what,
                    "name local, llama-cpp, candle, or a reference such as openai:URL#MODEL",
                ));
            }
        };
        let model_ref = found.as_ref().map_or_else(|_| format!("{name}:"), ToString::to_string);
        let load = found.map(|found| registry.factory(found));
        let name = short(name, &candidates);
        candidates.push(Candidate { name, model_ref, load });
    }
    Ok(candidates)
}

/// The kind of a reference, with a number where it is not the first of its kind: the record keeps the references.
fn short(name: &str, others: &[Candidate]) -> String {
    let kind = name.split(':').next().unwrap_or(name);
    let mut names = std::iter::once(kind.to_owned()).chain((2..).map(|number| format!("{kind}-{number}")));
    names.find(|name| others.iter().all(|other| other.name != *name)).unwrap_or_default()
}

/// The names, with scripts put together again: a comma in `scripted:ttft=20ms,itl=5ms` tells no engines apart.
fn whole(pieces: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for piece in pieces.iter().map(|piece| piece.trim()) {
        let is_setting = piece.split_once('=').is_some_and(|(name, _)| !name.contains(':'));
        match names.last_mut() {
            Some(script) if is_setting && script.starts_with("scripted:") => {
                script.push(',');
                script.push_str(piece);
            }
            _ => names.push(piece.to_owned()),
        }
    }
    names
}

/// The model's GGUF file for another engine; or why there is none.
fn of_file(engine: &str, model: &ModelRef, scratch: &Path) -> Result<Result<ModelRef, String>, Failure> {
    if engine == "llama-cpp" && !cfg!(feature = "llama-cpp") {
        return Ok(Err(format!("{NO_LLAMA_CPP}; {BUILD_LLAMA_CPP}")));
    }
    let file = match model {
        ModelRef::Gguf(path) | ModelRef::LlamaCpp(path) => path.clone(),
        ModelRef::Tiny => {
            let file = scratch.join("tiny-f16.gguf");
            output::write(&file, embedded::tiny())?;
            file
        }
        _ => return Ok(Err(format!("it reads GGUF files, and `{model}` is none"))),
    };
    if engine == "candle" && !cfg!(feature = "candle") {
        return Ok(Err(format!("this build has no {engine}")));
    }
    Ok(format!("{engine}:{}", file.display()).parse::<ModelRef>().map_err(|_| format!("this build has no {engine}")))
}

fn plan(model: &ModelRef, settings: &BenchSettings, candidates: &[Candidate]) -> String {
    let mut text = format!("would compare engines on `{model}`, {} rounds, seed {}\n", settings.runs, settings.seed);
    for candidate in candidates {
        let what = candidate.load.as_ref().map_or_else(|why| format!("n/a: {why}"), |_| candidate.model_ref.clone());
        text.push_str(&format!("  {:<12} {what}\n", candidate.name));
    }
    let lengths: Vec<String> = settings.lengths.iter().map(ToString::to_string).collect();
    let levels: Vec<String> = settings.concurrency.iter().map(ToString::to_string).collect();
    text.push_str(&format!(
        "  each round: {} requests of {} tokens alone, {} of {} tokens with {} in flight",
        settings.latency_requests,
        lengths.join(", "),
        settings.throughput_requests,
        settings.throughput_lengths,
        levels.join(", ")
    ));
    text
}

fn text(comparison: &Comparison) -> String {
    let rounds = comparison.engines.iter().flat_map(|engine| &engine.figures).map(|figure| figure.rounds).max();
    let mut lines = vec![format!(
        "engines in {} rounds, against {}; times as fast with the 95 % interval, differences up to {} % count as none",
        rounds.unwrap_or(0),
        comparison.reference,
        comparison.threshold * 100.0
    )];
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["engine", "figure", "at", "value", "times as fast", "verdict"]);
    for engine in &comparison.engines {
        for (place, figure) in engine.figures.iter().enumerate() {
            let name = if place == 0 { engine.engine.as_str() } else { "" };
            table.add_row(row(name, figure));
        }
    }
    lines.push(table.trim_fmt());
    for engine in &comparison.engines {
        lines.extend(remark(engine));
    }
    lines.push(match &comparison.fallback_order[..] {
        [] => "fallback order: none, no engine answered".to_owned(),
        order => format!("fallback order: {}", order.join(", ")),
    });
    lines.join("\n")
}

fn row(engine: &str, figure: &Measured) -> [String; 6] {
    let value = figure.value.map_or_else(|| "n/a".to_owned(), |value| format!("{value:.2} {}", figure.unit));
    let speed = match (figure.speed, figure.interval) {
        (Some(speed), Some([low, high])) => format!("{speed:.2} [{low:.2}, {high:.2}]"),
        _ => String::new(),
    };
    let verdict = figure.verdict.map_or_else(String::new, |verdict| verdict.name().to_owned());
    [engine.to_owned(), figure.measure.to_owned(), figure.at.clone(), value, speed, verdict]
}

fn remark(engine: &Standing) -> Option<String> {
    match &engine.absent {
        Some(why) => Some(format!("{}: n/a, {why}", engine.engine)),
        None if engine.failed > 0 => {
            Some(format!("{}: {} of {} requests failed", engine.engine, engine.failed, engine.requests))
        }
        None => None,
    }
}
