//! Servers and requests for the tests.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weighbridge_engine::{Collected, Collector, Engine, EventKind, GenerateRequest, Message, Prompt, Role, collect};
use weighbridge_engine_http::scripted_server::{Odd, ScriptedServer, ServerOptions};
use weighbridge_engine_http::{HttpEngine, HttpOptions};
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::time::Clock;

/// Presets of the three dialects.
pub(crate) const DIALECTS: [Preset; 3] = [Preset::Vllm, Preset::Anthropic, Preset::Ollama];

pub(crate) fn scripted(script: &str, odd: &[Odd], clock: Clock) -> ScriptedServer {
    let options = ServerOptions { odd: odd.to_vec(), ..ServerOptions::new(script.parse().unwrap(), clock) };
    ScriptedServer::start(options).unwrap()
}

pub(crate) fn endpoint(preset: Preset, url: &str) -> EndpointRef {
    EndpointRef { preset, url: Some(url.to_owned()), model: None }
}

pub(crate) async fn engine(preset: Preset, url: &str) -> HttpEngine {
    HttpEngine::connect(endpoint(preset, url), HttpOptions::default()).await.unwrap()
}

pub(crate) fn chat(text: &str) -> Prompt {
    Prompt::Chat(vec![Message { role: Role::User, content: text.to_owned() }])
}

/// Makes a request and folds its events, with the text.
pub(crate) async fn generate(engine: &HttpEngine, prompt: Prompt, max_tokens: u32, clock: Clock) -> Collected {
    let now = clock.now();
    let collector = Collector::new(now, now, max_tokens).keeping_text();
    collect(engine.generate(GenerateRequest::new(prompt, max_tokens, clock)), collector).await
}

/// Makes a request and lists its events.
pub(crate) async fn events(engine: &HttpEngine, prompt: Prompt, max_tokens: u32) -> Vec<EventKind> {
    let request = GenerateRequest::new(prompt, max_tokens, Clock::start());
    engine.generate(request).map(|event| event.kind).collect().await
}

/// A server that answers every POST with the same bytes and then closes the connection. To questions about itself it
/// says that it has one model. Returns its root URL.
pub(crate) async fn canned(answer: impl Into<Vec<u8>>) -> String {
    let answer = answer.into();
    answering(move |_, _| answer.clone()).await
}

/// A server that answers every POST as the function says, given head and body.
pub(crate) async fn answering(answer: impl Fn(&str, &[u8]) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                if let Some((head, body)) = read_request(&mut socket).await {
                    let bytes = if head.starts_with("POST") { answer(&head, &body) } else { models() };
                    let _ = socket.write_all(&bytes).await;
                    let _ = socket.shutdown().await;
                }
            });
        }
    });
    url(address)
}

/// A server of pages: answers each request as the function says, given its head. Returns its root URL.
pub(crate) async fn paged(page: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            if let Some((head, _)) = read_request(&mut socket).await {
                let _ = socket.write_all(page(&head).as_bytes()).await;
            }
        }
    });
    url(address)
}

/// Answers every request, also questions for models, with these bytes.
pub(crate) async fn always(bytes: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(bytes.as_bytes()).await;
        }
    });
    url(address)
}

pub(crate) fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// A head and body of an answer with a length.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

/// An event stream that ends with the connection.
pub(crate) fn stream(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
}

fn models() -> Vec<u8> {
    let list = r#"{"data":[{"id":"m"}],"models":[{"name":"m"}]}"#;
    answer("200 OK", "content-type: application/json\r\n", list).into_bytes()
}

pub(crate) async fn read_request(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head
                .to_lowercase()
                .split("content-length: ")
                .nth(1)
                .map_or(0, |rest| rest.split("\r\n").next().unwrap_or_default().parse::<usize>().unwrap());
            if bytes.len() >= end + 4 + length {
                return Some((head, bytes.split_off(end + 4)));
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
