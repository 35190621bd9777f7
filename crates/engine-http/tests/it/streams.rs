//! Streams that are odd but legal, in every dialect.

use std::time::Duration;

use weighbridge_engine::{EventKind, Prompt};
use weighbridge_engine_http::scripted_server::Odd;
use weighbridge_engine_http::{Delivery, HttpEngine, HttpOptions};
use weighbridge_types::model_ref::Preset;
use weighbridge_types::request::{Channel, FinishReason, Outcome, Usage};
use weighbridge_types::time::Clock;

use crate::support::{DIALECTS, canned, chat, endpoint, engine, events, generate, scripted, stream};

const TTFT: Duration = Duration::from_millis(30);
const SCRIPT: &str = "ttft=30ms,itl=2ms";

/// Plays an odd stream of eight tokens to a chat request, and checks what must not depend on the oddity.
async fn check(preset: Preset, odd: &[Odd]) {
    let clock = Clock::start();
    let server = scripted(SCRIPT, odd, clock);
    let got = generate(&engine(preset, &server.url()).await, chat("a b c"), 8, clock).await;
    let place = format!("{preset:?} {odd:?}");
    let played = server.take_played(1).pop().unwrap();
    let line = &got.timeline;
    assert_eq!(got.outcome, Outcome::Succeeded { finish: FinishReason::Length }, "{place}");
    assert_eq!(line.frames.len(), 8, "{place}");
    assert_eq!(line.frame_tokens(), 8, "{place}");
    assert!(line.ttft().unwrap() >= TTFT, "{place}: {:?}", line.ttft());
    assert!(line.is_ordered() && line.headers.is_some(), "{place}: {line:?}");
    assert!(line.first_byte_written.is_some() && line.sent >= line.first_byte_written, "{place}: {line:?}");
    let expected = Usage { input_tokens: 3, output_tokens: 8, cached_input_tokens: None, reasoning_tokens: None };
    assert_eq!(got.usage, Some(expected), "{place}");
    let text = if odd.contains(&Odd::SplitCharacters) { "wörd€🦀 " } else { "word " };
    assert_eq!(got.text.as_deref(), Some(text.repeat(8).as_str()), "{place}");
    // Every frame was read after the write that completed it.
    let writes: Vec<_> = played.token_writes().flat_map(|write| vec![write.at; write.tokens as usize]).collect();
    assert!(line.frames.iter().zip(writes).all(|(frame, written)| frame.at >= written), "{place}");
}

async fn check_all(odd: &[Odd]) {
    for preset in DIALECTS {
        check(preset, odd).await;
    }
}

#[tokio::test]
async fn a_plain_stream_is_measured_in_every_preset() {
    for preset in Preset::ALL {
        check(preset, &[]).await;
    }
}

/// <https://github.com/api7/aisix/issues/869>: a role frame that comes at once is no first token.
#[tokio::test]
async fn role_frames_are_no_tokens() {
    check_all(&[Odd::RoleFrame]).await;
}

/// fmperf#14: empty chunks of a chunked prefill are no tokens.
#[tokio::test]
async fn empty_frames_are_no_tokens() {
    check_all(&[Odd::EmptyFrames]).await;
}

#[tokio::test]
async fn comments_are_no_tokens() {
    check_all(&[Odd::Comments]).await;
}

#[tokio::test]
async fn carriage_returns_and_missing_spaces_are_legal() {
    check_all(&[Odd::CrlfWithoutSpace]).await;
}

#[tokio::test]
async fn characters_may_be_cut() {
    check_all(&[Odd::SplitCharacters]).await;
}

#[tokio::test]
async fn headers_may_come_with_the_first_token() {
    check_all(&[Odd::LateHeaders]).await;
}

#[tokio::test]
async fn a_missing_terminator_after_a_finish_reason_is_a_success() {
    check_all(&[Odd::NoTerminator]).await;
}

