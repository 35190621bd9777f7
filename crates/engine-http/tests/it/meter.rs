//! The meter against a known timeline, without limits on wall time; `benches/meter_truth.rs` has those.

use weighbridge_types::model_ref::Preset;
use weighbridge_types::time::Clock;

use crate::support::{chat, engine, generate, scripted};

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
