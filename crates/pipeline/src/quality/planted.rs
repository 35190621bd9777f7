//! Wrong answers made from right ones: what a score or a judge must catch.

use serde::{Deserialize, Serialize};
use weighbridge_stats::Confidence;
use weighbridge_stats::proportion::wilson;

use super::grounding::{Evidence, ground};
use crate::digest::hash64;
use crate::words::{Word, WordKind, words};

/// How an answer was made wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlantedKind {
    /// A number is another one.
    Number,
    /// A name or an identifier is another one.
    Name,
    /// It says the opposite.
    Negation,
}

impl PlantedKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Number, Self::Name, Self::Negation];
}

/// A wrong answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planted {
    /// How it was made.
    pub kind: PlantedKind,
    /// The answer.
    pub answer: String,
}

/// Auxiliaries behind which English puts `not`.
const AUXILIARIES: [&str; 14] =
    ["is", "are", "was", "were", "can", "will", "must", "should", "may", "could", "would", "has", "have", "does"];

/// Makes a right answer wrong in one way; `None` where it has nothing to be made wrong in that way. `others` are names and numbers of
/// other places of the same text: half of the swaps take from them, as they are the harder ones to see.
#[must_use]
pub fn plant(answer: &str, kind: PlantedKind, others: &[String], seed: u64) -> Option<Planted> {
    let found = words(answer);
    let draw = hash64(answer.as_bytes(), seed);
    let changed = match kind {
        PlantedKind::Number => {
            let word = pick(&found, draw, |word| word.kind == WordKind::Number)?;
            let old = &answer[word.range.clone()];
            let from_text = others.iter().filter(|other| is_number(other) && is_other(other, word));
            let taken = (draw >> 32).is_multiple_of(2).then(|| nth(from_text, draw >> 33)).flatten();
            replaced(answer, word, &taken.unwrap_or_else(|| other_number(old)))
        }
        PlantedKind::Name => {
            let is_name = |word: &Word| matches!(word.kind, WordKind::Name | WordKind::Identifier);
            let word = pick(&found, draw, is_name)?;
            let old = &answer[word.range.clone()];
            let from_text = others.iter().filter(|other| !is_number(other) && is_other(other, word));
            let taken = (draw >> 32).is_multiple_of(2).then(|| nth(from_text, draw >> 33)).flatten();
            replaced(answer, word, &taken.unwrap_or_else(|| other_name(old, word.kind)))
        }
        PlantedKind::Negation => negated(answer, &found)?,
    };
    (changed != answer).then_some(Planted { kind, answer: changed })
}

/// Numbers and names of a text, each once, in order: what swaps are drawn from.
#[must_use]
pub fn swappable(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in words(text).iter().filter(|word| word.is_hard()) {
        let surface = &text[word.range.clone()];
        if found.len() < 200 && !found.iter().any(|known| known == surface) {
            found.push(surface.to_owned());
        }
    }
    found
}

fn pick(found: &[Word], draw: u64, is_fit: impl Fn(&Word) -> bool) -> Option<&Word> {
    let fit: Vec<&Word> = found.iter().filter(|word| is_fit(word)).collect();
    let count = u64::try_from(fit.len()).ok().filter(|count| *count > 0)?;
    usize::try_from(draw % count).ok().map(|at| fit[at])
}

fn nth<'a>(items: impl Iterator<Item = &'a String>, draw: u64) -> Option<String> {
    let items: Vec<&String> = items.collect();
    let count = u64::try_from(items.len()).ok().filter(|count| *count > 0)?;
    usize::try_from(draw % count).ok().map(|at| items[at].clone())
}

/// Whether a text is not the same word in another form.
fn is_other(text: &str, word: &Word) -> bool {
    words(text).iter().all(|other| other.norm != word.norm)
}

fn replaced(text: &str, word: &Word, new: &str) -> String {
    format!("{}{new}{}", &text[..word.range.start], &text[word.range.end..])
}

fn is_number(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
}

/// The first figure of a number raised by one, 9 becoming 1.
fn other_number(number: &str) -> String {
    let at = number.find(|char: char| char.is_ascii_digit()).unwrap_or(0);
    let figure = number.as_bytes().get(at).copied().unwrap_or(b'0');
    let next = if figure == b'9' { b'1' } else { figure + 1 };
    format!("{}{}{}", &number[..at], char::from(next), &number[at + 1..])
}

