//! The meter against a known timeline, without limits on wall time; `benches/meter_truth.rs` has those.

use std::future::poll_fn;
use std::task::Poll;

use weighbridge_engine_http::scripted_server::{ScriptedServer, ServerOptions};
use weighbridge_engine_http::{HttpEngine, HttpOptions};
use weighbridge_types::model_ref::Preset;
use weighbridge_types::request::ReceiveClock;
use weighbridge_types::time::Clock;

use crate::support::{chat, endpoint, engine, generate, scripted};

/// On one clock, every stamp lies after the event that it reports and within the request.
#[tokio::test]
async fn stamps_follow_the_servers_own() {
    let clock = Clock::start();
    let server = scripted("ttft=20ms,itl=2ms", &[], clock);
    let engine = engine(Preset::Vllm, &server.url()).await;
    let prompts: Vec<String> = (0..8).map(|number| format!("stream {number}")).collect();
    let requests = prompts.iter().map(|prompt| generate(&engine, chat(prompt), 16, clock));
    let all = futures_util::future::join_all(requests).await;
    let played = server.take_played(prompts.len());
    for (prompt, got) in prompts.iter().zip(all) {
        let truth = played.iter().find(|played| played.prompt == *prompt).unwrap();
        let writes: Vec<_> = truth.token_writes().collect();
        assert_eq!(got.timeline.frames.len(), writes.len());
        assert!(writes.iter().all(|write| write.at >= write.due && write.tokens == 1));
        assert!(got.timeline.frames.iter().zip(&writes).all(|(frame, write)| frame.at >= write.at));
        assert!(got.timeline.first_byte_written.unwrap() <= truth.received);
        assert!(got.timeline.ttft().unwrap() >= truth.ttft().unwrap());
    }
}

/// Whether the kernel stamps sockets, and brings the stamps with the bytes.
const KERNEL_STAMPS: bool = cfg!(target_os = "linux");

#[tokio::test]
async fn the_receipt_says_which_clock_it_was() {
    let clock = Clock::start();
    let server = scripted("ttft=5ms,itl=1ms", &[], clock);
    let check = async |kernel_stamps, expected: ReceiveClock| {
        let options = HttpOptions { kernel_stamps, ..HttpOptions::default() };
        let engine = HttpEngine::connect(endpoint(Preset::Vllm, &server.url()), options).await.unwrap();
        let got = generate(&engine, chat("a"), 16, clock).await;
        let receipt = got.receipt.unwrap();
        assert_eq!(receipt.clock, expected);
        assert_eq!(receipt.delay_mean_ns.is_some(), expected == ReceiveClock::Kernel);
        assert!(receipt.delay_mean_ns <= receipt.delay_max_ns);
        assert!(got.timeline.is_ordered() && got.timeline.frames.is_sorted_by_key(|frame| frame.at));
    };
    check(true, if KERNEL_STAMPS { ReceiveClock::Kernel } else { ReceiveClock::User }).await;
    check(false, ReceiveClock::User).await;
}

/// A stream that is read late: the kernel's stamps tell when its bytes came all the same.
#[tokio::test]
async fn a_late_reader_does_not_move_the_kernels_stamps() {
    if !KERNEL_STAMPS {
        return;
    }
    let clock = Clock::start();
    let server = scripted("ttft=5ms,itl=1ms,tokens=1", &[], clock);
    let engine = engine(Preset::Vllm, &server.url()).await;
    let mut request = Box::pin(generate(&engine, chat("a"), 1, clock));
    // Sends the request, and then keeps the thread from reading until the whole answer was written.
    let _ = poll_fn(|cx| Poll::Ready(request.as_mut().poll(cx).is_pending())).await;
    assert_eq!(server.take_played(1).len(), 1);
    let reading = clock.now();
    let got = request.await;
    let receipt = got.receipt.unwrap();
    assert_eq!(receipt.clock, ReceiveClock::Kernel);
    assert!(receipt.delay_max_ns.unwrap() > 0, "{receipt:?}");
    assert!(got.timeline.frames[0].at < reading, "{:?} {reading:?}", got.timeline);
}

/// At full speed the server answers in one write, and can do without its log.
#[tokio::test]
async fn the_server_at_full_speed_says_the_same() {
    let options = ServerOptions::new("ttft=0s,itl=0s".parse().unwrap(), Clock::start());
    let server = ScriptedServer::start(ServerOptions { keep_log: false, ..options }).unwrap();
    let engine = engine(Preset::Vllm, &server.url()).await;
    for tokens in [1, 64, 64, 3000] {
        let got = generate(&engine, chat("a b"), tokens, Clock::start()).await;
        assert!(got.outcome.is_success(), "{:?}", got.outcome);
        assert_eq!((got.timeline.frames.len(), got.usage.unwrap().output_tokens), (tokens as usize, tokens));
    }
    assert_eq!(engine.connection_counts().opened, 1);
    assert!(server.take_played(0).is_empty());
    let again = ServerOptions::new("ttft=0s".parse().unwrap(), Clock::start());
    assert!(ScriptedServer::start(ServerOptions { bind: server.address(), ..again }).is_err(), "the port is taken");
}
