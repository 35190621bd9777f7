//! `model`: look into model files, make them, convert them, time how they load.

mod embed;
mod list;
mod load;
mod onnx;
mod quantize;
mod together;

use std::path::Path;

use comfy_table::{Table, presets};
use weighbridge_engine_local::inspect::{Inspection, inspect};
use weighbridge_engine_local::synth::{self, synthesize};
use weighbridge_types::units::ByteSize;

use crate::arguments::{ModelVerb, OutputFormat, Shape};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, registry};

pub(super) fn run(verb: ModelVerb, environment: &Environment) -> Result<Exit, Failure> {
    match verb {
        ModelVerb::List { output } => list::run(output.output_format, environment),
        ModelVerb::Load { models, together, output } if together.together => {
            together::run(&models, &together, output.output_format, environment)
        }
        ModelVerb::Load { models, output, .. } => load::run(&models, output.output_format, environment),
        ModelVerb::Inspect { path, tensors, output } => show(&path, tensors, output.output_format),
        ModelVerb::Embed { model, text, file, output } => {
            embed::run(embed::Job { model, texts: text, file }, output.output_format, environment)
        }
        ModelVerb::Synth { shape, quant, seed, output } => synth(shape, &quant, seed, &output),
        ModelVerb::Quantize { input, output_path, to, no_quality, output } => {
            let job = quantize::Job { input, output: output_path, to: registry::block_type(&to)?, no_quality };
            quantize::run(&job, output.output_format, environment)
        }
    }
}

fn synth(shape: Shape, quant: &str, seed: u64, path: &Path) -> Result<Exit, Failure> {
    let shape = match shape {
        Shape::Gpt2Small => synth::Shape::Gpt2Small,
        Shape::Qwen25Half => synth::Shape::Qwen25Half,
        Shape::Llama1B => synth::Shape::Llama1B,
        Shape::Tiny => synth::Shape::Tiny,
    };
    let bytes = synthesize(shape, registry::block_type(quant)?, seed, path)?;
    output::talk(&format!("wrote `{}`: {shape}, {quant}, seed {seed}, {}", path.display(), ByteSize(bytes)));
    Ok(Exit::Pass)
}

fn show(path: &Path, tensors: bool, format: OutputFormat) -> Result<Exit, Failure> {
    if let Some(model) = registry::onnx(path)? {
        return onnx::show(&model, format);
    }
    let scratch = tempfile::tempdir()?;
    let inspection = inspect(&registry::model_path(path, scratch.path())?)?;
    match format {
        OutputFormat::Json => output::json(&inspection)?,
        OutputFormat::Console => output::data(&describe(&inspection, tensors))?,
    }
    Ok(Exit::Pass)
}

fn experts(model: &Inspection) -> Option<String> {
    let experts = model.experts?;
    let active = group_digits(model.active_parameters);
    Some(format!("{} per block, {} used by a token: {active} parameters", experts.count, experts.used))
}

fn describe(model: &Inspection, tensors: bool) -> String {
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    let weights = if model.is_synthetic { "seeded random numbers" } else { "as stored" };
    let facts = [
        ("name", model.name.clone().unwrap_or_else(|| "n/a (the file gives none)".to_owned())),
        ("format", model.format.to_owned()),
        ("architecture", model.architecture.clone()),
        ("parameters", group_digits(model.parameters)),
        ("layers × width", format!("{} × {}", model.layers, model.width)),
        ("heads / KV heads", format!("{} / {}", model.heads, model.kv_heads)),
        ("vocabulary", model.vocab.to_string()),
        ("context", format!("{} tokens", model.context_length)),
        ("tokenizer", model.tokenizer.to_owned()),
        ("chat template", yes_no(model.has_chat_template).to_owned()),
        ("weights", weights.to_owned()),
        ("file", format!("{} ({} up to the last tensor)", ByteSize(model.file_bytes), ByteSize(model.expected_bytes))),
        ("sha256", model.sha256.clone()),
    ];
    let mut facts = facts.to_vec();
    if let Some(experts) = experts(model) {
        facts.insert(4, ("experts", experts));
    }
    let mut text: String = facts.iter().map(|(name, value)| format!("{name:<17} {value}\n")).collect();
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["type", "tensors", "parameters", "bytes"]);
    for share in &model.types {
        table.add_row([
            share.block_type.clone(),
            share.tensors.to_string(),
            group_digits(share.parameters),
            ByteSize(share.bytes).to_string(),
        ]);
    }
    text.push('\n');
    text.push_str(&table.trim_fmt());
    if tensors {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["tensor", "shape", "type", "bytes"]);
        for tensor in &model.tensors {
            let dims: Vec<String> = tensor.dims.iter().map(ToString::to_string).collect();
            table.add_row([
                tensor.name.clone(),
                dims.join(" × "),
                tensor.block_type.clone(),
                group_digits(tensor.bytes as u64),
            ]);
        }
        text.push_str("\n\n");
        text.push_str(&table.trim_fmt());
    }
    text
}

/// `124439808` as `124,439,808`.
pub(super) fn group_digits(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_thousands() {
        let check = |number, expected: &str| assert_eq!(group_digits(number), expected);
        check(0, "0");
        check(999, "999");
        check(1000, "1,000");
        check(124_439_808, "124,439,808");
    }
}
