//! Cost of a relayed request on loopback: one after the other on a kept connection, a whole answer and a stream.
//!
//! The scripted server in this process answers at once from threads of its own, so that a figure is the round trip of
//! both sides and an upper bound of what a relay adds to a request. The same bytes over a bare blocking socket are the
//! floor.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use tokio::runtime::Builder;
use weighbridge_engine_http::scripted_server::{ScriptedServer, ServerOptions};
use weighbridge_engine_http::{HttpOptions, Relay};
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::time::Clock;

const WHOLE: &str = r#"{"model":"scripted","messages":[{"role":"user","content":"say something"}],"max_tokens":4}"#;
const STREAM: &str =
    r#"{"model":"scripted","messages":[{"role":"user","content":"say something"}],"max_tokens":64,"stream":true}"#;

async fn request(relay: &Relay, body: Bytes, clock: Clock) -> usize {
    let sent = relay.send("POST", "/chat/completions", body, clock).await;
    let mut relayed = sent.expect("the server answers");
    let mut size = 0;
    while let Some(chunk) = relayed.next().await {
        size += chunk.expect("the answer is sound").len();
    }
    size
}

fn relay_requests(criterion: &mut Criterion) {
    let clock = Clock::start();
    let script = "ttft=0s,itl=0s".parse().expect("the script is sound");
    let options = ServerOptions { keep_log: false, ..ServerOptions::new(script, clock) };
    let server = ScriptedServer::start(options).expect("a port is free");
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    let endpoint = EndpointRef { preset: Preset::OpenAi, url: Some(server.url()), model: None };
    let relay = runtime.block_on(Relay::connect(endpoint, HttpOptions::default())).expect("the URL is sound");
    let mut group = criterion.benchmark_group("relay");
    for (name, body) in [("whole", WHOLE), ("stream of 64", STREAM)] {
        let body = Bytes::from_static(body.as_bytes());
        let size = runtime.block_on(request(&relay, body.clone(), clock));
        group.bench_function(name, |bencher| {
            bencher.iter(|| assert_eq!(runtime.block_on(request(&relay, body.clone(), clock)), size));
        });
    }
    let mut socket = TcpStream::connect(server.url().trim_start_matches("http://")).expect("the server listens");
    socket.set_nodelay(true).expect("it is a TCP socket");
    let length = WHOLE.len();
    let request = format!("POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{WHOLE}");
    let mut buffer = vec![0; 64 << 10];
    group.bench_function("whole, bare socket", |bencher| {
        bencher.iter(|| {
            socket.write_all(request.as_bytes()).expect("the server reads");
            // The server writes such an answer at once.
            assert!(socket.read(&mut buffer).expect("the server answers") > 0);
        });
    });
    group.finish();
}

criterion_group!(benches, relay_requests);
criterion_main!(benches);
