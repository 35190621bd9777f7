//! `eval run` and `eval list`: tasks against a model.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use serde_json::json;
use tokio_util::sync::CancellationToken;
use weighbridge_cache::{Cache, Limits};
use weighbridge_eval::EvalError;
use weighbridge_eval::runner::{
    ChoiceMode, EvalRun, EvalSettings, Evaluated, Export, Form, Identity, Plan, Prices, preview,
};
use weighbridge_eval::task::{EntryKind, Library, TaskConfig};
use weighbridge_store::{Index, RunFolder, read_record};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::event::{RunEvent, Sink as _};
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::record::{Record, Status};
use weighbridge_types::time::{Clock, WallTime};

use super::super::bench::{REPORT_FILE, cancel_on_interrupt};
use super::super::serve::File;
use super::super::{runs, runtime};
use super::matrix::{TIMING_FILE, Timing};
use crate::arguments::{ChoicesArgument, EvalListArguments, EvalRunArguments, OutputFormat, PromptFormArgument};
use crate::build::build;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::readers::Readers;
use crate::registry::Registry;

/// Documents of each task that a dry run prints.
const PREVIEWED: usize = 2;

/// A run that goes on.
pub(super) struct Previous {
    pub(super) folder: PathBuf,
    pub(super) record: Record,
}

/// Folder of answers, within that of the results, where a file asks for a cache and no flag names one.
const CACHE_FOLDER: &str = ".answers";

/// The flags over a file of `serve`.
fn configured(arguments: &EvalRunArguments) -> Result<(EvalRunArguments, Limits), Failure> {
    let mut all = arguments.clone();
    let mut limits = Limits { disk_bytes: arguments.cache_size.0, ..Limits::default() };
    if let Some(path) = &arguments.config {
        let file = File::read(path)?;
        file.warn_of_what_has_no_effect();
        all.concurrency = all.concurrency.or(file.evaluation_service.batch_size);
        all.follow |= file.evaluation_service.enable_result_streaming;
        if let Some(memory) = file.data_service.cache_memory() {
            limits.memory_bytes = memory.0;
            all.cache.get_or_insert_with(|| all.results.output_dir.join(CACHE_FOLDER));
        }
    }
    Ok((all, limits))
}

pub(super) fn run(arguments: &EvalRunArguments, environment: &Environment) -> Result<Exit, Failure> {
    let (arguments, cache_limits) = &configured(arguments)?;
    let previous = arguments.resume.as_ref().map(|run| previous(run, &arguments.results.output_dir)).transpose()?;
    let clock = Clock::start();
    let begin = clock.now();
    if let Some(limit) = arguments.memory {
        crate::limits::memory(limit)?;
    }
    let settings: EvalSettings = match &previous {
        Some(previous) => serde_json::from_value(previous.record.settings.clone()).map_err(|error| {
            Failure::usage(format!("resume the run: its settings cannot be read: {error}"), "start a new run")
        })?,
        None => settings(arguments),
    };
    // How many are in flight at once changes no question, so that a resumed run may have another number.
    let concurrency = arguments.concurrency.or(settings.concurrency);
    let settings = EvalSettings { concurrency, ..settings }.checked()?;
    let model: ModelRef = settings.model.parse()?;
    let registry = Registry::new(environment, arguments.local)?;
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    if arguments.as_cell {
        end_with_parent(cancel.clone());
    }
    let engine = runtime.block_on(registry.load(&model))?;
    let loaded = clock.now();
    let plan = Plan::prepare(&settings, engine.capabilities(), &settings.model)?;
    plan.check_classes(&engine.classes())?;
    let prepared = clock.now();
    if arguments.dry_run {
        show(&plan, arguments.output.output_format)?;
        return Ok(Exit::Pass);
    }
    let open = |folder: &PathBuf| Cache::open(folder, *cache_limits);
    let cache = arguments.cache.as_ref().map(open).transpose()?;
    let results = &arguments.results.output_dir;
    let label = arguments.label.clone().unwrap_or_else(|| label_of(&settings));
    let (folder, record) = match previous {
        Some(previous) => (RunFolder::open(&previous.folder)?, Some(previous.record)),
        None => (RunFolder::create(results, "eval", &label, WallTime::now())?, None),
    };
    let path = folder.path().to_owned();
    let identity = Identity {
        run_id: folder.run_id().to_owned(),
        label,
        environment: fingerprint(&SystemRoot::host(), build(), results),
    };
    let mut journal = Readers::start(folder, Progress::new(std::io::stderr().is_terminal()))?;
    journal.is_followed = arguments.follow;
    let run = EvalRun { settings, plan, engine, identity, previous: record, cache, clock, cancel };
    // As a task beside those of the documents: waking another thread for each of them would cost more than asking.
    let work = runtime.spawn(async move { (run.run(&mut journal).await, journal) });
    let (ended, mut journal) =
        runtime.block_on(work).map_err(|error| Failure::new(Exit::Bug, error.to_string(), "report this as a bug"))?;
    runtime.shutdown_background();
    let exported = match &ended {
        Ok(Evaluated { record, plan, .. }) if !arguments.no_export && !arguments.as_cell => {
            Some(Export { plan, record }.write(&path, &mut journal)?)
        }
        Ok(_) | Err(_) => None,
    };
    for exhibit in ended.iter().flat_map(|ended| &ended.exhibits) {
        let shown = journal.event(&RunEvent::Exhibit(Box::new(exhibit.clone())));
        shown.map_err(|error| Failure::usage(error.problem, error.hint))?;
    }
    let closed = journal.close();
    journal.view.clear();
    let record = ended?.record;
    closed?;
    if arguments.as_cell {
        let ended = clock.now();
        let timing = Timing {
            load_s: (loaded - begin).as_secs_f64(),
            prepare_s: (prepared - loaded).as_secs_f64(),
            execute_s: (ended - prepared).as_secs_f64(),
            peak_rss_bytes: peak_rss_bytes().unwrap_or_default(),
        };
        let timing = timing.after(Timing::read(&path));
        output::write(&path.join(TIMING_FILE), serde_json::to_vec(&timing)?)?;
        return Ok(if record.status == Status::Complete { Exit::Pass } else { Exit::Invalid });
    }
    output::write(&path.join(REPORT_FILE), runs::page(&path, &record)?)?;
    Index::open(results)?.register(&path)?;
    conclude(&record, &path, exported.as_deref(), arguments, environment)
}

