//! Answers that are held to a grammar, by the model that is part of the program.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::{Value, json};
use weighbridge_engine::constraint::Grammar;
use weighbridge_engine::{Engine, GenerateRequest, Sampling};
use weighbridge_engine_local::LocalEngine;
use weighbridge_types::request::FinishReason;

use crate::engine::{Answer, generate, load, load_path, request};

/// Room for texts of every schema below, nearly always.
const TOKENS: u32 = 200;

fn tiny() -> LocalEngine {
    load_path(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny/tiny-f16.gguf"), 2)
}

fn schemas() -> Vec<Value> {
    vec![
        json!({"type": "boolean"}),
        json!({"type": "integer", "minimum": 1, "maximum": 5}),
        json!({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
        json!({"enum": ["benign", "suspicious", "malicious"]}),
        json!({"type": "string", "minLength": 3, "maxLength": 12}),
        json!({"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"}),
        json!({"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "minItems": 2, "maxItems": 5}),
        json!({"type": "object", "required": ["verdict", "score"], "additionalProperties": false, "properties": {
            "verdict": {"enum": ["benign", "malicious"]}, "score": {"type": "number", "minimum": 0, "maximum": 1},
            "note": {"type": ["string", "null"], "maxLength": 20}}}),
        json!({"anyOf": [{"type": "null"}, {"type": "object", "properties": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}},
            "required": ["port"], "additionalProperties": false}]}),
        json!({"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
            "name": {"type": "string", "maxLength": 4}, "children": {"type": "array", "maxItems": 2, "items": {"$ref": "#/$defs/tree"}}}}}}),
        json!({"type": "object", "additionalProperties": {"type": "string", "maxLength": 5}, "properties": {"a": {"type": "null"}}}),
        json!({"allOf": [{"type": "object", "properties": {"id": {"type": "string", "pattern": "^x+$", "maxLength": 6}}, "required": ["id"]},
            {"properties": {"ok": {"const": true}}, "required": ["ok"]}]}),
    ]
}

/// A request at a temperature at which the model says nearly anything.
fn hot(grammar: &Arc<Grammar>, seed: u64) -> GenerateRequest {
    let sampling = Sampling { temperature: 1.5, seed, ..Sampling::default() };
    GenerateRequest { sampling, constraint: Some(Arc::clone(grammar)), ..request("the answer as JSON:", TOKENS) }
}

