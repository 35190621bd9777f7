//! Tokens and log-probabilities against the transformers library. `make_models.py` made the models and the vectors.

use serde::Deserialize;
use weighbridge_engine::{Engine, ScoreRequest};

use crate::engine::{folder, generate, load, request};

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

async fn check(name: &str) {
    let text = std::fs::read_to_string(folder(name).join("reference.json")).unwrap();
    let reference: Reference = serde_json::from_str(&text).unwrap();
    let engine = load(name);
    let tokenizer = engine.tokenizer().unwrap();
    for Greedy { prompt, prompt_ids, ids, text, logprobs } in &reference.greedy {
        assert_eq!(&tokenizer.encode(prompt).unwrap(), prompt_ids);
        let mut request = request(prompt, u32::try_from(ids.len()).unwrap());
        request.logprobs = Some(0);
        let answer = generate(&engine, request).await;
        assert_eq!((&answer.tokens, &answer.text), (ids, text), "{name} after `{prompt}`");
        assert_close(answer.log_probabilities.into_iter().map(f64::from), logprobs);
    }
    let Text { text, ids, logprobs } = &reference.text;
    let request = ScoreRequest { prompt: String::new(), continuations: vec![text.clone()] };
    let scored = engine.score(request).await.unwrap().remove(0);
    assert_eq!(scored.tokens, ids[1..]);
    assert_close(scored.log_probabilities, logprobs);
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
