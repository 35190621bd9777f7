//! Questions that do not all begin alike.

use std::collections::BTreeMap;

use crate::quality::ItemRefusal;
use crate::words::words;

/// How often questions begin with a word, and are of a pattern.
#[derive(Clone, Debug, Default)]
pub struct Diversity {
    first_words: BTreeMap<String, u64>,
    patterns: BTreeMap<String, u64>,
    count: u64,
}

/// The first word of a question, in lower case.
#[must_use]
pub fn first_word(question: &str) -> String {
    let word = question.split_whitespace().next().unwrap_or_default();
    word.trim_matches(|char: char| !char.is_alphanumeric()).to_lowercase()
}

/// The pattern of a question: its words without content, with a blank for each run of others.
#[must_use]
pub fn pattern_of(question: &str) -> String {
    let mut pattern = String::new();
    for word in words(question) {
        let piece = if word.has_content() { "_" } else { word.norm.as_str() };
        if piece == "_" && pattern.ends_with('_') {
            continue;
        }
        if !pattern.is_empty() {
            pattern.push(' ');
        }
        pattern.push_str(piece);
    }
    pattern
}

impl Diversity {
    /// Counts a question.
    pub fn add(&mut self, question: &str) {
        *self.first_words.entry(first_word(question)).or_insert(0) += 1;
        *self.patterns.entry(pattern_of(question)).or_insert(0) += 1;
        self.count += 1;
    }

    /// Why one more question would be too many of its kind, at the most of a word and of a pattern; `None` where it would not.
    #[must_use]
    pub fn refuses(&self, question: &str, most_of_word: u64, most_of_pattern: u64) -> Option<ItemRefusal> {
        let is_full =
            |counts: &BTreeMap<String, u64>, key: String, most| counts.get(&key).copied().unwrap_or(0) >= most;
        if is_full(&self.first_words, first_word(question), most_of_word) {
            return Some(ItemRefusal::FirstWordCap);
        }
        is_full(&self.patterns, pattern_of(question), most_of_pattern).then_some(ItemRefusal::PatternCap)
    }

    /// Of several wordings the one whose first word and pattern were used least; the earlier of equals.
    #[must_use]
    pub fn rarest<'a>(&self, wordings: &'a [String]) -> Option<&'a String> {
        let used = |counts: &BTreeMap<String, u64>, key: String| counts.get(&key).copied().unwrap_or(0);
        wordings.iter().min_by_key(|wording| {
            let (word, pattern) =
                (used(&self.first_words, first_word(wording)), used(&self.patterns, pattern_of(wording)));
            // A first word may have half as much again as a pattern may.
            word.saturating_mul(2).max(pattern.saturating_mul(3))
        })
    }

    /// Questions counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The words that questions begin with, most used first, with their counts.
    #[must_use]
    pub fn first_words(&self) -> Vec<(String, u64)> {
        sorted(&self.first_words)
    }

    /// The patterns, most used first, with their counts.
    #[must_use]
    pub fn patterns(&self) -> Vec<(String, u64)> {
        sorted(&self.patterns)
    }
}

fn sorted(counts: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut all: Vec<(String, u64)> = counts.iter().map(|(key, count)| (key.clone(), *count)).collect();
    all.sort_by(|one, two| two.1.cmp(&one.1).then_with(|| one.0.cmp(&two.0)));
    all
}

/// How many of a number a share allows, rounded down.
pub(crate) fn allowance(share: f64, of: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a count, at least 0 and at most the count"
    )]
    let allowed = (share * of as f64 + 1e-9).floor() as u64;
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_leave_the_content_out() {
        let check = |question: &str, expected: &str| assert_eq!(pattern_of(question), expected);
        check("What is the default of `max_size`?", "what is the _ of _");
        check("How do you start the red server?", "how do you _ the _");
    }

    #[test]
    fn the_rarest_wording_is_taken() {
        let wordings = ["What is it?".to_owned(), "Which one is it?".to_owned()];
        let mut diversity = Diversity::default();
        assert_eq!(diversity.rarest(&wordings), Some(&wordings[0]));
        diversity.add("What is that?");
        assert_eq!(diversity.rarest(&wordings), Some(&wordings[1]));
        assert_eq!(diversity.rarest(&[]), None);
    }
}
