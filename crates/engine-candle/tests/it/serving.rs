//! Many requests, their ends, and what a device's memory refuses.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use weighbridge_engine::device::{DeviceError, DeviceKind, DeviceMemory};
use weighbridge_engine::{Engine, Message, Prompt, Role};
use weighbridge_engine_candle::{CandleDevices, CandleEngine, CandleError, CandleOptions};
use weighbridge_types::request::{FailureClass, FinishReason};

use crate::helpers::{ask, load, options, read, request, tiny};

#[tokio::test]
async fn requests_beside_each_other_change_no_answer() {
    let engine = load(&tiny()).unwrap();
    let prompts: Vec<String> = (0..9).map(|number| format!("Request {number} asks for")).collect();
    let mut alone = Vec::new();
    for prompt in &prompts {
        alone.push(ask(&engine, request(prompt, 12)).await);
    }
    // More than there are lanes: the rest waits.
    let together = join_all(prompts.iter().map(|prompt| ask(&engine, request(prompt, 12)))).await;
    assert_eq!(together, alone);
    assert!(alone.iter().all(|answer| answer.tokens.len() == 12 && answer.finish == Some(FinishReason::Length)));
}

#[tokio::test]
async fn a_long_prompt_is_read_in_pieces() {
    let engine = load(&tiny()).unwrap();
    let tokenizer = engine.tokenizer().unwrap();
    let tokens: Vec<u32> = tokenizer.encode(&"many words ".repeat(600)).unwrap();
    let length = tokens.len().min(520);
    assert!(length > 512, "{length} tokens are one piece");
    let mut asked = request("", 4);
    asked.prompt = Prompt::Tokens(tokens[..length].to_vec());
    let answer = ask(&engine, asked).await;
    assert_eq!(answer.failure, None);
    assert_eq!(answer.usage.map(|usage| usage.input_tokens as usize), Some(length));
    assert_eq!(answer.tokens.len(), 4);
}

#[tokio::test]
async fn a_dropped_stream_makes_room_and_a_deadline_is_kept() {
    let engine = load(&tiny()).unwrap();
    let mut streams: Vec<_> = (0..4).map(|_| engine.generate(request("Forever and", 900))).collect();
    for stream in &mut streams {
        assert!(stream.next().await.is_some());
    }
    let mut late = request("Too late", 900);
    late.deadline = Some(late.clock.now().after(Duration::from_millis(1)));
    let late = engine.generate(late);
    // Every lane is taken until the streams are dropped.
    assert_eq!(read(late).await.failure.map(|(class, _)| class), Some(FailureClass::Timeout));
    drop(streams);
    assert_eq!(ask(&engine, request("Now", 2)).await.tokens.len(), 2);
}

#[tokio::test]
async fn conversations_stop_texts_and_refusals() {
    let engine = load(&tiny()).unwrap();
    let mut asked = request("", 8);
    asked.prompt = Prompt::Chat(vec![Message { role: Role::User, content: "Hello".to_owned() }]);
    assert_eq!(ask(&engine, asked).await.tokens.len(), 8);
    let whole = ask(&engine, request("Once upon a time", 24)).await.text;
    let stop = whole.split_whitespace().nth(2).unwrap().to_owned();
    let mut asked = request("Once upon a time", 24);
    asked.stop = vec![stop.clone()];
    let answer = ask(&engine, asked).await;
    assert_eq!(answer.finish, Some(FinishReason::Stop));
    assert_eq!(answer.text, whole.split(&stop).next().unwrap());
    let refused = ask(&engine, request("Too long", 1_000_000)).await;
    assert!(refused.failure.unwrap().1.contains("context"));
}

#[tokio::test]
async fn an_engine_that_is_dropped_ends_its_streams() {
    let engine = load(&tiny()).unwrap();
    let stream = engine.generate(request("Forever and", 900));
    drop(engine);
    assert!(read(stream).await.failure.unwrap().1.contains("stopped"));
}

/// A device of 1 GiB of which 1 GiB is held by this process.
fn full(_: DeviceKind) -> DeviceMemory {
    let gib = 1 << 30;
    DeviceMemory { available: Some(0), allocated: Some(gib), reserved: Some(0), total: Some(gib), reason: None }
}

#[test]
fn a_model_that_does_not_fit_the_device_is_refused_with_numbers() {
    let full = CandleOptions { devices: Arc::new(CandleDevices::new(full)), ..options(&tiny()) };
    let error = CandleEngine::load(&tiny(), full).unwrap_err();
    assert!(matches!(error, CandleError::Device(DeviceError::OverFraction { .. })), "{error}");
    assert!(error.to_string().contains("`134217728` bytes"), "{error}");
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
#[test]
fn a_device_without_its_feature_is_refused() {
    for device in [DeviceKind::Cuda, DeviceKind::Metal] {
        let error = CandleEngine::load(&tiny(), CandleOptions { device, ..options(&tiny()) }).unwrap_err();
        assert!(matches!(error, CandleError::Device(DeviceError::Absent { .. })), "{error}");
    }
}
