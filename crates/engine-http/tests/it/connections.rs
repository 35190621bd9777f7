//! Connections: kept, replaced, given back.

use futures_util::StreamExt;
use weighbridge_engine::{Engine, EventKind, GenerateRequest};
use weighbridge_engine_http::scripted_server::Odd;
use weighbridge_engine_http::{ConnectionCounts, HttpEngine, HttpError, HttpOptions, Secret};
use weighbridge_types::model_ref::Preset;
use weighbridge_types::time::Clock;

use crate::support::{DIALECTS, answer, chat, endpoint, engine, generate, paged, scripted};

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
        assert_eq!(got.resent, 1, "and the row says so");
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

#[tokio::test]
async fn connections_may_be_limited() {
    let server = scripted("ttft=5ms,itl=1ms", &[], Clock::start());
    let options = HttpOptions { max_connections: Some(3), ..HttpOptions::default() };
    let engine = HttpEngine::connect(endpoint(Preset::OpenAi, &server.url()), options).await.unwrap();
    let clock = Clock::start();
    let all = futures_util::future::join_all((0..12).map(|_| generate(&engine, chat("a"), 4, clock))).await;
    assert!(all.iter().all(|got| got.outcome.is_success()));
    assert_eq!(engine.connection_counts(), counts(3, 10, 0));
}

#[tokio::test]
async fn each_request_may_have_a_connection_of_its_own() {
    let server = scripted("ttft=0s,itl=0s", &[], Clock::start());
    let options = HttpOptions { reuse_connections: false, ..HttpOptions::default() };
    let engine = HttpEngine::connect(endpoint(Preset::OpenAi, &server.url()), options).await.unwrap();
    for _ in 0..3 {
        let got = generate(&engine, chat("a"), 4, Clock::start()).await;
        assert!(got.outcome.is_success() && got.timeline.connected.is_some(), "{:?}", got.outcome);
    }
    assert_eq!(engine.connection_counts(), counts(4, 0, 0));
}

/// A page fetched beside a load takes none of its connections, and other servers get no key.
#[tokio::test]
async fn pages_are_fetched_beside_a_load() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let see = std::sync::Arc::clone(&seen);
    let other = paged(move |head| {
        see.lock().unwrap().push(head.to_owned());
        answer("200 OK", "content-type: text/plain\r\n", "metric 1\n")
    })
    .await;
    let server = scripted("ttft=0s,itl=0s", &[], Clock::start());
    let options = HttpOptions { key: Some(Secret::new("sk-0123456789ab")), ..HttpOptions::default() };
    let engine = HttpEngine::connect(endpoint(Preset::OpenAi, &server.url()), options.clone()).await.unwrap();
    let wait = std::time::Duration::from_secs(5);
    for _ in 0..3 {
        let page = engine.get("/version", wait).await.unwrap();
        assert!(String::from_utf8(page).unwrap().contains("version"));
    }
    assert_eq!(engine.connection_counts(), counts(1, 0, 0));
    assert_eq!(engine.get(&format!("{other}/metrics?x=1"), wait).await.unwrap(), b"metric 1\n");
    let head = seen.lock().unwrap().pop().unwrap();
    assert!(head.starts_with("GET /metrics?x=1 HTTP/1.1\r\n") && !head.contains("sk-"), "{head}");
    let missing = engine.get("/nothing", wait).await.unwrap_err();
    assert!(missing.to_string().contains("HTTP 404"), "{missing}");
    let wrong = engine.get("ftp://host/x", wait).await.unwrap_err();
    assert!(matches!(wrong, HttpError::Url { .. }), "{wrong}");
}

#[tokio::test]
async fn a_page_that_does_not_come_is_a_timeout() {
    let server = scripted("ttft=0s,itl=0s", &[], Clock::start());
    let engine = engine(Preset::OpenAi, &server.url()).await;
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("http://{}/metrics", silent.local_addr().unwrap());
    let error = engine.get(&place, std::time::Duration::from_millis(30)).await.unwrap_err();
    assert!(error.to_string().contains("no whole answer within 0.03 s"), "{error}");
}
