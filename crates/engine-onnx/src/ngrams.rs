//! Hashed n-grams: a text becomes a row of numbers.

use serde::{Deserialize, Serialize};

/// FNV-1a of 32 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>.
const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// What ends a word in the hash; it is no byte of a word.
const WORD_END: u8 = 0x1f;

/// Longest n-gram, units.
const LONGEST: usize = 8;
/// Most buckets; a row of them is 4 MiB.
const MOST_BUCKETS: usize = 1 << 20;
/// Most bytes of a text that may be read.
const MOST_BYTES: usize = 1 << 20;

/// What n-grams are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Bytes.
    Byte,
    /// Words: runs of ASCII letters and digits, `_`, and bytes above 127.
    Word,
}

/// How a text becomes a row: counts of hashed n-grams, of which each feature is the square root of its share.
///
/// The text is its UTF-8 bytes, the first `max_bytes` of them, with the letters A to Z made small. Every run of `from` to
/// `to` units is hashed with FNV-1a (each word is followed by the byte 31), folded by `hash ^ hash >> 15` and counted in the
/// bucket `hash % buckets`. A feature is `√(count / all counts)`, so that a row has length 1; a text without n-grams is all
/// zeros. Division and root are exact to the last bit in IEEE arithmetic, so that another language gets the same row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ngrams {
    /// What n-grams are made of.
    pub unit: Unit,
    /// Units of the shortest n-gram, 1 or more.
    pub from: usize,
    /// Units of the longest n-gram, at most 8.
    pub to: usize,
    /// Length of a row, at most 2²⁰.
    pub buckets: usize,
    /// Bytes of a text that are read, at most 2²⁰; the rest has no effect.
    pub max_bytes: usize,
}

impl Ngrams {
    /// Says what is out of range.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.from == 0 || self.from > self.to || self.to > LONGEST {
            let (from, to) = (self.from, self.to);
            return Some(format!("its n-grams are from {from} to {to} units; expected 1 to {LONGEST}, in order"));
        }
        if self.buckets == 0 || self.buckets > MOST_BUCKETS {
            return Some(format!("it has {} buckets; expected 1 to {MOST_BUCKETS}", self.buckets));
        }
        if self.max_bytes == 0 || self.max_bytes > MOST_BYTES {
            return Some(format!("it reads {} bytes of a text; expected 1 to {MOST_BYTES}", self.max_bytes));
        }
        None
    }

    /// The row of the bytes of a text, `[buckets]`.
    pub(crate) fn row(&self, text: &[u8]) -> Vec<f32> {
        let bytes = &text[..text.len().min(self.max_bytes)];
        let mut row = vec![0.0; self.buckets];
        let mut total = 0_u32;
        // A text has at most 2²⁰ units and eight n-grams begin at each, so that counts are exact in 24 bits.
        let mut count = |hash: u32| {
            row[(hash ^ (hash >> 15)) as usize % self.buckets] += 1.0;
            total += 1;
        };
        match self.unit {
            Unit::Byte => self.byte_grams(bytes, &mut count),
            Unit::Word => self.word_grams(bytes, &mut count),
        }
        for value in row.iter_mut().filter(|value| **value > 0.0) {
            *value = narrow((f64::from(*value) / f64::from(total)).sqrt());
        }
        row
    }

    fn byte_grams(&self, bytes: &[u8], count: &mut impl FnMut(u32)) {
        for start in 0..bytes.len() {
            let gram = &bytes[start..bytes.len().min(start + self.to)];
            let mut hash = OFFSET;
            for (place, byte) in gram.iter().enumerate() {
                hash = step(hash, byte.to_ascii_lowercase());
                if place + 1 >= self.from {
                    count(hash);
                }
            }
        }
    }

    fn word_grams(&self, bytes: &[u8], count: &mut impl FnMut(u32)) {
        let words: Vec<&[u8]> = bytes.split(|&byte| !is_word(byte)).filter(|word: &&[u8]| !word.is_empty()).collect();
        for start in 0..words.len() {
            let gram = &words[start..words.len().min(start + self.to)];
            let mut hash = OFFSET;
            for (place, word) in gram.iter().enumerate() {
                hash = word.iter().fold(hash, |hash, byte| step(hash, byte.to_ascii_lowercase()));
                hash = step(hash, WORD_END);
                if place + 1 >= self.from {
                    count(hash);
                }
            }
        }
    }
}

const fn step(hash: u32, byte: u8) -> u32 {
    (hash ^ byte as u32).wrapping_mul(PRIME)
}

const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte > 127
}

#[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest, as the graph computes in 32 bits")]
fn narrow(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(unit: Unit, from: usize, to: usize) -> Ngrams {
        Ngrams { unit, from, to, buckets: 64, max_bytes: 16 }
    }

    #[test]
    fn rows_do_not_see_case_nor_what_is_cut_off() {
        let check = |unit, first: &str, second: &str, is_equal: bool| {
            let features = features(unit, 1, 2);
            assert_eq!(
                features.row(first.as_bytes()) == features.row(second.as_bytes()),
                is_equal,
                "{unit:?}: {first:?} {second:?}"
            );
        };
        check(Unit::Byte, "SELECT", "select", true);
        check(Unit::Byte, "0123456789abcdefX", "0123456789abcdefY", true);
        check(Unit::Byte, "ab", "ba", false);
        check(Unit::Word, "open  read", "open,READ", true);
        check(Unit::Word, "open read", "openread", false);
        check(Unit::Word, "ab c", "a bc", false);
    }

    #[test]
    fn an_empty_text_is_all_zeros() {
        assert!(features(Unit::Byte, 1, 3).row(b"").iter().all(|value| value.to_bits() == 0));
        assert!(features(Unit::Byte, 3, 3).row(b"ab").iter().all(|value| value.to_bits() == 0));
        assert!(features(Unit::Word, 1, 3).row(b" ;; ").iter().all(|value| value.to_bits() == 0));
    }

    #[test]
    fn what_is_out_of_range_is_named() {
        let check = |change: fn(&mut Ngrams), expected: &str| {
            let mut changed = features(Unit::Byte, 1, 3);
            change(&mut changed);
            assert!(changed.problem().is_some_and(|problem| problem.contains(expected)), "{changed:?}");
        };
        check(|features| features.from = 0, "from 0");
        check(|features| features.to = 9, "to 9");
        check(|features| features.from = 4, "from 4 to 3");
        check(|features| features.buckets = 0, "0 buckets");
        check(|features| features.max_bytes = MOST_BYTES + 1, "bytes of a text");
        assert_eq!(features(Unit::Byte, 1, 3).problem(), None);
    }

    proptest::proptest! {
        #[test]
        fn a_row_has_length_one_or_none(text in "(?s).{0,40}", from in 1_usize..4, more in 0_usize..4, words: bool) {
            let unit = if words { Unit::Word } else { Unit::Byte };
            let row = features(unit, from, from + more).row(text.as_bytes());
            let square: f64 = row.iter().map(|value| f64::from(*value).powi(2)).sum();
            proptest::prop_assert!(square == 0.0 || (square - 1.0).abs() < 1e-5, "{square}");
        }
    }
}
