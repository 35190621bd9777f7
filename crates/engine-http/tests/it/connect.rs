//! Reaching an endpoint.

use weighbridge_engine::Engine;
use weighbridge_engine_http::scripted_server::SERVER_NAME;
use weighbridge_engine_http::{HttpEngine, HttpError, HttpOptions};
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::request::FailureClass;
use weighbridge_types::time::Clock;

use crate::support::{always, answer, endpoint, scripted, url};

async fn refused(endpoint: EndpointRef) -> HttpError {
    HttpEngine::connect(endpoint, HttpOptions::default()).await.unwrap_err()
}

#[tokio::test]
async fn the_only_model_is_taken_and_described() {
    let server = scripted("ttft=1ms", &[], Clock::start());
    let check = async |preset, version: &str, reference: String| {
        let engine = HttpEngine::connect(endpoint(preset, &server.url()), HttpOptions::default()).await.unwrap();
        let description = engine.describe();
        assert_eq!((description.engine.as_str(), description.model.as_str()), ("http", "scripted"));
        assert_eq!(description.engine_version.as_deref(), Some(version));
        assert_eq!(description.model_ref, reference);
        assert!(description.scripted, "{preset:?}");
    };
    let version = env!("CARGO_PKG_VERSION");
    let root = server.url();
    check(Preset::Vllm, version, format!("vllm:{root}/v1#scripted")).await;
    check(Preset::Ollama, version, format!("ollama:{root}#scripted")).await;
    check(Preset::OpenAi, &format!("{SERVER_NAME}/{version}"), format!("openai:{root}/v1#scripted")).await;
}

#[tokio::test]
async fn a_missing_model_is_an_error_with_the_names() {
    let server = scripted("ttft=1ms", &[], Clock::start());
    let error = refused(EndpointRef { model: Some("other".to_owned()), ..endpoint(Preset::Vllm, &server.url()) }).await;
    assert!(matches!(&error, HttpError::ModelNotFound { available, .. } if *available == ["scripted"]));
    assert!(error.to_string().contains("`other`") && error.to_string().contains("`scripted`"), "{error}");
    assert!(error.hint().contains("URL#MODEL"));
}

#[tokio::test]
async fn a_dead_endpoint_is_an_error() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = refused(endpoint(Preset::OpenAi, &url(address))).await;
    assert!(matches!(error, HttpError::Unreachable { class: FailureClass::Connect, .. }), "{error}");
    assert!(error.hint().contains("port"));
}

#[tokio::test]
async fn an_endpoint_of_another_kind_is_an_error() {
    let check = async |bytes: String, expected: FailureClass, part: &str| {
        let named = EndpointRef { model: Some("m".to_owned()), ..endpoint(Preset::OpenAi, &always(bytes).await) };
        let error = refused(named).await;
        assert!(matches!(error, HttpError::Unreachable { class, .. } if class == expected), "{error:?}");
        assert!(error.to_string().contains(part) && !error.hint().is_empty(), "{error}");
    };
    let html = "content-type: text/html\r\n";
    let json = "content-type: application/json\r\n";
    let page = "<!DOCTYPE html><title>Router login</title>";
    check(answer("200 OK", html, page), FailureClass::Malformed, "Router login").await;
    check(answer("404 Not Found", html, page), FailureClass::ClientError, "HTTP 404").await;
    check(answer("200 OK", json, "{\"hello\":\"world\"}"), FailureClass::Malformed, "hello").await;
    check(answer("200 OK", json, "{\"data\":["), FailureClass::Malformed, "{\"data\":[").await;
    check(answer("401 Unauthorized", json, "{\"error\":{\"message\":\"who?\"}}"), FailureClass::ClientError, "who?")
        .await;
    check("220 ftp.example.com ready\r\n".to_owned(), FailureClass::Malformed, "no HTTP").await;
}

#[tokio::test]
async fn a_server_without_a_list_is_asked_for_the_named_model() {
    let json = "content-type: application/json\r\n";
    let root = always(answer("404 Not Found", json, "{}")).await;
    let named = EndpointRef { model: Some("m".to_owned()), ..endpoint(Preset::OpenAi, &root) };
    let engine = HttpEngine::connect(named, HttpOptions::default()).await.unwrap();
    assert_eq!(engine.describe().model, "m");
    assert!(matches!(refused(endpoint(Preset::OpenAi, &root)).await, HttpError::ModelNotNamed { .. }));
}

#[tokio::test]
async fn a_wrong_url_is_an_error() {
    let error = refused(endpoint(Preset::OpenAi, "ws://127.0.0.1")).await;
    assert!(matches!(error, HttpError::Url { .. }), "{error}");
}
