//! What an ONNX model is.

use serde_json::{Map, Value, json};
use weighbridge_engine_onnx::{OnnxModel, Pooling, Shape};
use weighbridge_types::units::ByteSize;

use super::group_digits;
use crate::arguments::OutputFormat;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Prints what it answers with, how texts become its input, and shapes.
pub(super) fn show(model: &OnnxModel, format: OutputFormat) -> Result<Exit, Failure> {
    let facts = model.facts();
    let written = |shapes: &[Shape]| {
        shapes.iter().map(|shape| format!("{} [{}]", shape.name, shape.dimensions)).collect::<Vec<_>>().join(", ")
    };
    let (input, output) = (written(&facts.inputs), written(&facts.outputs));
    if format == OutputFormat::Json {
        let mut document = Map::from_iter([
            ("format".to_owned(), json!("onnx")),
            ("parameters".to_owned(), json!(facts.parameters)),
            ("file_bytes".to_owned(), json!(facts.file_bytes)),
            ("sha256".to_owned(), json!(facts.digest)),
            ("input".to_owned(), json!(input)),
            ("output".to_owned(), json!(output)),
        ]);
        document.extend([own(model)]);
        output::json(&document)?;
        return Ok(Exit::Pass);
    }
    let mut lines = vec![
        ("format", "onnx".to_owned()),
        ("parameters", facts.parameters.map_or_else(|| "n/a".to_owned(), group_digits)),
    ];
    match model {
        OnnxModel::Classifier(model) => {
            let description = model.description();
            lines.insert(1, ("classes", description.labels.join(", ")));
            lines.push(("features", serde_json::to_string(&description.features)?));
        }
        OnnxModel::Encoder(model) => {
            lines.insert(1, ("architecture", facts.architecture.clone()));
            lines.push(("vectors", format!("{} numbers, of length 1", model.dimensions())));
            lines.push(("pooling", pooling(model.pooling()).to_owned()));
            lines.push(("reads", format!("{} tokens at most", model.token_limit())));
        }
        OnnxModel::Decoder(model) => {
            lines.insert(1, ("architecture", facts.architecture.clone()));
            lines.push(("context", format!("{} tokens", model.context())));
            lines.push(("vocabulary", model.vocabulary().to_string()));
        }
    }
    lines.extend([
        ("input", input),
        ("output", output),
        ("file", ByteSize(facts.file_bytes).to_string()),
        ("sha256", facts.digest),
    ]);
    output::data(&lines.iter().map(|(name, value)| format!("{name:<17} {value}\n")).collect::<String>())?;
    Ok(Exit::Pass)
}

/// What only this kind of model has.
fn own(model: &OnnxModel) -> (String, Value) {
    match model {
        OnnxModel::Classifier(model) => ("classifier".to_owned(), json!(model.description())),
        OnnxModel::Encoder(model) => {
            let encoder = json!({
                "architecture": model.architecture(),
                "dimensions": model.dimensions(),
                "pooling": pooling(model.pooling()),
                "token_limit": model.token_limit(),
            });
            ("encoder".to_owned(), encoder)
        }
        OnnxModel::Decoder(model) => {
            let decoder = json!({
                "architecture": model.architecture(),
                "context_length": model.context(),
                "vocabulary": model.vocabulary(),
            });
            ("decoder".to_owned(), decoder)
        }
    }
}

const fn pooling(pooling: Option<Pooling>) -> &'static str {
    match pooling {
        Some(Pooling::Mean) => "mean",
        Some(Pooling::Cls) => "cls",
        None => "in the graph",
    }
}