fn other_name(name: &str, kind: WordKind) -> String {
    match kind {
        WordKind::Identifier => format!("{name}_alt"),
        // Of the same shape: an acronym for an acronym.
        _ if name.chars().all(|char| !char.is_lowercase()) => (if name == "QVX" { "XVQ" } else { "QVX" }).to_owned(),
        _ if name.eq_ignore_ascii_case("Alderney") => "Guernsey".to_owned(),
        _ => "Alderney".to_owned(),
    }
}

fn negated(answer: &str, found: &[Word]) -> Option<String> {
    if let Some(word) = found
        .iter()
        .find(|word| word.kind == WordKind::Negator && answer[word.range.clone()].eq_ignore_ascii_case("not"))
    {
        let after = answer[word.range.end..].trim_start();
        return Some(format!("{}{after}", &answer[..word.range.start]));
    }
    let is_auxiliary = |word: &&Word| AUXILIARIES.contains(&answer[word.range.clone()].to_lowercase().as_str());
    let word = found.iter().find(is_auxiliary)?;
    // A negator already there would make two of them.
    let has_other = found.iter().any(|word| word.kind == WordKind::Negator);
    (!has_other).then(|| format!("{} not{}", &answer[..word.range.end], &answer[word.range.end..]))
}

/// How many planted wrong answers a grounding caught.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlantedReport {
    /// Wrong answers made, by kind.
    pub planted: Vec<(PlantedKind, u64)>,
    /// Of them caught: grounded below the gate.
    pub caught: Vec<(PlantedKind, u64)>,
    /// The share of all that was caught, with the bounds of its 95 % interval (Wilson); `None` without any.
    pub share: Option<(f64, f64, f64)>,
}

/// Plants every kind of error into every answer, and counts those whose grounding falls below the gate. `text` is what swaps are
/// drawn from.
#[must_use]
pub fn planted_report<'a>(
    items: impl IntoIterator<Item = (&'a str, Evidence, &'a str)>,
    gate: f64,
    seed: u64,
) -> PlantedReport {
    let mut planted = PlantedKind::ALL.map(|kind| (kind, 0));
    let mut caught = planted;
    for (answer, evidence, text) in items {
        let others = swappable(text);
        for (at, kind) in PlantedKind::ALL.into_iter().enumerate() {
            if let Some(wrong) = plant(answer, kind, &others, seed) {
                planted[at].1 += 1;
                caught[at].1 += u64::from(ground(&wrong.answer, &evidence, 1.0).value < gate);
            }
        }
    }
    let sum = |counts: &[(PlantedKind, u64)]| {
        usize::try_from(counts.iter().map(|(_, count)| count).sum::<u64>()).unwrap_or(0)
    };
    let estimate = wilson(sum(&caught), sum(&planted), Confidence::P95).ok();
    let share = estimate.map(|estimate| (estimate.value, estimate.interval.low, estimate.interval.high));
    PlantedReport { planted: planted.into(), caught: caught.into(), share }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_planted() {
        let check = |answer: &str, kind, expected: Option<&str>| {
            assert_eq!(plant(answer, kind, &[], 0).map(|planted| planted.answer).as_deref(), expected, "{answer}");
        };
        check("It is 30 seconds.", PlantedKind::Number, Some("It is 40 seconds."));
        check("It is 0.9 now.", PlantedKind::Number, Some("It is 1.9 now."));
        check("It runs in Bern.", PlantedKind::Name, Some("It runs in Alderney."));
        check("Set max_size there.", PlantedKind::Name, Some("Set max_size_alt there."));
        check("It is open.", PlantedKind::Negation, Some("It is not open."));
        check("It is not open.", PlantedKind::Negation, Some("It is open."));
        check("Runs at night.", PlantedKind::Negation, None);
        check("No numbers.", PlantedKind::Number, None);
    }

    #[test]
    fn planted_errors_are_caught_by_the_grounding() {
        let text = "The cache keeps answers for 3600 seconds in Bern. The queue is open from level 5 to level 10. \
            Users of max_size should not wait more than 20 seconds. Berlin holds 12 queues, and Geneva has 3 of them.";
        let sentences: Vec<&str> = text.split_inclusive(". ").collect();
        for seed in 0..20 {
            let items = sentences.iter().map(|sentence| (sentence.trim(), Evidence::new([sentence.trim()]), text));
            let report = planted_report(items, 0.6, seed);
            let (share, _, _) = report.share.unwrap();
            assert!(share >= 0.95, "{report:?}");
        }
    }
}
