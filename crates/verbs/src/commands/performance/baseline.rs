//! `performance-benchmark baseline`: every back end, in what later results are held against.

use std::path::Path;

use weighbridge_bench::performance::judge;
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::quantize::quantize;
use weighbridge_report::{Results, console, markdown};

use super::lab::{Extent, Lab};
use super::{folder, targets, write, write_json};
use crate::arguments::{Backend, BaselineBenchmarkArguments, OutputFormat};
use crate::embedded;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::registry;

/// Requests at once in the test of concurrency.
const LEVEL: &str = "4";

/// Requests of the memory test, and pairs of prompts of the cache test: counts, because what they tell does not grow with time.
const MEMORY_REQUESTS: u32 = 60;
const PAIRS: u32 = 10;

pub(super) fn run(arguments: &BaselineBenchmarkArguments, environment: &Environment) -> Result<Exit, Failure> {
    let targets = targets(arguments.test.targets.as_deref())?;
    folder(&arguments.output)?;
    let models = tempfile::tempdir()?;
    let lab = Lab { arguments: &arguments.test, environment };
    let extent = Extent::Seconds(arguments.duration);
    let mut results = Vec::new();
    for (place, backend) in arguments.backends.iter().enumerate() {
        if arguments.backends[..place].contains(backend) {
            continue;
        }
        let model = model(*backend, models.path())?;
        let inference = lab.inference_with_loading(&model, extent)?;
        let mut of_backend =
            vec![inference, lab.memory(&model, MEMORY_REQUESTS)?, lab.concurrent(&model, LEVEL, extent)?];
        if *backend != Backend::Onnx {
            of_backend.push(lab.cache(&model, PAIRS)?);
        }
        for mut result in of_backend {
            result.backend = Some(backend.name().to_owned());
            // The file is made for the test and gone after it: its path says nothing to anybody.
            result.model = Some(name(*backend).to_owned());
            results.push(result);
        }
    }
    let verdicts = judge(&results, &targets);
    let found = Results { title: "weighbridge performance-benchmark baseline", results: &results, targets: &verdicts };
    let path = |name: &str| arguments.output.join(name);
    write_json(&path("baseline_results.json"), &results)?;
    write_json(&path("performance_targets.json"), &targets)?;
    write(&path("baseline_report.md"), &markdown::performance_results(found))?;
    match arguments.test.format.output_format {
        OutputFormat::Json => output::json(&results)?,
        OutputFormat::Console => {
            let (width, color) = output::console(environment);
            output::data(&console::performance_results(found, width, color))?;
        }
    }
    output::talk(&format!("baseline {}", arguments.output.display()));
    Ok(Exit::Pass)
}

/// What a back end's model is, in results.
const fn name(backend: Backend) -> &'static str {
    match backend {
        Backend::Native => "tiny",
        Backend::Gguf => "tiny as a GGUF file, Q8_0",
        Backend::Onnx => "the network classifier as an ONNX file",
    }
}

/// Makes the file of a back end; its reference.
fn model(backend: Backend, folder: &Path) -> Result<String, Failure> {
    Ok(match backend {
        Backend::Native => "tiny".to_owned(),
        Backend::Gguf => {
            let file = folder.join("tiny-q8_0.gguf");
            quantize(&registry::model_path(Path::new("tiny"), folder)?, &file, BlockType::Q8_0)?;
            format!("gguf:{}", file.display())
        }
        Backend::Onnx => {
            let file = folder.join("network.onnx");
            let (_, bytes) = embedded::classifier("network")
                .ok_or_else(|| Failure::new(Exit::Bug, "find the classifier `network`", "report this as a bug"))?;
            output::write(&file, bytes)?;
            format!("onnx:{}", file.display())
        }
    })
}
