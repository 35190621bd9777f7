//! `eval judge`: a model judges answers, and is weighed itself.

use std::io::IsTerminal;
use std::path::Path;

use tokio_util::sync::CancellationToken;
use weighbridge_eval::judge::{self, JudgeForm, JudgeSettings, Judged, Prices, figures};
use weighbridge_eval::runner::{EvalRun, EvalSettings, Form, Identity, Journal, Plan};
use weighbridge_eval::task::data::Rows;
use weighbridge_eval::task::{TaskError, Value};
use weighbridge_store::{Index, RunFolder};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::event::Sink as _;
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::time::{Clock, WallTime};

use super::super::bench::{REPORT_FILE, cancel_on_interrupt};
use super::super::{runs, runtime};
use crate::arguments::{EvalJudgeArguments, JudgeFormArgument};
use crate::build::build;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::Progress;
use crate::readers::Readers;
use crate::registry::Registry;

/// File of the run that holds what the judge is asked.
const QUESTIONS_FILE: &str = "judge.jsonl";

/// Questions that a dry run prints.
const PREVIEWED: usize = 2;

pub(super) fn run(arguments: &EvalJudgeArguments, environment: &Environment) -> Result<Exit, Failure> {
    let settings = settings(arguments)?;
    let rows = Rows::read(std::slice::from_ref(&arguments.file), &Value::None).map_err(of_task)?;
    let mut answers = judge::answers(&rows, settings.form, &arguments.map)?;
    answers.truncate(arguments.limit.unwrap_or(usize::MAX).max(1));
    let questions = judge::questions(&answers, &settings);
    if arguments.dry_run {
        let prompt = |question: &Value| question.get("prompt").map(Value::text).unwrap_or_default();
        let shown: Vec<String> = questions.iter().take(PREVIEWED).map(prompt).collect();
        output::data(&format!("{}\n", shown.join("\n\n──\n")))?;
        output::talk(&format!("{} questions to the judge for {} answers", questions.len(), answers.len()));
        return Ok(Exit::Pass);
    }
    let model: ModelRef = arguments.judge.parse()?;
    let registry = Registry::new(environment, arguments.local)?;
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let engine = runtime.block_on(registry.load(&model))?;
    let results = &arguments.results.output_dir;
    let label = arguments.label.clone().unwrap_or_else(|| label_of(&arguments.file));
    let eval = eval_settings(arguments).checked()?;
    let folder = RunFolder::create(results, "eval", &label, WallTime::now())?;
    let path = folder.path().to_owned();
    std::fs::write(path.join(QUESTIONS_FILE), lines(&questions))?;
    let selection = judge::task(&path.join(QUESTIONS_FILE), &settings).map_err(of_task)?;
    let plan = Plan::of_selection(selection, &eval, engine.capabilities(), &arguments.judge)?;
    let identity = Identity {
        run_id: folder.run_id().to_owned(),
        label,
        environment: fingerprint(&SystemRoot::host(), build(), results),
    };
    let mut journal = Readers::start(folder, Progress::new(std::io::stderr().is_terminal()))?;
    let (clock, previous, cache) = (Clock::start(), None, None);
    let run = EvalRun { settings: eval, plan, engine, identity, previous, cache, clock, cancel };
    let ended = runtime.block_on(run.run(&mut journal));
    runtime.shutdown_background();
    let mut judged = Judged::new(settings.form, &questions);
    let read = journal.rows(&mut |row| judged.enter(&row));
    let mut record = ended?.record;
    read.map_err(|error| Failure::usage(error.problem, error.hint))?;
    record.metrics.extend(figures(&judged, prices(arguments)));
    note(&mut record, arguments, &settings, answers.len());
    journal.checkpoint(&record).map_err(|error| Failure::usage(error.problem, error.hint))?;
    let closed = journal.close();
    journal.view.clear();
    closed?;
    std::fs::write(path.join(REPORT_FILE), runs::page(&path, &record)?)?;
    Index::open(results)?.register(&path)?;
    super::run::show_record(&record, &path, arguments.output.output_format, environment)
}

fn of_task(error: TaskError) -> Failure {
    weighbridge_eval::EvalError::from(error).into()
}

fn settings(arguments: &EvalJudgeArguments) -> Result<JudgeSettings, Failure> {
    let rubric = match arguments.rubric.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            Failure::usage(format!("read the rubric `{file}`: {error}"), "name a text file, or write the rubric itself")
        })?,
        None => arguments.rubric.clone(),
    };
    if rubric.trim().is_empty() {
        return Err(Failure::usage("judge by an empty rubric", "say in `--rubric` what a good answer is"));
    }
    if !(0.0..=2.0).contains(&arguments.temperature) {
        let what = format!("accept temperature `{}`: it must be 0 to 2", arguments.temperature);
        return Err(Failure::usage(what, "correct the flag"));
    }
    if arguments.repeats > 1 && arguments.temperature <= 0.0 {
        let hint = "raise `--temperature`, or leave `--repeats` out";
        return Err(Failure::usage("repeat a judge at temperature 0: every repeat would say the same", hint));
    }
    Ok(JudgeSettings {
        form: match arguments.form {
            JudgeFormArgument::Verdict => JudgeForm::Verdict,
            JudgeFormArgument::Score => JudgeForm::Score,
            JudgeFormArgument::Pair => JudgeForm::Pair,
        },
        rubric,
        repeats: arguments.repeats,
        temperature: arguments.temperature,
        max_tokens: arguments.max_tokens.max(1),
        planted: arguments.plant,
    })
}

/// The judge is asked in a conversation where the engine takes one.
fn eval_settings(arguments: &EvalJudgeArguments) -> EvalSettings {
    EvalSettings {
        tasks: vec![judge::TASK.to_owned()],
        model: arguments.judge.clone(),
        seed: arguments.seed,
        concurrency: Some(arguments.concurrency),
        request_timeout_s: arguments.request_timeout,
        form: Form::Chat,
        ..EvalSettings::default()
    }
}

fn prices(arguments: &EvalJudgeArguments) -> Option<Prices> {
    arguments.price_input.zip(arguments.price_output).map(|(input, output)| Prices { input, output })
}

fn lines(questions: &[Value]) -> String {
    questions.iter().map(|question| question.line() + "\n").collect()
}

fn label_of(file: &Path) -> String {
    file.file_stem().map_or_else(|| "judge".to_owned(), |stem| format!("judge-{}", stem.to_string_lossy()))
}

/// What a reader must know beside the figures.
fn note(
    record: &mut weighbridge_types::record::Record,
    arguments: &EvalJudgeArguments,
    settings: &JudgeSettings,
    answers: usize,
) {
    if let Some(entries) = record.settings.as_object_mut() {
        let judge = serde_json::json!({
            "file": arguments.file.file_name().unwrap_or_default().to_string_lossy(),
            "answers": answers,
            "form": settings.form.name(),
            "rubric": settings.rubric,
            "repeats": settings.repeats,
            "temperature": settings.temperature,
            "max_tokens": settings.max_tokens,
            "planted": settings.planted,
            "price_input": arguments.price_input,
            "price_output": arguments.price_output,
        });
        entries.insert("judge".to_owned(), judge);
    }
}
