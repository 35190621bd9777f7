//! Requests that are handed on.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weighbridge_engine::RequestFailure;
use weighbridge_engine_http::scripted_server::Odd;
use weighbridge_engine_http::{ConnectionCounts, HttpError, HttpOptions, Relay, Relayed, Secret};
use weighbridge_types::model_ref::Preset;
use weighbridge_types::request::FailureClass;
use weighbridge_types::time::Clock;

use crate::support::{answer, answering, canned, endpoint, read_request, scripted, stream, url};

const KEY: &str = "sk-very-secret-0123456789";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

async fn relay(url: &str, options: HttpOptions) -> Relay {
    Relay::connect(endpoint(Preset::OpenAi, url), options).await.unwrap()
}

fn with_key() -> HttpOptions {
    HttpOptions { key: Some(Secret::new(KEY)), ..HttpOptions::default() }
}

async fn post(relay: &Relay, body: &'static str) -> Result<Relayed, RequestFailure> {
    relay.send("POST", "/chat/completions", Bytes::from_static(body.as_bytes()), Clock::start()).await
}

/// The body up to its end, and the failure that it ended with.
async fn rest(relayed: &mut Relayed) -> (Vec<u8>, Option<RequestFailure>) {
    let mut body = Vec::new();
    while let Some(chunk) = relayed.next().await {
        match chunk {
            Ok(chunk) => {
                assert!(!chunk.is_empty());
                body.extend_from_slice(&chunk);
            }
            Err(failure) => {
                assert!(relayed.next().await.is_none(), "nothing follows a failure");
                return (body, Some(failure));
            }
        }
    }
    assert!(relayed.next().await.is_none(), "the end stays the end");
    (body, None)
}

/// A server in the hands of the test.
struct Upstream(TcpListener);

impl Upstream {
    async fn listen() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = url(listener.local_addr().unwrap());
        (Self(listener), url)
    }

    /// Takes a connection and its first request, and writes this.
    async fn answer(&self, bytes: &str) -> TcpStream {
        let (mut socket, _) = self.0.accept().await.unwrap();
        read_request(&mut socket).await.unwrap();
        socket.write_all(bytes.as_bytes()).await.unwrap();
        socket
    }
}

/// Whether the other side has closed the connection, at the latest soon.
async fn is_closed(socket: &mut TcpStream) -> bool {
    let closed = async { matches!(socket.read(&mut [0; 64]).await, Ok(0) | Err(_)) };
    tokio::time::timeout(Duration::from_secs(30), closed).await.is_ok_and(|closed| closed)
}

