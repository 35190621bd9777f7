//! Faults, each with its class.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weighbridge_engine::scripted::{Fault, FaultKind, Script};
use weighbridge_engine::{Collected, Engine, GenerateRequest, Prompt};
use weighbridge_engine_http::scripted_server::{Odd, ScriptedServer, ServerOptions};
use weighbridge_engine_http::{HttpEngine, HttpError, HttpOptions};
use weighbridge_types::model_ref::Preset;
use weighbridge_types::request::{FailureClass, Outcome};
use weighbridge_types::time::Clock;

use crate::support::{DIALECTS, answer, canned, chat, endpoint, engine, events, generate, scripted, stream};

/// The class and message of a failure.
fn failed(got: &Collected) -> (FailureClass, &str) {
    match &got.outcome {
        Outcome::Failed { class, message } => (*class, message),
        outcome => panic!("{outcome:?}"),
    }
}

/// Answers with these bytes; the failure must have this class and say these things.
async fn check(answer: impl Into<Vec<u8>>, class: FailureClass, parts: &[&str]) -> Collected {
    let url = canned(answer).await;
    let got = generate(&engine(Preset::OpenAi, &url).await, chat("a"), 8, Clock::start()).await;
    let (got_class, message) = failed(&got);
    assert_eq!(got_class, class, "{message}");
    assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    assert!(message.chars().count() <= 200, "{message}");
    assert!(got.timeline.first_byte_written.is_some() && got.timeline.ended.is_some());
    got
}

const JSON: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn a_rate_limit_says_when_to_come_back() {
    let body = r#"{"error":{"message":"slow down"}}"#;
    let in_seconds = answer("429 Too Many Requests", &format!("{JSON}retry-after: 7\r\n"), body);
    let got = check(in_seconds, FailureClass::RateLimited, &["HTTP 429", "slow down"]).await;
    assert_eq!(got.retry_after, Some(Duration::from_secs(7)));
    let past = "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let got = check(answer("429 Too Many Requests", past, ""), FailureClass::RateLimited, &["HTTP 429"]).await;
    assert_eq!(got.retry_after, Some(Duration::ZERO));
}

