//! `pipeline`: documents become a data set. Files are converted in processes of their own; the stages run in this one.

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::available_parallelism;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use weighbridge_pipeline::digest::sha256_hex;
use weighbridge_pipeline::run::{
    EngineModel, Model, Pipeline, PipelineError, Progress, RunOptions, RunReport, SourceDocument, StateCounts,
};
use weighbridge_pipeline::settings::Settings;
use weighbridge_pipeline::targets::Level;
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::time::Clock;

use super::bench::cancel_on_interrupt;
use super::convert::{Content, Converting, Document, Finished, documents};
use super::runtime;
use crate::arguments::{OutputFormat, PipelineReportArguments, PipelineRunArguments, PipelineVerb};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry::Registry;

/// Chunks in flight where the model is elsewhere, and waiting costs nothing here.
const CONCURRENCY_ELSEWHERE: usize = 8;

pub(super) fn run(verb: PipelineVerb, environment: &Environment) -> Result<Exit, Failure> {
    match verb {
        PipelineVerb::Run(arguments) => make(&arguments, environment),
        PipelineVerb::Report(arguments) => report(&arguments),
    }
}

fn make(arguments: &PipelineRunArguments, environment: &Environment) -> Result<Exit, Failure> {
    let mut settings = arguments.config.as_deref().map_or_else(|| Ok(Settings::default()), settings_of)?;
    if let Some(seed) = arguments.seed {
        settings.seed = seed;
    }
    let found = documents(&arguments.inputs)?;
    if arguments.dry_run {
        return would(&found, &settings, arguments.output_form.output_format);
    }
    let clock = Clock::start();
    let runtime = runtime()?;
    let reference = arguments.model.as_deref().map(str::parse::<ModelRef>).transpose()?;
    let asked = match &reference {
        Some(reference) => Some(load(reference, arguments, environment, &runtime, clock)?),
        None => None,
    };
    let (model, tokenizer) = asked.map_or((None, None), |(model, tokenizer)| (Some(model), tokenizer));
    let cores = available_parallelism().map_or(1, usize::from);
    let elsewhere = matches!(reference, Some(ModelRef::Endpoint(_)));
    let concurrency = arguments.concurrency.unwrap_or(if elsewhere { CONCURRENCY_ELSEWHERE } else { cores });
    let options = RunOptions { output: arguments.output.clone(), concurrency, stop: stop_on_interrupt(&runtime) };
    let pipeline =
        Pipeline { settings: &settings, model: model.as_ref().map(|model| model as &dyn Model), tokenizer, clock };
    let licence = arguments.licence.clone();
    let converting = Converting::start(found, &arguments.converting, clock)?;
    let mut source = converting.map(|finished| document(finished, licence.clone()));
    let bar = bar();
    let made = pipeline.run(&mut source, &options, &mut |progress: &Progress| show(&bar, progress));
    bar.finish_and_clear();
    let report = made.map_err(failed)?;
    tell(&report, &arguments.output, false, arguments.output_form.output_format)?;
    let empty = report.items.used() == 0;
    Ok(if empty { Exit::Invalid } else { Exit::Pass })
}

fn settings_of(path: &Path) -> Result<Settings, Failure> {
    let wrong = |why: String| Failure::usage(format!("read `{}`: {why}", path.display()), "correct the file");
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))
}

/// What a run would read.
fn would(found: &[Document], settings: &Settings, format: OutputFormat) -> Result<Exit, Failure> {
    let readable = found.iter().filter(|document| matches!(document.content, Content::File(_)));
    let bytes: u64 = readable
        .clone()
        .filter_map(|document| match &document.content {
            Content::File(path) => fs::metadata(path).ok().map(|file| file.len()),
            Content::None(_) => None,
        })
        .sum();
    if format == OutputFormat::Json {
        let documents: Vec<&str> = found.iter().map(|document| document.name.as_str()).collect();
        output::json(&serde_json::json!({ "documents": documents, "bytes": bytes, "settings": settings }))?;
        return Ok(Exit::Pass);
    }
    let mut text = format!("{} documents of {bytes} bytes would be read, with these settings:\n", readable.count());
    text.push_str(&serde_json::to_string_pretty(settings)?);
    output::data(&text)?;
    Ok(Exit::Pass)
}

type Asked = (EngineModel, Option<Arc<dyn weighbridge_engine::Tokenizer>>);

fn load(
    reference: &ModelRef,
    arguments: &PipelineRunArguments,
    environment: &Environment,
    runtime: &Runtime,
    clock: Clock,
) -> Result<Asked, Failure> {
    let registry = Registry::new(environment, arguments.local)?;
    let engine = runtime.block_on(registry.load(reference))?;
    let tokenizer = engine.tokenizer();
    Ok((EngineModel::new(engine, reference.to_string(), runtime.handle().clone(), clock), tokenizer))
}