#[tokio::test]
async fn a_request_arrives_as_it_was_given() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let see = Arc::clone(&seen);
    let root = answering(move |head, body| {
        see.lock().unwrap().push((head.to_owned(), body.to_vec()));
        answer("200 OK", "", "").into_bytes()
    })
    .await;
    let check = async |base: &str, path: &str, target: &str| {
        let relay = relay(&format!("{root}{base}"), with_key()).await;
        let body = Bytes::from_static(b"{ \"a\":1,\r\n\"b\": \xff}");
        let mut relayed = relay.send("POST", path, body.clone(), Clock::start()).await.unwrap();
        assert_eq!(rest(&mut relayed).await, (Vec::new(), None));
        let (head, came) = seen.lock().unwrap().pop().unwrap();
        assert!(head.starts_with(&format!("POST {target} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains(&format!("authorization: Bearer {KEY}\r\n")), "{head}");
        assert_eq!(came, body);
    };
    check("/v1", "/chat/completions", "/v1/chat/completions").await;
    check("", "/embeddings?a=b", "/v1/embeddings?a=b").await;
    check("/some/base/", "/x", "/some/base/x").await;
}

#[tokio::test]
async fn a_stream_passes_byte_for_byte_as_it_comes() {
    let (upstream, url) = Upstream::listen().await;
    let relay = relay(&url, HttpOptions::default()).await;
    let (sent, mut socket) = tokio::join!(post(&relay, "{}"), upstream.answer(CHUNKED));
    let mut relayed = sent.unwrap();
    assert_eq!((relayed.status, relayed.content_type.as_str()), (200, "text/event-stream"));
    // The next piece is written only when the one before it was handed on.
    for piece in [&b"data: {\"a\""[..], b": 1}\r\n", b"\r\n\n: ping\n\n", b"\xff\xfe\0", b"data: [DONE]\n\n"] {
        socket.write_all(format!("{:x};x=y\r\n", piece.len()).as_bytes()).await.unwrap();
        socket.write_all(piece).await.unwrap();
        socket.write_all(b"\r\n").await.unwrap();
        let mut came = Vec::new();
        while came.len() < piece.len() {
            came.extend_from_slice(&relayed.next().await.unwrap().unwrap());
        }
        assert_eq!(came, piece);
    }
    socket.write_all(b"0\r\nx-trailer: 1\r\n\r\n").await.unwrap();
    assert!(relayed.next().await.is_none());
    // The same connection serves the next request.
    let next = async {
        read_request(&mut socket).await.unwrap();
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    };
    let (sent, ()) = tokio::join!(post(&relay, "{}"), next);
    let mut relayed = sent.unwrap();
    assert_eq!((relayed.status, relayed.content_type.as_str()), (204, ""));
    assert!(relayed.next().await.is_none());
    assert_eq!(relay.connection_counts(), ConnectionCounts { opened: 1, reused: 1, retried: 0 });
}

#[tokio::test]
async fn large_answers_are_whole() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[number as usize % 3]).collect();
    let mut bytes = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(&body);
    let relay = relay(&canned(bytes).await, HttpOptions::default()).await;
    let mut relayed = post(&relay, "{}").await.unwrap();
    let (came, failure) = rest(&mut relayed).await;
    assert!(came == body && failure.is_none(), "{} bytes, {failure:?}", came.len());
}

