//! Tokens and log-probabilities against the transformers library and llama.cpp. `make_models.py` made the models and the
//! vectors; `models/tiny/reference.py` and `peer.py` those of the embedded model.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use weighbridge_engine::{Engine, ScoreRequest};
use weighbridge_engine_local::LocalEngine;
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::quantize::quantize;

use crate::engine::{folder, generate, load, load_path, request};

/// How far log-probabilities may differ from the reference.
const TOLERANCE: f64 = 1e-3;

#[derive(Deserialize)]
struct Reference {
    greedy: Vec<Greedy>,
    text: Text,
}

#[derive(Deserialize)]
struct Greedy {
    prompt: String,
    prompt_ids: Vec<u32>,
    ids: Vec<u32>,
    text: String,
    logprobs: Vec<f64>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    ids: Vec<u32>,
    logprobs: Vec<f64>,
}

fn assert_close(found: impl IntoIterator<Item = f64>, expected: &[f64]) {
    let found: Vec<f64> = found.into_iter().collect();
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() < TOLERANCE, "{found} for {expected} at token {place}");
    }
}

/// Special tokens are no part of our text; the reference spells them out.
const SPECIAL: [&str; 3] = ["<|bos|>", "<|eos|>", "<|endoftext|>"];

async fn check(name: &str) {
    check_model(&load(name), &folder(name)).await;
}

async fn check_model(engine: &LocalEngine, folder: &Path) {
    let text = std::fs::read_to_string(folder.join("reference.json")).unwrap();
    let reference: Reference = serde_json::from_str(&text).unwrap();
    let tokenizer = engine.tokenizer().unwrap();
    for Greedy { prompt, prompt_ids, ids, text, logprobs } in &reference.greedy {
        let encoded: Vec<u32> = tokenizer.bos().into_iter().chain(tokenizer.encode(prompt).unwrap()).collect();
        assert_eq!(&encoded, prompt_ids);
        let mut request = request(prompt, u32::try_from(ids.len()).unwrap());
        request.logprobs = Some(0);
        let answer = generate(engine, request).await;
        let text = SPECIAL.iter().fold(text.clone(), |text, special| text.replace(special, ""));
        assert_eq!((&answer.tokens, &answer.text), (ids, &text), "after `{prompt}`");
        assert_close(answer.log_probabilities.into_iter().map(f64::from), logprobs);
    }
    let Text { text, ids, logprobs } = &reference.text;
    let request = ScoreRequest { prompt: String::new(), continuations: vec![text.clone()] };
    let scored = engine.score(request).await.unwrap().remove(0);
    assert_eq!(scored.tokens, ids[1..]);
    assert_close(scored.log_probabilities, logprobs);
}

/// The embedded model, of architecture llama.
#[tokio::test]
async fn tiny_equals_the_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny");
    check_model(&load_path(&folder.join("tiny-f16.gguf"), 2), &folder).await;
}

#[tokio::test]
async fn gpt2_equals_the_reference() {
    check("gpt2").await;
}

#[tokio::test]
async fn qwen2_equals_the_reference() {
    check("qwen2").await;
}

#[tokio::test]
async fn qwen3_equals_the_reference() {
    check("qwen3").await;
}

/// Folders keep the matrices of experts apart, files put them on each other: both compute what the reference does.
#[tokio::test]
async fn models_with_experts_equal_the_reference() {
    let made = tempfile::tempdir().unwrap();
    for name in ["qwen3moe", "mixtral"] {
        check(name).await;
        let file = made.path().join(name);
        quantize(&folder(name), &file, BlockType::BF16).unwrap();
        check_model(&load_path(&file, 2), &folder(name)).await;
    }
}

/// What llama.cpp computes from the same quantized file.
#[derive(Deserialize)]
struct Peer {
    greedy: Vec<PeerCase>,
    text: Vec<f64>,
}

#[derive(Deserialize)]
struct PeerCase {
    ids: Vec<u32>,
    logprobs: Vec<f64>,
    margins: Vec<f64>,
}

/// Both round activations of quantized products, llama.cpp by other blocks for Q4_K, and sum in other orders: this much
/// do log-probabilities differ at most along greedy text, and on average along any. In F16 the greedy text is within 1e-3.
const ROUNDING: f64 = 0.15;

#[tokio::test]
async fn quantized_tiny_equals_llama_cpp() {
    #[derive(Deserialize)]
    struct File {
        models: BTreeMap<String, Peer>,
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let reference: Reference = serde_json::from_str(&read("reference.json")).unwrap();
    let peers: File = serde_json::from_str(&read("llama-cpp.json")).unwrap();
    let made = tempfile::tempdir().unwrap();
    let original = folder.join("tiny-f16.gguf");
    for (name, peer) in &peers.models {
        let file = made.path().join(name);
        let path = match name.as_str() {
            "f16" => &original,
            _ => {
                quantize(&original, &file, name.parse::<BlockType>().unwrap()).unwrap();
                &file
            }
        };
        let engine = load_path(path, 2);
        for (case, expected) in reference.greedy.iter().zip(&peer.greedy) {
            compare(&engine, name, case, expected).await;
        }
        let request = ScoreRequest { prompt: String::new(), continuations: vec![reference.text.text.clone()] };
        let scored = engine.score(request).await.unwrap().remove(0);
        let differences = scored.log_probabilities.iter().zip(&peer.text).map(|(a, b)| (a - b).abs());
        let mean = differences.sum::<f64>() / peer.text.len() as f64;
        assert!(mean < ROUNDING, "{name}: {mean}");
    }
}

/// Up to a step where two tokens are about equally likely, both choose the same.
async fn compare(engine: &LocalEngine, name: &str, case: &Greedy, expected: &PeerCase) {
    let mut request = request(&case.prompt, u32::try_from(expected.ids.len()).unwrap());
    request.logprobs = Some(0);
    let answer = generate(engine, request).await;
    let tied = expected.margins.iter().position(|&margin| margin < ROUNDING);
    let sure = tied.unwrap_or(expected.ids.len());
    assert_eq!(answer.tokens[..sure], expected.ids[..sure], "{name} after `{}`", case.prompt);
    let tolerance = if name == "f16" { TOLERANCE } else { ROUNDING };
    for (found, expected) in answer.log_probabilities[..sure].iter().zip(&expected.logprobs) {
        assert!((f64::from(*found) - expected).abs() < tolerance, "{name}: {found} for {expected}");
    }
}