#[tokio::test]
async fn finished_texts_are_valid_whatever_is_drawn() {
    let engine = tiny();
    assert!(engine.capabilities().constraint);
    for schema in schemas() {
        let grammar = Grammar::schema(&schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let answers = join_all((0..8).map(|seed| generate(&engine, hot(&grammar, seed)))).await;
        let mut finished = 0;
        for answer in answers {
            assert_eq!(answer.failure, None, "{schema}");
            if answer.finish == Some(FinishReason::Stop) {
                let value: Value = serde_json::from_str(&answer.text)
                    .unwrap_or_else(|error| panic!("`{}` of {schema}: {error}", answer.text));
                assert!(validator.is_valid(&value), "{value} of {schema}");
                finished += 1;
            } else {
                assert_eq!((answer.finish, answer.tokens.len()), (Some(FinishReason::Length), TOKENS as usize));
            }
        }
        assert!(finished > 0, "no text of {schema} was finished");
    }
}

#[tokio::test]
async fn any_object_is_an_object() {
    let engine = tiny();
    let mut finished = 0;
    for answer in join_all((0..24).map(|seed| generate(&engine, hot(&Grammar::json(), seed)))).await {
        assert_eq!(answer.failure, None);
        if answer.finish == Some(FinishReason::Stop) {
            let value: Value = serde_json::from_str(&answer.text).unwrap();
            assert!(value.is_object(), "{value}");
            finished += 1;
        }
    }
    assert!(finished > 0);
}

#[tokio::test]
async fn alone_and_beside_others_a_text_is_the_same() {
    let engine = tiny();
    let grammars: Vec<Arc<Grammar>> = schemas().iter().map(|schema| Grammar::schema(schema).unwrap()).collect();
    let mut alone: Vec<Answer> = Vec::new();
    for grammar in &grammars {
        alone.push(generate(&engine, hot(grammar, 7)).await);
    }
    // Beside each other, and beside answers that are free.
    let free = (0..4).map(|seed| generate(&engine, GenerateRequest { constraint: None, ..hot(&grammars[0], seed) }));
    let (together, _) =
        tokio::join!(join_all(grammars.iter().map(|grammar| generate(&engine, hot(grammar, 7)))), join_all(free),);
    for (alone, together) in alone.iter().zip(&together) {
        assert_eq!((&alone.tokens, &alone.text, alone.finish), (&together.tokens, &together.text, together.finish));
    }
}

#[tokio::test]
async fn other_wishes_hold_as_well() {
    let engine = tiny();
    let schema = json!({"type": "array", "items": {"enum": ["one", "two"]}, "minItems": 3, "maxItems": 3});
    let grammar = Grammar::schema(&schema).unwrap();
    let whole = generate(&engine, hot(&grammar, 3)).await;
    assert_eq!(whole.finish, Some(FinishReason::Stop));
    // Log-probabilities are the model's own, of every token.
    let told = generate(&engine, GenerateRequest { logprobs: Some(0), ..hot(&grammar, 3) }).await;
    assert_eq!((&told.tokens, told.log_probabilities.len()), (&whole.tokens, whole.tokens.len()));
    assert!(told.log_probabilities.iter().all(|value| value.is_finite() && *value <= 0.0));
    // The end of the text is the end of the answer, whether or not an end token would be heeded.
    let heeding = generate(&engine, GenerateRequest { ignore_eos: false, ..hot(&grammar, 3) }).await;
    assert_eq!((&heeding.text, heeding.finish), (&whole.text, whole.finish));
    // A limit cuts, a stop string ends.
    let cut = generate(&engine, GenerateRequest { max_tokens: 4, ..hot(&grammar, 3) }).await;
    assert_eq!((cut.finish, cut.tokens.len()), (Some(FinishReason::Length), 4));
    assert!(whole.text.starts_with(&cut.text) && cut.text.len() < whole.text.len());
    let stopped = generate(&engine, GenerateRequest { stop: vec![",".to_owned()], ..hot(&grammar, 3) }).await;
    assert_eq!((Some(stopped.text.as_str()), stopped.finish), (whole.text.split(',').next(), Some(FinishReason::Stop)));
    // Text that a stop string could have begun with is told at the end.
    let held = generate(&engine, GenerateRequest { stop: vec!["]!".to_owned()], ..hot(&grammar, 3) }).await;
    assert_eq!((&held.text, held.finish), (&whole.text, whole.finish));
    // Narrow sampling chooses among what may follow.
    let sampling = Sampling { temperature: 1.5, top_k: 2, top_p: 0.5, repetition_penalty: 1.3, ..Sampling::default() };
    let narrow = generate(&engine, GenerateRequest { sampling, ..hot(&grammar, 3) }).await;
    let greedy = generate(&engine, GenerateRequest { sampling: Sampling::default(), ..hot(&grammar, 3) }).await;
    let validator = jsonschema::validator_for(&schema).unwrap();
    for answer in [&whole, &narrow, &greedy] {
        assert!(validator.is_valid(&serde_json::from_str(&answer.text).unwrap()), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_end_token_ends_a_number_that_could_go_on() {
    let engine = tiny();
    let grammar = Grammar::schema(&json!({"type": "integer"})).unwrap();
    let eos = engine.tokenizer().unwrap().eos().to_vec();
    for answer in join_all((0..12).map(|seed| generate(&engine, hot(&grammar, seed)))).await {
        assert_eq!(answer.finish, Some(FinishReason::Stop), "{}", answer.text);
        assert!(answer.text.trim().parse::<i64>().is_ok(), "{}", answer.text);
        assert!(!answer.tokens.iter().any(|token| eos.contains(token)));
    }
}

#[tokio::test]
async fn other_models_are_held_too() {
    for name in ["gpt2", "qwen2", "qwen3", "mixtral"] {
        let engine = load(name);
        let grammar = Grammar::schema(&schemas()[1]).unwrap();
        let answer = generate(&engine, GenerateRequest { max_tokens: 20, ..hot(&grammar, 1) }).await;
        assert_eq!((answer.failure, answer.finish), (None, Some(FinishReason::Stop)), "{name}");
        assert!((1..=5).contains(&answer.text.trim().parse::<i64>().unwrap()), "{}", answer.text);
    }
}
