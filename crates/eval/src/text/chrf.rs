//! chrF and chrF++ (Popović 2015, 2017), as sacrebleu computes them.

use super::bleu::reference_count;
use super::grams::{Grams, Key, Numbers};
use super::{is_space, words};

/// Longest n-gram of characters.
pub const CHARS: usize = 6;
/// Longest n-gram of words, in chrF++.
pub const WORDS: usize = 2;
/// Weight of recall.
const BETA: f64 = 2.0;

/// The choices of chrF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chrf {
    /// Longest n-gram of words: 0 for chrF, 2 for chrF++.
    pub word_orders: usize,
    /// Whether case is ignored.
    pub lowercase: bool,
}

/// The counts behind chrF, by order, characters first: n-grams of the text, of the reference, of both. Those of texts
/// add up to those of a corpus.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChrfCounts(pub [[f64; 3]; CHARS + WORDS]);

impl Default for ChrfCounts {
    fn default() -> Self {
        Self([[0.0; 3]; CHARS + WORDS])
    }
}

impl ChrfCounts {
    /// Adds the counts of a text, `times` over.
    pub fn add(&mut self, other: &Self, times: f64) {
        for (ours, theirs) in self.0.iter_mut().flatten().zip(other.0.iter().flatten()) {
            *ours += times * theirs;
        }
    }
}

impl Chrf {
    /// chrF++.
    pub const PLUS_PLUS: Self = Self { word_orders: WORDS, lowercase: false };

    /// Counts one text against the reference that it scores best with, the first one of equals.
    #[must_use]
    pub fn counts(&self, text: &str, references: &[&str]) -> ChrfCounts {
        let mut best = (-1.0, ChrfCounts::default());
        for reference in references {
            let counts = if self.lowercase {
                self.pair(&text.to_lowercase(), &reference.to_lowercase())
            } else {
                self.pair(text, reference)
            };
            // One reference needs no choice.
            let score = if references.len() == 1 { 0.0 } else { self.score(&counts) };
            if score > best.0 {
                best = (score, counts);
            }
        }
        best.1
    }

    fn pair(&self, text: &str, reference: &str) -> ChrfCounts {
        let mut counts = ChrfCounts::default();
        if text.is_ascii() && reference.is_ascii() {
            let symbols = |line: &str| -> Vec<u32> {
                line.bytes().filter(|&byte| !is_space(char::from(byte))).map(|byte| u32::from(byte) + 1).collect()
            };
            fill::<u64>(&mut counts.0[..CHARS], 8, &symbols(text), &symbols(reference));
        } else {
            let symbols =
                |line: &str| -> Vec<u32> { line.chars().filter(|&c| !is_space(c)).map(|c| u32::from(c) + 1).collect() };
            fill::<u128>(&mut counts.0[..CHARS], 21, &symbols(text), &symbols(reference));
        }
        if self.word_orders > 0 {
            let mut numbers = Numbers::new();
            let mut symbols = |line| -> Vec<u32> { split(line).map(|word| numbers.of(word)).collect() };
            let (text, reference) = (symbols(text), symbols(reference));
            fill::<u64>(&mut counts.0[CHARS..CHARS + self.word_orders.min(WORDS)], 32, &text, &reference);
        }
        counts
    }

    /// The score of counts, 0 to 100: F of the mean precision and mean recall over the orders that both sides have.
    #[must_use]
    pub fn score(&self, counts: &ChrfCounts) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for [ours, theirs, both] in &counts.0[..CHARS + self.word_orders.min(WORDS)] {
            if *ours > 0.0 && *theirs > 0.0 {
                precision += both / ours;
                recall += both / theirs;
                orders += 1.0;
            }
        }
        if orders <= 0.0 || precision + recall <= 0.0 {
            return 0.0;
        }
        let (precision, recall) = (precision / orders, recall / orders);
        let factor = BETA * BETA;
        100.0 * ((1.0 + factor) * precision * recall / (factor * precision + recall))
    }

    /// The fields of sacrebleu's signature, without its version. `references` as in BLEU's.
    #[must_use]
    pub fn signature(&self, references: usize) -> String {
        let case = if self.lowercase { "lc" } else { "mixed" };
        let references = reference_count(references);
        format!("nrefs:{references}|case:{case}|eff:yes|nc:{CHARS}|nw:{}|space:no", self.word_orders)
    }
}

fn fill<K: Key>(counts: &mut [[f64; 3]], bits: u32, text: &[u32], reference: &[u32]) {
    let orders = u32::try_from(counts.len()).unwrap_or(0);
    let (mut ours, mut theirs) = (Grams::<K>::new(orders, bits), Grams::<K>::new(orders, bits));
    ours.fill(text.iter().copied());
    theirs.fill(reference.iter().copied());
    for (order, counts) in (1..).zip(counts) {
        let there = theirs.total(order);
        // Without n-grams in the reference, those of the text do not count.
        let here = if there > 0 { ours.total(order) } else { 0 };
        *counts = [f64::from(here), f64::from(there), f64::from(ours.shared(&[&theirs], order))];
    }
}

/// Words, with one punctuation mark cut off: at the end, else at the start.
fn split(line: &str) -> impl Iterator<Item = &str> {
    words(line).flat_map(|word| {
        let mut chars = word.chars();
        let (first, last) = (chars.next().unwrap_or(' '), chars.next_back());
        let cut = match last {
            Some(last) if last.is_ascii_punctuation() => word.len() - 1,
            Some(_) if first.is_ascii_punctuation() => 1,
            _ => word.len(),
        };
        let (head, tail) = word.split_at(cut);
        [head, tail].into_iter().filter(|part| !part.is_empty())
    })
}
