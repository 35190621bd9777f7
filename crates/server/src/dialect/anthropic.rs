//! Anthropic's `/v1/messages`.

use serde::Deserialize;
use serde_json::{Value, json};
use weighbridge_engine::{Frame, Prompt, Sampling};
use weighbridge_types::request::Channel;

use super::openai::Content;
use super::{Writer, push_event, push_text, read, turn};
use crate::answer::{Answered, Counts, Finish};
use crate::ask::{Ask, Format};
use crate::error::ApiError;

#[derive(Deserialize)]
struct Body {
    model: String,
    max_tokens: u32,
    system: Option<Content>,
    messages: Vec<Turn>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<u32>,
    #[serde(default)]
    stop_sequences: Vec<String>,
    #[serde(default)]
    stream: bool,
    tools: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: Content,
}

/// Reads a request.
pub(crate) fn ask(body: &[u8], random: u64) -> Result<Ask, ApiError> {
    let body: Body = read(body)?;
    if body.messages.is_empty() {
        return Err(ApiError::invalid("`messages` is empty"));
    }
    let mut messages = Vec::with_capacity(body.messages.len() + 1);
    if let Some(system) = body.system {
        messages.push(turn("system", system.text()?)?);
    }
    for Turn { role, content } in body.messages {
        messages.push(turn(&role, content.text()?)?);
    }
    let usual = Sampling::default();
    Ok(Ask {
        model: body.model,
        prompt: Prompt::Chat(messages),
        sampling: Sampling {
            temperature: body.temperature.unwrap_or(1.0),
            top_k: body.top_k.unwrap_or(0),
            top_p: body.top_p.unwrap_or(usual.top_p),
            seed: random,
            ..usual
        },
        is_seeded: false,
        max_tokens: Some(body.max_tokens),
        stop: body.stop_sequences,
        choices: 1,
        logprobs: None,
        ignore_eos: false,
        stream: body.stream,
        wants_usage: true,
        format: Format::Text,
        priority: 0,
        has_tools: body.tools.is_some_and(|tools| !tools.is_empty()),
    })
}

/// Writes messages.
pub(crate) struct AnthropicWriter {
    id: String,
    model: String,
    finish: Finish,
}

impl AnthropicWriter {
    pub(crate) fn new(model: &str, number: u64) -> Self {
        Self { id: format!("msg_{number:016x}"), model: model.to_owned(), finish: Finish::Stop }
    }

    fn message(&self, content: &Value, stop: Option<Finish>, usage: Counts) -> Value {
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop.map(name),
            "stop_sequence": null,
            "usage": {"input_tokens": usage.input, "output_tokens": usage.output},
        })
    }
}

/// The reason as Anthropic calls it.
fn name(finish: Finish) -> &'static str {
    match finish {
        Finish::Length => "max_tokens",
        Finish::Stop | Finish::Other => "end_turn",
    }
}

impl Writer for AnthropicWriter {
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        let message = self.message(&json!([]), None, Counts::default());
        push_event(out, Some("message_start"), &json!({"type": "message_start", "message": message}));
        let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}});
        push_event(out, Some("content_block_start"), &block);
    }

    fn frame(&mut self, _: usize, frame: &Frame, out: &mut Vec<u8>) {
        // Thinking has blocks of its own, which only models elsewhere write.
        if frame.channel != Channel::Answer || frame.text.is_empty() {
            return;
        }
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":",
        );
        push_text(out, &frame.text);
        out.extend_from_slice(b"}}\n\n");
    }

    fn finish(&mut self, _: usize, finish: Finish, out: &mut Vec<u8>) {
        self.finish = finish;
        push_event(out, Some("content_block_stop"), &json!({"type": "content_block_stop", "index": 0}));
    }

    fn end(&mut self, usage: Counts, out: &mut Vec<u8>) {
        let delta = json!({
            "type": "message_delta",
            "delta": {"stop_reason": name(self.finish), "stop_sequence": null},
            "usage": {"input_tokens": usage.input, "output_tokens": usage.output},
        });
        push_event(out, Some("message_delta"), &delta);
        push_event(out, Some("message_stop"), &json!({"type": "message_stop"}));
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        push_event(out, Some("error"), &failure(error));
    }

    fn whole(&mut self, answered: &Answered) -> Vec<u8> {
        let choice = answered.choices.first();
        let text = choice.map_or("", |choice| choice.text.as_str());
        let finish = choice.map_or(Finish::Other, |choice| choice.finish);
        let content = json!([{"type": "text", "text": text}]);
        self.message(&content, Some(finish), answered.usage).to_string().into_bytes()
    }
}

/// A refusal as Anthropic's clients read it.
pub(crate) fn failure(error: &ApiError) -> Value {
    json!({"type": "error", "error": {"type": error.family(), "message": error.message}})
}
