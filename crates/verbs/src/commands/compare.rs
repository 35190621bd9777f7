//! `compare`: whether figures changed between sides, each of one or more runs.

use std::collections::BTreeSet;
use std::path::Path;

use weighbridge_engine_http::Webhook;
use weighbridge_report::{console, html, markdown};
use weighbridge_stats::{Confidence, Resampling};
use weighbridge_store::{Filter, Index, read_record};
use weighbridge_types::comparison::{Comparison, Verdict};
use weighbridge_types::record::Record;
use weighbridge_verdict::{Settings, Side, alert, compare};

use super::sides;
use super::webhook::{self, Told};
use crate::arguments::{CompareRunsArguments, JudgingArguments, OutputFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Earlier runs from which the noise of this host is learned at most, the newest.
const MOST_KNOWN: u32 = 200;

pub(super) fn run(arguments: &CompareRunsArguments, environment: &Environment) -> Result<Exit, Failure> {
    let settings = settings(arguments)?;
    let hook = webhook::named(&arguments.judging.webhook)?;
    let results = &arguments.results.output_dir;
    let sides = sides::all(&arguments.sides, results)?;
    let known = known(&sides, results)?;
    let comparison = compare(&sides, &known, &settings)?;
    show(&comparison, &arguments.judging, arguments.output.output_format, environment)?;
    tell("compare", hook.as_ref(), &comparison);
    Ok(exit(&comparison))
}

/// Tells a webhook of a comparison that is worse.
pub(super) fn tell(verb: &str, hook: Option<&Webhook>, comparison: &Comparison) {
    let runs = comparison.sides.iter().flat_map(|side| side.runs.clone()).collect();
    let (exit, regressions) = (exit(comparison), alert::of_comparison(comparison));
    webhook::tell(hook, Told { verb, exit, runs, regressions });
}

pub(super) fn exit(comparison: &Comparison) -> Exit {
    match comparison.verdict() {
        Verdict::Better | Verdict::Equivalent => Exit::Pass,
        Verdict::Worse => Exit::GateFailed,
        Verdict::Inconclusive => Exit::Inconclusive,
    }
}

fn settings(arguments: &CompareRunsArguments) -> Result<Settings, Failure> {
    Ok(Settings {
        power: arguments.power,
        force: arguments.force,
        resampling: Resampling::new(arguments.seed).with_count(arguments.resamples),
        ..judged(&arguments.judging)?
    })
}

/// What the shared flags say; the rest as usual.
pub(super) fn judged(arguments: &JudgingArguments) -> Result<Settings, Failure> {
    let confidence = Confidence::new(arguments.confidence)
        .map_err(|error| Failure::usage(error.to_string(), "write 95 % as `--confidence 0.95`"))?;
    let (threshold, gates) = (arguments.threshold / 100.0, arguments.gate.clone());
    Ok(Settings { threshold, confidence, gates, ..Settings::default() })
}

/// Prints a comparison and writes its files.
pub(super) fn show(
    comparison: &Comparison,
    judging: &JudgingArguments,
    format: OutputFormat,
    environment: &Environment,
) -> Result<(), Failure> {
    if let Some(path) = &judging.markdown {
        output::file(path, markdown::comparison(comparison))?;
    }
    if let Some(path) = &judging.html {
        output::file(path, html::comparison(comparison))?;
    }
    match format {
        OutputFormat::Json => output::json(comparison),
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            Ok(output::data(&console::comparison(comparison, judging.all, width, color))?)
        }
    }
}

/// Runs of the results folder that may be like the baseline's, with the baseline's own.
pub(super) fn known(sides: &[Side], results: &Path) -> Result<Vec<Record>, Failure> {
    let Some(first) = sides.first().and_then(|side| side.runs.first()) else { return Ok(Vec::new()) };
    let mut all: Vec<Record> = sides.iter().flat_map(|side| side.runs.clone()).collect();
    if !results.is_dir() {
        return Ok(all);
    }
    let mut index = Index::open(results)?;
    index.refresh()?;
    let filter = Filter {
        kind: Some(first.kind.clone()),
        model: Some(first.engine.model.clone()),
        limit: Some(MOST_KNOWN),
        ..Filter::default()
    };
    let had: BTreeSet<String> = all.iter().map(|run| run.run_id.clone()).collect();
    for run in index.list(&filter)? {
        if run.environment_digest == first.environment.digest && !had.contains(&run.run_id) {
            // One that cannot be read teaches nothing, and is named by `history`.
            all.extend(read_record(&results.join(&run.run_id)));
        }
    }
    Ok(all)
}
