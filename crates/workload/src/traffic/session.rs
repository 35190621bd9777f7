//! The unit of a load: a session, which is one request or several that depend on each other.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use weighbridge_engine::{Behavior, Message, Prompt};

/// Where sessions come from: a generator or the reader of a trace.
///
/// The driver asks for sessions in their order, ahead of time and off the timing path, from one thread or several. The
/// same index always gives the same session.
pub trait Traffic: Send + Sync + Debug {
    /// The session of this number, from 0; `None` after the last one.
    fn session(&self, index: u64) -> Option<Session>;

    /// How many sessions there are; `None` when there is no end.
    fn count(&self) -> Option<u64> {
        None
    }
}

/// One or more requests that belong together. An ordinary request is a session of one turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// When it begins, counted from the start of the load, as a trace wrote it; `None` leaves it to the arrivals.
    pub at: Option<Duration>,
    /// Its requests. A turn comes after those that it follows.
    pub turns: Vec<PlannedTurn>,
    /// Name of the part of the load that it belongs to, such as `victim` or `aggressor`; figures are told apart by it.
    pub group: Option<String>,
}

impl Session {
    /// A session of one request, for the arrivals to place.
    #[must_use]
    pub fn single(turn: PlannedTurn) -> Self {
        Self { at: None, turns: vec![turn], group: None }
    }
}

/// One request of a session.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedTurn {
    /// What is asked.
    pub prompt: TurnPrompt,
    /// Its length as counted here; `None` without a tokenizer, and where it depends on earlier answers.
    pub input_tokens: Option<u32>,
    /// Output tokens at most.
    pub output_tokens: u32,
    /// Turns that must have ended before, by their numbers. Empty: it starts with the session.
    pub follows: Vec<u32>,
    /// Time between the end of the last of those and the planned start of this one.
    pub think: Duration,
    /// How the client treats the answer.
    pub behavior: Behavior,
    /// The answer that the data set expects; `None` where it names none.
    pub expected: Option<Arc<str>>,
}

impl PlannedTurn {
    /// A request that starts with its session and is read to its end.
    #[must_use]
    pub fn new(prompt: Prompt, input_tokens: Option<u32>, output_tokens: u32) -> Self {
        Self {
            prompt: TurnPrompt::Whole(prompt),
            input_tokens,
            output_tokens,
            follows: Vec::new(),
            think: Duration::ZERO,
            behavior: Behavior::default(),
            expected: None,
        }
    }
}

/// What a turn asks.
#[derive(Clone, Debug, PartialEq)]
pub enum TurnPrompt {
    /// All of it, whatever was answered before.
    Whole(Prompt),
    /// Messages that go on with the conversation of the last turn followed: its messages, its answer, then these.
    Continue(Vec<Message>),
}