#[tokio::test]
async fn statuses_have_classes() {
    check(answer("400 Bad Request", JSON, r#"{"detail":"no"}"#), FailureClass::ClientError, &["HTTP 400: no"]).await;
    check(answer("404 Not Found", "", ""), FailureClass::ClientError, &["HTTP 404"]).await;
    let unknown = r#"{"error":{"message":"the model `x` does not exist","type":"NotFoundError","code":404}}"#;
    check(answer("404 Not Found", JSON, unknown), FailureClass::ClientError, &["HTTP 404", "`x` does not exist"]).await;
    let no_key = r#"{"error":{"message":"invalid api key"}}"#;
    check(answer("401 Unauthorized", JSON, no_key), FailureClass::ClientError, &["HTTP 401", "invalid api key"]).await;
    check(answer("500 Internal Server Error", "", "boom"), FailureClass::ServerError, &["boom"]).await;
    check(answer("503 Service Unavailable", "", ""), FailureClass::ServerError, &["HTTP 503"]).await;
    let redirect = answer("307 Temporary Redirect", "location: http://elsewhere/\r\n", "");
    check(redirect, FailureClass::Malformed, &["http://elsewhere/", "not followed"]).await;
    let long = answer("500 Internal Server Error", "", &"x".repeat(1 << 20));
    check(long, FailureClass::ServerError, &["HTTP 500: xxx"]).await;
}

#[tokio::test]
async fn a_web_page_is_no_answer() {
    let page = answer("200 OK", "content-type: text/html; charset=utf-8\r\n", "<!DOCTYPE html>\n<html>hello</html>");
    check(page, FailureClass::Malformed, &["text/html", "<!DOCTYPE html> <html>hello"]).await;
    let page = answer("200 OK", JSON, r#"{"answer":"42"}"#);
    check(page, FailureClass::Malformed, &["application/json", "an event stream", "42"]).await;
}

#[tokio::test]
async fn broken_streams_are_told_from_sound_ones() {
    let token = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";
    let check_stream = async |body: &str, class, part: &str| check(stream(body), class, &[part]).await;
    check_stream("", FailureClass::Truncated, "after 0 frames").await;
    check_stream(token, FailureClass::Truncated, "after 1 frames").await;
    check_stream(&format!("{token}data: {{\"choi\n\n"), FailureClass::Malformed, "{\"choi").await;
    check_stream(&format!("{token}data: \u{0}\n\n"), FailureClass::Malformed, "not as expected").await;
    check_stream(&format!("{token}data: {{\"error\":{{\"message\":\"oom\"}}}}\n\n"), FailureClass::ServerError, "oom")
        .await;
    let named = format!("{token}{token}{token}event: error\ndata: {{\"message\":\"overloaded\"}}\n\n");
    check_stream(&named, FailureClass::ServerError, "overloaded").await;
    let cut = format!("{token}{token}{token}data: {{\"choices\":[{{\"text\":\"a\"}}]\n\ndata: [DONE]\n\n");
    check_stream(&cut, FailureClass::Malformed, "not as expected").await;
    check_stream("data: [DONE]\n\n", FailureClass::Empty, "no token").await;
    let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    check_stream(stop, FailureClass::Empty, "Stop").await;
    let mut not_text = stream(token).into_bytes();
    not_text.extend_from_slice(b"data: \xff\xfe\n\n");
    check(not_text, FailureClass::Malformed, &["UTF-8"]).await;
}

#[tokio::test]
async fn a_cut_connection_is_truncated() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    check(head, FailureClass::Truncated, &["within the answer"]).await;
    check(format!("{head}64\r\ndata: {{"), FailureClass::Truncated, &["within the answer"]).await;
    check("HTTP/1.1 200 OK\r\ncontent-le", FailureClass::Truncated, &["within the answer"]).await;
    check("", FailureClass::Truncated, &["before an answer"]).await;
    check("SSH-2.0-OpenSSH_9.2\r\n", FailureClass::Malformed, &["no HTTP"]).await;
}

#[tokio::test]
async fn an_event_without_end_is_bounded() {
    let url = canned(stream(&format!("data: {}", "x".repeat(5000)))).await;
    let options = HttpOptions { largest_event: 1000, ..HttpOptions::default() };
    let engine = HttpEngine::connect(endpoint(Preset::OpenAi, &url), options).await.unwrap();
    let got = generate(&engine, chat("a"), 8, Clock::start()).await;
    assert_eq!(failed(&got), (FailureClass::Malformed, "an event is larger than 1000 bytes"));
}

#[tokio::test]
async fn scripted_faults_keep_their_class_in_every_dialect() {
    let check = async |preset, kind: FaultKind, after_frames| {
        let script = Script { fault: Some(Fault::always(kind, after_frames)), ..scripted_script() };
        let server = ScriptedServer::start(ServerOptions::new(script, Clock::start())).unwrap();
        let got = generate(&engine(preset, &server.url()).await, chat("a"), 8, Clock::start()).await;
        assert_eq!(failed(&got).0, kind.class(), "{preset:?} {kind:?} after {after_frames}");
        assert_eq!(got.timeline.frames.len(), after_frames as usize, "{preset:?} {kind:?}");
    };
    for preset in DIALECTS {
        for kind in [
            FaultKind::RateLimit,
            FaultKind::BadRequest,
            FaultKind::Unauthorized,
            FaultKind::NoModel,
            FaultKind::Redirect,
            FaultKind::WebPage,
            FaultKind::NoAnswer,
            FaultKind::Empty,
        ] {
            check(preset, kind, 0).await;
        }
        for kind in [
            FaultKind::Error,
            FaultKind::TruncatedJson,
            FaultKind::NotText,
            FaultKind::Cut,
            FaultKind::Reset,
            FaultKind::WrongLength,
        ] {
            check(preset, kind, 0).await;
            check(preset, kind, 3).await;
        }
    }
}

fn scripted_script() -> Script {
    "ttft=2ms,itl=1ms".parse().unwrap()
}

#[tokio::test]
async fn a_stream_that_only_stops_is_truncated() {
    for preset in DIALECTS {
        let server = scripted("ttft=2ms,itl=1ms", &[Odd::NoEnd], Clock::start());
        let got = generate(&engine(preset, &server.url()).await, chat("a"), 8, Clock::start()).await;
        assert_eq!(failed(&got).0, FailureClass::Truncated, "{preset:?}");
    }
}

#[tokio::test]
async fn silence_ends_in_a_timeout() {
    let short = Duration::from_millis(30);
    let check = async |after_frames, options: HttpOptions, expected: FailureClass, part: &str| {
        let fault = Some(Fault::always(FaultKind::Stall, after_frames));
        let script = Script { fault, ..scripted_script() };
        let server = ScriptedServer::start(ServerOptions::new(script, Clock::start())).unwrap();
        let engine = HttpEngine::connect(endpoint(Preset::Vllm, &server.url()), options).await.unwrap();
        let got = generate(&engine, chat("a"), 8, Clock::start()).await;
        let (class, message) = failed(&got);
        assert_eq!(class, expected, "{message}");
        assert!(message.contains(part), "{message}");
        assert_eq!(got.timeline.frames.len(), after_frames as usize);
        assert!(got.timeline.first_byte_written.is_some());
    };
    let options = HttpOptions::default();
    let first = FailureClass::TimeoutFirstToken;
    let some = Some(short);
    check(0, HttpOptions { first_byte_timeout: short, ..options.clone() }, first, "no answer within 0.03 s").await;
    check(0, HttpOptions { first_token_timeout: some, ..options.clone() }, first, "no token within 0.03 s").await;
    let stall = FailureClass::TimeoutStall;
    check(2, HttpOptions { idle_timeout: short, ..options.clone() }, stall, "silence of 0.03 s").await;
    check(2, HttpOptions { stall_timeout: some, ..options.clone() }, stall, "no token for 0.03 s").await;
    check(2, HttpOptions { total_timeout: short, ..options }, FailureClass::Timeout, "no end within 0.03 s").await;
}

/// A server that says something every 5 ms, but no token after the beginning of its stream.
async fn talkative(beginning: &'static str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = socket.read(&mut request).await;
                if request.starts_with(b"GET") {
                    let list = answer("200 OK", JSON, r#"{"data":[{"id":"m"}]}"#);
                    let _ = socket.write_all(list.as_bytes()).await;
                    return;
                }
                let mut bytes = stream(beginning);
                while socket.write_all(bytes.as_bytes()).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    bytes = ": still here\n\n".to_owned();
                }
            });
        }
    });
    url
}

