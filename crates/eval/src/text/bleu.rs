//! BLEU (Papineni et al. 2002), as sacrebleu computes it.

use super::grams::{Grams, Numbers};
use super::tokenize::Tokenizer;
use super::words;

/// Longest n-gram.
pub const ORDERS: usize = 4;

/// What stands in for a precision of zero (Chen and Cherry 2014).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Smoothing {
    /// Nothing.
    None,
    /// A small count.
    Floor(f64),
    /// A count added to both sides, above single words.
    AddK(f64),
    /// Half of the last: 1/2, 1/4, … of one n-gram.
    #[default]
    Exp,
}

/// The choices of BLEU.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Bleu {
    /// How lines become tokens.
    pub tokenizer: Tokenizer,
    /// What stands in for a precision of zero.
    pub smoothing: Smoothing,
    /// Whether case is ignored.
    pub lowercase: bool,
    /// Whether orders longer than the text are left out, as for single sentences.
    pub effective_order: bool,
}

/// The counts behind BLEU: those of texts add up to those of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BleuCounts {
    /// Tokens of the text.
    pub length: f64,
    /// Tokens of the reference whose length is nearest, the shorter one of two.
    pub reference_length: f64,
    /// N-grams shared with a reference, by order.
    pub correct: [f64; ORDERS],
    /// N-grams of the text, by order.
    pub total: [f64; ORDERS],
}

impl BleuCounts {
    /// Adds the counts of a text, `times` over.
    pub fn add(&mut self, other: &Self, times: f64) {
        self.length += times * other.length;
        self.reference_length += times * other.reference_length;
        for order in 0..ORDERS {
            self.correct[order] += times * other.correct[order];
            self.total[order] += times * other.total[order];
        }
    }
}

impl Bleu {
    /// Counts one text against its references.
    #[must_use]
    pub fn counts(&self, text: &str, references: &[&str]) -> BleuCounts {
        let prepare = |line: &str| {
            let line = self.tokenizer.apply(line);
            if self.lowercase { line.to_lowercase() } else { line.into_owned() }
        };
        let text = prepare(text);
        let references: Vec<String> = references.iter().map(|reference| prepare(reference)).collect();
        let mut numbers = Numbers::new();
        let mut grams = |line| {
            let symbols: Vec<u32> = words(line).map(|word| numbers.of(word)).collect();
            let mut grams = Grams::<u128>::new(4, 32);
            grams.fill(symbols.into_iter());
            grams
        };
        let ours = grams(&text);
        let theirs: Vec<Grams<u128>> = references.iter().map(|reference| grams(reference)).collect();
        let theirs: Vec<&Grams<u128>> = theirs.iter().collect();
        let length = ours.total(1);
        let nearest = theirs.iter().map(|of| of.total(1)).min_by_key(|&of| (of.abs_diff(length), of));
        let mut counts = BleuCounts {
            length: f64::from(length),
            reference_length: f64::from(nearest.unwrap_or(0)),
            ..BleuCounts::default()
        };
        for (index, order) in (1..=4).enumerate() {
            counts.correct[index] = f64::from(ours.shared(&theirs, order));
            counts.total[index] = f64::from(ours.total(order));
        }
        counts
    }

    /// The score of counts, 0 to 100.
    #[must_use]
    pub fn score(&self, counts: &BleuCounts) -> f64 {
        if counts.correct.iter().all(|&correct| correct <= 0.0) {
            return 0.0;
        }
        let mut logs = 0.0;
        let mut order = ORDERS;
        let mut halving = 1.0;
        for n in 0..ORDERS {
            let extra = match self.smoothing {
                Smoothing::AddK(k) if n > 0 => k,
                _ => 0.0,
            };
            let (correct, total) = (counts.correct[n] + extra, counts.total[n] + extra);
            if total <= 0.0 {
                if !self.effective_order {
                    return 0.0;
                }
                break;
            }
            if self.effective_order {
                order = n + 1;
            }
            let precision = if correct > 0.0 {
                100.0 * correct / total
            } else {
                match self.smoothing {
                    Smoothing::Exp => {
                        halving *= 2.0;
                        100.0 / (halving * total)
                    }
                    Smoothing::Floor(floor) => 100.0 * floor / total,
                    // A precision of zero: the score is zero too.
                    Smoothing::None | Smoothing::AddK(_) => return 0.0,
                }
            };
            logs += precision.ln();
        }
        let brevity = match counts.length {
            length if length >= counts.reference_length => 1.0,
            length if length > 0.0 => (1.0 - counts.reference_length / length).exp(),
            _ => 0.0,
        };
        brevity * (logs / order as f64).exp()
    }

    /// The fields of sacrebleu's signature, without its version. `references` is the number of references a text has, 0
    /// where texts differ in it.
    #[must_use]
    pub fn signature(&self, references: usize) -> String {
        let smoothing = match self.smoothing {
            Smoothing::None => "none".to_owned(),
            Smoothing::Exp => "exp".to_owned(),
            Smoothing::Floor(value) => format!("floor[{value:.2}]"),
            Smoothing::AddK(value) => format!("add-k[{value:.2}]"),
        };
        let case = if self.lowercase { "lc" } else { "mixed" };
        let effective = if self.effective_order { "yes" } else { "no" };
        let references = reference_count(references);
        format!("nrefs:{references}|case:{case}|eff:{effective}|tok:{}|smooth:{smoothing}", self.tokenizer.name())
    }
}

/// The number of references as signatures write it.
pub(super) fn reference_count(references: usize) -> String {
    if references == 0 { "var".to_owned() } else { references.to_string() }
}
