//! `performance-benchmark benchmark`: one type of test, or all.

use std::path::Path;

use weighbridge_bench::performance::judge;
use weighbridge_report::{Results, console, html};
use weighbridge_types::performance::{BenchmarkResult, BenchmarkType};

use super::lab::{Extent, Lab};
use super::{folder, targets, write, write_json};
use crate::arguments::{BenchType, BenchmarkArguments, OutputFormat, ProfileFlag};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::models_folder;
use crate::output;
use crate::profiling::{allocations_of, during};

/// Requests at once, one level after the other.
const LEVELS: &str = "1,2,4,8";

/// Page of all results of a call.
const REPORT: &str = "benchmark_report.html";

pub(super) fn run(arguments: &BenchmarkArguments, environment: &Environment) -> Result<Exit, Failure> {
    let targets = targets(arguments.test.targets.as_deref())?;
    folder(&arguments.output)?;
    let lab = Lab { arguments: &arguments.test, environment };
    let arguments =
        &BenchmarkArguments { model: models_folder::named(&arguments.model, environment)?, ..arguments.clone() };
    let mut results = Vec::new();
    for kind in types(arguments.bench_type) {
        let (folder, work) = (profiled(*kind, arguments), || test(&lab, *kind, arguments));
        let result = match kind {
            // Where memory is allocated says more of it than where the processor was.
            BenchmarkType::Memory => allocations_of(folder, kind.name(), work)?.0?,
            _ => during(folder, kind.name(), work)?,
        };
        let path = arguments.output.join(format!("{}_benchmark.json", kind.name()));
        write_json(&path, &result)?;
        output::talk(&format!("{} {}", kind.name(), path.display()));
        results.push(result);
    }
    let verdicts = judge(&results, &targets);
    let found = Results { title: "weighbridge performance-benchmark benchmark", results: &results, targets: &verdicts };
    let page = arguments.output.join(REPORT);
    write(&page, &html::performance_results(found))?;
    match arguments.test.format.output_format {
        OutputFormat::Json => output::json(&results)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&console::performance_results(found, width, color))?;
        }
    }
    output::talk(&format!("report {}", page.display()));
    // A single type that could not be measured is no result.
    Ok(if results.iter().all(|result| result.n == 0) { Exit::Invalid } else { Exit::Pass })
}

/// Where the profile of a test goes; `None` where it is not profiled.
fn profiled(kind: BenchmarkType, arguments: &BenchmarkArguments) -> Option<&Path> {
    let named = arguments.profile.folder();
    named.or_else(|| (kind == BenchmarkType::Profiling).then_some(Path::new(ProfileFlag::FOLDER)))
}

const fn types(asked: BenchType) -> &'static [BenchmarkType] {
    match asked {
        BenchType::Inference => &[BenchmarkType::Inference],
        BenchType::Memory => &[BenchmarkType::Memory],
        BenchType::Concurrent => &[BenchmarkType::Concurrent],
        BenchType::Cache => &[BenchmarkType::Cache],
        BenchType::Profiling => &[BenchmarkType::Profiling],
        BenchType::All => {
            &[BenchmarkType::Inference, BenchmarkType::Memory, BenchmarkType::Concurrent, BenchmarkType::Cache]
        }
    }
}

fn test(lab: &Lab<'_>, kind: BenchmarkType, arguments: &BenchmarkArguments) -> Result<BenchmarkResult, Failure> {
    let (model, count) = (&arguments.model, arguments.iterations);
    match kind {
        BenchmarkType::Inference | BenchmarkType::Profiling => {
            let mut result = lab.inference_with_loading(model, Extent::Requests(count))?;
            result.benchmark_type = kind;
            Ok(result)
        }
        BenchmarkType::Memory => lab.memory(model, count),
        BenchmarkType::Concurrent => lab.concurrent(model, LEVELS, Extent::Requests(count)),
        BenchmarkType::Cache => lab.cache(model, count),
    }
}
