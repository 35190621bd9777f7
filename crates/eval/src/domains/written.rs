//! Sets that are written by hand: multiple choice, the right choice first in the file.

use serde::Deserialize;

use super::draw::{dict, int, text, texts};
use super::{Difficulty, Domain};
use crate::task::Value;

const LANGUAGE: &str = include_str!("../../data/domains/language.jsonl");
const SOCIAL: &str = include_str!("../../data/domains/social.jsonl");
const KNOWLEDGE: &str = include_str!("../../data/domains/knowledge.jsonl");

/// A line of a set.
#[derive(Deserialize)]
struct Line {
    /// Difficulty: `e`, `m` or `h`.
    d: String,
    /// Question.
    q: String,
    /// Choices, the right one first.
    a: Vec<String>,
}

/// The documents of a difficulty.
///
/// The right choice stands at each place in turn, and the others keep their order: so no place is right more often than
/// another, and the set is the same everywhere.
pub(super) fn items(domain: Domain, difficulty: Difficulty) -> Result<Vec<Value>, String> {
    let data = match domain {
        Domain::Language => LANGUAGE,
        Domain::Social => SOCIAL,
        _ => KNOWLEDGE,
    };
    let mut rows = Vec::new();
    for line in data.lines() {
        let line: Line = serde_json::from_str(line).map_err(|error| format!("the shipped set is damaged: {error}"))?;
        if difficulty.name().starts_with(&line.d) {
            rows.push(row(domain, difficulty, rows.len(), line)?);
        }
    }
    Ok(rows)
}

fn row(domain: Domain, difficulty: Difficulty, place: usize, line: Line) -> Result<Value, String> {
    let [right, others @ ..] = line.a.as_slice() else {
        return Err(format!("the shipped set is damaged: `{}` has no choices", line.q));
    };
    let answer = place % line.a.len();
    let mut choices = others.to_vec();
    choices.insert(answer, right.clone());
    let answer = i64::try_from(answer).unwrap_or(0);
    Ok(dict([
        ("id", text(format!("{}-{}-{:03}", domain.name(), difficulty.name(), place + 1))),
        ("question", text(line.q)),
        ("choices", texts(&choices)),
        ("answer", int(answer)),
    ]))
}
