//! `regress`: results of the document pipeline against those of a baseline.

use std::path::Path;

use serde_json::Value;
use weighbridge_verdict::alert;
use weighbridge_verdict::regress::{Assessment, RegressLimits, RegressPart, regress};

use super::webhook::{self, Told};
use crate::arguments::{OutputFormat, RegressArguments};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &RegressArguments) -> Result<Exit, Failure> {
    let hook = webhook::named(&arguments.webhook)?;
    let limits = RegressLimits {
        throughput: arguments.throughput_threshold,
        quality: arguments.quality_threshold,
        memory: arguments.memory_threshold,
    };
    let found = regress(&read(&arguments.baseline)?, &read(&arguments.current)?, limits)?;
    match arguments.format.output_format {
        OutputFormat::Json => output::json(&found)?,
        OutputFormat::Console => output::data(&format!(
            "{}\n{}\n{}\n",
            line("documents per hour", &found.throughput_regression),
            line("quality", &found.quality_regression),
            line("memory, GB", &found.memory_regression),
        ))?,
    }
    let exit = if found.overall_assessment == Assessment::Fail { Exit::GateFailed } else { Exit::Pass };
    let (runs, regressions) = (Vec::new(), alert::of_regress(&found));
    webhook::tell(hook.as_ref(), Told { verb: "regress", exit, runs, regressions });
    Ok(exit)
}

fn line(name: &str, part: &RegressPart) -> String {
    let word = match part.assessment {
        Assessment::Pass => "PASS",
        Assessment::Fail => "FAIL",
        Assessment::Unknown => "unknown",
    };
    let text = |value: Option<f64>| value.map_or("not told".to_owned(), |value| format!("{value:.3}"));
    let change = part.change_percent.map_or("n/a".to_owned(), |change| format!("{change:+.1} %"));
    let limit = part.threshold_percent;
    format!("{word:<7} {name:<18} {} → {}, {change} (fails at {limit:+} %)", text(part.baseline), text(part.current))
}

fn read(path: &Path) -> Result<Value, Failure> {
    const HINT: &str = "name a results file of the pipeline: a JSON list of runs";
    let wrong = |what: String| Failure::usage(format!("read the results `{}`: {what}", path.display()), HINT);
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))
}
