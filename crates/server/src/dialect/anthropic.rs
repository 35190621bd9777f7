//! Anthropic's `/v1/messages`.

use serde::Deserialize;
use serde_json::{Value, json};
use weighbridge_engine::constraint::Document;
use weighbridge_engine::{Message, Prompt, Sampling};
use weighbridge_types::request::Channel;

use super::{Writer, push_event, push_text, read, turn};
use crate::answer::{Answered, Call, Choice, Counts, Finish, Piece};
use crate::ask::{Ask, Format};
use crate::error::ApiError;
use crate::offer::{Offer, Tool, Wanted, calls, members};

#[derive(Deserialize)]
struct Body {
    model: String,
    /// Of counting alone it is not asked.
    max_tokens: Option<u32>,
    system: Option<Content>,
    messages: Vec<Turn>,
    temperature: Option<f32>,
    top_p: Option<f32>,
    top_k: Option<u32>,
    #[serde(default)]
    stop_sequences: Vec<String>,
    #[serde(default)]
    stream: bool,
    tools: Option<Vec<Document>>,
    tool_choice: Option<ToolChoice>,
}

#[derive(Deserialize)]
struct Turn {
    role: String,
    content: Content,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Blocks(Vec<Block>),
}

/// A part of a turn; which members it has depends on its type.
#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
    id: Option<String>,
    name: Option<String>,
    input: Option<Document>,
    tool_use_id: Option<String>,
    content: Option<Box<Content>>,
}

#[derive(Deserialize)]
struct ToolChoice {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    #[serde(default)]
    disable_parallel_tool_use: bool,
}

/// Reads a request.
pub(crate) fn ask(body: &[u8], random: u64) -> Result<Ask, ApiError> {
    let ask = ask_to_count(body, random)?;
    match ask.max_tokens {
        Some(_) => Ok(ask),
        None => Err(ApiError::invalid("`max_tokens` is absent")),
    }
}

/// Reads a request whose tokens are to be counted.
pub(crate) fn ask_to_count(body: &[u8], random: u64) -> Result<Ask, ApiError> {
    let body: Body = read(body)?;
    if body.messages.is_empty() {
        return Err(ApiError::invalid("`messages` is empty"));
    }
    let mut conversation = Conversation::default();
    if let Some(system) = body.system {
        conversation.messages.push(turn("system", system.text()?)?);
    }
    for Turn { role, content } in body.messages {
        conversation.add(&role, content)?;
    }
    let tools = body.tools.iter().flatten().map(tool).collect::<Result<_, _>>()?;
    let is_single = body.tool_choice.as_ref().is_some_and(|choice| choice.disable_parallel_tool_use);
    let wanted = body.tool_choice.map_or(Ok(Wanted::Anything), ToolChoice::wanted)?;
    let offer = Offer::new(tools, conversation.turns, wanted, is_single, &Format::Text)?;
    let usual = Sampling::default();
    Ok(Ask {
        model: body.model,
        prompts: vec![Prompt::Chat(conversation.messages)],
        sampling: Sampling {
            temperature: body.temperature.unwrap_or(1.0),
            top_k: body.top_k.unwrap_or(0),
            top_p: body.top_p.unwrap_or(usual.top_p),
            seed: random,
            ..usual
        },
        is_seeded: false,
        max_tokens: body.max_tokens,
        stop: body.stop_sequences,
        choices: 1,
        logprobs: None,
        ignore_eos: false,
        stream: body.stream,
        wants_usage: true,
        format: Format::Text,
        priority: 0,
        offer,
        label: None,
    })
}

/// A tool by its own description; those that Anthropic's servers run themselves are none.
fn tool(tool: &Document) -> Result<Tool, ApiError> {
    match tool.get("type").and_then(Document::text) {
        None | Some("custom") => Tool::of(tool, "input_schema"),
        Some(kind) => {
            Err(ApiError::invalid(format!("failed to read a tool of type `{kind}`; models here call custom tools")))
        }
    }
}

impl ToolChoice {
    fn wanted(self) -> Result<Wanted, ApiError> {
        match (self.kind.as_str(), self.name) {
            ("auto", _) => Ok(Wanted::Anything),
            ("none", _) => Ok(Wanted::Text),
            ("any", _) => Ok(Wanted::Call),
            ("tool", Some(name)) => Ok(Wanted::CallOf(name)),
            ("tool", None) => Err(ApiError::invalid("`tool_choice` names no tool")),
            (other, _) => {
                Err(ApiError::invalid(format!("`tool_choice.type` is `{other}`; write auto, any, tool or none")))
            }
        }
    }
}

/// Turns as models read them, and what they hold beside their text.
#[derive(Default)]
struct Conversation {
    messages: Vec<Message>,
    turns: Vec<(usize, Document)>,
}

impl Conversation {
    /// Adds a turn. What tools answered stands in the user's turn here, and is a turn of its own for models.
    fn add(&mut self, role: &str, content: Content) -> Result<(), ApiError> {
        let Content::Blocks(blocks) = content else {
            self.messages.push(turn(role, content.text()?)?);
            return Ok(());
        };
        let (mut text, mut made, mut has_results) = (String::new(), Vec::new(), false);
        for block in blocks {
            match (block.kind.as_str(), role) {
                ("tool_use", "assistant") => {
                    let name = block.name.ok_or_else(|| ApiError::invalid("a `tool_use` has no name"))?;
                    made.push((block.id, name, block.input.unwrap_or(Document::Object(Vec::new()))));
                }
                ("tool_result", "user") => {
                    has_results = true;
                    let id = block.tool_use_id.map(|id| ("tool_call_id", Document::Text(id)));
                    self.turns.extend(id.map(|id| (self.messages.len(), members([id]))));
                    let said = block.content.map_or(Ok(String::new()), |content| content.text())?;
                    self.messages.push(turn("tool", said)?);
                }
                // What a model thought before is none of its answer.
                ("thinking" | "redacted_thinking", "assistant") => {}
                _ => text.push_str(&block.text()?),
            }
        }
        if !made.is_empty() {
            self.turns.push((self.messages.len(), calls(made)));
        }
        if !text.is_empty() || !has_results {
            self.messages.push(turn(role, text)?);
        }
        Ok(())
    }
}

