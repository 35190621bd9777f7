//! Texts with planted copies, for the bench and the test of near duplicates.

use weighbridge_pipeline::digest::hash64;

/// Different words.
const VOCABULARY: u64 = 20_000;

/// Texts of some 300 words each, and the text that each is a copy of; itself where it is none.
pub(crate) fn planted(count: usize, copies: usize, seed: u64) -> (Vec<String>, Vec<usize>) {
    let mut draw = Draw { seed, number: 0 };
    let originals = count - copies;
    let mut texts: Vec<Vec<String>> =
        (0..originals).map(|_| (0..280 + draw.below(40)).map(|_| draw.word()).collect()).collect();
    let mut family: Vec<usize> = (0..originals).collect();
    for _ in 0..copies {
        let of = usize::try_from(draw.below(originals as u64)).unwrap_or(0);
        let mut copy = texts[of].clone();
        // 0 to 2 % of the words are replaced, left out or doubled.
        for _ in 0..draw.below(copy.len() as u64 / 50 + 1) {
            let at = usize::try_from(draw.below(copy.len() as u64)).unwrap_or(0);
            match draw.below(3) {
                0 => copy[at] = draw.word(),
                1 => drop(copy.remove(at)),
                _ => copy.insert(at, draw.word()),
            }
        }
        texts.push(copy);
        family.push(of);
    }
    (texts.into_iter().map(|words| words.join(" ")).collect(), family)
}

/// Share of the planted copies that are in the cluster of their original, and share of the pairs of a text and its cluster's first that
/// are of one family.
pub(crate) fn recall_and_precision(roots: &[usize], family: &[usize]) -> (f64, f64) {
    let (mut copies, mut found, mut joined, mut right) = (0_u32, 0_u32, 0_u32, 0_u32);
    for (text, (root, original)) in roots.iter().zip(family).enumerate() {
        if *original != text {
            copies += 1;
            found += u32::from(*root == roots[*original]);
        }
        if *root != text {
            joined += 1;
            right += u32::from(family[*root] == *original);
        }
    }
    (f64::from(found) / f64::from(copies), f64::from(right) / f64::from(joined.max(1)))
}

struct Draw {
    seed: u64,
    number: u64,
}

impl Draw {
    fn below(&mut self, most: u64) -> u64 {
        self.number += 1;
        hash64(&self.number.to_le_bytes(), self.seed) % most
    }

    /// A word, more often one with a small number, as in a language.
    fn word(&mut self) -> String {
        let limit = self.below(VOCABULARY) + 1;
        format!("word{}", self.below(limit))
    }
}
