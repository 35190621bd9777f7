//! Ollama's `/api/generate` and `/api/chat`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use weighbridge_engine::constraint::Document;
use weighbridge_engine::{Prompt, Sampling};
use weighbridge_types::request::Channel;
use weighbridge_types::time::{Clock, Stamp, WallTime};

use super::{Writer, push_text, read, turn};
use crate::answer::{Answered, Choice, Counts, Finish, Piece};
use crate::ask::{Ask, Format};
use crate::error::ApiError;
use crate::offer::{Offer, Tool, Wanted, calls, members};

/// Which of the two routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Generate,
    Chat,
}

#[derive(Deserialize)]
struct Body {
    model: String,
    #[serde(default)]
    prompt: String,
    system: Option<String>,
    #[serde(default)]
    messages: Vec<Turn>,
    #[serde(default = "yes")]
    stream: bool,
    #[serde(default)]
    raw: bool,
    format: Option<Document>,
    #[serde(default)]
    options: Options,
    tools: Option<Vec<Document>>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    #[serde(default)]
    content: String,
    #[serde(default)]
    tool_calls: Vec<TurnCall>,
    tool_name: Option<String>,
}

/// A call that an earlier answer made.
#[derive(Deserialize)]
struct TurnCall {
    function: TurnFunction,
}

#[derive(Deserialize)]
struct TurnFunction {
    name: String,
    arguments: Document,
}

#[derive(Default, Deserialize)]
struct Options {
    temperature: Option<f32>,
    top_k: Option<u32>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repeat_penalty: Option<f32>,
    seed: Option<i64>,
    num_predict: Option<i64>,
    #[serde(default)]
    stop: Vec<String>,
}

/// Reads a request. The defaults are Ollama's: temperature 0.8, top-k 40, top-p 0.9, repetition penalty 1.1.
pub(crate) fn ask(api: Api, body: &[u8], random: u64) -> Result<Ask, ApiError> {
    let body: Body = read(body)?;
    let mut turns = Vec::new();
    let prompt = match api {
        Api::Chat if body.messages.is_empty() => return Err(ApiError::invalid("`messages` is empty")),
        Api::Chat => {
            let mut messages = Vec::with_capacity(body.messages.len());
            for Turn { role, content, tool_calls, tool_name } in body.messages {
                if !tool_calls.is_empty() {
                    let made = tool_calls.into_iter().map(|call| (None, call.function.name, call.function.arguments));
                    turns.push((messages.len(), calls(made)));
                }
                let name = tool_name.map(|name| members([("name", Document::Text(name))]));
                turns.extend(name.map(|name| (messages.len(), name)));
                messages.push(turn(&role, content)?);
            }
            Prompt::Chat(messages)
        }
        Api::Generate if body.prompt.is_empty() => return Err(ApiError::invalid("`prompt` is empty")),
        Api::Generate if body.raw => Prompt::Text(body.prompt),
        Api::Generate => {
            let mut messages = Vec::new();
            if let Some(system) = body.system {
                messages.push(turn("system", system)?);
            }
            messages.push(turn("user", body.prompt)?);
            Prompt::Chat(messages)
        }
    };
    let format = match body.format {
        None => Format::Text,
        Some(Document::Text(text)) if text.is_empty() => Format::Text,
        Some(Document::Text(text)) if text == "json" => Format::Json,
        Some(schema) => Format::Schema(schema),
    };
    let tools = match api {
        Api::Chat => body.tools.iter().flatten().map(Tool::of_openai).collect::<Result<_, _>>()?,
        Api::Generate if body.tools.is_some_and(|tools| !tools.is_empty()) => {
            return Err(ApiError::invalid("`tools` are offered in a conversation; ask /api/chat"));
        }
        Api::Generate => Vec::new(),
    };
    let offer = Offer::new(tools, turns, Wanted::Anything, false, &format)?;
    let options = body.options;
    Ok(Ask {
        model: body.model,
        prompts: vec![prompt],
        sampling: Sampling {
            temperature: options.temperature.unwrap_or(0.8),
            top_k: options.top_k.unwrap_or(40),
            top_p: options.top_p.unwrap_or(0.9),
            min_p: options.min_p.unwrap_or(0.0),
            repetition_penalty: options.repeat_penalty.unwrap_or(1.1),
            seed: options.seed.map_or(random, i64::cast_unsigned),
        },
        is_seeded: options.seed.is_some(),
        // Ollama's -1 is no limit.
        max_tokens: options.num_predict.and_then(|tokens| u32::try_from(tokens).ok()),
        stop: options.stop,
        choices: 1,
        logprobs: None,
        ignore_eos: false,
        stream: body.stream,
        wants_usage: true,
        format,
        priority: 0,
        offer,
        label: None,
    })
}