#[tokio::test]
async fn streams_and_whole_answers_share_connections() {
    let server = scripted("ttft=2ms,itl=1ms", &[Odd::SplitCharacters, Odd::Comments], Clock::start());
    let relay = relay(&server.url(), HttpOptions::default()).await;
    let ask = async |body| {
        let mut relayed = post(&relay, body).await.unwrap();
        let (body, failure) = rest(&mut relayed).await;
        assert_eq!((relayed.status, failure), (200, None));
        (String::from_utf8(body).unwrap(), relayed.content_type)
    };
    for _ in 0..3 {
        let (whole, kind) = ask(r#"{"messages":[{"role":"user","content":"a"}],"max_tokens":4}"#).await;
        assert!(kind.starts_with("application/json"), "{kind}");
        let whole: serde_json::Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(whole["usage"]["completion_tokens"], 4);
        let streamed = r#"{"messages":[{"role":"user","content":"a"}],"max_tokens":4,"stream":true}"#;
        let (streamed, kind) = ask(streamed).await;
        assert!(kind.starts_with("text/event-stream") && streamed.contains("\n:"), "{kind} {streamed}");
        assert!(streamed.starts_with([':', 'd']) && streamed.ends_with("data: [DONE]\n\n"), "{streamed}");
    }
    assert_eq!(relay.connection_counts(), ConnectionCounts { opened: 1, reused: 5, retried: 0 });
}

#[tokio::test]
async fn a_refusal_is_an_answer_with_its_delay() {
    let headers = "Content-Type: application/json\r\nRetry-After: 7\r\nX-RateLimit-Remaining-Requests: 0\r\n\
                   x-request-id: req-1\r\nopenai-processing-ms: 3\r\nset-cookie: a=b\r\nserver: x\r\nkeep-alive: 5\r\n\
                   x-ratelimit-reset-tokens: 6ms\r\nvary: origin\r\nx-other: 1\r\n";
    let relay = relay(&canned(answer("429 Too Many Requests", headers, "{\"error\":1}")).await, with_key()).await;
    let mut relayed = post(&relay, "{}").await.unwrap();
    assert_eq!((relayed.status, relayed.retry_after), (429, Some(Duration::from_secs(7))));
    assert_eq!(relayed.content_type, "application/json");
    let fields: Vec<_> = relayed.fields().collect();
    let expected = [
        ("Content-Type", "application/json"),
        ("Retry-After", "7"),
        ("X-RateLimit-Remaining-Requests", "0"),
        ("x-request-id", "req-1"),
        ("openai-processing-ms", "3"),
        ("x-ratelimit-reset-tokens", "6ms"),
    ];
    assert_eq!(fields, expected);
    assert_eq!(rest(&mut relayed).await, (b"{\"error\":1}".to_vec(), None));
}

/// Answers with these bytes and the end of the connection: what came of the body, and how it failed.
async fn broken(bytes: impl Into<Vec<u8>>) -> (Vec<u8>, RequestFailure) {
    let relay = relay(&canned(bytes).await, HttpOptions::default()).await;
    match post(&relay, "{}").await {
        Ok(mut relayed) => {
            let (body, failure) = rest(&mut relayed).await;
            (body, failure.unwrap())
        }
        Err(failure) => (Vec::new(), failure),
    }
}

#[tokio::test]
async fn a_cut_answer_is_a_failure_and_no_end() {
    let check = async |bytes: String, came: &str, part: &str| {
        let (body, failure) = broken(bytes.clone()).await;
        assert_eq!((body, failure.class), (came.as_bytes().to_vec(), FailureClass::Truncated), "{bytes}");
        assert!(failure.message.contains(part), "{}", failure.message);
    };
    check(format!("{CHUNKED}5\r\nabcde\r\n"), "abcde", "within the answer").await;
    check(format!("{CHUNKED}5\r\nabc"), "abc", "within the answer").await;
    check(format!("{CHUNKED}5\r\nabcde\r\n0\r\n"), "abcde", "within the answer").await;
    check(CHUNKED.to_owned(), "", "within the answer").await;
    check("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabc".to_owned(), "abc", "within the answer").await;
    check("HTTP/1.1 200 OK\r\ncontent-le".to_owned(), "", "within the answer").await;
    check(String::new(), "", "before an answer").await;
    // The end of the connection is the end of a body that has no other.
    let relay = relay(&canned(stream("abc")).await, HttpOptions::default()).await;
    assert_eq!(rest(&mut post(&relay, "{}").await.unwrap()).await, (b"abc".to_vec(), None));
}

#[tokio::test]
async fn garbage_is_a_failure() {
    let check = async |bytes: String, part: &str| {
        let (_, failure) = broken(bytes).await;
        assert_eq!(failure.class, FailureClass::Malformed, "{}", failure.message);
        assert!(failure.message.contains(part), "{}", failure.message);
    };
    check("SSH-2.0-OpenSSH_9.2\r\n".to_owned(), "no HTTP").await;
    check("HTTP/1.1 101 Switching\r\n\r\n".to_owned(), "another protocol").await;
    check(format!("{CHUNKED}3\r\nabc\r\nzz\r\n"), "a chunk").await;
    check("HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n".to_owned(), "length").await;
    check(answer("200 OK", "content-encoding: gzip\r\n", "x"), "encoded as `gzip`").await;
    check(format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(70_000)), "larger than").await;
}

#[tokio::test]
async fn redirects_are_not_followed_and_say_so() {
    let headers = format!("location: http://elsewhere/?key={KEY}\r\n");
    let relay = relay(&canned(answer("307 Temporary Redirect", &headers, "")).await, with_key()).await;
    let failure = post(&relay, "{}").await.unwrap_err();
    assert_eq!(failure.class, FailureClass::Malformed);
    assert!(failure.message.contains("HTTP 307 to `http://elsewhere/"), "{}", failure.message);
    assert!(failure.message.contains("redirects are not followed"), "{}", failure.message);
    assert!(!format!("{failure:?} {relay:?}").contains("sk-"), "{failure:?}");
}

