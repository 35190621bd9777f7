//! A second engine reads the same pages, so that a text can be doubted without a reference: where both read the same words,
//! neither lost them.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use lopdf::Document;
use unpdf::parser::bidi;

use super::word::Sheet;

/// Pages that are read twice, spread over the document.
const PAGES: usize = 16;
/// Fewer words say nothing.
const LEAST_WORDS: usize = 20;

/// F1 of the bags of words of both engines on some pages, 0 to 1. `None` where the second one cannot read the file, and for
/// scripts without spaces or from right to left, which it leaves in the order of their sight.
pub(super) fn agreement(bytes: &[u8], sheets: &[Sheet]) -> Option<f64> {
    let step = sheets.len().div_ceil(PAGES).max(1);
    let sample: Vec<&Sheet> = sheets.iter().step_by(step).collect();
    let mut ours: Bag = Bag::default();
    let mut other_scripts = 0;
    for word in sample.iter().flat_map(|sheet| sheet.words.iter().chain(&sheet.aside)) {
        let ideographic = word.text.chars().any(|letter| ('\u{2e80}'..='\u{d7ff}').contains(&letter));
        other_scripts += usize::from(ideographic || bidi::contains_rtl(&word.text));
        ours.add(&word.text);
    }
    if ours.count < LEAST_WORDS || 10 * other_scripts > ours.count {
        return None;
    }
    let numbers: Vec<u32> = sample.iter().map(|sheet| sheet.number).collect();
    // Panics of a reader of hostile files are an answer: it cannot.
    let text = catch_unwind(AssertUnwindSafe(|| {
        Document::load_mem(bytes).ok().and_then(|document| document.extract_text(&numbers).ok())
    }));
    let mut theirs = Bag::default();
    theirs.add(&text.ok()??);
    (theirs.count >= LEAST_WORDS).then(|| ours.agreement(&theirs))
}

/// How often each word occurs.
#[derive(Default)]
struct Bag {
    words: HashMap<String, usize>,
    count: usize,
}

impl Bag {
    fn add(&mut self, text: &str) {
        for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
            *self.words.entry(word.to_lowercase()).or_default() += 1;
            self.count += 1;
        }
    }

    fn agreement(&self, other: &Self) -> f64 {
        let both: usize =
            self.words.iter().map(|(word, &count)| count.min(other.words.get(word).copied().unwrap_or(0))).sum();
        2.0 * both as f64 / (self.count + other.count) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bag(text: &str) -> Bag {
        let mut bag = Bag::default();
        bag.add(text);
        bag
    }

    #[test]
    fn bags_agree_by_what_both_hold() {
        assert!((bag("a b b c").agreement(&bag("B b, a. C")) - 1.0).abs() < 1e-12);
        assert!((bag("a b c d").agreement(&bag("a b x y")) - 0.5).abs() < 1e-12);
        assert!(bag("a b").agreement(&bag("*HPHLQGH")).abs() < 1e-12);
    }
}