impl Content {
    /// The text; other blocks are refused by name.
    fn text(self) -> Result<String, ApiError> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Blocks(blocks) => blocks.into_iter().map(Block::text).collect(),
        }
    }
}

impl Block {
    fn text(self) -> Result<String, ApiError> {
        match self.kind.as_str() {
            "text" => Ok(self.text),
            kind => Err(ApiError::invalid(format!("failed to read a block of type `{kind}`; models here read text"))),
        }
    }
}

/// Writes messages.
pub(crate) struct AnthropicWriter {
    number: u64,
    model: String,
    /// Blocks that were begun.
    blocks: usize,
    /// Whether the last of them is open.
    is_open: bool,
    ending: Value,
}

impl AnthropicWriter {
    pub(crate) fn new(model: &str, number: u64) -> Self {
        Self { number, model: model.to_owned(), blocks: 0, is_open: false, ending: Value::Null }
    }

    fn message(&self, content: &Value, ending: &Value, usage: Counts) -> Value {
        json!({
            "id": format!("msg_{:016x}", self.number),
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": ending["stop_reason"],
            "stop_sequence": ending["stop_sequence"],
            "usage": {"input_tokens": usage.input, "output_tokens": usage.output},
        })
    }

    /// A call as a block; its arguments are apart in a stream.
    fn block(&self, number: usize, call: &Call, input: &Value) -> Value {
        let id = format!("toolu_{:016x}{number:02x}", self.number);
        json!({"type": "tool_use", "id": id, "name": call.name, "input": input})
    }

    fn open(&mut self, block: &Value, out: &mut Vec<u8>) {
        let event = json!({"type": "content_block_start", "index": self.blocks, "content_block": block});
        push_event(out, Some("content_block_start"), &event);
        self.blocks += 1;
        self.is_open = true;
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_open) {
            let event = json!({"type": "content_block_stop", "index": self.blocks - 1});
            push_event(out, Some("content_block_stop"), &event);
        }
    }
}

/// The reason as Anthropic calls it, with the text that was met.
fn ending(choice: &Choice) -> Value {
    let reason = match (choice.finish, &choice.stop) {
        (Finish::Length, _) => "max_tokens",
        (Finish::Calls, _) => "tool_use",
        (Finish::Stop, Some(_)) => "stop_sequence",
        (Finish::Stop | Finish::Other, _) => "end_turn",
    };
    json!({"stop_reason": reason, "stop_sequence": choice.stop})
}

impl Writer for AnthropicWriter {
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        let message = self.message(&json!([]), &Value::Null, Counts::default());
        push_event(out, Some("message_start"), &json!({"type": "message_start", "message": message}));
    }

    fn piece(&mut self, _: usize, piece: &Piece, out: &mut Vec<u8>) {
        // Thinking has blocks of its own, which only models elsewhere write.
        if piece.channel != Channel::Answer || piece.text.is_empty() {
            return;
        }
        if !self.is_open {
            self.open(&json!({"type": "text", "text": ""}), out);
        }
        out.extend_from_slice(
            b"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":",
        );
        push_text(out, &piece.text);
        out.extend_from_slice(b"}}\n\n");
    }

    fn finish(&mut self, _: usize, choice: &Choice, out: &mut Vec<u8>) {
        self.ending = ending(choice);
        if self.blocks == 0 && choice.calls.is_empty() {
            self.open(&json!({"type": "text", "text": ""}), out);
        }
        self.close(out);
        for (number, call) in choice.calls.iter().enumerate() {
            self.open(&self.block(number, call, &json!({})), out);
            let delta = json!({"type": "input_json_delta", "partial_json": call.arguments});
            let event = json!({"type": "content_block_delta", "index": self.blocks - 1, "delta": delta});
            push_event(out, Some("content_block_delta"), &event);
            self.close(out);
        }
    }

    fn end(&mut self, usage: Counts, out: &mut Vec<u8>) {
        let delta = json!({
            "type": "message_delta",
            "delta": self.ending,
            "usage": {"input_tokens": usage.input, "output_tokens": usage.output},
        });
        push_event(out, Some("message_delta"), &delta);
        push_event(out, Some("message_stop"), &json!({"type": "message_stop"}));
    }

    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>) {
        push_event(out, Some("error"), &failure(error));
    }

    fn whole(&mut self, answered: &Answered) -> Vec<u8> {
        let Some(choice) = answered.choices.first() else { return Vec::new() };
        let mut content = Vec::new();
        if !choice.text.is_empty() || choice.calls.is_empty() {
            content.push(json!({"type": "text", "text": choice.text}));
        }
        for (number, call) in choice.calls.iter().enumerate() {
            content.push(self.block(number, call, &call.arguments.parse().unwrap_or_default()));
        }
        self.message(&Value::Array(content), &ending(choice), answered.usage).to_string().into_bytes()
    }
}

/// A refusal as Anthropic's clients read it.
pub(crate) fn failure(error: &ApiError) -> Value {
    json!({"type": "error", "error": {"type": error.family(), "message": error.message}})
}
