//! Decoders: the same tokens and log-probabilities as PyTorch, alone and together, and folders that cannot be used.
//!
//! The model and `reference.json` are written by `tests/models/make.py`.

use std::path::Path;

use futures_util::StreamExt;
use serde::Deserialize;
use weighbridge_engine::constraint::Grammar;
use weighbridge_engine::{
    EmbedRequest, Engine, EventKind, GenerateRequest, Message, Prompt, Role, Sampling, ScoreRequest,
};
use weighbridge_engine_onnx::{OnnxEngine, OnnxModel, OnnxOptions};
use weighbridge_types::request::FinishReason;
use weighbridge_types::time::{Clock, Stamp};

use crate::encoder::folder;

/// Logarithms of a softmax over some three hundred logits of single precision.
const TOLERANCE: f64 = 2e-4;

#[derive(Deserialize)]
struct Reference {
    gpt2: Gpt2,
}

#[derive(Deserialize)]
struct Gpt2 {
    generated: Vec<Generated>,
    scored: Vec<Scored>,
}

#[derive(Deserialize)]
struct Generated {
    prompt: String,
    ids: Vec<u32>,
    tokens: Vec<u32>,
    log_probabilities: Vec<f64>,
}

#[derive(Deserialize)]
struct Scored {
    prompt: String,
    continuation: String,
    tokens: Vec<u32>,
    is_greedy: bool,
    log_probabilities: Vec<f64>,
}

fn reference() -> Gpt2 {
    serde_json::from_str::<Reference>(include_str!("../models/reference.json")).unwrap().gpt2
}

fn engine() -> OnnxEngine {
    OnnxEngine::load(&folder("gpt2"), OnnxOptions::default()).unwrap()
}

fn request(prompt: Prompt, max_tokens: u32) -> GenerateRequest {
    GenerateRequest { ignore_eos: true, logprobs: Some(0), ..GenerateRequest::new(prompt, max_tokens, Clock::start()) }
}

/// Tokens and their log-probabilities.
async fn tokens(engine: &OnnxEngine, request: GenerateRequest) -> (Vec<u32>, Vec<f32>) {
    let events: Vec<_> = engine.generate(request).collect().await;
    let (mut tokens, mut values) = (Vec::new(), Vec::new());
    for event in events {
        match event.kind {
            EventKind::Frame(frame) => {
                tokens.extend(frame.token_ids);
                values.extend(frame.log_probabilities);
            }
            EventKind::Failed(failure) => panic!("{failure:?}"),
            _ => {}
        }
    }
    (tokens, values)
}

/// Bytes of keys and values that are held after everything was answered. An answer may be read before its step has ended, and
/// what is asked after it is not.
async fn held(engine: &OnnxEngine) -> u64 {
    engine.score(ScoreRequest { prompt: "a".to_owned(), continuations: Vec::new() }).await.unwrap();
    engine.memory().unwrap().kv_held
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < TOLERANCE, "{found} {expected}");
    }
}

#[tokio::test]
async fn greedy_tokens_equal_those_of_pytorch_alone_and_together() {
    check_greedy(&engine()).await;
}

/// Holds what an engine writes, many requests at once and one alone, against the reference.
pub(crate) async fn check_greedy(engine: &OnnxEngine) {
    let generated = reference().generated;
    // Prompts of three lengths, each several times: those of one length are computed together.
    let mut asked = Vec::new();
    for _ in 0..4 {
        for expected in &generated {
            asked.push((Prompt::Text(expected.prompt.clone()), expected));
            asked.push((Prompt::Tokens(expected.ids.clone()), expected));
        }
    }
    let each = asked.iter().map(|(prompt, expected)| {
        let length = u32::try_from(expected.tokens.len()).unwrap();
        tokens(engine, request(prompt.clone(), length))
    });
    let mut found = futures_util::future::join_all(each).await;
    found.push(tokens(engine, request(Prompt::Text(generated[0].prompt.clone()), 24)).await);
    let expected = asked.iter().map(|(_, expected)| *expected).chain([&generated[0]]);
    for ((tokens, values), expected) in found.into_iter().zip(expected) {
        assert_eq!(tokens, expected.tokens, "{}", expected.prompt);
        close(&values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>(), &expected.log_probabilities);
    }
    assert_eq!(held(engine).await, 0);
    assert!(engine.memory().unwrap().kv_peak > 0);
}

#[tokio::test]
async fn scores_equal_those_of_pytorch() {
    let engine = engine();
    for expected in reference().scored {
        let Scored { prompt, continuation, tokens, is_greedy, log_probabilities } = expected;
        let continuations = vec![continuation, " of".to_owned()];
        let found = engine.score(ScoreRequest { prompt, continuations }).await.unwrap();
        assert_eq!((found.len(), &found[0].tokens, found[0].is_greedy), (2, &tokens, is_greedy));
        close(&found[0].log_probabilities, &log_probabilities);
    }
}