/// Gives the run up when standard input ends, as it does when the study's process is killed.
fn end_with_parent(cancel: CancellationToken) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        cancel.cancel();
    });
}

/// The most memory that this process had resident, where the system tells.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn previous(run: &str, results: &Path) -> Result<Previous, Failure> {
    let folder = runs::find(run, results)?;
    let record = read_record(&folder)?;
    if record.kind != "eval" {
        let what = format!("resume `{run}`: it is a run of the kind `{}`", record.kind);
        return Err(Failure::usage(what, "name a run of `eval run`"));
    }
    if record.settings["tasks"] == json!([weighbridge_eval::judge::TASK]) {
        let what = format!("resume `{run}`: it is a judge's run");
        return Err(Failure::usage(what, format!("use `weighbridge eval judge --resume {run}`")));
    }
    Ok(Previous { folder, record })
}

fn settings(arguments: &EvalRunArguments) -> EvalSettings {
    let texts = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
    EvalSettings {
        tasks: arguments.tasks.clone(),
        tasks_dirs: texts(&arguments.tasks_dir),
        data_dirs: texts(&arguments.data_dir),
        model: arguments.model.clone(),
        num_fewshot: arguments.num_fewshot,
        limit: arguments.limit,
        seed: arguments.seed,
        concurrency: arguments.concurrency,
        request_timeout_s: arguments.request_timeout,
        retries: arguments.retries,
        system: arguments.system.clone(),
        form: match arguments.form {
            PromptFormArgument::Text => Form::Text,
            PromptFormArgument::Chat => Form::Chat,
            PromptFormArgument::ChatTurns => Form::ChatTurns,
        },
        choices: match arguments.choices {
            ChoicesArgument::Auto => ChoiceMode::Auto,
            ChoicesArgument::Loglikelihood => ChoiceMode::LogLikelihood,
            ChoicesArgument::Letters => ChoiceMode::Letters,
        },
        max_tokens: arguments.max_tokens,
        give_up_after: arguments.give_up_after,
        prices: {
            let prices = Prices {
                input: arguments.price_input,
                output: arguments.price_output,
                per_hour: arguments.price_per_hour,
            };
            (prices != Prices::default()).then_some(prices)
        },
        judge: None,
    }
}

/// The names of the tasks, without folders and endings.
fn label_of(settings: &EvalSettings) -> String {
    let name = |task: &String| {
        Path::new(task).file_stem().map_or_else(|| task.clone(), |stem| stem.to_string_lossy().into_owned())
    };
    let names: Vec<String> = settings.tasks.iter().take(3).map(name).collect();
    names.join("-")
}

