//! `eval compare`: which of several sides is better.

use std::path::{Path, PathBuf};

use weighbridge_eval::compare::{
    Comparison, MissingAnswers, RowReader, Settings, Side, Verdict, compare, side_of_file,
};
use weighbridge_eval::predictions::Mapping;
use weighbridge_eval::score;
use weighbridge_stats::{Confidence, Resampling};
use weighbridge_store::{read_record, replay_as_written};
use weighbridge_types::record::{LogLine, Record, Status};

use super::comparison;
use crate::arguments::{CompareArguments, OutputFormat};
use crate::commands::runs;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// What the name of a side stands for.
enum Source {
    Run { path: PathBuf, record: Box<Record> },
    File(PathBuf),
}

pub(super) fn run(arguments: &CompareArguments, environment: &Environment) -> Result<Exit, Failure> {
    let settings = settings(arguments)?;
    let reading = score::Settings {
        form: arguments.format.map(super::form),
        mapping: Mapping::parse(arguments.map.iter().map(String::as_str))?,
        metrics: arguments.metric.clone(),
        ..score::Settings::default()
    };
    let results = &arguments.results.output_dir;
    let sources: Vec<Source> = arguments.sides.iter().map(|side| source(side, results)).collect::<Result<_, _>>()?;
    let names = names(&sources);
    let sides: Vec<Side> =
        names.iter().zip(&sources).map(|(name, source)| side(name, source, &reading)).collect::<Result<_, _>>()?;
    let mut comparison = compare(&sides, &settings)?;
    comparison.notes.extend(sources.iter().zip(&names).filter_map(|(source, name)| unfinished(source, name)));
    if let Some(path) = &arguments.markdown {
        output::file(path, comparison::markdown(&comparison))?;
    }
    match arguments.output.output_format {
        OutputFormat::Json => output::json(&comparison)?,
        OutputFormat::Console => {
            let text = comparison::console(&comparison, arguments.leaderboard, output::columns(environment));
            output::data(&text)?;
        }
    }
    Ok(exit(&comparison, arguments.leaderboard))
}

fn exit(comparison: &Comparison, is_leaderboard: bool) -> Exit {
    match comparison.verdict() {
        _ if is_leaderboard => Exit::Pass,
        Verdict::Better | Verdict::Equivalent => Exit::Pass,
        Verdict::Worse => Exit::GateFailed,
        Verdict::Inconclusive => Exit::Inconclusive,
    }
}

fn settings(arguments: &CompareArguments) -> Result<Settings, Failure> {
    let confidence = Confidence::new(arguments.confidence)
        .map_err(|error| Failure::usage(error.to_string(), "write 95 % as `--confidence 0.95`"))?;
    let missing = if arguments.answered_only { MissingAnswers::AreLeftOut } else { MissingAnswers::AreWrong };
    Ok(Settings {
        metrics: arguments.metric.clone(),
        margin: arguments.margin,
        confidence,
        power: arguments.power,
        missing,
        resampling: Resampling::new(arguments.seed).with_count(arguments.resamples),
    })
}

/// A file that is no part of a run is one of predictions.
fn source(side: &str, results: &Path) -> Result<Source, Failure> {
    let path = Path::new(side);
    if path.is_file() && path.file_name().is_none_or(|name| name != "record.json") {
        return Ok(Source::File(path.to_owned()));
    }
    let path = runs::find(side, results)?;
    let record = Box::new(read_record(&path)?);
    if record.kind != "eval" {
        let what = format!("compare `{side}`: it is a run of the kind `{}`", record.kind);
        return Err(Failure::usage(what, "name runs of `eval run`, or files of predictions"));
    }
    if record.engine.engine == "predictions" {
        let what = format!("compare `{side}`: it is the record of a file's scores, without its samples");
        return Err(Failure::usage(what, format!("name the file itself: {}", record.engine.model_ref)));
    }
    Ok(Source::Run { path, record })
}

fn side(name: &str, source: &Source, reading: &score::Settings) -> Result<Side, Failure> {
    match source {
        Source::File(path) => Ok(side_of_file(name, path, reading)?),
        Source::Run { path, record } => {
            let mut reader = RowReader::new(name.to_owned(), record.run_id.clone());
            replay_as_written(path, 0, |line| {
                if let LogLine::Sample(row) = line {
                    reader.row(&row);
                }
            })?;
            Ok(reader.finish()?)
        }
    }
}

/// Short names that tell the sides apart: models or file names, else labels, else runs and paths.
fn names(sources: &[Source]) -> Vec<String> {
    let stem = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split('.').find(|part| !part.is_empty()).unwrap_or(&name).to_owned()
    };
    let by_model = |source: &Source| match source {
        Source::File(path) => stem(path),
        Source::Run { record, .. } => record.engine.model.clone(),
    };
    let by_label = |source: &Source| match source {
        Source::File(path) => path.display().to_string(),
        Source::Run { record, .. } => record.label.clone(),
    };
    let by_run = |source: &Source| match source {
        Source::File(path) => path.display().to_string(),
        Source::Run { record, .. } => record.run_id.clone(),
    };
    let forms: [&dyn Fn(&Source) -> String; 3] = [&by_model, &by_label, &by_run];
    for form in forms {
        let names: Vec<String> = sources.iter().map(form).collect();
        let is_distinct = (1..names.len()).all(|at| !names[..at].contains(&names[at]) && !names[at].is_empty());
        if is_distinct {
            return names;
        }
    }
    // The same run or file twice: of use to see that nothing differs.
    let numbered = |(number, source): (usize, &Source)| format!("{} #{}", by_run(source), number + 1);
    sources.iter().enumerate().map(numbered).collect()
}

/// A word about a run that is not whole.
fn unfinished(source: &Source, name: &str) -> Option<String> {
    let Source::Run { record, .. } = source else { return None };
    (record.status != Status::Complete).then(|| {
        let status = format!("{:?}", record.status).to_lowercase();
        format!("the run of `{name}` is not complete ({status}): only what was answered is compared")
    })
}
