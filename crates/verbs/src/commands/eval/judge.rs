//! `eval judge`: a model judges answers, and is weighed itself.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use weighbridge_eval::judge::{self, JudgeForm, JudgeSettings, Judged, figures};
use weighbridge_eval::runner::{EvalRun, EvalSettings, Form, Identity, Journal, Plan, Prices};
use weighbridge_eval::task::data::Rows;
use weighbridge_eval::task::{TaskError, Value};
use weighbridge_store::{Index, RunFolder, read_record};
use weighbridge_telemetry::{SystemRoot, fingerprint};
use weighbridge_types::event::Sink as _;
use weighbridge_types::model_ref::ModelRef;
use weighbridge_types::record::Status;
use weighbridge_types::time::{Clock, WallTime};

use super::super::bench::{REPORT_FILE, cancel_on_interrupt};
use super::super::{runs, runtime};
use super::run::Previous;
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

/// Ends of the names of files; anything else that is no file names a run.
const FILE_ENDS: [&str; 6] = ["jsonl", "json", "csv", "tsv", "gz", "parquet"];

/// Questions in flight, where the arguments do not say.
const CONCURRENCY: usize = 8;

/// Questions that a dry run prints.
const PREVIEWED: usize = 2;

/// What of a judge's run is kept beside the settings of every evaluation.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// Name of the file of answers, or of the run that gave them.
    file: String,
    answers: usize,
    #[serde(flatten)]
    settings: JudgeSettings,
}

/// A run, new or one that goes on.
struct Job {
    eval: EvalSettings,
    kept: Kept,
    questions: Vec<Value>,
    label: String,
    previous: Option<Previous>,
}

pub(super) fn run(arguments: &EvalJudgeArguments, environment: &Environment) -> Result<Exit, Failure> {
    let job = match &arguments.resume {
        Some(run) => resumed(run, arguments)?,
        None => fresh(arguments)?,
    };
    if arguments.dry_run {
        let prompt = |question: &Value| question.get("prompt").map(Value::text).unwrap_or_default();
        let shown: Vec<String> = job.questions.iter().take(PREVIEWED).map(prompt).collect();
        output::data(&format!("{}\n", shown.join("\n\n──\n")))?;
        output::talk(&format!("{} questions to the judge for {} answers", job.questions.len(), job.kept.answers));
        return Ok(Exit::Pass);
    }
    let Job { eval, kept, questions, label, previous } = job;
    let model: ModelRef = eval.model.parse()?;
    let registry = Registry::new(environment, arguments.local)?;
    let runtime = runtime()?;
    let cancel = CancellationToken::new();
    runtime.spawn(cancel_on_interrupt(cancel.clone()));
    let engine = runtime.block_on(registry.load(&model))?;
    let results = &arguments.results.output_dir;
    let (folder, previous) = match previous {
        Some(previous) => (RunFolder::open(&previous.folder)?, Some(previous.record)),
        None => {
            let folder = RunFolder::create(results, "eval", &label, WallTime::now())?;
            output::write(&folder.path().join(QUESTIONS_FILE), lines(&questions))?;
            (folder, None)
        }
    };
    let path = folder.path().to_owned();
    let selection = judge::task(&path.join(QUESTIONS_FILE), &kept.settings).map_err(of_task)?;
    let plan = Plan::of_selection(selection, &eval, engine.capabilities(), &eval.model)?;
    let identity = Identity {
        run_id: folder.run_id().to_owned(),
        label,
        environment: fingerprint(&SystemRoot::host(), build(), results),
    };
    let mut journal = Readers::start(folder, Progress::new(std::io::stderr().is_terminal()))?;
    let (clock, cache) = (Clock::start(), None);
    let run = EvalRun { settings: eval, plan, engine, identity, previous, cache, clock, cancel };
    let ended = runtime.block_on(run.run(&mut journal));
    runtime.shutdown_background();
    let mut judged = Judged::new(kept.settings.form, &questions);
    let read = journal.rows(&mut |row| judged.enter(&row));
    let mut record = ended?.record;
    read.map_err(|error| Failure::usage(error.problem, error.hint))?;
    record.metrics.extend(figures(&judged));
    journal.checkpoint(&record).map_err(|error| Failure::usage(error.problem, error.hint))?;
    let closed = journal.close();
    journal.view.clear();
    closed?;
    output::write(&path.join(REPORT_FILE), runs::page(&path, &record)?)?;
    Index::open(results)?.register(&path)?;
    let exit = super::run::show_record(&record, &path, arguments.output.output_format, environment)?;
    if matches!(record.status, Status::Interrupted | Status::Failed) {
        output::talk(&format!("go on with `weighbridge eval judge --resume {}`", path.display()));
    }
    Ok(exit)
}