/// Prints the first prompts.
fn show(plan: &Plan, format: OutputFormat) -> Result<(), Failure> {
    let samples = preview(plan, PREVIEWED)?;
    if format == OutputFormat::Json {
        let entry = |(task, sample): &(String, weighbridge_eval::task::Sample)| {
            let asks: Vec<_> = sample
                .asks
                .iter()
                .map(|ask| json!({"prompt": ask.prompt.as_ref().map(|prompt| prompt.shown()), "continuation": ask.continuation}))
                .collect();
            let mut entry = json!({"task": task, "doc_id": sample.doc_id, "target": sample.target, "requests": asks});
            if !sample.follow_ups.is_empty() {
                entry["follow_ups"] = json!(sample.follow_ups);
            }
            entry
        };
        return output::json(&samples.iter().map(entry).collect::<Vec<_>>());
    }
    let mut text = String::new();
    for (task, sample) in &samples {
        text.push_str(&format!("── {task}, document {}\n", sample.doc_id));
        if let Some(prompt) = sample.asks.first().and_then(|ask| ask.prompt.as_ref()) {
            text.push_str(&format!("{}\n", prompt.shown()));
        }
        for follow_up in &sample.follow_ups {
            text.push_str(&format!("  after the answer: {follow_up}\n"));
        }
        for ask in &sample.asks {
            if let Some(continuation) = &ask.continuation {
                text.push_str(&format!("  → {continuation:?}\n"));
            }
        }
        text.push_str(&format!("  target: {}\n\n", sample.target.text()));
    }
    for planned in &plan.tasks {
        let (task, count) = (&planned.task, planned.task.len());
        let name = &task.config.task;
        text.push_str(&format!(
            "{name}: {count} of {} documents, {} examples, {}\n",
            task.available(),
            task.shots(),
            task.config.output_type.name()
        ));
    }
    Ok(output::data(&text)?)
}

fn conclude(
    record: &Record,
    folder: &Path,
    exported: Option<&Path>,
    arguments: &EvalRunArguments,
    environment: &Environment,
) -> Result<Exit, Failure> {
    let exit = if arguments.follow {
        runs::say_where(folder);
        exit_of(record)
    } else {
        show_record(record, folder, arguments.output.output_format, environment)?
    };
    if let Some(exported) = exported {
        output::talk(&format!("lm-eval {}", exported.display()));
    }
    if matches!(record.status, Status::Interrupted | Status::Failed) {
        output::talk(&format!("go on with `weighbridge eval run --resume {}`", folder.display()));
    }
    Ok(exit)
}

/// Prints a record and where it is, and says how the run ended.
pub(super) fn show_record(
    record: &Record,
    folder: &Path,
    format: OutputFormat,
    environment: &Environment,
) -> Result<Exit, Failure> {
    runs::print(record, folder, format, environment)?;
    Ok(exit_of(record))
}

/// How the run ended; says why where it did not come to its end.
fn exit_of(record: &Record) -> Exit {
    match record.status {
        Status::Interrupted => Exit::Interrupted,
        Status::Failed => {
            let notes = record.phases.iter().flat_map(|phase| phase.notes.last());
            notes.for_each(|note| output::fail(note));
            Exit::Invalid
        }
        _ if record.phases.iter().all(|phase| phase.tally.succeeded == 0) => {
            output::fail("no document was answered: there is no measurement");
            Exit::Invalid
        }
        Status::Pending | Status::Running | Status::Complete | Status::Skipped => Exit::Pass,
    }
}

pub(super) fn list(arguments: &EvalListArguments) -> Result<Exit, Failure> {
    let library = Library::of_folders(&arguments.tasks_dir).map_err(EvalError::from)?.with_shipped();
    let fits = |name: &str| arguments.filter.as_deref().is_none_or(|filter| name.contains(filter));
    let kind = |kind| match kind {
        EntryKind::Task => "task",
        EntryKind::Group => "group",
        EntryKind::Tag => "tag",
    };
    let problem = |entry: &weighbridge_eval::task::Entry| match entry.kind {
        EntryKind::Task => TaskConfig::from_value(&entry.value).err().map(|error| error.to_string()),
        EntryKind::Group | EntryKind::Tag => None,
    };
    let entries: Vec<_> = library.entries().filter(|(name, _)| fits(name)).collect();
    match arguments.output.output_format {
        OutputFormat::Json => {
            let entry = |(name, entry): &(&str, &weighbridge_eval::task::Entry)| json!({"name": name, "kind": kind(entry.kind), "path": entry.path, "problem": problem(entry)});
            let skipped: Vec<_> = library.skipped.iter().map(|(path, why)| json!({"path": path, "why": why})).collect();
            output::json(&json!({"entries": entries.iter().map(entry).collect::<Vec<_>>(), "skipped": skipped}))?;
        }
        OutputFormat::Console => {
            let mut text = String::new();
            for (name, entry) in &entries {
                let problem = problem(entry).map(|problem| format!("  cannot run: {problem}")).unwrap_or_default();
                text.push_str(&format!("{:<5} {name}{problem}\n", kind(entry.kind)));
            }
            output::data(&text)?;
            output::talk(&format!(
                "{} names; {} files are no tasks of their own",
                entries.len(),
                library.skipped.len()
            ));
        }
    }
    Ok(Exit::Pass)
}
