//! What an ONNX classifier is.

use serde_json::json;
use weighbridge_engine_onnx::{Classifier, Shape};
use weighbridge_types::units::ByteSize;

use super::group_digits;
use crate::arguments::OutputFormat;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Prints classes, features and shapes.
pub(super) fn show(classifier: &Classifier, format: OutputFormat) -> Result<Exit, Failure> {
    let (inputs, outputs) = classifier.shapes();
    let written = |shapes: &[Shape]| {
        shapes.iter().map(|shape| format!("{} [{}]", shape.name, shape.dimensions)).collect::<Vec<_>>().join(", ")
    };
    if format == OutputFormat::Json {
        output::json(&json!({
            "format": "onnx",
            "parameters": classifier.parameters(),
            "file_bytes": classifier.file_bytes(),
            "sha256": classifier.digest(),
            "input": written(&inputs),
            "output": written(&outputs),
            "classifier": classifier.description(),
        }))?;
        return Ok(Exit::Pass);
    }
    let description = classifier.description();
    let features = serde_json::to_string(&description.features)?;
    let facts = [
        ("format", "onnx".to_owned()),
        ("classes", description.labels.join(", ")),
        ("parameters", group_digits(classifier.parameters())),
        ("input", written(&inputs)),
        ("output", written(&outputs)),
        ("features", features),
        ("file", ByteSize(classifier.file_bytes()).to_string()),
        ("sha256", classifier.digest().to_owned()),
    ];
    output::data(&facts.iter().map(|(name, value)| format!("{name:<17} {value}\n")).collect::<String>())?;
    Ok(Exit::Pass)
}
