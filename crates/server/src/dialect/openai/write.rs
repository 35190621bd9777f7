//! Writing answers.

use serde_json::{Map, Value, json};
use weighbridge_types::request::Channel;
use weighbridge_types::time::WallTime;

use super::Api;
use crate::answer::{Answered, Choice, Counts, Finish, Piece, Told};
use crate::ask::Ask;
use crate::dialect::{Writer, push_event, push_text};
use crate::error::ApiError;

/// Writes answers of either route.
pub(crate) struct OpenAiWriter {
    api: Api,
    wants_usage: bool,
    /// What every chunk begins with, up to its choices.
    head: Vec<u8>,
    /// The same as members of an object.
    id: String,
    created: u64,
    model: String,
    number: u64,
    /// Answers that there are.
    choices: usize,
    /// Whether text may be held back, since it may be a call.
    has_tools: bool,
    /// Likeliest tokens that are told; `None` tells of no token.
    logprobs: Option<u32>,
    /// Characters of each answer whose tokens were told.
    told: Vec<usize>,
}

impl OpenAiWriter {
    pub(crate) fn new(api: Api, ask: &Ask, model: &str, number: u64) -> Self {
        let created = WallTime::now().unix_millis() / 1000;
        let (id, object) = match api {
            Api::Chat => (format!("chatcmpl-{number:016x}"), "chat.completion.chunk"),
            Api::Completions => (format!("cmpl-{number:016x}"), "text_completion"),
        };
        let mut head =
            format!("data: {{\"id\":\"{id}\",\"object\":\"{object}\",\"created\":{created},\"model\":").into_bytes();
        push_text(&mut head, model);
        head.extend_from_slice(b",\"choices\":[");
        let choices = ask.prompts.len() * ask.choices as usize;
        Self {
            api,
            wants_usage: ask.wants_usage,
            head,
            id,
            created,
            model: model.to_owned(),
            number,
            choices,
            has_tools: ask.has_tools(),
            logprobs: ask.logprobs,
            told: vec![0; choices],
        }
    }

    fn usage(usage: Counts) -> Value {
        let mut all = json!({
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
        });
        if let Some(cached) = usage.cached {
            all["prompt_tokens_details"] = json!({"cached_tokens": cached});
        }
        all
    }

    /// What is told of the next tokens of an answer.
    fn logprobs(&mut self, index: usize, tokens: &[Told]) -> Value {
        let Some(count) = self.logprobs else { return Value::Null };
        if self.api == Api::Chat {
            let one = |bytes: &[u8], logprob: f32| json!({"token": shown(bytes), "logprob": logprob, "bytes": bytes});
            let told = |told: &Told| {
                let mut all = one(&told.bytes, told.logprob);
                all["top_logprobs"] = told.likeliest.iter().map(|(bytes, logprob)| one(bytes, *logprob)).collect();
                all
            };
            return json!({"content": tokens.iter().map(told).collect::<Vec<_>>()});
        }
        let likeliest = |told: &Told| {
            let all = told.likeliest.iter().map(|(bytes, logprob)| (shown(bytes), json!(logprob)));
            // The chosen one is told of as well, whether it was among them or not.
            Value::Object(all.chain([(shown(&told.bytes), json!(told.logprob))]).collect::<Map<_, _>>())
        };
        let place = &mut self.told[index];
        let offsets = tokens.iter().map(|told| {
            let offset = *place;
            *place += shown(&told.bytes).chars().count();
            offset
        });
        json!({
            "text_offset": offsets.collect::<Vec<usize>>(),
            "tokens": tokens.iter().map(|told| shown(&told.bytes)).collect::<Vec<_>>(),
            "token_logprobs": tokens.iter().map(|told| told.logprob).collect::<Vec<_>>(),
            "top_logprobs": (count > 0).then(|| tokens.iter().map(likeliest).collect::<Vec<_>>()),
        })
    }

