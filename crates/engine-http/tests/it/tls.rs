//! TLS over loopback, with an authority made for the test.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use weighbridge_engine_http::{HttpEngine, HttpError, HttpOptions, Secret};
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::request::{FailureClass, ReceiveClock};
use weighbridge_types::time::Clock;

use crate::support::{always, answer, chat, endpoint, generate, stream};

/// A TLS server that answers one request per connection; returns its URL and its certificate as PEM.
async fn tls_server() -> (String, String) {
    tls_server_within(1975, 4096).await
}

/// The same with a certificate that begins and ends with these years.
async fn tls_server_within(first: i32, last: i32) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(first, 1, 1);
    params.not_after = rcgen::date_time_ymd(last, 12, 31);
    let cert = params.self_signed(&key).unwrap();
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut socket) = acceptor.accept(socket).await else { return };
                let mut request = vec![0; 65536];
                let Ok(count) = socket.read(&mut request).await else { return };
                let bytes = if request[..count].starts_with(b"POST") {
                    stream("data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n")
                } else {
                    answer("200 OK", "content-type: application/json\r\n", r#"{"data":[{"id":"m"}]}"#)
                };
                let _ = socket.write_all(bytes.as_bytes()).await;
                let _ = socket.shutdown().await;
            });
        }
    });
    (format!("https://localhost:{port}"), cert.pem())
}

fn named(url: &str) -> EndpointRef {
    EndpointRef { model: Some("m".to_owned()), ..endpoint(Preset::OpenAi, url) }
}

#[tokio::test]
async fn a_trusted_server_is_measured_and_may_have_the_key() {
    let (url, certificate) = tls_server().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certificate).unwrap();
    let options =
        HttpOptions { ca_file: Some(file.path().to_owned()), key: Some(Secret::new("sk-1")), ..HttpOptions::default() };
    let engine = HttpEngine::connect(named(&url), options).await.unwrap();
    let got = generate(&engine, chat("a"), 8, Clock::start()).await;
    assert!(got.outcome.is_success(), "{:?}", got.outcome);
    let line = &got.timeline;
    assert!(line.connected <= line.first_byte_written && line.first_byte_written <= line.sent, "{line:?}");
    assert!(line.sent <= line.headers && line.is_ordered(), "{line:?}");
    // A read of the socket is no read of the answer: the kernel's stamps are not used.
    assert_eq!(got.receipt.unwrap().clock, ReceiveClock::User);
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let (url, certificate) = tls_server_within(1975, 2020).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certificate).unwrap();
    let options = HttpOptions { ca_file: Some(file.path().to_owned()), ..HttpOptions::default() };
    let error = HttpEngine::connect(named(&url), options).await.unwrap_err();
    assert!(matches!(error, HttpError::Unreachable { class: FailureClass::Tls, .. }), "{error}");
    assert!(error.to_string().contains("expired on 2020-12-31, "), "{error}");
    assert!(error.to_string().contains(" days ago"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_the_future_is_refused() {
    let (url, certificate) = tls_server_within(2090, 2096).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), certificate).unwrap();
    let options = HttpOptions { ca_file: Some(file.path().to_owned()), ..HttpOptions::default() };
    let error = HttpEngine::connect(named(&url), options).await.unwrap_err();
    assert!(error.to_string().contains("only from 2090-01-01 on"), "{error}");
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    let (url, _) = tls_server().await;
    let error = HttpEngine::connect(named(&url), HttpOptions::default()).await.unwrap_err();
    assert!(matches!(error, HttpError::Unreachable { class: FailureClass::Tls, .. }), "{error}");
}

#[tokio::test]
async fn a_plain_server_is_no_tls_server() {
    let url = always(answer("400 Bad Request", "", "")).await.replace("http:", "https:");
    let error = HttpEngine::connect(named(&url), HttpOptions::default()).await.unwrap_err();
    assert!(matches!(error, HttpError::Unreachable { class: FailureClass::Tls, .. }), "{error}");
    assert!(error.hint().contains("`http://`"));
}

#[tokio::test]
async fn a_file_without_certificates_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let check = async |path: std::path::PathBuf| {
        let options = HttpOptions { ca_file: Some(path), ..HttpOptions::default() };
        let error = HttpEngine::connect(named("https://127.0.0.1:1"), options).await.unwrap_err();
        assert!(matches!(error, HttpError::Certificates { .. }), "{error}");
    };
    check(file.path().to_owned()).await;
    check(file.path().join("missing")).await;
}