#[tokio::test]
async fn the_key_is_in_no_error() {
    let check = async |bytes: String| {
        let relay = relay(&canned(bytes).await, with_key()).await;
        let failure = post(&relay, "{}").await.unwrap_err();
        assert!(!format!("{failure:?} {relay:?}").contains("sk-"), "{failure:?}");
    };
    check(answer("200 OK", &format!("content-encoding: {KEY}\r\n"), "")).await;
    check(format!("HTTP/1.1 999999 {KEY}\r\n\r\n")).await;
    let refused = Relay::connect(endpoint(Preset::OpenAi, "http://192.0.2.1:8000/v1"), with_key()).await.unwrap_err();
    assert!(matches!(refused, HttpError::KeyInClear { .. }), "{refused}");
}

#[tokio::test]
async fn a_server_that_hangs_is_a_timeout() {
    let brief = Duration::from_millis(30);
    let options = HttpOptions { first_byte_timeout: brief, ..HttpOptions::default() };
    let (upstream, url) = Upstream::listen().await;
    let relayed = relay(&url, options).await;
    let (failure, mut socket) = tokio::join!(post(&relayed, "{}"), upstream.answer(""));
    let failure = failure.unwrap_err();
    assert_eq!(failure.class, FailureClass::TimeoutFirstToken);
    assert_eq!(failure.message, "no answer within 0.03 s");
    assert!(is_closed(&mut socket).await, "the server is told");

    let options = HttpOptions { idle_timeout: brief, ..HttpOptions::default() };
    let idle = relay(&url, options).await;
    let part = format!("{CHUNKED}3\r\nabc\r\n");
    let (sent, mut socket) = tokio::join!(post(&idle, "{}"), upstream.answer(&part));
    let (body, failure) = rest(&mut sent.unwrap()).await;
    let failure = failure.unwrap();
    assert_eq!((body, failure.class), (b"abc".to_vec(), FailureClass::TimeoutStall));
    assert_eq!(failure.message, "silence of 0.03 s");
    assert!(is_closed(&mut socket).await);

    // A server that always says something, but never comes to an end.
    let options = HttpOptions { total_timeout: Duration::from_millis(200), ..HttpOptions::default() };
    let total = relay(&url, options).await;
    let (sent, mut socket) = tokio::join!(post(&total, "{}"), upstream.answer(CHUNKED));
    let mut relayed = sent.unwrap();
    let drip = async { while socket.write_all(b"1\r\na\r\n").await.is_ok() {} };
    let (failure, ()) = tokio::join!(
        async {
            let (_, failure) = rest(&mut relayed).await;
            failure.unwrap()
        },
        drip
    );
    assert_eq!((failure.class, failure.message.as_str()), (FailureClass::Timeout, "no end within 0.2 s"));
}

#[tokio::test]
async fn an_answer_without_end_is_bounded() {
    let options = HttpOptions { largest_answer: 1000, ..HttpOptions::default() };
    let check = async |size: usize, expected: Option<&str>| {
        let relay = relay(&canned(stream(&"x".repeat(size))).await, options.clone()).await;
        let (body, failure) = match post(&relay, "{}").await {
            Ok(mut relayed) => rest(&mut relayed).await,
            Err(failure) => (Vec::new(), Some(failure)),
        };
        assert!(body.len() <= 1000);
        assert_eq!(failure.as_ref().map(|failure| failure.message.as_str()), expected);
    };
    check(1000, None).await;
    check(1001, Some("the answer is larger than 1000 bytes")).await;
}

