//! Stage 5: questions whose answers stand in the chunk.

mod diversity;
mod model;
mod templates;
mod wording;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub(crate) use diversity::allowance;
pub use diversity::{Diversity, first_word, pattern_of};
pub use model::{CONVERSATION_PROMPT, conversation_prompt, conversation_schema, read_conversations};
pub use templates::converse_patterns;

use crate::extract::Alignment;

/// The seven types of questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuestionType {
    /// What is said of something.
    Factual,
    /// What something is or means.
    Conceptual,
    /// How something is done.
    Procedural,
    /// What goes wrong, and what helps.
    Troubleshooting,
    /// How two things differ.
    Comparative,
    /// Why, and under which condition.
    Causal,
    /// How much, how many, which value.
    Quantitative,
}

impl QuestionType {
    /// Every type.
    pub const ALL: [Self; 7] = [
        Self::Factual,
        Self::Conceptual,
        Self::Procedural,
        Self::Troubleshooting,
        Self::Comparative,
        Self::Causal,
        Self::Quantitative,
    ];

    /// The name in records and prompts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Factual => "factual",
            Self::Conceptual => "conceptual",
            Self::Procedural => "procedural",
            Self::Troubleshooting => "troubleshooting",
            Self::Comparative => "comparative",
            Self::Causal => "causal",
            Self::Quantitative => "quantitative",
        }
    }
}

/// A conversation that may become an item. Ranges are bytes of the chunk's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The type of its first question.
    pub kind: QuestionType,
    /// Which extraction of the chunk it is made from; `None` where a model made it from the text.
    pub extraction: Option<usize>,
    /// Its turns, one at least.
    pub turns: Vec<Turn>,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Ways to ask it, the first the most natural; which one is taken is decided when all items are known.
    pub questions: Vec<String>,
    /// The answer.
    pub answer: String,
    /// The bytes that bear it, in the order in which they are cited.
    pub evidence: Vec<Range<usize>>,
    /// The poorest alignment among them.
    pub alignment: Alignment,
}
