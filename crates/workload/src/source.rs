//! The one source of randomness: a ChaCha stream that belongs to a single item.

use rand_chacha::ChaCha8Rng;
use rand_core::{RngCore, SeedableRng};

use crate::task::{Difficulty, Split};

/// Every `HELD_OUT_STRIDE`-th entry of a table is kept from the training split.
///
/// A quarter is large enough to test on and small enough that training still sees the variety.
const HELD_OUT_STRIDE: usize = 4;

/// Random choices for one item.
///
/// The stream is a function of `(seed, name, split, index)` alone, so that items can be made
/// in any order and on any number of threads. The 32 bytes of the ChaCha key hold the four
/// numbers as they are; no hash can make two items share a stream, only two names with the
/// same 64-bit FNV-1a digest could.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    rng: ChaCha8Rng,
    split: Split,
    difficulty: Difficulty,
}

impl Source {
    pub(crate) fn new(seed: u64, name: &str, split: Split, index: u64) -> Self {
        let mut key = [0_u8; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..16].copy_from_slice(&fnv1a(name).to_le_bytes());
        key[16..24].copy_from_slice(&(split as u64).to_le_bytes());
        key[24..].copy_from_slice(&index.to_le_bytes());
        Self { rng: ChaCha8Rng::from_seed(key), split, difficulty: Difficulty::default() }
    }

    pub(crate) fn with_difficulty(mut self, difficulty: Difficulty) -> Self {
        self.difficulty = difficulty;
        self
    }

    /// The split that the item is made for.
    pub(crate) const fn split(&self) -> Split {
        self.split
    }

    /// Whether this item should be disguised, by the share that its difficulty names.
    pub(crate) fn obfuscates(&mut self) -> bool {
        let percent = self.difficulty.obfuscated_percent();
        self.chance(percent)
    }

    /// A number in `0..bound`.
    ///
    /// Multiply-shift; its bias is below `bound / 2^32` and of no matter for test data.
    ///
    /// # Panics
    ///
    /// If `bound` is zero: there is nothing to choose from.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        assert!(bound > 0, "a choice needs at least one alternative");
        let product = u64::from(self.rng.next_u32()) * u64::from(bound);
        u32::try_from(product >> 32).expect("the product of two u32, shifted by 32, is a u32")
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// Any entry of a table that both splits share.
    pub(crate) fn any<'a, T: ?Sized>(&mut self, table: &'a [&'a T]) -> &'a T {
        table[self.position(table.len())]
    }

    /// An entry of the part of a table that belongs to this item's split alone.
    ///
    /// # Panics
    ///
    /// If the table is too short to have a held-out part.
    pub(crate) fn own<'a, T: ?Sized>(&mut self, table: &'a [&'a T]) -> &'a T {
        table[self.own_position(table.len())]
    }

    /// An entry of the training split's part of a table, whatever this item's split.
    ///
    /// # Panics
    ///
    /// If the table is too short to have a held-out part.
    pub(crate) fn trained<'a, T: ?Sized>(&mut self, table: &'a [&'a T]) -> &'a T {
        table[self.part_position(table.len(), Split::Train)]
    }

    /// A position in `0..length`, from the part that belongs to this item's split.
    pub(crate) fn own_position(&mut self, length: usize) -> usize {
        self.part_position(length, self.split)
    }

    fn part_position(&mut self, length: usize, part: Split) -> usize {
        assert!(length >= HELD_OUT_STRIDE, "a split table needs four entries");
        let held_out = length / HELD_OUT_STRIDE;
        match part {
            Split::HeldOut => self.position(held_out) * HELD_OUT_STRIDE + HELD_OUT_STRIDE - 1,
            Split::Train => {
                let rank = self.position(length - held_out);
                // Skips one entry after each run of three.
                rank + rank / (HELD_OUT_STRIDE - 1)
            }
        }
    }

    /// Positions in two tables, as a pair that belongs to this item's split.
    ///
    /// One pair in five is held out, by a rule under which every entry of either table stands
    /// in pairs of both splits: what is new in a held-out item is the combination.
    pub(crate) fn own_pair(&mut self, first_length: usize, second_length: usize) -> (usize, usize) {
        loop {
            let (first, second) = (self.position(first_length), self.position(second_length));
            let is_held_out = (first + 3 * second).is_multiple_of(5);
            if is_held_out == (self.split == Split::HeldOut) {
                return (first, second);
            }
        }
    }

    pub(crate) fn position(&mut self, length: usize) -> usize {
        let bound = u32::try_from(length).expect("tables are short");
        self.below(bound) as usize
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.position(last + 1);
            items.swap(last, other);
        }
    }

    /// `count` different entries of `table`, none of which is `except`.
    pub(crate) fn others<'a>(&mut self, table: &'a [&'a str], except: &[&str], count: usize) -> Vec<&'a str> {
        let mut rest: Vec<&str> = Vec::with_capacity(table.len());
        for entry in table {
            if !except.contains(entry) && !rest.contains(entry) {
                rest.push(entry);
            }
        }
        self.shuffle(&mut rest);
        rest.truncate(count);
        rest
    }

    /// Lower-case letters and digits, as identifiers and encoded data have them.
    pub(crate) fn letters(&mut self, length: u32) -> String {
        const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..length).map(|_| char::from(ALPHABET[self.position(ALPHABET.len())])).collect()
    }
}

/// FNV-1a, 64 bit (Fowler, Noll, Vo): tells names apart, nothing more.
pub(crate) fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_never_share_an_entry_of_an_own_table() {
        for length in 4..40 {
            let mut seen = [vec![false; length], vec![false; length]];
            for (part, split) in [Split::Train, Split::HeldOut].into_iter().enumerate() {
                for index in 0..600 {
                    let mut source = Source::new(1, "test", split, index);
                    seen[part][source.own_position(length)] = true;
                }
            }
            for position in 0..length {
                let owners = seen.iter().filter(|part| part[position]).count();
                assert_eq!(owners, 1, "entry {position} of {length}");
            }
        }
    }

    #[test]
    fn a_stream_is_a_function_of_its_key() {
        let draw = |seed, name, split, index| Source::new(seed, name, split, index).rng.next_u64();
        let reference = draw(1, "a", Split::Train, 0);
        assert_eq!(reference, draw(1, "a", Split::Train, 0));
        assert_ne!(reference, draw(2, "a", Split::Train, 0));
        assert_ne!(reference, draw(1, "b", Split::Train, 0));
        assert_ne!(reference, draw(1, "a", Split::HeldOut, 0));
        assert_ne!(reference, draw(1, "a", Split::Train, 1));
    }
}