#[tokio::test]
async fn dropping_an_answer_closes_its_connection() {
    let (upstream, url) = Upstream::listen().await;
    let relay = relay(&url, HttpOptions::default()).await;
    let part = format!("{CHUNKED}3\r\nabc\r\n");
    let (sent, mut socket) = tokio::join!(post(&relay, "{}"), upstream.answer(&part));
    let mut relayed = sent.unwrap();
    assert_eq!(relayed.next().await.unwrap().unwrap(), "abc");
    drop(relayed);
    assert!(is_closed(&mut socket).await);
    // So does dropping the request before there is a head.
    let mut waiting = Box::pin(post(&relay, "{}"));
    let mut socket = tokio::select! {
        _ = &mut waiting => panic!("nobody answers"),
        socket = upstream.answer("HTTP/1.1 200") => socket,
    };
    drop(waiting);
    assert!(is_closed(&mut socket).await);
    assert_eq!(relay.connection_counts(), ConnectionCounts { opened: 2, reused: 0, retried: 0 });
}

#[tokio::test]
async fn a_dead_kept_connection_costs_one_more_try() {
    let server = scripted("ttft=0s,itl=0s", &[Odd::DropSecondRequest], Clock::start());
    let relay = relay(&server.url(), HttpOptions::default()).await;
    for requests in 0..3 {
        let mut relayed = post(&relay, r#"{"prompt":"a","max_tokens":2}"#).await.unwrap();
        assert_eq!(rest(&mut relayed).await.1, None);
        let counts = ConnectionCounts { opened: 1 + requests, reused: requests, retried: requests };
        assert_eq!(relay.connection_counts(), counts);
    }
}

/// An answer that came before the request was written says what the server thinks, but leaves no sound connection.
#[tokio::test]
async fn an_early_refusal_is_handed_on_and_its_connection_is_not_kept() {
    let (upstream, url) = Upstream::listen().await;
    let relay = relay(&url, HttpOptions::default()).await;
    let refuse = async {
        let (mut socket, _) = upstream.0.accept().await.unwrap();
        socket.read_exact(&mut [0; 100]).await.unwrap();
        let answer = "HTTP/1.1 413 Content Too Large\r\ncontent-length: 3\r\n\r\nbig";
        socket.write_all(answer.as_bytes()).await.unwrap();
        socket
    };
    let large = Bytes::from(vec![b' '; 64 << 20]);
    let (sent, _socket) = tokio::join!(relay.send("POST", "/x", large, Clock::start()), refuse);
    let mut relayed = sent.unwrap();
    assert_eq!(relayed.status, 413);
    assert_eq!(rest(&mut relayed).await, (b"big".to_vec(), None));
    let (sent, _socket) = tokio::join!(post(&relay, "{}"), upstream.answer("HTTP/1.1 204 No Content\r\n\r\n"));
    assert_eq!(sent.unwrap().status, 204);
    assert_eq!(relay.connection_counts(), ConnectionCounts { opened: 2, reused: 0, retried: 0 });
}

#[tokio::test]
async fn nobody_is_asked_before_the_first_request() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = url(gone.local_addr().unwrap());
    drop(gone);
    let relay = relay(&url, HttpOptions::default()).await;
    assert_eq!(relay.connection_counts(), ConnectionCounts::default());
    assert_eq!(post(&relay, "{}").await.unwrap_err().class, FailureClass::Connect);
    let refused = relay.send("HEAD", "/models", Bytes::new(), Clock::start()).await.unwrap_err();
    assert_eq!(refused.class, FailureClass::ClientError);
}

/// What a proxy does: the answer moves into a task of its own, as a stream.
#[tokio::test]
async fn an_answer_can_move_to_another_task() {
    let relay = relay(&canned(format!("{CHUNKED}3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")).await, with_key()).await;
    let relayed = post(&relay, "{}").await.unwrap();
    assert!(!format!("{relayed:?}").contains("sk-"));
    let chunks = tokio::spawn(futures_util::TryStreamExt::try_collect::<Vec<Bytes>>(relayed)).await.unwrap().unwrap();
    assert_eq!(chunks.concat(), b"abcdef");
}