#[tokio::test]
async fn the_seed_decides_and_stop_texts_end() {
    let engine = engine();
    let sampled = |seed| {
        let sampling = Sampling { temperature: 1.5, seed, ..Sampling::default() };
        tokens(&engine, GenerateRequest { sampling, ..request(Prompt::Text("port".to_owned()), 20) })
    };
    assert_eq!(sampled(1).await, sampled(1).await);
    assert_ne!(sampled(1).await.0, sampled(2).await.0);
    let ends = async |request: GenerateRequest| {
        let events: Vec<_> = engine.generate(request).collect().await;
        events.into_iter().find_map(|event| match event.kind {
            EventKind::Finished { reason } => Some(reason),
            _ => None,
        })
    };
    let generated = reference().generated.remove(1);
    let all = engine.tokenizer().unwrap().decode(&generated.tokens);
    let stop = all.chars().nth(3).unwrap().to_string();
    let whole = request(Prompt::Text(generated.prompt), 24);
    let stopped = ends(GenerateRequest { stop: vec![stop], ..whole.clone() }).await;
    assert_eq!((stopped, ends(whole).await), (Some(FinishReason::Stop), Some(FinishReason::Length)));
}

#[tokio::test]
async fn answers_are_held_to_a_grammar() {
    let engine = engine();
    assert!(engine.capabilities().constraint);
    for (schema, least) in [(r#"{"type":"integer","minimum":3,"maximum":8}"#, 1), (r#"{"enum":[[1,2],[1,3]]}"#, 2)] {
        let grammar = Grammar::ordered(schema.parse().unwrap()).unwrap();
        let sampling = Sampling { temperature: 1.5, seed: 5, ..Sampling::default() };
        let asked = request(Prompt::Text("port".to_owned()), 12);
        let (tokens, _) = tokens(&engine, GenerateRequest { sampling, constraint: Some(grammar), ..asked }).await;
        let text = engine.tokenizer().unwrap().decode(&tokens);
        assert!(
            tokens.len() >= least && ["3", "4", "5", "6", "7", "8", "[1,2]", "[1,3]"].contains(&text.trim()),
            "{text}"
        );
    }
}

#[tokio::test]
async fn requests_that_cannot_be_served_are_refused() {
    let engine = engine();
    let check = async |request: GenerateRequest, expected: &str| {
        let events: Vec<_> = engine.generate(request).collect().await;
        let [event] = &events[..] else { panic!("{events:?}") };
        assert!(matches!(&event.kind, EventKind::Failed(failure) if failure.message.contains(expected)), "{event:?}");
    };
    let text = || Prompt::Text("port".to_owned());
    check(request(text(), 0), "max_tokens is `0`").await;
    check(request(text(), 90), "context of 64 tokens").await;
    check(request(Prompt::Tokens(vec![9999]), 1), "token `9999`").await;
    check(request(Prompt::Text(String::new()), 1), "no token").await;
    let message = Message { role: Role::User, content: "port".to_owned() };
    check(request(Prompt::Chat(vec![message]), 1), "chat").await;
    let late = GenerateRequest { deadline: Some(Stamp::default()), ..request(text(), 9) };
    check(late, "deadline").await;
    let long = "port ".repeat(60);
    assert!(engine.score(ScoreRequest { prompt: long, continuations: vec!["a".to_owned()] }).await.is_err());
    assert!(engine.embed(EmbedRequest::default()).await.is_err());
    let (capabilities, description) = (engine.capabilities(), engine.describe());
    assert!(capabilities.score && capabilities.ignore_eos && !capabilities.embed);
    assert_eq!((description.architecture.as_deref(), description.context_length), (Some("gpt2"), Some(64)));
}

#[tokio::test]
async fn dropping_a_stream_frees_its_keys_and_values() {
    let engine = engine();
    let mut streams: Vec<_> =
        (0..40).map(|_| engine.generate(request(Prompt::Text("packet".to_owned()), 50))).collect();
    let first = streams[0].next().await;
    assert!(matches!(first.unwrap().kind, EventKind::Frame(_)));
    drop(streams);
    // The next request is answered after the step in which the others were found gone.
    let (tokens, _) = tokens(&engine, request(Prompt::Text("packet".to_owned()), 2)).await;
    assert_eq!(tokens.len(), 2);
    assert_eq!(held(&engine).await, 0);
}

#[test]
fn graphs_and_folders_that_do_not_fit_are_refused() {
    let check = |change: &dyn Fn(&Path), expected: &str| {
        let held = tempfile::tempdir().unwrap();
        for file in ["model.onnx", "tokenizer.json", "config.json"] {
            std::fs::copy(folder("gpt2").join(file), held.path().join(file)).unwrap();
        }
        change(held.path());
        let error = OnnxModel::open(held.path(), &OnnxOptions::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    let replace = |from: &'static str, to: &'static str| {
        move |root: &Path| {
            let mut bytes = std::fs::read(root.join("model.onnx")).unwrap();
            let places =
                (0..bytes.len()).filter(|&place| bytes[place..].starts_with(from.as_bytes())).collect::<Vec<_>>();
            places.into_iter().for_each(|place| bytes[place..place + from.len()].copy_from_slice(to.as_bytes()));
            std::fs::write(root.join("model.onnx"), bytes).unwrap();
        }
    };
    check(&replace("position_ids", "position_xyz"), "the input `position_xyz`");
    check(&replace("present.1.key", "present.7.key"), "no output `present.1.key`");
    check(&replace("logits", "lagits"), "no output `logits`");
    check(&replace("LessOrEqual", "LessOrEqoal"), "LessOrEqoal");
    check(&|root| std::fs::remove_file(root.join("tokenizer.json")).unwrap(), "has no `tokenizer.json`");
    check(&|root| std::fs::write(root.join("config.json"), r#"{"vocab_size": 9}"#).unwrap(), "the model knows `9`");
}
