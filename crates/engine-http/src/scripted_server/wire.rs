//! How each dialect's answers look on the wire.

use serde_json::{Value, json};
use weighbridge_types::request::Channel;

use super::MODEL_NAME;

/// The API that was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Wire {
    OpenAiChat,
    OpenAiText,
    Anthropic,
    OllamaChat,
    OllamaGenerate,
}

/// One piece of a stream, before it is framed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Name of the event; `None` where the dialect has none.
    pub(super) name: Option<&'static str>,
    pub(super) data: String,
}

/// Token counts of an answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) input: u32,
    pub(super) output: u32,
    /// Prompt tokens that the cache held; `None` without a cache.
    pub(super) cached: Option<u32>,
}

impl Wire {
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/v1/chat/completions" => Some(Self::OpenAiChat),
            "/v1/completions" => Some(Self::OpenAiText),
            "/v1/messages" => Some(Self::Anthropic),
            "/api/chat" => Some(Self::OllamaChat),
            "/api/generate" => Some(Self::OllamaGenerate),
            _ => None,
        }
    }

    pub(super) const fn is_lines(self) -> bool {
        matches!(self, Self::OllamaChat | Self::OllamaGenerate)
    }

    const fn is_openai(self) -> bool {
        matches!(self, Self::OpenAiChat | Self::OpenAiText)
    }

    /// What always comes before the first token.
    pub(super) fn opening(self, input: u32) -> Vec<Piece> {
        if self != Self::Anthropic {
            return Vec::new();
        }
        let message = json!({"id": "msg_0", "type": "message", "role": "assistant", "model": MODEL_NAME, "content": [],
            "stop_reason": null, "usage": {"input_tokens": input, "output_tokens": 0}});
        vec![
            event("message_start", &json!({"message": message})),
            event("content_block_start", &json!({"index": 0, "content_block": {"type": "text", "text": ""}})),
            event("ping", &json!({})),
        ]
    }

    /// Tokens, or an empty frame. `counts` are those so far, where the client asked for them with each chunk.
    pub(super) fn frame(self, channel: Channel, text: &str, counts: Option<Counts>) -> Piece {
        let data = match (self, channel) {
            (Self::OpenAiChat, Channel::Reasoning) => chat(&json!({"reasoning_content": text})),
            (Self::OpenAiChat, _) => chat(&json!({"content": text})),
            (Self::OpenAiText, _) => {
                json!({"object": "text_completion", "model": MODEL_NAME, "choices": [{"index": 0, "text": text, "finish_reason": null}]})
            }
            (Self::Anthropic, Channel::Reasoning) => {
                return event(
                    "content_block_delta",
                    &json!({"index": 0, "delta": {"type": "thinking_delta", "thinking": text}}),
                );
            }
            (Self::Anthropic, _) => {
                return event(
                    "content_block_delta",
                    &json!({"index": 0, "delta": {"type": "text_delta", "text": text}}),
                );
            }
            (Self::OllamaChat, Channel::Reasoning) => {
                line(&json!({"message": {"role": "assistant", "content": "", "thinking": text}}))
            }
            (Self::OllamaChat, _) => line(&json!({"message": {"role": "assistant", "content": text}})),
            (Self::OllamaGenerate, Channel::Reasoning) => line(&json!({"response": "", "thinking": text})),
            (Self::OllamaGenerate, _) => line(&json!({"response": text})),
        };
        Piece { name: None, data: with_usage(data, counts.filter(|_| self.is_openai())).to_string() }
    }

    /// A frame that only names the role, where the dialect has one.
    pub(super) fn role(self) -> Option<Piece> {
        let data = chat(&json!({"role": "assistant", "content": ""}));
        (self == Self::OpenAiChat).then(|| Piece { name: None, data: data.to_string() })
    }

    /// The end: finish reason, usage where it was asked for, and the terminator, which comes last.
    pub(super) fn closing(self, is_limited: bool, counts: Counts, usage_asked: bool) -> Vec<Piece> {
        let reason = if is_limited { "length" } else { "stop" };
        match self {
            Self::OpenAiChat | Self::OpenAiText => {
                let choice = json!({"index": 0, "delta": {}, "text": "", "finish_reason": reason});
                let mut pieces = vec![plain(&json!({"model": MODEL_NAME, "choices": [choice]}))];
                if usage_asked {
                    pieces.push(plain(&with_usage(json!({"model": MODEL_NAME, "choices": []}), Some(counts))));
                }
                pieces.push(Piece { name: None, data: "[DONE]".to_owned() });
                pieces
            }
            Self::Anthropic => {
                let delta = json!({"delta": {"stop_reason": anthropic_reason(is_limited)},
                    "usage": {"output_tokens": counts.output}});
                vec![
                    event("content_block_stop", &json!({"index": 0})),
                    event("message_delta", &delta),
                    event("message_stop", &json!({})),
                ]
            }
            Self::OllamaChat | Self::OllamaGenerate => vec![plain(&self.last_line("", "", reason, counts))],
        }
    }

    /// An error within a stream.
    pub(super) fn error(self, message: &str) -> Piece {
        match self {
            Self::OpenAiChat | Self::OpenAiText => plain(&json!({"error": {"message": message, "code": 500}})),
            Self::Anthropic => event("error", &json!({"error": {"type": "overloaded_error", "message": message}})),
            Self::OllamaChat | Self::OllamaGenerate => plain(&json!({"error": message})),
        }
    }

    /// An answer that is not a stream.
    pub(super) fn whole(self, reasoning: &str, answer: &str, is_limited: bool, counts: Counts) -> Value {
        let reason = if is_limited { "length" } else { "stop" };
        match self {
            Self::OpenAiChat => {
                let message = json!({"role": "assistant", "content": answer, "reasoning_content": reasoning});
                let choice = json!({"index": 0, "message": message, "finish_reason": reason});
                with_usage(json!({"model": MODEL_NAME, "choices": [choice]}), Some(counts))
            }
            Self::OpenAiText => {
                let choice = json!({"index": 0, "text": answer, "finish_reason": reason});
                with_usage(json!({"model": MODEL_NAME, "choices": [choice]}), Some(counts))
            }
            Self::Anthropic => {
                let blocks = json!([{"type": "thinking", "thinking": reasoning}, {"type": "text", "text": answer}]);
                json!({"type": "message", "role": "assistant", "model": MODEL_NAME, "content": blocks,
                    "stop_reason": anthropic_reason(is_limited),
                    "usage": {"input_tokens": counts.input, "output_tokens": counts.output}})
            }
            Self::OllamaChat | Self::OllamaGenerate => self.last_line(reasoning, answer, reason, counts),
        }
    }

    fn last_line(self, reasoning: &str, answer: &str, reason: &str, counts: Counts) -> Value {
        let mut last = json!({"model": MODEL_NAME, "done": true, "done_reason": reason,
            "prompt_eval_count": counts.input, "eval_count": counts.output});
        if self == Self::OllamaChat {
            last["message"] = json!({"role": "assistant", "content": answer, "thinking": reasoning});
        } else {
            last["response"] = json!(answer);
            last["thinking"] = json!(reasoning);
        }
        last
    }
}

fn plain(data: &Value) -> Piece {
    Piece { name: None, data: data.to_string() }
}

/// An Anthropic event, whose name stands in its data too.
fn event(name: &'static str, data: &Value) -> Piece {
    let mut data = data.clone();
    data["type"] = json!(name);
    Piece { name: Some(name), data: data.to_string() }
}

fn chat(delta: &Value) -> Value {
    json!({"object": "chat.completion.chunk", "model": MODEL_NAME,
        "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn line(fields: &Value) -> Value {
    let mut line = fields.clone();
    line["model"] = json!(MODEL_NAME);
    line["done"] = json!(false);
    line
}

fn with_usage(mut chunk: Value, counts: Option<Counts>) -> Value {
    if let Some(Counts { input, output, cached }) = counts {
        chunk["usage"] = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
        if let Some(cached) = cached {
            chunk["usage"]["prompt_tokens_details"] = json!({"cached_tokens": cached});
        }
    }
    chunk
}

fn anthropic_reason(is_limited: bool) -> &'static str {
    if is_limited { "max_tokens" } else { "end_turn" }
}
