//! Keys: where they go and where they never appear.

use std::sync::{Arc, Mutex};

use weighbridge_engine::Engine;
use weighbridge_engine_http::{HttpEngine, HttpError, HttpOptions, Secret};
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::time::Clock;

use crate::support::{answer, answering, chat, endpoint, events, generate, stream};

const KEY: &str = "sk-very-secret-0123456789";

fn with_key() -> HttpOptions {
    HttpOptions { key: Some(Secret::new(KEY)), ..HttpOptions::default() }
}

fn named(preset: Preset, url: &str) -> EndpointRef {
    EndpointRef { model: Some("m".to_owned()), ..endpoint(preset, url) }
}

#[tokio::test]
async fn each_dialect_sends_the_key_in_its_header() {
    let check = async |preset, expected: &str| {
        let seen = Arc::new(Mutex::new(String::new()));
        let see = Arc::clone(&seen);
        let url = answering(move |head, _| {
            head.clone_into(&mut see.lock().unwrap());
            answer("500 Internal Server Error", "", "").into_bytes()
        })
        .await;
        let engine = HttpEngine::connect(named(preset, &url), with_key()).await.unwrap();
        generate(&engine, chat("a"), 8, Clock::start()).await;
        let head = seen.lock().unwrap().to_lowercase();
        assert!(head.contains(expected), "{preset:?}: {head}");
    };
    check(Preset::OpenAi, &format!("authorization: bearer {KEY}")).await;
    check(Preset::Ollama, &format!("authorization: bearer {KEY}")).await;
    check(Preset::Anthropic, &format!("x-api-key: {KEY}")).await;
    check(Preset::Anthropic, "anthropic-version: 2023-06-01").await;
}

/// A server that repeats the key in everything it says.
#[tokio::test]
async fn the_key_appears_nowhere() {
    let json = "content-type: application/json\r\n";
    let pad = "x".repeat(170);
    let answers = [
        answer("401 Unauthorized", json, &format!("{{\"error\":{{\"message\":\"wrong key {KEY}\"}}}}")),
        answer("401 Unauthorized", "", &format!("{pad} {KEY} {pad}")),
        answer("302 Found", &format!("location: http://elsewhere/?key={KEY}\r\n"), ""),
        answer("200 OK", "content-type: text/html\r\n", &format!("<html>{} {KEY}", "x".repeat(60))),
        stream(&format!("data: {{\"error\":\"{KEY}\"}}\n\n")),
        stream(&format!("data: not json {pad} {KEY}\n\n")),
        stream(&format!("data: {{\"choices\":\"{KEY}\"}}\n\n")),
        format!("HTTP/1.1 999999 {KEY}\r\n\r\n"),
    ];
    for bytes in answers {
        let shown = bytes.clone();
        let url = answering(move |_, _| bytes.clone().into_bytes()).await;
        let options = with_key();
        assert!(!format!("{options:?}").contains("sk-"));
        let engine = HttpEngine::connect(named(Preset::OpenAi, &url), options).await.unwrap();
        let events = events(&engine, chat("a"), 8).await;
        let said = format!("{events:?} {engine:?} {:?}", engine.describe());
        // Not even its beginning, where a message was cut.
        assert!(!said.contains("sk-"), "{shown}: {said}");
        assert!(said.contains("Failed"), "{said}");
    }
}

#[tokio::test]
async fn keys_do_not_travel_in_clear_text() {
    let refused = |url: &str| HttpEngine::connect(named(Preset::OpenAi, url), with_key());
    // An address of the documentation network (RFC 5737): nobody is asked, the check comes first.
    let error = refused("http://192.0.2.1:8000/v1").await.unwrap_err();
    assert!(matches!(&error, HttpError::KeyInClear { host } if host == "192.0.2.1"), "{error}");
    assert!(error.hint().contains("https"));
    let error = refused("http://user:sk-1@127.0.0.1/v1").await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("sk-"));
}

#[tokio::test]
async fn a_key_that_no_header_can_carry_is_refused() {
    let options = HttpOptions { key: Some(Secret::new("sk-\n1")), ..HttpOptions::default() };
    let error = HttpEngine::connect(named(Preset::OpenAi, "http://127.0.0.1:1"), options).await.unwrap_err();
    assert!(matches!(error, HttpError::KeyUnusable));
    assert!(!format!("{error} {error:?}").contains("sk-"));
}

#[tokio::test]
async fn the_users_headers_are_sent_and_their_secrets_kept() {
    let seen = Arc::new(Mutex::new(String::new()));
    let see = Arc::clone(&seen);
    let url = answering(move |head, _| {
        head.clone_into(&mut see.lock().unwrap());
        answer("401 Unauthorized", "", &format!("who is {KEY}?")).into_bytes()
    })
    .await;
    let headers = vec![("X-Api-Key".to_owned(), Secret::new(KEY)), ("x-team".to_owned(), Secret::new("bench"))];
    let options = HttpOptions { headers, ..HttpOptions::default() };
    assert!(!format!("{options:?}").contains("sk-"));
    let engine = HttpEngine::connect(named(Preset::OpenAi, &url), options.clone()).await.unwrap();
    let said = format!("{:?}", events(&engine, chat("a"), 8).await);
    assert!(said.contains("who is [key]?") && !said.contains("sk-"), "{said}");
    let head = seen.lock().unwrap().clone();
    assert!(head.contains(&format!("X-Api-Key: {KEY}")) && head.contains("x-team: bench"), "{head}");
    let error = HttpEngine::connect(named(Preset::OpenAi, "http://192.0.2.1:8000/v1"), options).await.unwrap_err();
    assert!(matches!(error, HttpError::KeyInClear { .. }), "{error}");
}
