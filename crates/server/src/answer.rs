//! What a model answered, before a dialect writes it down.

use serde::{Deserialize, Serialize};
use weighbridge_types::request::{Channel, FinishReason, Usage};
use weighbridge_types::time::Stamp;

/// One whole answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) text: String,
    /// What was thought before it, where the model tells that apart.
    #[serde(default)]
    pub(crate) reasoning: String,
    pub(crate) finish: Finish,
    /// What was asked for of each token.
    #[serde(default)]
    pub(crate) told: Vec<Told>,
    /// The tools that it calls.
    #[serde(default)]
    pub(crate) calls: Vec<Call>,
    /// The stop text that ended it; `None` where another end came, or nobody tells.
    #[serde(default)]
    pub(crate) stop: Option<String>,
}

/// A token with its natural log-probability, and the likeliest ones at its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) bytes: Vec<u8>,
    pub(crate) logprob: f32,
    pub(crate) likeliest: Vec<(Vec<u8>, f32)>,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// An object as JSON.
    pub(crate) arguments: String,
}

/// Text of an answer as it comes.
pub(crate) struct Piece {
    pub(crate) channel: Channel,
    pub(crate) text: String,
    pub(crate) told: Vec<Told>,
}

impl Piece {
    pub(crate) fn answer(text: String) -> Self {
        Self { channel: Channel::Answer, text, told: Vec::new() }
    }
}

/// Why an answer ended. The names are those of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finish {
    #[default]
    Stop,
    Length,
    Calls,
    Other,
}

impl From<FinishReason> for Finish {
    fn from(reason: FinishReason) -> Self {
        match reason {
            FinishReason::Stop => Self::Stop,
            FinishReason::Length => Self::Length,
            FinishReason::ToolCalls | FinishReason::ContentFilter | FinishReason::Other => Self::Other,
        }
    }
}

/// All answers to one request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) choices: Vec<Choice>,
    pub(crate) usage: Counts,
    /// When the first token came; `None` of an answer that was kept, which nobody waited for.
    #[serde(skip)]
    pub(crate) first_token: Option<Stamp>,
}

/// Token counts of all answers together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    pub(crate) input: u32,
    pub(crate) output: u32,
    pub(crate) cached: Option<u32>,
}

impl Counts {
    /// Adds an answer. Only the first one to a prompt counts the prompt.
    pub(crate) fn add(&mut self, usage: Usage, is_first: bool) {
        self.output += usage.output_tokens;
        if is_first {
            self.input += usage.input_tokens;
            self.cached = match (self.cached, usage.cached_input_tokens) {
                (None, cached) | (cached, None) => cached,
                (Some(a), Some(b)) => Some(a + b),
            };
        }
    }
}