#[tokio::test]
async fn everything_odd_at_once_is_legal() {
    let odd = [Odd::RoleFrame, Odd::EmptyFrames, Odd::Comments, Odd::CrlfWithoutSpace, Odd::SplitCharacters];
    check_all(&odd).await;
}

/// Several events in one read are several frames with one stamp.
#[tokio::test]
async fn frames_of_one_write_share_a_stamp() {
    for preset in DIALECTS {
        check(preset, &[Odd::FramesPerWrite(4)]).await;
        let server = scripted(SCRIPT, &[Odd::FramesPerWrite(4)], Clock::start());
        let got = generate(&engine(preset, &server.url()).await, chat("a"), 8, Clock::start()).await;
        let stamps: Vec<_> = got.timeline.frames.iter().map(|frame| frame.at).collect();
        assert!(stamps[..4].iter().all(|&at| at == stamps[0]), "{preset:?}: {stamps:?}");
    }
}

/// genai-bench#44, tokenomics#16, vllm#55508: neither a usage frame nor the terminator moves TTFT or E2E.
#[tokio::test]
async fn late_usage_and_terminator_do_not_extend_latency() {
    let late = Duration::from_millis(300);
    for preset in DIALECTS {
        let server = scripted(SCRIPT, &[Odd::LateEnd(late)], Clock::start());
        let got = generate(&engine(preset, &server.url()).await, chat("a"), 8, Clock::start()).await;
        let (last, ended) = (got.timeline.frames.last().unwrap().at, got.timeline.ended.unwrap());
        // Half of it, since a busy machine may read the last token late.
        assert!(ended - last > late / 2, "{preset:?}: {:?}", ended - last);
        assert_eq!(got.usage.unwrap().output_tokens, 8, "{preset:?}");
    }
}

/// evalscope#1463: thinking counts for TTFT and is told apart from the answer.
#[tokio::test]
async fn thinking_is_a_channel_of_its_own() {
    for preset in DIALECTS {
        let clock = Clock::start();
        let server = scripted("ttft=30ms,itl=2ms,reasoning=3", &[], clock);
        let got = generate(&engine(preset, &server.url()).await, chat("a"), 8, clock).await;
        let thinking = got.timeline.frames.iter().filter(|frame| frame.channel == Channel::Reasoning).count();
        assert_eq!((thinking, got.timeline.frame_tokens()), (3, 8), "{preset:?}");
        let first_answer = got.timeline.frames[3].at - got.timeline.origin();
        assert_eq!(got.timeline.ttfo(), Some(first_answer), "{preset:?}");
    }
}

/// tokenomics#16: the same thinking under two names is counted once.
#[tokio::test]
async fn thinking_sent_under_two_names_is_counted_once() {
    let delta = r#"{"choices":[{"delta":{"reasoning":"hm","reasoning_content":"hm"}}]}"#;
    let url = canned(stream(&format!("data: {delta}\n\ndata: [DONE]\n\n"))).await;
    let got = generate(&engine(Preset::OpenAi, &url).await, chat("a"), 8, Clock::start()).await;
    assert_eq!((got.timeline.frame_tokens(), got.text.as_deref()), (1, Some("hm")));
}

/// flexible-inference-bench#66: text passes unchanged, white space too.
#[tokio::test]
async fn white_space_is_kept() {
    let chunk = |text: &str| format!("data: {{\"choices\":[{{\"text\":\"{text}\"}}]}}\n\n");
    let body = [chunk(" a"), chunk("\\n"), chunk("  b "), "data: [DONE]\n\n".to_owned()].concat();
    let url = canned(stream(&body)).await;
    let got = generate(&engine(Preset::OpenAi, &url).await, chat("a"), 8, Clock::start()).await;
    assert_eq!((got.timeline.frame_tokens(), got.text.as_deref()), (3, Some(" a\n  b ")));
}