/// Set when the user or a supervisor asks for an end: what was paid for is kept.
fn stop_on_interrupt(runtime: &Runtime) -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let asked = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(asked.clone()));
    let set = Arc::clone(&stop);
    runtime.spawn(async move {
        asked.cancelled().await;
        set.store(true, Ordering::SeqCst);
    });
    stop
}

fn document(finished: Finished, licence: Option<String>) -> SourceDocument {
    SourceDocument {
        path: finished.name,
        bytes: finished.bytes.len() as u64,
        file: sha256_hex(&finished.bytes),
        licence,
        outcome: finished.outcome,
        read_in: finished.read_in,
        converted_in: finished.converted_in,
    }
}

fn bar() -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    bar
}

fn show(bar: &ProgressBar, progress: &Progress) {
    if bar.is_hidden() {
        return;
    }
    let total = progress.documents_total.map_or_else(String::new, |total| format!(" of {total}"));
    bar.set_message(format!(
        "{} documents{total}, {} of {} chunks, {} candidates",
        progress.documents, progress.chunks, progress.chunks_total, progress.candidates
    ));
    bar.tick();
}

fn failed(error: PipelineError) -> Failure {
    let exit = if matches!(error, PipelineError::Stopped) { Exit::Interrupted } else { Exit::Usage };
    let hint = error.hint();
    Failure::from_error(exit, &error, hint)
}

fn report(arguments: &PipelineReportArguments) -> Result<Exit, Failure> {
    let path = arguments.folder.join("report.json");
    let text = fs::read_to_string(&path).map_err(|error| {
        Failure::usage(
            format!("read `{}`: {error}", path.display()),
            "name the folder of a data set that was made to its end",
        )
    })?;
    let report: RunReport = serde_json::from_str(&text)?;
    tell(&report, &arguments.folder, arguments.stages, arguments.output.output_format)?;
    let critical = report.verdicts.iter().any(|verdict| verdict.level == Level::Critical);
    Ok(if critical { Exit::GateFailed } else { Exit::Pass })
}

fn tell(report: &RunReport, folder: &Path, stages: bool, format: OutputFormat) -> Result<(), Failure> {
    if format == OutputFormat::Json {
        return output::json(report);
    }
    let mut text = String::new();
    for (what, counts) in [("documents", &report.documents), ("chunks", &report.chunks), ("items", &report.items)] {
        text.push_str(&format!("{what:<10} {}\n", counted(counts)));
    }
    let figure =
        |value: Option<f64>, digits: usize| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"));
    let estimated = if report.tokens_estimated { " (estimated)" } else { "" };
    let model = report.model.as_deref().unwrap_or("no model, patterns alone");
    text.push_str(&format!(
        "quality    {} (sd {})\n",
        figure(report.quality_mean, 3),
        figure(report.quality_deviation, 3)
    ));
    text.push_str(&format!(
        "speed      {} documents/hour: {} pages, {} tokens{estimated}, {model}, {} at once, {:.1} s\n",
        figure(report.documents_per_hour, 0),
        report.pages,
        report.tokens,
        report.concurrency,
        report.wall_seconds
    ));
    for verdict in report.verdicts.iter().filter(|verdict| matches!(verdict.level, Level::Warning | Level::Critical)) {
        let name = serde_json::to_value(verdict.target)?;
        let level = if verdict.level == Level::Critical { "critical" } else { "off target" };
        text.push_str(&format!("{level:<10} {} is {}\n", name.as_str().unwrap_or("?"), figure(verdict.value, 3)));
    }
    if stages {
        for row in &report.stages {
            let name = serde_json::to_value(row.stage)?;
            text.push_str(&format!(
                "  {:<14} {:>9.3} s {:>5} %  {}\n",
                name.as_str().unwrap_or("?"),
                row.busy_seconds,
                figure(row.share_percent, 1),
                row.bottleneck.as_deref().unwrap_or("-")
            ));
        }
    }
    text.push_str(&format!("data set   {}\n", folder.display()));
    output::data(&text)?;
    Ok(())
}

/// Used, and the rest by reason.
fn counted(counts: &StateCounts) -> String {
    let mut text = format!("{} of {} used", counts.used(), counts.admitted);
    for (state, reasons) in [("degraded", &counts.degraded), ("rejected", &counts.rejected), ("failed", &counts.failed)]
    {
        for (reason, count) in reasons {
            text.push_str(&format!(", {count} {state}: {reason}"));
        }
    }
    text
}