fn fresh(arguments: &EvalJudgeArguments) -> Result<Job, Failure> {
    let settings = settings(arguments)?;
    // The parser requires them where no run goes on.
    let (mut answers, file) = answers(arguments, settings.form)?;
    answers.truncate(arguments.limit.unwrap_or(usize::MAX).max(1));
    let questions = judge::questions(&answers, &settings);
    let label = arguments.label.clone().unwrap_or_else(|| label_of(Path::new(&file)));
    let kept = Kept { file, answers: answers.len(), settings };
    let eval = EvalSettings { judge: Some(serde_json::to_value(&kept)?), ..eval_settings(arguments) }.checked()?;
    Ok(Job { eval, kept, questions, label, previous: None })
}

/// The answers of a file, or of one or two runs, and the file's name or the run's label.
fn answers(arguments: &EvalJudgeArguments, form: JudgeForm) -> Result<(Vec<judge::Answer>, String), Failure> {
    let named = arguments.answers.clone().unwrap_or_default();
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = PathBuf::from(&named);
    let looks_like_a_file = file.extension().is_some_and(|end| FILE_ENDS.iter().any(|known| end == *known));
    if file.is_file() || looks_like_a_file {
        if arguments.against.is_some() {
            let hint = "name a run instead of the file, or put `answer_a` and `answer_b` into its rows";
            return Err(Failure::usage(format!("compare the file `{named}` with a run"), hint));
        }
        let rows = Rows::read(std::slice::from_ref(&file), &Value::None).map_err(of_task)?;
        return Ok((judge::answers(&rows, form, &arguments.map)?, name(&file)));
    }
    let results = &arguments.results.output_dir;
    let against = arguments.against.as_ref().map(|run| runs::find(run, results)).transpose()?;
    match (form, &against) {
        (JudgeForm::Pair, None) => {
            let hint = "name the other run with `--against`";
            return Err(Failure::usage(format!("compare the answers of `{named}` in pairs: there is one run"), hint));
        }
        (JudgeForm::Verdict | JudgeForm::Score, Some(_)) => {
            return Err(Failure::usage(
                "compare two runs without pairs",
                "add `--form pair`, or leave `--against` out",
            ));
        }
        _ => {}
    }
    let folder = runs::find(&named, results)?;
    let found = judge::run_answers(&folder, against.as_deref(), form, &arguments.map)?;
    if found.unanswered > 0 {
        output::talk(&format!("{} documents without an answer are left out", found.unanswered));
    }
    Ok((found.answers, read_record(&folder)?.label))
}

/// A run goes on with what its folder holds; only how many questions are in flight may be another number.
fn resumed(run: &str, arguments: &EvalJudgeArguments) -> Result<Job, Failure> {
    let folder = runs::find(run, &arguments.results.output_dir)?;
    let record = read_record(&folder)?;
    let broken =
        |problem: String| Failure::usage(format!("resume the run `{run}`: {problem}"), "name a run of `eval judge`");
    if record.kind != "eval" || record.settings["judge"].is_null() {
        return Err(broken("it is no judge's run".to_owned()));
    }
    let unread = |error: serde_json::Error| broken(format!("its settings cannot be read: {error}"));
    let eval: EvalSettings = serde_json::from_value(record.settings.clone()).map_err(unread)?;
    let kept: Kept = serde_json::from_value(eval.judge.clone().unwrap_or_default()).map_err(unread)?;
    let rows = Rows::read(&[folder.join(QUESTIONS_FILE)], &Value::None).map_err(of_task)?;
    let questions = (0..rows.len()).filter_map(|row| rows.get(row)).collect();
    let eval = EvalSettings { concurrency: arguments.concurrency.or(eval.concurrency), ..eval }.checked()?;
    let label = record.label.clone();
    Ok(Job { eval, kept, questions, label, previous: Some(Previous { folder, record }) })
}

fn of_task(error: TaskError) -> Failure {
    weighbridge_eval::EvalError::from(error).into()
}

fn settings(arguments: &EvalJudgeArguments) -> Result<JudgeSettings, Failure> {
    let rubric = arguments.rubric.clone().unwrap_or_default();
    let rubric = match rubric.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|error| {
            Failure::usage(format!("read the rubric `{file}`: {error}"), "name a text file, or write the rubric itself")
        })?,
        None => rubric,
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
        model: arguments.judge.clone().unwrap_or_default(),
        seed: arguments.seed,
        concurrency: Some(arguments.concurrency.unwrap_or(CONCURRENCY)),
        prices: arguments.price_input.is_some().then_some(Prices {
            input: arguments.price_input,
            output: arguments.price_output,
            per_hour: None,
        }),
        request_timeout_s: arguments.request_timeout,
        form: Form::Chat,
        ..EvalSettings::default()
    }
}

fn lines(questions: &[Value]) -> String {
    questions.iter().map(|question| question.line() + "\n").collect()
}

fn label_of(file: &Path) -> String {
    file.file_stem().map_or_else(|| "judge".to_owned(), |stem| format!("judge-{}", stem.to_string_lossy()))
}
