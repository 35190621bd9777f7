//! Texts by their bands: which one is most like another.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::minhash::{Shingles, Signature, Signer};

/// Texts that are compared with a new one at most. A bucket that holds more is one of a phrase that stands everywhere.
const CANDIDATES: usize = 64;

/// The text that is most like another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    /// Its number in the order of insertion.
    pub number: usize,
    /// The exact Jaccard similarity.
    pub similarity: f64,
}

/// Texts among which similar ones are found.
#[derive(Debug)]
pub struct SimilarTexts {
    signer: Signer,
    buckets: HashMap<u64, Vec<u32>, FixedState>,
    shingles: Vec<Shingles>,
    /// Whether half bands are kept as well, which find texts from a similarity of about 0.4 on.
    is_wide: bool,
}

impl Default for SimilarTexts {
    fn default() -> Self {
        Self::new()
    }
}

impl SimilarTexts {
    /// Finds texts of a similarity of 0.7 and more, all but a few in a thousand.
    #[must_use]
    pub fn new() -> Self {
        Self { signer: Signer::new(), buckets: HashMap::default(), shingles: Vec::new(), is_wide: false }
    }

    /// Finds less similar texts as well, at twice the memory for buckets.
    #[must_use]
    pub fn wide() -> Self {
        Self { is_wide: true, ..Self::new() }
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shingles.len()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shingles.is_empty()
    }

    /// What is looked up with, and inserted.
    #[must_use]
    pub fn sign(&self, text: &str) -> (Shingles, Signature) {
        let shingles = Shingles::of(text);
        let signature = self.signer.sign(&shingles);
        (shingles, signature)
    }

    /// The most similar text, the earliest of equals; `None` where none shares a band.
    #[must_use]
    pub fn nearest(&self, (shingles, signature): &(Shingles, Signature)) -> Option<Nearest> {
        let mut nearest: Option<Nearest> = None;
        for number in self.candidates(shingles, signature) {
            let number = number as usize;
            let similarity = self.shingles[number].jaccard(shingles);
            if nearest.is_none_or(|known| similarity > known.similarity) {
                nearest = Some(Nearest { number, similarity });
            }
        }
        nearest
    }

    /// Texts that share a band, each once, in order.
    pub(super) fn candidates(&self, shingles: &Shingles, signature: &Signature) -> Vec<u32> {
        if shingles.is_empty() {
            return Vec::new();
        }
        let mut found: Vec<u32> = Vec::new();
        for key in self.keys(signature) {
            if let Some(bucket) = self.buckets.get(&key) {
                found.extend(bucket.iter().take(CANDIDATES));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Adds a text, and says its number.
    pub fn insert(&mut self, (shingles, signature): (Shingles, Signature)) -> usize {
        let number = self.shingles.len();
        if !shingles.is_empty() {
            let keys: Vec<u64> = self.keys(&signature).collect();
            for key in keys {
                let bucket = self.buckets.entry(key).or_default();
                // What is beyond is never looked at.
                if let Some(number) = u32::try_from(number).ok().filter(|_| bucket.len() < CANDIDATES) {
                    bucket.push(number);
                }
            }
        }
        self.shingles.push(shingles);
        number
    }

    pub(super) fn similarity(&self, number: u32, shingles: &Shingles) -> f64 {
        self.shingles[number as usize].jaccard(shingles)
    }

    fn keys<'a>(&self, signature: &'a Signature) -> impl Iterator<Item = u64> + 'a {
        let half = self.is_wide.then(|| signature.half_bands());
        signature.bands().chain(half.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_text_is_found() {
        let text = |from: u32, count: u32| {
            (from..from + count).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ")
        };
        let mut texts = SimilarTexts::new();
        for inserted in [text(0, 200), text(1000, 200), text(10, 200)] {
            let signed = texts.sign(&inserted);
            texts.insert(signed);
        }
        let found = texts.nearest(&texts.sign(&text(9, 200))).unwrap();
        assert_eq!(found.number, 2);
        assert!(found.similarity > 0.95);
        assert_eq!(texts.nearest(&texts.sign(&text(5000, 200))), None);
        assert_eq!(texts.nearest(&texts.sign("")), None);
    }

    #[test]
    fn a_wide_index_finds_less_similar_texts() {
        let text = |from: u32| (from..from + 100).map(|number| format!("w{number}")).collect::<Vec<_>>().join(" ");
        let mut texts = SimilarTexts::wide();
        let signed = texts.sign(&text(0));
        texts.insert(signed);
        let found = texts.nearest(&texts.sign(&text(30))).unwrap();
        assert!((0.45..0.65).contains(&found.similarity), "{found:?}");
    }
}
