//! One document of a task as it was answered: the line that an evaluation keeps.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::Cell;
use crate::request::FinishReason;

/// One document as it was answered, once for each repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SampleRow {
    /// Phase and task.
    pub cell: Cell,
    /// Content address: digest of the data, the row, the prompt, the parameters and the repeat. The same id is the same
    /// question.
    pub id: String,
    /// Place of the document in its task, from 0.
    pub doc_id: u64,
    /// The first 16 hexadecimal digits of the document's SHA-256: runs that ask it in other words pair by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Which repeat, from 0.
    pub repeat: u32,
    /// What came for each request, in the order of the task; empty where it failed.
    pub answers: Vec<SampleAnswer>,
    /// What became of it.
    pub outcome: SampleOutcome,
    /// Scores by metric, or `metric,filter` where a task filters its answers; on the last repeat of a document.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, SampleScore>,
    /// Why there is no answer, or why it was not understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Release of the first request to the end of the last, milliseconds.
    pub latency_ms: Option<f64>,
    /// Whether the answers were kept from an earlier request; the latency is that request's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// Prompt tokens, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Output tokens, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
}

/// What a metric says of one document; the figure adds these up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum SampleScore {
    /// A number that is averaged.
    Number(f64),
    /// A log-probability and the units that it is spread over.
    Weighted {
        /// Natural logarithm.
        sum: f64,
        /// Words or bytes.
        units: f64,
    },
    /// Numbers of the right and the given choice.
    Labels {
        /// The right one.
        gold: i64,
        /// The given one.
        given: i64,
    },
    /// What was to be found, what was given, and what both have in common.
    Overlap {
        /// Members that were given.
        given: u64,
        /// Members that are right.
        there: u64,
        /// Members that are both.
        both: u64,
    },
    /// Whether an answer follows a stereotype.
    Leaning {
        /// Whether it is right.
        is_right: bool,
        /// Whether it follows the stereotype.
        is_biased: bool,
        /// Whether it names somebody.
        is_known: bool,
    },
    /// Whether an attack was there and was found.
    Detection {
        /// Whether the right choice is an attack.
        is_attack: bool,
        /// Whether the given choice is one.
        is_flagged: bool,
        /// Log-odds of an attack; null where the model gives no probabilities.
        suspicion: Option<f64>,
    },
}

/// The answer to one request of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SampleAnswer {
    /// A continuation or a text was scored.
    LogProbability {
        /// Natural logarithm of its probability.
        value: f64,
        /// Whether it is what the model would have written.
        is_greedy: bool,
        /// Its tokens.
        tokens: u64,
    },
    /// A text was generated.
    Text {
        /// The text.
        text: String,
        /// Why it ended.
        finish: FinishReason,
    },
}

/// What became of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SampleOutcome {
    /// Answered right.
    Right,
    /// Answered wrong.
    Wrong,
    /// Answered; the task has no right and wrong.
    Answered,
    /// Answered, and no answer was found in the text.
    Unparsable,
    /// The server refused or filtered the answer.
    Refused,
    /// The answer was cut at the token limit, and is not right.
    Truncated,
    /// No answer within the time allowed.
    TimedOut,
    /// The request failed.
    ServerError,
}

impl SampleOutcome {
    /// Every outcome, in the order of reports.
    pub const ALL: [Self; 8] = [
        Self::Right,
        Self::Wrong,
        Self::Answered,
        Self::Unparsable,
        Self::Refused,
        Self::Truncated,
        Self::TimedOut,
        Self::ServerError,
    ];

    /// Name in files and cells.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Right => "right",
            Self::Wrong => "wrong",
            Self::Answered => "answered",
            Self::Unparsable => "unparsable",
            Self::Refused => "refused",
            Self::Truncated => "truncated",
            Self::TimedOut => "timed_out",
            Self::ServerError => "server_error",
        }
    }

    /// Whether the model said something that can be scored as an answer.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        matches!(self, Self::Right | Self::Wrong | Self::Answered | Self::Truncated)
    }

    /// Whether no answer came for a reason that another try may not meet again.
    #[must_use]
    pub const fn may_be_asked_again(self) -> bool {
        matches!(self, Self::TimedOut | Self::ServerError)
    }
}