    fn choice(&mut self, index: usize, choice: &Choice) -> Value {
        let logprobs = self.logprobs(index, &choice.told);
        let finish = name(choice.finish);
        if self.api == Api::Completions {
            return json!({"index": index, "text": choice.text, "logprobs": logprobs, "finish_reason": finish});
        }
        let mut message = json!({"role": "assistant", "content": choice.text, "refusal": null});
        if !choice.reasoning.is_empty() {
            message["reasoning_content"] = json!(choice.reasoning);
        }
        if !choice.calls.is_empty() {
            message["tool_calls"] = self.calls(index, choice, false);
            if choice.text.is_empty() {
                message["content"] = Value::Null;
            }
        }
        json!({"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish})
    }

    /// Calls of tools; in a stream each has its number.
    fn calls(&self, index: usize, choice: &Choice, is_stream: bool) -> Value {
        let call = |(number, call): (usize, &crate::answer::Call)| {
            let mut all = json!({
                "id": format!("call_{:016x}{index:02x}{number:02x}", self.number),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            });
            if is_stream {
                all["index"] = json!(number);
            }
            all
        };
        choice.calls.iter().enumerate().map(call).collect()
    }

    /// A chunk with one choice.
    fn push_chunk(&self, choice: &Value, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        drop(serde_json::to_writer(&mut *out, choice));
        out.extend_from_slice(b"]}\n\n");
    }
}

/// A token as text. One that ends within a character shows what is there of it.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The reason as OpenAI calls it.
fn name(finish: Finish) -> &'static str {
    match finish {
        Finish::Length => "length",
        Finish::Calls => "tool_calls",
        Finish::Stop | Finish::Other => "stop",
    }
}

impl Writer for OpenAiWriter {
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.api == Api::Chat {
            for index in 0..self.choices {
                let delta = json!({"role": "assistant", "content": ""});
                let choice = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": null});
                self.push_chunk(&choice, out);
            }
        }
    }

    fn piece(&mut self, index: usize, piece: &Piece, out: &mut Vec<u8>) {
        if self.has_tools && piece.text.is_empty() && piece.told.is_empty() {
            return;
        }
        let text: &[u8] = match (self.api, piece.channel) {
            (Api::Completions, _) => b",\"text\":",
            (Api::Chat, Channel::Reasoning) => b",\"delta\":{\"reasoning_content\":",
            (Api::Chat, Channel::Answer | Channel::ToolCall) => b",\"delta\":{\"content\":",
        };
        // By hand: this is written for every token.
        out.extend_from_slice(&self.head);
        out.extend_from_slice(b"{\"index\":");
        out.extend_from_slice(index.to_string().as_bytes());
        out.extend_from_slice(text);
        push_text(out, &piece.text);
        if self.api == Api::Chat {
            out.push(b'}');
        }
        out.extend_from_slice(b",\"logprobs\":");
        let logprobs = self.logprobs(index, &piece.told);
        drop(serde_json::to_writer(&mut *out, &logprobs));
        out.extend_from_slice(b",\"finish_reason\":null}]}\n\n");
    }

    fn finish(&mut self, index: usize, choice: &Choice, out: &mut Vec<u8>) {
        if !choice.calls.is_empty() {
            let delta = json!({"tool_calls": self.calls(index, choice, true)});
            let chunk = json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": null});
            self.push_chunk(&chunk, out);
        }
        let mut last = json!({"index": index, "logprobs": null, "finish_reason": name(choice.finish)});
        match self.api {
            Api::Chat => last["delta"] = json!({}),
            Api::Completions => last["text"] = json!(""),
        }
        self.push_chunk(&last, out);
    }

    fn end(&mut self, usage: Counts, out: &mut Vec<u8>) {
        if self.wants_usage {
            out.extend_from_slice(&self.head);
            out.extend_from_slice(b"],\"usage\":");
            drop(serde_json::to_writer(&mut *out, &Self::usage(usage)));
            out.extend_from_slice(b"}\n\n");
        }
        out.extend_from_slice(b"data: [DONE]\n\n");
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        push_event(out, None, &failure(error));
    }

    fn whole(&mut self, answered: &Answered) -> Vec<u8> {
        let object = if self.api == Api::Chat { "chat.completion" } else { "text_completion" };
        let choices: Vec<Value> =
            answered.choices.iter().enumerate().map(|(index, choice)| self.choice(index, choice)).collect();
        let all = json!({
            "id": self.id,
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "usage": Self::usage(answered.usage),
        });
        all.to_string().into_bytes()
    }
}

/// A refusal as OpenAI's clients read it.
pub(crate) fn failure(error: &ApiError) -> Value {
    json!({"error": {"message": error.message, "type": error.family(), "param": null, "code": error.code}})
}
