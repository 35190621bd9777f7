//! Tokens and log-probabilities against the transformers library. `make_models.py` made the models and the vectors.

use std::path::Path;

use serde::Deserialize;
use weighbridge_engine::{Engine, ScoreRequest};
use weighbridge_engine_local::LocalEngine;

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
