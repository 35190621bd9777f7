//! `eval`: what models answered becomes figures, and figures become verdicts.

mod compare;
mod comparison;
mod import;
mod judge;
mod matrix;
mod record;
mod run;
mod stream;
mod table;

use std::path::Path;

use weighbridge_cache::{Cache, Key, Limits, Tag};
use weighbridge_eval::cwe::Hierarchy;
use weighbridge_eval::predictions::{Form, Mapping};
use weighbridge_eval::score::{Costs, Report, Settings, score_file};
use weighbridge_eval::text::bleu::Bleu;
use weighbridge_eval::text::matching::Normalization;
use weighbridge_eval::text::tokenize::Tokenizer;
use weighbridge_stats::{Confidence, Resampling};
use weighbridge_types::definition;
use weighbridge_types::record::Record;

pub(super) use record::PREDICTIONS;

use super::bench::REPORT_FILE;
use crate::arguments::{BleuTokenizer, EvalVerb, OutputFormat, PredictionsForm, ScoreArguments};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::profiling::flagged;

/// Scores the file of a record again, with the record's settings; `None` where the file is not there any more.
pub(super) fn scored_again(record: &Record) -> Result<Option<Report>, Failure> {
    let file = Path::new(&record.engine.model_ref);
    let why = match record::settings_of(record) {
        Ok(settings) if file.is_file() => return Ok(Some(score_file(file, &settings)?)),
        Ok(_) => format!("`{}` is not found from here", file.display()),
        Err(problem) => format!("the settings of the scoring cannot be read: {problem}"),
    };
    output::talk(&format!("note: {why}; only the record itself is looked at"));
    Ok(None)
}

pub(super) fn run(verb: EvalVerb, environment: &Environment) -> Result<Exit, Failure> {
    match verb {
        EvalVerb::Score(arguments) => score(&arguments, environment),
        EvalVerb::Run(arguments) => flagged(&arguments.profile, "eval", || run::run(&arguments, environment)),
        EvalVerb::Compare(arguments) => compare::run(&arguments, environment),
        EvalVerb::Matrix(arguments) => matrix::run(&arguments, environment),
        EvalVerb::Stream(arguments) => stream::run(&arguments, environment),
        EvalVerb::Judge(arguments) => judge::run(&arguments, environment),
        EvalVerb::Import(arguments) => import::run(&arguments),
        EvalVerb::List(arguments) => run::list(&arguments),
    }
}

fn score(arguments: &ScoreArguments, environment: &Environment) -> Result<Exit, Failure> {
    let settings = settings(arguments)?;
    let watch = record::Watch::start();
    let report = match &arguments.cache {
        None => score_file(&arguments.file, &settings)?,
        Some(folder) => {
            let (report, is_kept) = score_kept(&Cache::open(folder, Limits::default())?, &arguments.file, &settings)?;
            if is_kept {
                output::talk("note: these scores were kept; file and settings are those of an earlier scoring");
            }
            report
        }
    };
    let kept = if arguments.no_record { None } else { Some(record::keep(arguments, &report, &watch)?) };
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&report)?,
        OutputFormat::Console => output::data(&table::render(&report, output::columns(environment)))?,
    }
    if let Some(folder) = kept {
        output::talk(&format!("record  {}", folder.display()));
        output::talk(&format!("report  {}", folder.join(REPORT_FILE).display()));
    }
    Ok(Exit::Pass)
}

/// Scores a file, or gives what an earlier scoring of the same bytes with the same settings by this version said; which of both.
pub(super) fn score_kept(cache: &Cache, file: &Path, settings: &Settings) -> Result<(Report, bool), Failure> {
    // A file whose form nobody names tells it by its name.
    let form = file.extension().map_or_else(String::new, |extension| extension.to_string_lossy().into_owned());
    let name = format!("score {} {form} {settings:?}", env!("CARGO_PKG_VERSION"));
    let bytes = std::fs::File::open(file).and_then(|mut bytes| Key::of_reader(&name, &mut bytes));
    // What cannot be read is said by who scores it.
    let Ok(key) = bytes else { return Ok((score_file(file, settings)?, false)) };
    let kept = cache.get(&key)?.and_then(|bytes| serde_json::from_str(std::str::from_utf8(&bytes).ok()?).ok());
    if let Some(report) = kept {
        return Ok((report, true));
    }
    let report = score_file(file, settings)?;
    cache.put(key, &Tag::encode(&report)?)?;
    Ok((report, false))
}

fn settings(arguments: &ScoreArguments) -> Result<Settings, Failure> {
    let confidence = Confidence::new(arguments.confidence)
        .map_err(|error| Failure::usage(error.to_string(), "write 95 % as `--confidence 0.95`"))?;
    if let Some(unknown) = arguments.metric.iter().find(|name| definition::find(name).is_none()) {
        let what = format!("find the metric `{unknown}`");
        return Err(Failure::usage(what, "leave `--metric` out to see every metric that the file allows"));
    }
    Ok(Settings {
        form: arguments.format.map(form),
        mapping: Mapping::parse(arguments.map.iter().map(String::as_str))?,
        labels: arguments.labels.clone(),
        positive: arguments.positive.clone(),
        threshold: arguments.threshold,
        costs: costs(&arguments.cost, arguments.cost_matrix.as_deref())?,
        weaknesses: weaknesses(arguments.cwe.as_deref())?,
        metrics: arguments.metric.clone(),
        confidence,
        bleu: Bleu { tokenizer: tokenizer(arguments.tokenize), ..Bleu::default() },
        normalization: Normalization {
            ignore_case: arguments.ignore_case,
            ignore_punctuation: arguments.ignore_punctuation,
            ignore_numbers: arguments.ignore_numbers,
        },
        resampling: Resampling::new(arguments.seed).with_count(arguments.resamples),
    })
}

fn costs(of_misses: &[String], matrix: Option<&Path>) -> Result<Option<Costs>, Failure> {
    if let Some(path) = matrix {
        return Ok(Some(Costs::parse(&text_of(path)?)?));
    }
    let pair = |text: &String| {
        let (label, cost) = text.rsplit_once('=')?;
        Some((label.to_owned(), cost.trim().parse::<f64>().ok().filter(|cost| cost.is_finite())?))
    };
    let mut misses = Vec::new();
    for text in of_misses {
        let bad = || Failure::usage(format!("read the cost `{text}`"), "write LABEL=COST, for example `malware=20`");
        misses.push(pair(text).ok_or_else(bad)?);
    }
    Ok((!misses.is_empty()).then(|| Costs::of_misses(misses)))
}

fn weaknesses(path: Option<&Path>) -> Result<Option<Hierarchy>, Failure> {
    let Some(path) = path else { return Ok(None) };
    let hierarchy = Hierarchy::parse(&text_of(path)?);
    hierarchy.map(Some).map_err(|error| Failure::usage(error.to_string(), error.hint()))
}

fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| {
        Failure::usage(format!("read `{}`: {error}", path.display()), "name a text file that can be read")
    })
}

fn tokenizer(tokenizer: BleuTokenizer) -> Tokenizer {
    match tokenizer {
        BleuTokenizer::V13a => Tokenizer::V13a,
        BleuTokenizer::Intl => Tokenizer::International,
        BleuTokenizer::Char => Tokenizer::Char,
        BleuTokenizer::None => Tokenizer::None,
    }
}

fn form(form: PredictionsForm) -> Form {
    match form {
        PredictionsForm::Jsonl => Form::JsonLines,
        PredictionsForm::Csv => Form::Csv,
        PredictionsForm::Tsv => Form::Tsv,
        PredictionsForm::Parquet => Form::Parquet,
    }
}
