//! What a model answered, before a dialect writes it down.

use serde::{Deserialize, Serialize};
use weighbridge_types::request::{FinishReason, Usage};
use weighbridge_types::time::Stamp;

/// One whole answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) text: String,
    /// What was thought before it, where the model tells that apart.
    #[serde(default)]
    pub(crate) reasoning: String,
    pub(crate) finish: Finish,
    /// Natural log-probability of each token with its text, where asked for.
    #[serde(default)]
    pub(crate) logprobs: Vec<(String, f32)>,
}

/// Why an answer ended. The names are those of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Finish {
    #[default]
    Stop,
    Length,
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
    /// Adds another answer to the same prompt.
    pub(crate) fn add(&mut self, usage: Usage) {
        self.input = usage.input_tokens;
        self.output += usage.output_tokens;
        self.cached = usage.cached_input_tokens.or(self.cached);
    }
}
