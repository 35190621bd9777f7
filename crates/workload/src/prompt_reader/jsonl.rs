//! One JSON object a line.

use std::io::{BufRead, Read as _};

use serde::Deserialize;
use weighbridge_engine::{Message, Prompt, Role};

use super::error::{Place, PromptFileProblem};
use super::{LINE_BYTES_MAX, PromptRecord, answer, checked_max_tokens, text_prompt};

/// A line as written.
#[derive(Deserialize)]
struct Line {
    prompt: Option<String>,
    text: Option<String>,
    messages: Option<Vec<MessageLine>>,
    // The names in vLLM's custom data sets and in OpenAI's chat.
    #[serde(alias = "output_tokens", alias = "max_completion_tokens")]
    max_tokens: Option<u32>,
    // Data sets have all kinds of things under this name: what is no text and no number is none of ours.
    answer: Option<serde_json::Value>,
    expected: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct MessageLine {
    role: String,
    content: String,
}

pub(super) fn read(mut input: impl BufRead) -> Result<Vec<PromptRecord>, Place> {
    let mut records = Vec::new();
    let mut bytes = Vec::new();
    for line in 1_u64.. {
        bytes.clear();
        let limited = input.by_ref().take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut bytes);
        let length = limited.map_err(|source| PromptFileProblem::Io(source).at_line(line))? as u64;
        if length == 0 {
            break;
        }
        if length > LINE_BYTES_MAX {
            return Err(PromptFileProblem::TooLong { what: "line", limit: LINE_BYTES_MAX }.at_line(line));
        }
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| PromptFileProblem::NotUtf8.at(line, error.valid_up_to() as u64 + 1))?;
        if text.trim().is_empty() {
            continue;
        }
        let parsed: Line = serde_json::from_str(text.trim_end())
            .map_err(|error| PromptFileProblem::Json(without_position(&error)).at(line, error.column() as u64))?;
        let answer = parsed.answer();
        let (prompt, max_tokens) = parsed.checked().map_err(|problem| problem.at_line(line))?;
        records.push(PromptRecord { prompt, max_tokens, answer, line });
    }
    Ok(records)
}

impl Line {
    fn answer(&self) -> Option<String> {
        match self.answer.as_ref().or(self.expected.as_ref())? {
            serde_json::Value::String(text) => answer(text),
            serde_json::Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn checked(self) -> Result<(Prompt, Option<u32>), PromptFileProblem> {
        let max_tokens = checked_max_tokens(self.max_tokens)?;
        let prompt = match (self.prompt, self.text, self.messages) {
            (Some(text), None, None) | (None, Some(text), None) => text_prompt(text)?,
            (None, None, Some(messages)) => chat(messages)?,
            (None, None, None) => return Err(PromptFileProblem::NoPromptKey),
            _ => return Err(PromptFileProblem::SeveralPromptKeys),
        };
        Ok((prompt, max_tokens))
    }
}

fn chat(messages: Vec<MessageLine>) -> Result<Prompt, PromptFileProblem> {
    if messages.iter().all(|message| message.content.trim().is_empty()) {
        return Err(PromptFileProblem::EmptyPrompt);
    }
    let mut turns = Vec::with_capacity(messages.len());
    for MessageLine { role, content } in messages {
        turns.push(Message { role: role_of(role)?, content });
    }
    Ok(Prompt::Chat(turns))
}

fn role_of(name: String) -> Result<Role, PromptFileProblem> {
    [Role::System, Role::User, Role::Assistant, Role::Tool]
        .into_iter()
        .find(|role| role.name() == name)
        .ok_or(PromptFileProblem::UnknownRole { role: name })
}

/// The message of a JSON error; its position is always on line 1 and is reported apart.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.split(" at line ").next().unwrap_or_default().to_owned()
}
