//! The score of an item: `Q = 0.35 grounding + 0.20 answerability + 0.15 conversion + 0.15 well-formed + 0.15 non-redundancy`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::grounding::{Evidence, Grounding};
use crate::words::words;

/// Weights of the terms, in the order of [`ItemScore`]'s fields.
const WEIGHTS: [f64; 5] = [0.35, 0.20, 0.15, 0.15, 0.15];

/// The score of an item, with its terms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ItemScore {
    /// The weighted sum, 0 to 1.
    pub score: f64,
    /// How far the answer stands in what it cites: the least of the turns.
    pub grounding: f64,
    /// How far the cited bytes answer the question.
    pub answerability: Answerability,
    /// How far the document's text can be trusted.
    pub conversion: f64,
    /// Share of the demands on an item's form that are met.
    pub well_formed: f64,
    /// 1 less the greatest similarity to an item that is kept.
    pub non_redundancy: f64,
}

/// How far the cited bytes answer the question, and how that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method", content = "value")]
pub enum Answerability {
    /// No model was asked: the share of the question's words of content that the cited bytes and the headings above them hold.
    Lexical(f64),
    /// A model answered from the cited bytes alone, and from nothing: the F1 of the one less that of the other.
    RoundTrip(f64),
}

impl Answerability {
    /// The value, 0 to 1.
    #[must_use]
    pub const fn value(self) -> f64 {
        match self {
            Self::Lexical(value) | Self::RoundTrip(value) => value,
        }
    }

    /// By the words of the question. A question without words of content asks for nothing.
    #[must_use]
    pub fn lexical(question: &str, evidence: &Evidence) -> Self {
        Self::Lexical(evidence.share_of(question).unwrap_or(0.0))
    }
}

/// What a score is made of.
#[derive(Clone, Copy, Debug)]
pub struct ScoreInput {
    /// The least of the turns.
    pub grounding: f64,
    /// The mean of the turns.
    pub answerability: Answerability,
    /// Of the document.
    pub conversion: f64,
    /// The least of the turns.
    pub well_formed: f64,
    /// To items that are kept.
    pub non_redundancy: f64,
}

/// Scores an item.
#[must_use]
pub fn score_item(input: &ScoreInput) -> ItemScore {
    let terms =
        [input.grounding, input.answerability.value(), input.conversion, input.well_formed, input.non_redundancy];
    let score = terms.iter().zip(WEIGHTS).map(|(term, weight)| term * weight).sum();
    ItemScore {
        score,
        grounding: input.grounding,
        answerability: input.answerability,
        conversion: input.conversion,
        well_formed: input.well_formed,
        non_redundancy: input.non_redundancy,
    }
}

/// Share of the demands on a turn's form that are met: the question ends as one, has words of content, and is no longer than
/// 300 characters; the answer keeps to its lengths; neither holds a placeholder.
#[must_use]
pub fn well_formed(question: &str, answer: &str, lengths: std::ops::RangeInclusive<usize>) -> f64 {
    let checks = [
        question.trim_end().ends_with(['?', '？', '؟']),
        words(question).len() >= 2,
        question.chars().count() <= 300,
        lengths.contains(&answer.chars().count()),
        !has_placeholder(question) && !has_placeholder(answer),
    ];
    checks.iter().filter(|check| **check).count() as f64 / checks.len() as f64
}

fn has_placeholder(text: &str) -> bool {
    ["TODO", "TBD", "Lorem ipsum", "[insert", "<placeholder", "XXXX"].iter().any(|sign| text.contains(sign))
}

/// F1 of the words of two texts, as bags.
#[must_use]
pub fn token_f1(one: &str, two: &str) -> f64 {
    let (one, two) = (words(one), words(two));
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in &one {
        *counts.entry(&word.norm).or_insert(0) += 1;
    }
    let mut common = 0;
    for word in &two {
        if let Some(count) = counts.get_mut(word.norm.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    if common == 0 { 0.0 } else { 2.0 * f64::from(common) / (one.len() + two.len()) as f64 }
}

/// Answerability by a round trip: the F1 of an answer from the span alone less that of one from nothing, at least 0.
#[must_use]
pub fn round_trip_f1(stored: &str, from_span: &str, from_nothing: &str) -> Answerability {
    Answerability::RoundTrip((token_f1(stored, from_span) - token_f1(stored, from_nothing)).max(0.0))
}

/// The words by which a grounding is explained.
impl Grounding {
    /// What was not borne, in words; empty where nothing speaks against the answer.
    #[must_use]
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts: Vec<String> =
            self.unsupported.iter().map(|word| format!("`{word}` is not in its place")).collect();
        if self.is_turned {
            doubts.push("a negation is on one side alone".to_owned());
        }
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_the_weighted_sum() {
        let input = |grounding, conversion| ScoreInput {
            grounding,
            answerability: Answerability::Lexical(1.0),
            conversion,
            well_formed: 1.0,
            non_redundancy: 1.0,
        };
        let check = |grounding, conversion, expected: f64| {
            let score = score_item(&input(grounding, conversion)).score;
            assert!((score - expected).abs() < 1e-9, "{score}");
        };
        check(1.0, 1.0, 1.0);
        check(0.0, 1.0, 0.65);
        check(0.5, 0.0, 0.675);
    }

    #[test]
    fn round_trips_subtract_what_needs_no_source() {
        let value = |one, two, three| round_trip_f1(one, two, three).value();
        assert!((value("a cache of answers", "a cache of answers", "something else") - 1.0).abs() < 1e-9);
        assert!(value("Paris", "Paris", "Paris").abs() < 1e-9);
        assert!(value("Paris", "", "Paris").abs() < 1e-9);
    }

    #[test]
    fn form_is_a_share() {
        assert!((well_formed("What is it?", "This.", 1..=10) - 1.0).abs() < 1e-9);
        assert!((well_formed("Tell me", "TODO", 1..=10) - 0.6).abs() < 1e-9);
    }
}
