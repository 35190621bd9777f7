//! Answers of the Anthropic messages API, streamed and whole.

use serde::Deserialize;
use weighbridge_engine::RequestFailure;
use weighbridge_types::request::{Channel, FinishReason};

use super::{Signal, text_frame, usage};
use crate::failure::{malformed, server_error};

/// An event of a stream, or a whole answer, whose type is `message`.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    MessageStart {
        message: Message,
    },
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: Block,
    },
    MessageDelta {
        delta: MessageDelta,
        usage: Option<UsageWire>,
    },
    MessageStop,
    Message(Message),
    Error,
    /// `ping`, `content_block_stop`, and what is invented later.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    usage: Option<UsageWire>,
    #[serde(default)]
    content: Vec<Block>,
    stop_reason: Option<String>,
}

/// A content block or a change of one: whichever field is filled tells its kind.
#[derive(Deserialize)]
struct Block {
    text: Option<String>,
    thinking: Option<String>,
    partial_json: Option<String>,
    /// Name of the tool that a block calls.
    name: Option<String>,
    /// Arguments of a call in a whole answer; an empty object at the start of a streamed one.
    input: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct UsageWire {
    input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

/// Reads the answer to one request.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Counts of the prompt, which come at the start: all of it, and the part from the cache.
    input: Option<(u64, Option<u64>)>,
}

impl Decoder {
    /// Reads an event of a stream, or a whole answer.
    pub(crate) fn read(&mut self, data: &str, signals: &mut Vec<Signal>) -> Result<(), RequestFailure> {
        let event: Event = serde_json::from_str(data)
            .map_err(|error| malformed(&format!("an event is not as expected ({error})"), data))?;
        match event {
            Event::MessageStart { message } => {
                self.note_input(message.usage.unwrap_or_default());
            }
            Event::ContentBlockStart { content_block: block } | Event::ContentBlockDelta { delta: block } => {
                signals.extend(block.into_frames());
            }
            Event::MessageDelta { delta, usage } => self.end(delta.stop_reason, usage, signals),
            Event::MessageStop => signals.push(Signal::Done),
            Event::Message(message) => {
                signals.extend(message.content.into_iter().flat_map(Block::into_frames));
                self.end(message.stop_reason, message.usage, signals);
                signals.push(Signal::Done);
            }
            Event::Error => signals.push(Signal::Failed(server_error(data))),
            Event::Other => {}
        }
        Ok(())
    }

    fn note_input(&mut self, counts: UsageWire) {
        // What the cache served or took in is not part of `input_tokens`.
        let cache = counts.cache_read_input_tokens.unwrap_or(0) + counts.cache_creation_input_tokens.unwrap_or(0);
        if let Some(fresh) = counts.input_tokens {
            self.input = Some((fresh + cache, counts.cache_read_input_tokens));
        }
    }

    fn end(&mut self, stop_reason: Option<String>, counts: Option<UsageWire>, signals: &mut Vec<Signal>) {
        if let Some(counts) = counts {
            self.note_input(counts);
            let (input, cached) = self.input.unzip();
            signals.extend(usage(input, counts.output_tokens, cached.flatten(), None).map(Signal::Usage));
        }
        signals.extend(stop_reason.map(|reason| Signal::Finish(finish(&reason))));
    }
}

impl Block {
    fn into_frames(self) -> impl Iterator<Item = Signal> {
        let input = self.input.filter(|input| !input.is_empty());
        let input = input.map(|input| serde_json::Value::Object(input).to_string());
        let call: String = [self.name, input, self.partial_json].into_iter().flatten().collect();
        let parts =
            [(Channel::Reasoning, self.thinking), (Channel::Answer, self.text), (Channel::ToolCall, Some(call))];
        parts.into_iter().filter_map(|(channel, text)| text_frame(channel, text))
    }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "max_tokens" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Other,
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_types::request::Usage;

    use super::*;

    fn read(events: &[&str]) -> Vec<Signal> {
        let mut decoder = Decoder::default();
        let mut signals = Vec::new();
        for event in events {
            decoder.read(event, &mut signals).unwrap();
        }
        signals
    }

    fn frame(channel: Channel, text: &str) -> Signal {
        text_frame(channel, Some(text.to_owned())).unwrap()
    }

    #[test]
    fn a_stream_is_understood() {
        let signals = read(&[
            r#"{"type":"message_start","message":{"id":"m","content":[],"stop_reason":null,
                "usage":{"input_tokens":5,"cache_read_input_tokens":3,"cache_creation_input_tokens":2,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"x"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"yes"}}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"f","input":{}}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}}"#,
            r#"{"type":"an_event_of_tomorrow"}"#,
            r#"{"type":"message_stop"}"#,
        ]);
        let counts = Usage { input_tokens: 10, output_tokens: 9, cached_input_tokens: Some(3), reasoning_tokens: None };
        let expected = [
            frame(Channel::Reasoning, "hm"),
            frame(Channel::Answer, "yes"),
            frame(Channel::ToolCall, "f"),
            frame(Channel::ToolCall, "{}"),
            Signal::Usage(counts),
            Signal::Finish(FinishReason::ToolCalls),
            Signal::Done,
        ];
        assert_eq!(signals, expected);
    }

    #[test]
    fn a_whole_answer_is_understood() {
        let signals = read(&[r#"{"type":"message","content":[{"type":"text","text":"yes"}],
            "stop_reason":"max_tokens","usage":{"input_tokens":5,"output_tokens":2}}"#]);
        let counts = Usage { input_tokens: 5, output_tokens: 2, cached_input_tokens: None, reasoning_tokens: None };
        let expected =
            [frame(Channel::Answer, "yes"), Signal::Usage(counts), Signal::Finish(FinishReason::Length), Signal::Done];
        assert_eq!(signals, expected);
    }

    #[test]
    fn errors_in_the_stream_are_failures() {
        let signals = read(&[r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#]);
        let [Signal::Failed(failure)] = &signals[..] else { panic!("one failure") };
        assert!(failure.message.contains("Overloaded"));
        assert!(Decoder::default().read(r#"{"type":"mess"#, &mut Vec::new()).is_err());
    }
}
