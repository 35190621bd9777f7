//! `model list`: the kinds of model, whether they work here, and the tiers of the document pipeline.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::arguments::OutputFormat;
use crate::environment::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::models_folder;
use crate::output;

/// A kind of model.
#[derive(Serialize)]
struct Kind {
    kind: &'static str,
    reference: &'static str,
    available: bool,
    note: &'static str,
}

/// A named size of model, as the document pipeline asks for it.
#[derive(Serialize)]
struct Tier {
    tier: &'static str,
    backend: &'static str,
    /// What stands in where the backend is not there. It is marked as a stand-in wherever it is used.
    stand_in: &'static str,
}

#[derive(Serialize)]
struct Listing {
    kinds: Vec<Kind>,
    tiers: [Tier; 3],
    /// References of the models in the folder that `WEIGHBRIDGE_MODELS_DIR` names; null where it names none.
    models: Option<Vec<String>>,
}

pub(super) fn run(format: OutputFormat, environment: &Environment) -> Result<Exit, Failure> {
    let listing = Listing { kinds: kinds(), tiers: tiers(), models: models_folder::list(environment)? };
    match format {
        OutputFormat::Json => output::json(&listing)?,
        OutputFormat::Console => output::data(&text(&listing))?,
    }
    Ok(Exit::Pass)
}

fn kinds() -> Vec<Kind> {
    let remote = "needs a server that answers";
    let kind = |kind, reference, note| Kind { kind, reference, available: true, note };
    vec![
        kind("tiny", "tiny", "inside this program"),
        kind("gguf", "gguf:FILE", "llama, qwen2, qwen3, qwen3moe, gpt2"),
        kind("safetensors", "safetensors:FOLDER", "llama, qwen2, qwen3, qwen3moe, gpt2"),
        kind(
            "onnx",
            "onnx:FILE, onnx:FOLDER",
            "classifiers (network, malware, email, bytes are inside), encoders, decoders",
        ),
        Kind {
            kind: "ort",
            reference: "ort:FILE, ort:FOLDER",
            available: cfg!(feature = "ort"),
            note: "the same on an installed ONNX Runtime; in builds with `--features ort`",
        },
        Kind {
            kind: "llama-cpp",
            reference: "llama-cpp:FILE",
            available: cfg!(feature = "llama-cpp"),
            note: "GGUF files of every architecture that llama.cpp has; in builds with `--features llama-cpp`",
        },
        kind("openai", "openai:URL#MODEL", remote),
        kind("anthropic", "anthropic:URL#MODEL", remote),
        kind("ollama", "ollama:MODEL", remote),
        kind("vllm", "vllm:URL#MODEL", remote),
        kind("tgi", "tgi:URL#MODEL", remote),
        kind("sglang", "sglang:URL#MODEL", remote),
        kind("llama-server", "llama-server:URL#MODEL", remote),
        Kind {
            kind: "mlx",
            reference: "mlx:URL#MODEL",
            available: cfg!(target_os = "macos"),
            note: "the server runs on Apple machines only; one elsewhere can be named by its URL",
        },
        kind("scripted", "scripted:ttft=20ms,itl=5ms", "a known timeline, no model: tests a meter"),
    ]
}

fn tiers() -> [Tier; 3] {
    let tier = |tier, backend| Tier { tier, backend, stand_in: "tiny" };
    [
        tier("qwen3_1_7b", "ollama:qwen3:1.7b"),
        tier("qwen3_7b", "ollama:qwen3:8b"),
        tier("qwen3_30b", "ollama:qwen3:30b"),
    ]
}

fn text(listing: &Listing) -> String {
    let mut kinds = Table::new();
    kinds.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    kinds.set_header(["kind", "reference", "here", "note"]);
    for kind in &listing.kinds {
        kinds.add_row([kind.kind, kind.reference, if kind.available { "yes" } else { "n/a" }, kind.note]);
    }
    let mut tiers = Table::new();
    tiers.load_style(presets::NOTHING).set_header(["tier", "backend", "stand-in"]);
    for tier in &listing.tiers {
        tiers.add_row([tier.tier, tier.backend, tier.stand_in]);
    }
    let models = match &listing.models {
        None => String::new(),
        Some(models) if models.is_empty() => "\n\n no model lies in the folder of WEIGHBRIDGE_MODELS_DIR".to_owned(),
        Some(models) => format!("\n\n {}", models.join("\n ")),
    };
    format!("{}\n\n{}{models}", kinds.trim_fmt(), tiers.trim_fmt())
}
