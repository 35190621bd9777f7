//! Requests in the form of OpenAI's chat: a line holds `messages`, and perhaps `max_tokens` and `timestamp`.
//!
//! Also the form of AIPerf's conversations, `{"session_id": …, "turns": [{"text": …, "delay": …}]}`.

use std::io::BufRead;
use std::time::Duration;

use serde::Deserialize;
use weighbridge_engine::{Message, Prompt, Role};

use super::error::{Place, TraceProblem};
use super::lines::each_json;
use super::options::{OpenedTrace, TimeUnit, TraceSettings, delay, nanos, tokens};
use super::texts::{Output, TextSession, TextTurn, open};
use crate::traffic::TurnPrompt;

#[derive(Deserialize)]
struct Row {
    messages: Option<Vec<MessageRow>>,
    turns: Option<Vec<TurnRow>>,
    #[serde(alias = "max_completion_tokens", alias = "output_length", alias = "output_tokens")]
    max_tokens: Option<u64>,
    timestamp: Option<f64>,
}

#[derive(Deserialize)]
struct TurnRow {
    #[serde(alias = "content", alias = "prompt")]
    text: Option<String>,
    delay: Option<f64>,
    #[serde(alias = "max_completion_tokens", alias = "output_length", alias = "output_tokens")]
    max_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct MessageRow {
    role: String,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Deserialize)]
struct ContentPart {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

pub(super) fn read(input: impl BufRead, unit: TimeUnit, settings: &TraceSettings) -> Result<OpenedTrace, Place> {
    let mut sessions = Vec::new();
    let has_other = settings.output_default.is_some() || settings.output_instead.is_some();
    each_json(input, |row: Row| {
        let at = row.timestamp.map(|at| nanos("timestamp", at, unit)).transpose()?;
        let turns = match (row.messages, row.turns) {
            (Some(messages), None) => {
                let output = output(row.max_tokens, has_other)?;
                let prompt = TurnPrompt::Whole(Prompt::Chat(chat(messages)?));
                vec![TextTurn { prompt, output, think: Duration::ZERO, expected: None }]
            }
            (None, Some(turns)) => conversation(turns, row.max_tokens, has_other)?,
            (None, None) => return Err(TraceProblem::MissingKey("messages")),
            (Some(_), Some(_)) => {
                return Err(TraceProblem::value("turns", "an array", "to be beside `messages`; give one of the two"));
            }
        };
        sessions.push(TextSession { at, turns });
        Ok(())
    })?;
    open(sessions, |_| true, settings, Vec::new())
}

fn conversation(turns: Vec<TurnRow>, all: Option<u64>, has_other: bool) -> Result<Vec<TextTurn>, TraceProblem> {
    let mut planned = Vec::with_capacity(turns.len());
    for TurnRow { text, delay: time, max_tokens } in turns {
        let content = text.ok_or(TraceProblem::MissingKey("text"))?;
        if content.trim().is_empty() {
            return Err(TraceProblem::value("text", content, "a prompt with text in it"));
        }
        let message = vec![Message { role: Role::User, content }];
        let is_first = planned.is_empty();
        let prompt = if is_first { TurnPrompt::Whole(Prompt::Chat(message)) } else { TurnPrompt::Continue(message) };
        // The first turn comes with its session, so that a delay before it has no meaning.
        let think = delay(time, TimeUnit::Millis)?.filter(|_| !is_first).unwrap_or_default();
        planned.push(TextTurn { prompt, output: output(max_tokens.or(all), has_other)?, think, expected: None });
    }
    if planned.is_empty() { Err(TraceProblem::value("turns", "[]", "a conversation")) } else { Ok(planned) }
}

fn output(max_tokens: Option<u64>, has_other: bool) -> Result<Output, TraceProblem> {
    match max_tokens {
        Some(0) => Err(TraceProblem::value("max_tokens", 0, "above 0")),
        Some(count) => Ok(Output::Tokens(tokens("max_tokens", Some(count))?)),
        None if has_other => Ok(Output::Unsaid),
        None => Err(TraceProblem::NoOutput),
    }
}

fn chat(rows: Vec<MessageRow>) -> Result<Vec<Message>, TraceProblem> {
    let mut messages = Vec::with_capacity(rows.len());
    for MessageRow { role, content } in rows {
        let role = match role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "tool" | "function" => Role::Tool,
            _ => return Err(TraceProblem::UnknownRole(role)),
        };
        messages.push(Message { role, content: content.map_or(Ok(String::new()), text)? });
    }
    if messages.iter().all(|message| message.content.trim().is_empty()) {
        return Err(TraceProblem::value("messages", "empty", "a prompt with text in it"));
    }
    Ok(messages)
}

fn text(content: Content) -> Result<String, TraceProblem> {
    let parts = match content {
        Content::Text(text) => return Ok(text),
        Content::Parts(parts) => parts,
    };
    let mut whole = String::new();
    for ContentPart { kind, text } in parts {
        match (kind.as_str(), text) {
            ("text" | "input_text", Some(text)) => whole.push_str(&text),
            _ => return Err(TraceProblem::Unsupported("a message with a part that is no text")),
        }
    }
    Ok(whole)
}
