//! Whether texts are equal, share words, or lie few edits apart.

use std::borrow::Cow;

use super::words;

/// What is ignored when texts are compared, in lm-eval's words and order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Normalization {
    /// Case.
    pub ignore_case: bool,
    /// ASCII punctuation.
    pub ignore_punctuation: bool,
    /// ASCII digits.
    pub ignore_numbers: bool,
}

impl Normalization {
    /// The text without what is ignored.
    #[must_use]
    pub fn apply<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        if self.ignore_case {
            text = Cow::Owned(text.to_lowercase());
        }
        if self.ignore_punctuation || self.ignore_numbers {
            let is_ignored = |c: &char| {
                (self.ignore_punctuation && c.is_ascii_punctuation()) || (self.ignore_numbers && c.is_ascii_digit())
            };
            text = Cow::Owned(text.chars().filter(|c| !is_ignored(c)).collect());
        }
        text
    }

    /// Whether the text equals one of the references.
    #[must_use]
    pub fn is_match(&self, text: &str, references: &[&str]) -> bool {
        let text = self.apply(text);
        references.iter().any(|reference| self.apply(reference) == text)
    }
}

/// F1 of the words that a text shares with a reference, the best one; normalized as SQuAD does: lower case, without
/// punctuation, without `a`, `an`, `the`. Where one side has no word, 1 if both have none.
#[must_use]
pub fn token_f1(text: &str, references: &[&str]) -> f64 {
    let text = squad(text);
    let ours = sorted_words(&text);
    let f1 = |reference: &&str| {
        let reference = squad(reference);
        let theirs = sorted_words(&reference);
        if ours.is_empty() || theirs.is_empty() {
            return f64::from(u8::from(ours.is_empty() && theirs.is_empty()));
        }
        let shared = shared(&ours, &theirs);
        if shared == 0 {
            return 0.0;
        }
        let (precision, recall) = (shared as f64 / ours.len() as f64, shared as f64 / theirs.len() as f64);
        2.0 * precision * recall / (precision + recall)
    };
    references.iter().map(f1).fold(0.0, f64::max)
}

/// `1 − edits / longer length` in characters, against the nearest reference; two empty texts are equal.
#[must_use]
pub fn edit_similarity(text: &str, references: &[&str]) -> f64 {
    references.iter().map(|reference| strsim::normalized_levenshtein(text, reference)).fold(0.0, f64::max)
}

fn sorted_words(text: &str) -> Vec<&str> {
    let mut list: Vec<&str> = words(text).collect();
    list.sort_unstable();
    list
}

fn shared(a: &[&str], b: &[&str]) -> usize {
    let (mut i, mut j, mut shared) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, shared) = (i + 1, j + 1, shared + 1),
        }
    }
    shared
}

fn squad(text: &str) -> String {
    let plain: String = text.to_lowercase().chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let mut out = String::with_capacity(plain.len());
    let mut rest = plain.as_str();
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    while let Some(start) = rest.find(is_letter) {
        out.push_str(&rest[..start]);
        let run = &rest[start..];
        let end = run.find(|c| !is_letter(c)).unwrap_or(run.len());
        out.push_str(if matches!(&run[..end], "a" | "an" | "the") { " " } else { &run[..end] });
        rest = &run[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small cases whose results are exact")]
mod tests {
    use super::*;

    #[test]
    fn normalization_ignores_what_it_says() {
        let check = |normalization: Normalization, text: &str, expected: &str| {
            assert_eq!(normalization.apply(text), expected, "{normalization:?}");
        };
        let none = Normalization::default();
        check(none, "A-1 b", "A-1 b");
        check(Normalization { ignore_case: true, ..none }, "A-1 b", "a-1 b");
        check(Normalization { ignore_punctuation: true, ..none }, "A-1 b", "A1 b");
        check(Normalization { ignore_numbers: true, ..none }, "A-1 b", "A- b");
        assert!(none.is_match("x", &["y", "x"]) && !none.is_match("x", &[]));
    }

    #[test]
    fn articles_and_marks_do_not_count() {
        assert_eq!(token_f1("The cat!", &["a cat"]), 1.0);
        assert_eq!(token_f1("cat sat", &["cat", "dog"]), 2.0 / 3.0);
        assert_eq!(token_f1("the", &["an"]), 1.0);
        assert_eq!(token_f1("", &["cat"]), 0.0);
    }

    #[test]
    fn similarity_is_of_characters() {
        assert_eq!(edit_similarity("äb", &["äc"]), 0.5);
        assert_eq!(edit_similarity("", &[""]), 1.0);
    }
}
