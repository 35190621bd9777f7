//! Answers of Ollama's own API, generate and chat: lines of JSON, or one object.

use serde::Deserialize;
use serde_json::Value;
use weighbridge_engine::RequestFailure;
use weighbridge_types::request::{Channel, FinishReason};

use super::{Signal, text_frame, usage};
use crate::failure::{malformed, server_error};

#[derive(Deserialize)]
struct Line {
    /// Answer of generate.
    response: Option<String>,
    /// Thinking of generate.
    thinking: Option<String>,
    /// Answer of chat.
    message: Option<Message>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    error: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Message {
    content: Option<String>,
    thinking: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

#[derive(Deserialize)]
struct ToolCall {
    function: Value,
}

/// Reads a line of a stream, or a whole answer.
pub(crate) fn read(data: &str, signals: &mut Vec<Signal>) -> Result<(), RequestFailure> {
    let line: Line =
        serde_json::from_str(data).map_err(|error| malformed(&format!("a line is not as expected ({error})"), data))?;
    if line.error.is_some() {
        signals.push(Signal::Failed(server_error(data)));
        return Ok(());
    }
    let message = line.message.unwrap_or_default();
    let calls = message.tool_calls.unwrap_or_default();
    let calls: String = calls.into_iter().map(|call| call.function.to_string()).collect();
    signals.extend(text_frame(Channel::Reasoning, line.thinking.or(message.thinking)));
    signals.extend(text_frame(Channel::Answer, line.response.or(message.content)));
    signals.extend(text_frame(Channel::ToolCall, Some(calls)));
    if line.done {
        signals.extend(usage(line.prompt_eval_count, line.eval_count, None, None).map(Signal::Usage));
        signals.push(Signal::Finish(finish(line.done_reason.as_deref())));
        signals.push(Signal::Done);
    }
    Ok(())
}

fn finish(reason: Option<&str>) -> FinishReason {
    match reason {
        Some("stop") => FinishReason::Stop,
        Some("length") => FinishReason::Length,
        _ => FinishReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_types::request::Usage;

    use super::*;

    fn check(line: &str, expected: &[Signal]) {
        let mut signals = Vec::new();
        read(line, &mut signals).unwrap();
        assert_eq!(signals, expected, "{line}");
    }

    fn frame(channel: Channel, text: &str) -> Signal {
        text_frame(channel, Some(text.to_owned())).unwrap()
    }

    #[test]
    fn lines_are_understood() {
        check(r#"{"model":"m","response":"a","done":false}"#, &[frame(Channel::Answer, "a")]);
        check(r#"{"response":"","thinking":"hm","done":false}"#, &[frame(Channel::Reasoning, "hm")]);
        check(r#"{"message":{"role":"assistant","content":"a"},"done":false}"#, &[frame(Channel::Answer, "a")]);
        check(r#"{"message":{"content":"","thinking":"hm"},"done":false}"#, &[frame(Channel::Reasoning, "hm")]);
        check(r#"{"message":{"role":"assistant","content":""},"done":false}"#, &[]);
        check(
            r#"{"message":{"content":"","tool_calls":[{"function":{"name":"f"}}]},"done":false}"#,
            &[frame(Channel::ToolCall, r#"{"name":"f"}"#)],
        );
    }

    #[test]
    fn the_last_line_ends_the_answer() {
        let counts = Usage { input_tokens: 4, output_tokens: 2, cached_input_tokens: None, reasoning_tokens: None };
        check(
            r#"{"response":"","done":true,"done_reason":"length","prompt_eval_count":4,"eval_count":2}"#,
            &[Signal::Usage(counts), Signal::Finish(FinishReason::Length), Signal::Done],
        );
        // A prompt that came from the cache has no count: then the usage is unknown, not zero.
        check(
            r#"{"response":"","done":true,"done_reason":"stop","eval_count":2}"#,
            &[Signal::Finish(FinishReason::Stop), Signal::Done],
        );
    }

    #[test]
    fn errors_in_the_stream_are_failures() {
        let mut signals = Vec::new();
        read(r#"{"error":"model runner has unexpectedly stopped"}"#, &mut signals).unwrap();
        assert!(matches!(&signals[..], [Signal::Failed(failure)] if failure.message.contains("unexpectedly")));
        assert!(read(r#"{"response":"#, &mut signals).is_err());
    }
}