#[tokio::test]
async fn a_sign_of_life_is_no_token() {
    let check = async |beginning, options: HttpOptions, class, part: &str| {
        let url = talkative(beginning).await;
        let engine = HttpEngine::connect(endpoint(Preset::OpenAi, &url), options).await.unwrap();
        let got = generate(&engine, chat("a"), 8, Clock::start()).await;
        assert_eq!(failed(&got).0, class);
        assert!(failed(&got).1.contains(part), "{}", failed(&got).1);
    };
    let some = Some(Duration::from_millis(60));
    let first = HttpOptions { first_token_timeout: some, ..HttpOptions::default() };
    check("", first, FailureClass::TimeoutFirstToken, "no token within 0.06 s").await;
    let stall = HttpOptions { stall_timeout: some, ..HttpOptions::default() };
    let token = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n";
    check(token, stall, FailureClass::TimeoutStall, "no token for 0.06 s").await;
}

#[tokio::test]
async fn a_server_that_went_away_is_no_connection() {
    let server = scripted("ttft=1ms", &[Odd::CloseAfterAnswer], Clock::start());
    let engine = engine(Preset::Vllm, &server.url()).await;
    drop(server);
    let got = generate(&engine, chat("a"), 8, Clock::start()).await;
    assert_eq!(failed(&got).0, FailureClass::Connect);
}

#[tokio::test]
async fn what_a_server_cannot_do_is_refused_before_sending() {
    let server = scripted("ttft=1ms", &[], Clock::start());
    let engine = engine(Preset::Anthropic, &server.url()).await;
    let mut request = GenerateRequest::new(Prompt::Text("a".to_owned()), 8, Clock::start());
    request.ignore_eos = true;
    assert!(engine.check(&request).is_err());
    assert!(!engine.capabilities().ignore_eos);
    let now = request.clock.now();
    let collector = weighbridge_engine::Collector::new(now, now, 8);
    let got = weighbridge_engine::collect(engine.generate(request), collector).await;
    let (class, message) = failed(&got);
    assert_eq!(class, FailureClass::ClientError);
    assert!(message.contains("`ignore_eos`"), "{message}");
    assert_eq!(got.timeline.first_byte_written, None);
    assert!(events(&engine, chat("a"), 2).await.len() > 2, "other requests work");
}

#[tokio::test]
async fn a_storm_of_rate_limits_passes_and_keeps_the_connection() {
    let server = scripted("ttft=0s,itl=0s,fail=rate_limit,fail_first=3", &[], Clock::start());
    let engine = engine(Preset::Vllm, &server.url()).await;
    for request in 0..5 {
        let got = generate(&engine, chat("a"), 4, Clock::start()).await;
        if request < 3 {
            assert_eq!(failed(&got).0, FailureClass::RateLimited);
            assert_eq!(got.retry_after, Some(Duration::from_secs(2)));
        } else {
            assert!(got.outcome.is_success(), "{:?}", got.outcome);
        }
    }
    assert_eq!(engine.connection_counts().opened, 1);
}