/// Writes one object per line.
pub(crate) struct OllamaWriter {
    api: Api,
    model: String,
    clock: Clock,
    arrived: Stamp,
    /// When the first token came.
    first: Option<Stamp>,
    finish: Finish,
}

impl OllamaWriter {
    pub(crate) fn new(api: Api, model: &str, clock: Clock, arrived: Stamp) -> Self {
        Self { api, model: model.to_owned(), clock, arrived, first: None, finish: Finish::Stop }
    }

    /// What a part of a stream begins with.
    fn push_head(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"model\":");
        push_text(out, &self.model);
        out.extend_from_slice(format!(",\"created_at\":\"{}\",", WallTime::now()).as_bytes());
    }

    fn last(&self, text: &str, finish: Finish, usage: Counts) -> Value {
        let now = self.clock.now();
        let first = self.first.unwrap_or(now);
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let mut all = json!({
            "model": self.model,
            "created_at": WallTime::now().to_string(),
            "done": true,
            "done_reason": if finish == Finish::Length { "length" } else { "stop" },
            "total_duration": nanos(now - self.arrived),
            "load_duration": 0,
            "prompt_eval_count": usage.input,
            "prompt_eval_duration": nanos(first - self.arrived),
            "eval_count": usage.output,
            "eval_duration": nanos(now - first),
        });
        match self.api {
            Api::Generate => all["response"] = json!(text),
            Api::Chat => all["message"] = json!({"role": "assistant", "content": text}),
        }
        all
    }
}

/// Calls of tools; their arguments are objects here.
fn made(choice: &Choice) -> Value {
    let call = |call: &crate::answer::Call| {
        let arguments: Value = call.arguments.parse().unwrap_or_default();
        json!({"function": {"name": call.name, "arguments": arguments}})
    };
    choice.calls.iter().map(call).collect()
}

impl Writer for OllamaWriter {
    fn stream_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn begin(&mut self, _: &mut Vec<u8>) {}

    fn piece(&mut self, _: usize, piece: &Piece, out: &mut Vec<u8>) {
        self.first.get_or_insert_with(|| self.clock.now());
        if piece.channel != Channel::Answer || piece.text.is_empty() {
            return;
        }
        self.push_head(out);
        let (before, after): (&[u8], &[u8]) = match self.api {
            Api::Generate => (b"\"response\":", b",\"done\":false}\n"),
            Api::Chat => (b"\"message\":{\"role\":\"assistant\",\"content\":", b"},\"done\":false}\n"),
        };
        out.extend_from_slice(before);
        push_text(out, &piece.text);
        out.extend_from_slice(after);
    }

    fn finish(&mut self, _: usize, choice: &Choice, out: &mut Vec<u8>) {
        self.finish = choice.finish;
        if !choice.calls.is_empty() {
            self.push_head(out);
            let message = json!({"role": "assistant", "content": "", "tool_calls": made(choice)});
            out.extend_from_slice(format!("\"message\":{message},\"done\":false}}\n").as_bytes());
        }
    }

    fn end(&mut self, usage: Counts, out: &mut Vec<u8>) {
        out.extend_from_slice(self.last("", self.finish, usage).to_string().as_bytes());
        out.push(b'\n');
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        out.extend_from_slice(failure(error).to_string().as_bytes());
        out.push(b'\n');
    }

    fn whole(&mut self, answered: &Answered) -> Vec<u8> {
        self.first = answered.first_token;
        let Some(choice) = answered.choices.first() else { return Vec::new() };
        let mut all = self.last(&choice.text, choice.finish, answered.usage);
        if !choice.calls.is_empty() {
            all["message"]["tool_calls"] = made(choice);
        }
        all.to_string().into_bytes()
    }
}

/// A refusal as Ollama's clients read it.
pub(crate) fn failure(error: &ApiError) -> Value {
    json!({"error": error.message})
}
