//! N-grams of all orders from one sort.
//!
//! Each position of a sequence becomes a key that holds the symbols from there on, the first in the highest bits. Sorted
//! keys are sorted for every shorter order as well, so that shared n-grams of each order are counted by merging.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::FixedState;

/// A whole number that holds several symbols.
pub(super) trait Key: Copy + Ord {
    /// Drops the lowest bits.
    fn drop_low(self, bits: u32) -> Self;
    /// Appends a symbol of this many bits, dropping the highest.
    fn push(self, symbol: u32, bits: u32, width: u32) -> Self;
    /// Whether the lowest bits are all zero.
    fn ends_empty(self, bits: u32) -> bool;
    /// No symbol.
    const EMPTY: Self;
}

macro_rules! key {
    ($type:ty) => {
        impl Key for $type {
            const EMPTY: Self = 0;
            fn drop_low(self, bits: u32) -> Self {
                self >> bits
            }
            fn push(self, symbol: u32, bits: u32, width: u32) -> Self {
                (self >> bits) | (Self::from(symbol) << (width - bits))
            }
            fn ends_empty(self, bits: u32) -> bool {
                self & ((1 << bits) - 1) == 0
            }
        }
    };
}

key!(u64);
key!(u128);

/// The sorted keys of a sequence, for n-grams of up to `orders` symbols of `bits` bits. Symbols are not 0.
#[derive(Debug)]
pub(super) struct Grams<K> {
    keys: Vec<K>,
    orders: u32,
    bits: u32,
}

impl<K: Key> Grams<K> {
    pub(super) fn new(orders: u32, bits: u32) -> Self {
        Self { keys: Vec::new(), orders, bits }
    }

    /// Takes another sequence.
    pub(super) fn fill(&mut self, symbols: impl DoubleEndedIterator<Item = u32>) {
        self.keys.clear();
        let mut key = K::EMPTY;
        for symbol in symbols.rev() {
            key = key.push(symbol, self.bits, self.orders * self.bits);
            self.keys.push(key);
        }
        self.keys.sort_unstable();
    }

    /// N-grams of an order.
    pub(super) fn total(&self, order: u32) -> u32 {
        let n = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        (n + 1).saturating_sub(order)
    }

    /// N-grams of an order that some of the others hold as well, each at most as often as the one that has it most often.
    pub(super) fn shared(&self, others: &[&Self], order: u32) -> u32 {
        let drop = (self.orders - order) * self.bits;
        let mut places = [0; 1];
        let mut many;
        let places: &mut [usize] = if others.len() == 1 {
            &mut places
        } else {
            many = vec![0; others.len()];
            &mut many
        };
        let (mut at, mut shared) = (0, 0);
        while at < self.keys.len() {
            let gram = self.keys[at].drop_low(drop);
            let mut count = 0;
            while at < self.keys.len() && self.keys[at].drop_low(drop) == gram {
                count += 1;
                at += 1;
            }
            if gram.ends_empty(self.bits) {
                // The end of the sequence: fewer symbols than the order.
                continue;
            }
            let most = others.iter().zip(places.iter_mut()).map(|(other, place)| other.count(gram, drop, place));
            shared += count.min(most.max().unwrap_or(0));
        }
        shared
    }

    /// How often a gram stands at or after a place, which moves behind it.
    fn count(&self, gram: K, drop: u32, place: &mut usize) -> u32 {
        while *place < self.keys.len() && self.keys[*place].drop_low(drop) < gram {
            *place += 1;
        }
        let mut count = 0;
        while *place < self.keys.len() && self.keys[*place].drop_low(drop) == gram {
            *place += 1;
            count += 1;
        }
        count
    }
}

/// Numbers for words, from 1.
#[derive(Debug)]
pub(super) struct Numbers<T>(HashMap<T, u32, FixedState>);

impl<T: Eq + Hash> Numbers<T> {
    pub(super) fn new() -> Self {
        Self(HashMap::with_hasher(FixedState::default()))
    }

    pub(super) fn of(&mut self, word: T) -> u32 {
        let next = u32::try_from(self.0.len() + 1).unwrap_or(u32::MAX);
        *self.0.entry(word).or_insert(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grams(symbols: &[u32]) -> Grams<u64> {
        let mut grams = Grams::new(3, 16);
        grams.fill(symbols.iter().copied());
        grams
    }

    fn plain(a: &[u32], others: &[Vec<u32>], n: usize) -> u32 {
        let count = |of: &[u32], gram: &[u32]| of.windows(n).filter(|window| *window == gram).count();
        let mut seen: Vec<&[u32]> = a.windows(n).collect();
        seen.sort_unstable();
        seen.dedup();
        let shared =
            |gram: &&[u32]| count(a, gram).min(others.iter().map(|other| count(other, gram)).max().unwrap_or(0));
        u32::try_from(seen.iter().map(shared).sum::<usize>()).unwrap()
    }

    proptest! {
        #[test]
        fn shared_grams_are_counted_as_by_hand(
            a in prop::collection::vec(1_u32..4, 0..12),
            others in prop::collection::vec(prop::collection::vec(1_u32..4, 0..12), 1..3),
        ) {
            let found: Vec<Grams<u64>> = others.iter().map(|other| grams(other)).collect();
            let found: Vec<&Grams<u64>> = found.iter().collect();
            for n in 1..=3 {
                prop_assert_eq!(grams(&a).shared(&found, n), plain(&a, &others, n as usize));
                prop_assert_eq!(grams(&a).total(n) as usize, a.windows(n as usize).count());
            }
        }
    }
}