/// ankit373/hydra#811: what a server does not say is unknown, not zero.
#[tokio::test]
async fn missing_usage_is_unknown() {
    let url = canned(stream("data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n")).await;
    let got = generate(&engine(Preset::OpenAi, &url).await, chat("a"), 8, Clock::start()).await;
    assert_eq!((got.usage, got.outcome), (None, Outcome::Succeeded { finish: FinishReason::Other }));
}

/// A chunk of several tokens says how many where the server can be asked for it.
#[tokio::test]
async fn bundles_are_counted_by_servers_that_tell() {
    let check = async |preset, expected: &[u32]| {
        let server = scripted("ttft=5ms,itl=1ms,bundle=3", &[], Clock::start());
        let got = generate(&engine(preset, &server.url()).await, chat("a"), 8, Clock::start()).await;
        let tokens: Vec<u32> = got.timeline.frames.iter().map(|frame| frame.tokens).collect();
        assert_eq!((&tokens[..], got.usage.unwrap().output_tokens), (expected, 8), "{preset:?}");
    };
    check(Preset::Vllm, &[3, 3, 2]).await;
    check(Preset::Sglang, &[3, 3, 2]).await;
    check(Preset::Tgi, &[1, 1, 1]).await;
}

#[tokio::test]
async fn events_come_in_order() {
    let server = scripted("ttft=5ms,itl=1ms,tokens=2", &[], Clock::start());
    let engine = engine(Preset::Vllm, &server.url()).await;
    // The kept connection of the first questions is used.
    let names: Vec<&str> = events(&engine, Prompt::Text("a".to_owned()), 8)
        .await
        .iter()
        .map(|event| match event {
            EventKind::Connected => "connected",
            EventKind::FirstByteWritten => "writing",
            EventKind::Sent => "sent",
            EventKind::Headers { status: 200 } => "headers",
            EventKind::Headers { .. } => "refused",
            EventKind::Frame(_) => "frame",
            EventKind::Receipt(_) => "receipt",
            EventKind::Resent => "resent",
            EventKind::Usage(_) => "usage",
            EventKind::Finished { reason: FinishReason::Stop } => "stop",
            EventKind::Finished { .. } => "finished",
            EventKind::Failed(_) => "failed",
        })
        .collect();
    assert_eq!(names, ["writing", "sent", "headers", "frame", "frame", "usage", "receipt", "stop"]);
}

#[tokio::test]
async fn a_text_prompt_takes_the_presets_path() {
    let check = async |preset, expected: &str| {
        let server = scripted("ttft=1ms,itl=1ms,tokens=2", &[], Clock::start());
        let engine = engine(preset, &server.url()).await;
        let got = generate(&engine, Prompt::Text("a b".to_owned()), 8, Clock::start()).await;
        assert!(got.outcome.is_success(), "{preset:?}: {:?}", got.outcome);
        assert_eq!(server.take_played(1)[0].path, expected, "{preset:?}");
    };
    check(Preset::Vllm, "/v1/completions").await;
    check(Preset::LlamaServer, "/v1/completions").await;
    check(Preset::OpenAi, "/v1/chat/completions").await;
    check(Preset::Anthropic, "/v1/messages").await;
    check(Preset::Ollama, "/api/generate").await;
}

#[tokio::test]
async fn an_answer_may_come_whole() {
    for preset in DIALECTS {
        let clock = Clock::start();
        let server = scripted("ttft=10ms,itl=1ms,reasoning=2", &[], clock);
        let options = HttpOptions { delivery: Delivery::Whole, ..HttpOptions::default() };
        let engine = HttpEngine::connect(endpoint(preset, &server.url()), options).await.unwrap();
        let got = generate(&engine, chat("a b"), 6, clock).await;
        assert_eq!(got.outcome, Outcome::Succeeded { finish: FinishReason::Length }, "{preset:?}");
        assert_eq!(got.usage.unwrap().output_tokens, 6, "{preset:?}");
        assert_eq!(got.text.unwrap(), "word ".repeat(6), "{preset:?}");
        assert!(got.timeline.ttft().unwrap() >= Duration::from_millis(15), "{preset:?}");
    }
}