#[tokio::test]
async fn an_endless_stream_is_ended_by_time_or_by_size() {
    let check = async |options: HttpOptions, class, part: &str| {
        let server = scripted("ttft=0s,itl=0s,fail=endless,fail_after=2", &[], Clock::start());
        let engine = HttpEngine::connect(endpoint(Preset::OpenAi, &server.url()), options).await.unwrap();
        let got = generate(&engine, chat("a"), 8, Clock::start()).await;
        assert_eq!(failed(&got).0, class);
        assert!(failed(&got).1.contains(part), "{}", failed(&got).1);
        assert!(got.timeline.frames.len() > 2, "{:?}", got.timeline.frames.len());
    };
    let options = HttpOptions::default();
    let short = Duration::from_millis(60);
    check(HttpOptions { total_timeout: short, ..options.clone() }, FailureClass::Timeout, "no end within 0.06 s").await;
    let message = "the answer is larger than 2000 bytes";
    check(HttpOptions { largest_answer: 2000, ..options }, FailureClass::Malformed, message).await;
}

#[tokio::test]
async fn a_large_frame_is_taken_or_refused() {
    let script = "ttft=0s,itl=0s,tokens=2,fail=large_frame,fail_after=1";
    for preset in DIALECTS {
        let server = scripted(script, &[], Clock::start());
        // Once is enough: unoptimized, it takes seconds.
        if preset == Preset::Vllm {
            let got = generate(&engine(preset, &server.url()).await, chat("a"), 8, Clock::start()).await;
            assert!(got.outcome.is_success(), "{preset:?}: {:?}", got.outcome);
            assert_eq!(got.text.unwrap().len(), "word ".len() + 10_000_000, "{preset:?}");
        }
        let options = HttpOptions { largest_event: 1 << 20, ..HttpOptions::default() };
        let careful = HttpEngine::connect(endpoint(preset, &server.url()), options).await.unwrap();
        let got = generate(&careful, chat("a"), 8, Clock::start()).await;
        assert_eq!((failed(&got).0, got.timeline.frames.len()), (FailureClass::Malformed, 1), "{preset:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_stalls_is_a_timeout() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let options = HttpOptions { connect_timeout: Duration::from_millis(30), ..HttpOptions::default() };
    let error = HttpEngine::connect(endpoint(Preset::OpenAi, &url), options).await.unwrap_err();
    assert!(matches!(error, HttpError::Unreachable { class: FailureClass::TimeoutConnect, .. }), "{error}");
    assert!(error.to_string().contains("no answer to the TLS handshake within 0.03 s"), "{error}");
}

/// Runs in a process of its own, since the limit is the process's.
#[cfg(unix)]
#[tokio::test]
#[ignore = "run by `used_up_files_are_a_failure_that_names_the_limit`"]
async fn with_few_files() {
    use nix::sys::resource::{Resource, setrlimit};

    let server = scripted("ttft=20ms,itl=1ms", &[], Clock::start());
    // Connections that the server has no file for wait in the kernel, without an answer.
    let options = HttpOptions { first_byte_timeout: Duration::from_millis(200), ..HttpOptions::default() };
    let engine = HttpEngine::connect(endpoint(Preset::Vllm, &server.url()), options).await.unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, 40, 40).unwrap();
    let clock = Clock::start();
    let all = futures_util::future::join_all((0..60).map(|_| generate(&engine, chat("a"), 4, clock))).await;
    let failures: Vec<_> = all.iter().filter(|got| !got.outcome.is_success()).collect();
    assert!(!failures.is_empty());
    for got in failures {
        let (class, message) = failed(got);
        // The server, in the same process, runs short too, and then it is silent or closes.
        if class == FailureClass::Connect {
            assert!(message.contains("may have 40 files open") && message.contains("`ulimit -n`"), "{message}");
        }
    }
    assert!(all.iter().any(|got| matches!(&got.outcome, Outcome::Failed { class: FailureClass::Connect, .. })));
}

#[cfg(unix)]
#[test]
fn used_up_files_are_a_failure_that_names_the_limit() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let output = command.args(["--exact", "faults::with_few_files", "--ignored"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
