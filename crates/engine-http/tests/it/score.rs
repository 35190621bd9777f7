//! Log-probabilities by echo.

use serde_json::{Value, json};
use weighbridge_engine::{Engine, EngineError, ScoreRequest};
use weighbridge_types::model_ref::Preset;

use crate::support::{answer, answering, engine};

/// Answers as vLLM does, with a tokenizer of one token per character.
fn echo(body: &[u8]) -> Vec<u8> {
    let request: Value = serde_json::from_slice(body).unwrap();
    assert_eq!((&request["echo"], &request["max_tokens"]), (&json!(true), &json!(1)));
    let text = request["prompt"].as_str().unwrap().to_owned();
    let ids: Vec<u32> = text.chars().chain(['!']).map(u32::from).collect();
    let tokens: Vec<String> = ids.iter().map(|id| format!("token_id:{id}")).collect();
    let value = |place: usize| if place == 0 { Value::Null } else { json!(-0.5 * place as f64) };
    let values: Vec<Value> = (0..ids.len()).map(value).collect();
    // The likeliest token has -1.25, so that places 1 and 2 are greedy.
    let best: Vec<Value> =
        (0..ids.len()).map(|place| if place == 0 { Value::Null } else { json!({"token_id:0": -1.25}) }).collect();
    let logprobs = json!({"tokens": tokens, "token_logprobs": values, "top_logprobs": best});
    let completion = json!({"choices": [{"logprobs": logprobs}], "usage": {"prompt_tokens": ids.len() - 1}});
    answer("200 OK", "content-type: application/json\r\n", &completion.to_string()).into_bytes()
}

#[tokio::test]
async fn continuations_are_scored_where_the_server_can() {
    let url = answering(|_, body| echo(body)).await;
    let engine = engine(Preset::Vllm, &url).await;
    assert!(engine.capabilities().score);
    let request = ScoreRequest { prompt: "ab".to_owned(), continuations: vec!["c".to_owned(), "de".to_owned()] };
    let scored = engine.score(request).await.unwrap();
    assert_eq!(scored[0].tokens, [u32::from('c')]);
    assert_eq!((scored[0].total(), scored[0].is_greedy), (-1.0, true));
    assert_eq!(scored[1].tokens, [u32::from('d'), u32::from('e')]);
    assert_eq!((scored[1].total(), scored[1].is_greedy), (-2.5, false));
    let from_nothing = ScoreRequest { prompt: String::new(), continuations: vec!["ab".to_owned()] };
    let scored = engine.score(from_nothing).await.unwrap();
    assert_eq!((&scored[0].tokens[..], scored[0].total()), (&[u32::from('b')][..], -0.5));
}

#[tokio::test]
async fn other_servers_refuse() {
    let url = answering(|_, body| echo(body)).await;
    for preset in [Preset::OpenAi, Preset::Tgi, Preset::LlamaServer, Preset::Ollama] {
        let engine = engine(preset, &url).await;
        assert!(!engine.capabilities().score);
        let request = ScoreRequest { prompt: "a".to_owned(), continuations: vec!["b".to_owned()] };
        assert!(matches!(engine.score(request).await, Err(EngineError::Unsupported { .. })), "{preset:?}");
    }
}
