//! Conversations in the form of ShareGPT: one JSON array of `{"conversations": [{"from": …, "value": …}]}`.

use std::fmt;
use std::io::{self, BufRead, Read};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use weighbridge_engine::{Message, Prompt, Role};

use super::error::{Place, TraceNote, TraceProblem};
use super::lines::{FILE_BYTES_MAX, ROWS_MAX, skip_mark, without_position};
use super::options::{OpenedTrace, TraceSettings};
use super::texts::{Output, TextSession, TextTurn, count, open};
use crate::synthetic::PromptShape;
use crate::traffic::TurnPrompt;

/// What is played of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShareGptMode {
    /// The first question, as vLLM does; the answer's length is the output asked for.
    #[default]
    First,
    /// The first question of each conversation that vLLM's filter keeps: at least 4 tokens each way, at most 1,024 of
    /// prompt, at most 2,048 of both.
    Filtered,
    /// All questions, one after the other, each after the server's own answer.
    Turns,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(alias = "conversation", alias = "items")]
    conversations: Option<Vec<Said>>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(alias = "role")]
    from: String,
    #[serde(alias = "content")]
    value: Option<String>,
}

pub(super) fn read(
    mut input: impl BufRead,
    mode: ShareGptMode,
    settings: &TraceSettings,
) -> Result<OpenedTrace, Place> {
    skip_mark(&mut input)?;
    let mut limited = Limited { input, left: FILE_BYTES_MAX };
    let mut collected = Collected { mode, shape: settings.prompt, sessions: Vec::new(), skipped: 0, problem: None };
    let mut json = serde_json::Deserializer::from_reader(io::BufReader::with_capacity(1 << 16, &mut limited));
    let result = json.deserialize_seq(&mut collected).and_then(|()| json.end());
    if let Err(error) = result {
        let (line, column) = (error.line() as u64, error.column() as u64);
        return Err(match collected.problem {
            Some(problem) => problem.at_line(line),
            None if limited.left == 0 => TraceProblem::TooLong { what: "file", limit: FILE_BYTES_MAX }.somewhere(),
            None if error.is_io() => TraceProblem::Io(io::Error::from(error)).at_line(line),
            None => TraceProblem::Json(without_position(&error)).at(line, column),
        });
    }
    let notes = Some(TraceNote::NoAnswer(collected.skipped)).filter(|_| collected.skipped > 0);
    let keep = |session: &TextSession| mode != ShareGptMode::Filtered || is_kept(session, settings);
    open(collected.sessions, keep, settings, notes.into_iter().collect())
}

/// vLLM's filter of lengths.
fn is_kept(session: &TextSession, settings: &TraceSettings) -> bool {
    let Some(TextTurn { prompt: TurnPrompt::Whole(prompt), output: Output::Like(answer), .. }) = session.turns.first()
    else {
        return false;
    };
    let question = match prompt {
        Prompt::Text(text) => text,
        Prompt::Chat(messages) => messages.last().map_or("", |message| &message.content),
        Prompt::Tokens(_) => "",
    };
    let tokenizer = settings.pool.tokenizer();
    let (input, output) = (count(tokenizer, question).0, count(tokenizer, answer).0);
    // With a length of its own for all answers, vLLM does not ask for a shortest one.
    let is_long = input >= 4 && (output >= 4 || settings.output_instead.is_some());
    is_long && input <= 1024 && input.saturating_add(output) <= 2048
}

/// Takes the conversations one by one, so that the file is never in memory as a whole.
struct Collected {
    mode: ShareGptMode,
    shape: PromptShape,
    sessions: Vec<TextSession>,
    skipped: u64,
    problem: Option<TraceProblem>,
}

impl<'de> Visitor<'de> for &mut Collected {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of conversations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(entry) = seq.next_element::<Entry>()? {
            let result = if self.sessions.len() as u64 >= ROWS_MAX {
                Err(TraceProblem::TooMany { limit: ROWS_MAX })
            } else {
                session(entry, self.mode, self.shape)
            };
            match result {
                Ok(Some(session)) => self.sessions.push(session),
                Ok(None) => self.skipped += 1,
                Err(problem) => {
                    self.problem = Some(problem);
                    return Err(serde::de::Error::custom("the problem is kept apart"));
                }
            }
        }
        Ok(())
    }
}

/// The session of a conversation; `None` where no question has an answer.
fn session(entry: Entry, mode: ShareGptMode, shape: PromptShape) -> Result<Option<TextSession>, TraceProblem> {
    let said = entry.conversations.ok_or(TraceProblem::MissingKey("conversations"))?;
    let mut turns: Vec<TextTurn> = Vec::new();
    let mut open: Vec<Message> = Vec::new();
    for Said { from, value } in said {
        let content = value.unwrap_or_default();
        let role = role_of(from)?;
        let has_question = open.iter().any(|message| matches!(message.role, Role::User | Role::Tool));
        match role {
            Role::Assistant if has_question && content.trim().is_empty() => break,
            Role::Assistant if has_question => {
                let messages = std::mem::take(&mut open);
                let prompt =
                    if turns.is_empty() { first(messages, mode, shape) } else { TurnPrompt::Continue(messages) };
                turns.push(TextTurn {
                    prompt,
                    output: Output::Like(content.into_boxed_str()),
                    think: Duration::ZERO,
                    expected: None,
                });
                if mode != ShareGptMode::Turns {
                    break;
                }
            }
            // An answer to nothing, as the beginnings of shared conversations have it.
            Role::Assistant => {}
            _ if content.trim().is_empty() => {}
            _ => open.push(Message { role, content }),
        }
    }
    Ok((!turns.is_empty()).then_some(TextSession { at: None, turns }))
}

fn first(mut messages: Vec<Message>, mode: ShareGptMode, shape: PromptShape) -> TurnPrompt {
    TurnPrompt::Whole(match (messages.len(), shape) {
        (1, PromptShape::Text) if mode != ShareGptMode::Turns => Prompt::Text(messages.remove(0).content),
        _ => Prompt::Chat(messages),
    })
}

fn role_of(name: String) -> Result<Role, TraceProblem> {
    match name.as_str() {
        "human" | "user" => Ok(Role::User),
        "gpt" | "assistant" | "chatgpt" | "bing" | "bard" | "function_call" => Ok(Role::Assistant),
        "system" => Ok(Role::System),
        "tool" | "observation" => Ok(Role::Tool),
        _ => Err(TraceProblem::UnknownRole(name)),
    }
}

/// Ends a stream after so many bytes.
struct Limited<R> {
    input: R,
    left: u64,
}

impl<R: BufRead> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.input.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}
