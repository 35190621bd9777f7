//! Candle against the project's own engine, on the same files: tokens chosen greedily, and their log-probabilities.

use std::path::Path;

use weighbridge_engine::Engine;
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::quantize::quantize;
use weighbridge_engine_local::{LocalEngine, LocalOptions};

use crate::helpers::{ask, load, request, tiny};

const PROMPTS: [&str; 3] = ["Once upon a time", "The latency of a request", "def main():\n    "];

const TOKENS: u32 = 24;

/// Both engines read a prompt and the tokens that the local one chose; each pair of log-probabilities differs by at most
/// `tolerance`. Where they choose different tokens, the two were that close.
async fn check(file: &Path, tolerance: f32) {
    let candle = load(file).unwrap();
    let local = LocalEngine::load(file, LocalOptions::default()).unwrap();
    let mut compared = 0;
    for prompt in PROMPTS {
        let mut asked = request(prompt, TOKENS);
        asked.logprobs = Some(1);
        let theirs = ask(&candle, asked.clone()).await;
        let ours = ask(&local, asked).await;
        assert_eq!(theirs.failure, None);
        assert_eq!((theirs.tokens.len(), theirs.usage), (TOKENS as usize, ours.usage));
        let same = theirs.tokens.iter().zip(&ours.tokens).take_while(|(a, b)| a == b).count();
        let pairs = theirs.log_probabilities.iter().zip(&ours.log_probabilities).take(same + 1);
        for (place, (a, b)) in pairs.enumerate() {
            assert!((a - b).abs() <= tolerance, "{}, `{prompt}`, token {place}: {a} and {b}", file.display());
        }
        compared += same;
        if same == TOKENS as usize {
            assert_eq!(theirs.text, ours.text);
        }
    }
    assert!(compared >= PROMPTS.len() * TOKENS as usize / 2, "only {compared} tokens were the same");
}

#[tokio::test]
async fn the_shipped_model_gives_the_same_tokens_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    check(&tiny(), 0.05).await;
    for (form, tolerance) in [(BlockType::Q8_0, 0.15), (BlockType::Q4_0, 0.3)] {
        let file = folder.path().join(format!("{form}.gguf"));
        quantize(&tiny(), &file, form).unwrap();
        check(&file, tolerance).await;
        assert_eq!(load(&file).unwrap().describe().quantization, Some(form.to_string()));
    }
}

#[tokio::test]
async fn a_description_says_what_computes() {
    let candle = load(&tiny()).unwrap().describe();
    let local = LocalEngine::load(tiny(), LocalOptions::default()).unwrap().describe();
    assert_eq!((candle.engine.as_str(), candle.device.as_str()), ("candle", "cpu"));
    assert_eq!(candle.model, local.model);
    assert_eq!(candle.architecture, local.architecture);
    assert_eq!(candle.parameters, local.parameters);
    assert_eq!(candle.quantization, local.quantization);
    assert_eq!(candle.model_bytes, local.model_bytes);
    assert_eq!(candle.model_digest, local.model_digest);
    assert_eq!(candle.context_length, local.context_length);
    assert_eq!(candle.options.get("lanes").map(String::as_str), Some("4"));
}
