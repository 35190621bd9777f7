//! Traces of texts: the prompts are the file's own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use weighbridge_engine::{Message, Prompt, Tokenizer};

use super::error::{Place, TraceNote};
use super::options::{OpenedTrace, Picked, Selection, TraceSettings};
use crate::traffic::{PlannedTurn, Session, Traffic, TurnPrompt};

/// Bytes of a token of prose, where no tokenizer is at hand: what large vocabularies have on English text, rounded.
const BYTES_PER_TOKEN: usize = 4;

/// One session of a trace.
#[derive(Debug)]
pub(super) struct TextSession {
    /// In nanoseconds.
    pub(super) at: Option<i64>,
    pub(super) turns: Vec<TextTurn>,
}

/// One request of a session. Each follows the one before it.
#[derive(Debug)]
pub(super) struct TextTurn {
    pub(super) prompt: TurnPrompt,
    pub(super) output: Output,
    pub(super) think: Duration,
    /// The answer that the file expects.
    pub(super) expected: Option<Arc<str>>,
}

/// How long an answer may be.
#[derive(Debug)]
pub(super) enum Output {
    Tokens(u32),
    /// As long as this recorded answer.
    Like(Box<str>),
    /// As the settings say; the reader has seen that they do.
    Unsaid,
}

/// Tokens of a text, and whether they were counted.
pub(super) fn count(tokenizer: Option<&dyn Tokenizer>, text: &str) -> (u32, bool) {
    let counted = tokenizer.and_then(|tokenizer| tokenizer.encode(text).ok()).map(|ids| ids.len());
    let length = counted.unwrap_or_else(|| text.len().div_ceil(BYTES_PER_TOKEN));
    (u32::try_from(length).unwrap_or(u32::MAX), counted.is_some())
}

/// A load of the chosen sessions; `keep` chooses among them.
pub(super) fn open(
    sessions: Vec<TextSession>,
    keep: impl Fn(&TextSession) -> bool,
    settings: &TraceSettings,
    mut notes: Vec<TraceNote>,
) -> Result<OpenedTrace, Place> {
    let times: Vec<Option<i64>> = sessions.iter().map(|session| session.at).collect();
    let selection = Selection::new(&times, &settings.options, |number| keep(&sessions[number]), &mut notes)?;
    if settings.pool.tokenizer().is_none() && settings.output_instead.is_none() {
        let estimated = sessions.iter().flat_map(|session| &session.turns);
        let estimated = estimated.filter(|turn| matches!(turn.output, Output::Like(_))).count() as u64;
        notes.extend((estimated > 0).then_some(TraceNote::EstimatedOutput(estimated)));
    }
    let is_timed = selection.is_timed();
    let trace = TextTrace { sessions, selection, settings: settings.clone() };
    Ok(OpenedTrace { traffic: Arc::new(trace), is_timed, notes })
}

/// A load whose prompts come from a trace. With a tokenizer, making a session encodes its texts.
struct TextTrace {
    sessions: Vec<TextSession>,
    selection: Selection,
    settings: TraceSettings,
}

impl fmt::Debug for TextTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextTrace").field("sessions", &self.sessions.len()).finish_non_exhaustive()
    }
}

impl Traffic for TextTrace {
    fn session(&self, index: u64) -> Option<Session> {
        let picked = self.selection.pick(index)?;
        let turns = self.sessions[picked.number].turns.iter().enumerate();
        let turns = turns.map(|(number, turn)| self.turn(picked, number, turn)).collect::<Option<Vec<_>>>()?;
        Some(Session { at: picked.at, turns, group: None })
    }

    fn count(&self) -> Option<u64> {
        self.selection.count()
    }
}

impl TextTrace {
    fn turn(&self, picked: Picked, number: usize, turn: &TextTurn) -> Option<PlannedTurn> {
        let tokenizer = self.settings.pool.tokenizer();
        let of_file = match &turn.output {
            Output::Tokens(tokens) => Some(*tokens),
            // Counting is in vain where another length takes its place.
            Output::Like(_) if self.settings.output_instead.is_some() => None,
            Output::Like(answer) => Some(count(tokenizer, answer).0.max(1)),
            Output::Unsaid => None,
        };
        let output_tokens = self.settings.output(of_file, picked.number as u64, number as u64)?;
        let follows = number.checked_sub(1).and_then(|before| u32::try_from(before).ok()).into_iter().collect();
        Some(PlannedTurn {
            input_tokens: tokenizer.and_then(|tokenizer| input_tokens(tokenizer, &turn.prompt)),
            follows,
            think: turn.think,
            expected: turn.expected.clone(),
            prompt: turn.prompt.clone(),
            ..PlannedTurn::new(Prompt::Text(String::new()), None, output_tokens)
        })
    }
}

/// Tokens of a prompt that does not depend on answers; those of a chat without its template.
fn input_tokens(tokenizer: &dyn Tokenizer, prompt: &TurnPrompt) -> Option<u32> {
    let length = |text: &str| tokenizer.encode(text).ok().map(|ids| ids.len());
    let tokens = match prompt {
        TurnPrompt::Whole(Prompt::Text(text)) => length(text)? + usize::from(tokenizer.bos().is_some()),
        TurnPrompt::Whole(Prompt::Chat(messages)) => {
            messages.iter().map(|Message { content, .. }| length(content)).sum::<Option<usize>>()?
        }
        TurnPrompt::Whole(Prompt::Tokens(tokens)) => tokens.len(),
        TurnPrompt::Continue(_) => return None,
    };
    u32::try_from(tokens).ok()
}
