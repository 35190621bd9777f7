//! Connections: kept, replaced, given back.

use futures_util::StreamExt;
use weighbridge_engine::{Engine, EventKind, GenerateRequest};
use weighbridge_engine_http::scripted_server::Odd;
use weighbridge_engine_http::{ConnectionCounts, HttpEngine, HttpOptions};
use weighbridge_types::model_ref::Preset;
use weighbridge_types::time::Clock;

use crate::support::{DIALECTS, chat, endpoint, engine, generate, scripted};

fn counts(opened: u64, reused: u64, retried: u64) -> ConnectionCounts {
    ConnectionCounts { opened, reused, retried }
}

#[tokio::test]
async fn one_stream_needs_one_connection() {
    for preset in DIALECTS {
        let server = scripted("ttft=2ms,itl=1ms", &[], Clock::start());
        let engine = engine(preset, &server.url()).await;
        for _ in 0..5 {
            let got = generate(&engine, chat("a"), 4, Clock::start()).await;
            assert!(got.outcome.is_success(), "{preset:?}");
            assert_eq!(got.timeline.connected, None, "{preset:?}: the connection of the first question is kept");
        }
        assert_eq!(engine.connection_counts().opened, 1, "{preset:?}");
    }
}

#[tokio::test]
async fn refusals_keep_the_connection() {
    let server = scripted("fail_every=1", &[], Clock::start());
    let engine = engine(Preset::Vllm, &server.url()).await;
    for _ in 0..3 {
        assert!(!generate(&engine, chat("a"), 4, Clock::start()).await.outcome.is_success());
    }
    assert_eq!(engine.connection_counts().opened, 1);
}

/// vllm-omni#1841: a kept connection that the server closed is noticed or replaced, and no request fails by it.
#[tokio::test]
async fn half_closed_connections_are_replaced() {
    let server = scripted("ttft=2ms,itl=1ms", &[Odd::CloseAfterAnswer], Clock::start());
    let engine = engine(Preset::Vllm, &server.url()).await;
    for _ in 0..5 {
        let got = generate(&engine, chat("a"), 4, Clock::start()).await;
        assert!(got.outcome.is_success(), "{:?}", got.outcome);
    }
    assert_eq!(engine.connection_counts().opened, 5);
}

#[tokio::test]
async fn a_request_on_a_dead_connection_is_sent_once_more_and_counted() {
    let server = scripted("ttft=2ms,itl=1ms", &[Odd::DropSecondRequest], Clock::start());
    let engine = engine(Preset::OpenAi, &server.url()).await;
    // Each connection answers once: the question for models took the first.
    for requests in 1..4 {
        let clock = Clock::start();
        let got = generate(&engine, chat("a"), 4, clock).await;
        assert!(got.outcome.is_success(), "{:?}", got.outcome);
        let (written, connected) = (got.timeline.first_byte_written, got.timeline.connected);
        assert!(connected > written && written.is_some(), "latency counts from the first try: {:?}", got.timeline);
        assert_eq!(engine.connection_counts(), counts(1 + requests, requests, requests));
    }
}

#[tokio::test]
async fn old_connections_are_not_used() {
    let server = scripted("ttft=2ms,itl=1ms", &[], Clock::start());
    let options = HttpOptions { keep_alive: std::time::Duration::ZERO, ..HttpOptions::default() };
    let engine = HttpEngine::connect(endpoint(Preset::OpenAi, &server.url()), options).await.unwrap();
    generate(&engine, chat("a"), 4, Clock::start()).await;
    generate(&engine, chat("a"), 4, Clock::start()).await;
    assert_eq!(engine.connection_counts(), counts(3, 0, 0));
}

#[tokio::test]
async fn many_streams_run_at_once() {
    let server = scripted("ttft=10ms,itl=1ms", &[], Clock::start());
    let engine = engine(Preset::Vllm, &server.url()).await;
    let clock = Clock::start();
    let requests = (0..50).map(|_| generate(&engine, chat("a"), 8, clock));
    let all = futures_util::future::join_all(requests).await;
    assert!(all.iter().all(|got| got.outcome.is_success() && got.timeline.frames.len() == 8));
    assert_eq!(engine.connection_counts().opened, 50);
}

#[tokio::test]
async fn dropping_a_stream_cancels_the_request() {
    let server = scripted("ttft=1ms,itl=1ms", &[], Clock::start());
    let engine = engine(Preset::Vllm, &server.url()).await;
    let mut events = engine.generate(GenerateRequest::new(chat("a"), 5000, Clock::start()));
    while !matches!(events.next().await.unwrap().kind, EventKind::Frame(_)) {}
    drop(events);
    // The server notices when it writes on; another request proves that it is still there.
    let got = generate(&engine, chat("b"), 200, Clock::start()).await;
    assert!(got.outcome.is_success());
    let abandoned = server.take_played(2).into_iter().find(|played| played.prompt == "a").unwrap();
    assert!(abandoned.abandoned);
}
