//! Judges: a model says whether answers are good, and is itself weighed.
//!
//! [`questions`] makes the documents that a judge is asked, [`task`] the task that asks them like any other, and
//! [`figures`] reads the verdicts: how answers fare, and how far the judge can be believed. A verdict has a strict form on
//! the last line; anything else is counted as not understood and decides nothing.

use serde::{Deserialize, Serialize};

mod figures;
mod question;
mod samples;
mod verdict;

pub use figures::{Judged, figures};
pub use question::{Answer, TASK, answers, questions, task};
pub use samples::{RunAnswers, RunJudgeError, run_answers};
pub use verdict::Verdict;

/// What a judge is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgeForm {
    /// Whether an answer meets the rubric.
    #[default]
    Verdict,
    /// How well an answer meets the rubric, from 1 to 5.
    Score,
    /// Which of two answers meets the rubric better, asked in both orders.
    Pair,
}

impl JudgeForm {
    /// Name in records.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Score => "score",
            Self::Pair => "pair",
        }
    }
}

/// Lowest and highest score of [`JudgeForm::Score`].
pub const SCORES: std::ops::RangeInclusive<u8> = 1..=5;

/// How a judge is asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JudgeSettings {
    /// What it is asked.
    pub form: JudgeForm,
    /// What a good answer is.
    pub rubric: String,
    /// How often every question is asked; more than once needs a temperature above 0 to say anything.
    pub repeats: u32,
    /// Temperature of its answers.
    pub temperature: f32,
    /// Tokens of its answers at most.
    pub max_tokens: u32,
    /// Whether damaged answers are judged too, to see whether it notices.
    pub planted: bool,
}

/// A file of answers that cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// A row lacks what is needed.
    #[error("judge row {row} of the answers: {problem}")]
    Row {
        /// Its number, from 1.
        row: usize,
        /// What is wrong.
        problem: String,
    },
    /// There is nothing to judge.
    #[error("judge the answers: there are none")]
    Empty,
}

impl JudgeError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Row { .. } => {
                "a row has `question` and `answer`, or `answer_a` and `answer_b` for `--form pair`, and may have \
                 `reference` and `human`; `--map answer=COLUMN` names other columns"
            }
            Self::Empty => "name a file or a run with at least one answer",
        }
    }
}
