//! `performance-benchmark compare`: a file of results against one of a baseline.

use std::path::{Path, PathBuf};

use weighbridge_report::{console, html, markdown};
use weighbridge_types::performance::{BenchmarkResult, Change, ResultsComparison};
use weighbridge_verdict::alert;
use weighbridge_verdict::results::compare_results;

use super::super::webhook::{self, Told};
use super::write;
use crate::arguments::{OutputFormat, ResultsCompareArguments};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// How files of results end.
const RESULT: &str = "_benchmark.json";

pub(super) fn run(arguments: &ResultsCompareArguments, environment: &Environment) -> Result<Exit, Failure> {
    let hook = webhook::named(&arguments.webhook)?;
    let (baseline, current) = (read(&arguments.baseline)?, read(&arguments.current)?);
    let found = compare_results(&baseline, &current, arguments.threshold)?;
    if let Some(path) = &arguments.report {
        write(&path.with_extension("md"), &markdown::performance_comparison(&found))?;
        write(&path.with_extension("html"), &html::performance_comparison(&found))?;
        output::talk(&format!("report {}", path.display()));
    }
    match arguments.format.output_format {
        OutputFormat::Json => output::json(&found)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&console::performance_comparison(&found, width, color))?;
        }
    }
    let (exit, regressions) = (exit(&found, arguments.ci), alert::of_results(&found));
    let runs = baseline.iter().chain(&current).filter_map(|result| result.record.clone()).collect();
    webhook::tell(hook.as_ref(), Told { verb: "performance-benchmark compare", exit, runs, regressions });
    Ok(exit)
}

fn exit(found: &ResultsComparison, is_ci: bool) -> Exit {
    let is_worse = found.count(Change::Regression) > 0;
    let is_incomplete = is_ci && found.count(Change::Missing) > 0;
    if is_worse || is_incomplete { Exit::GateFailed } else { Exit::Pass }
}

/// The results of a file, or of every `*_benchmark.json` of a folder.
pub(super) fn read(path: &Path) -> Result<Vec<BenchmarkResult>, Failure> {
    if !path.is_dir() {
        return read_file(path);
    }
    let listed = std::fs::read_dir(path).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut files: Vec<PathBuf> = listed.map_err(|error: std::io::Error| {
        Failure::usage(format!("list the folder `{}`: {error}", path.display()), "name a folder that can be read")
    })?;
    files.retain(|file| file.file_name().is_some_and(|name| name.to_string_lossy().ends_with(RESULT)));
    files.sort();
    let results: Vec<Vec<BenchmarkResult>> = files.iter().map(|file| read_file(file)).collect::<Result<_, _>>()?;
    Ok(results.concat())
}

/// One result, or a list of them.
fn read_file(path: &Path) -> Result<Vec<BenchmarkResult>, Failure> {
    const HINT: &str = "name a file that `performance-benchmark baseline` or `benchmark` wrote";
    let wrong = |what: String| Failure::usage(format!("read the results `{}`: {what}", path.display()), HINT);
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let all = match value {
        serde_json::Value::Array(all) => all,
        one => vec![one],
    };
    let numbered = all.into_iter().enumerate();
    let read = numbered.map(|(place, value)| {
        serde_json::from_value(value).map_err(|error| wrong(format!("result {}: {error}", place + 1)))
    });
    read.collect()
}
