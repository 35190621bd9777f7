//! The level in memory: bounded by bytes, the entry used longest ago goes first.

use std::collections::{BTreeMap, HashMap};

use crate::key::Key;

/// What an entry costs besides its bytes: key, place and order.
const ENTRY_BYTES: u64 = 160;

/// Answers in memory.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    bytes: u64,
    /// Counts uses; the order of entries.
    now: u64,
    entries: HashMap<Key, (u64, Vec<u8>)>,
    by_use: BTreeMap<u64, Key>,
}

impl Memory {
    pub(crate) fn new(limit: u64) -> Self {
        Self { limit, bytes: 0, now: 0, entries: HashMap::new(), by_use: BTreeMap::new() }
    }

    pub(crate) fn get(&mut self, key: &Key) -> Option<Vec<u8>> {
        self.now += 1;
        let (used, value) = self.entries.get_mut(key)?;
        self.by_use.remove(used);
        self.by_use.insert(self.now, *key);
        *used = self.now;
        Some(value.clone())
    }

    pub(crate) fn put(&mut self, key: Key, value: Vec<u8>) {
        let cost = ENTRY_BYTES + value.len() as u64;
        if cost > self.limit {
            return;
        }
        self.now += 1;
        if let Some((used, old)) = self.entries.insert(key, (self.now, value)) {
            self.by_use.remove(&used);
            self.bytes -= ENTRY_BYTES + old.len() as u64;
        }
        self.by_use.insert(self.now, key);
        self.bytes += cost;
        while self.bytes > self.limit {
            let Some((_, oldest)) = self.by_use.pop_first() else { return };
            if let Some((_, value)) = self.entries.remove(&oldest) {
                self.bytes -= ENTRY_BYTES + value.len() as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u8) -> Key {
        Key::from_bytes([number; Key::LENGTH])
    }

    #[test]
    fn the_entry_used_longest_ago_goes_first() {
        let mut memory = Memory::new(2 * (ENTRY_BYTES + 1));
        memory.put(key(1), vec![1]);
        memory.put(key(2), vec![2]);
        assert_eq!(memory.get(&key(1)), Some(vec![1]));
        memory.put(key(3), vec![3]);
        assert_eq!(
            (memory.get(&key(2)), memory.get(&key(1)), memory.get(&key(3))),
            (None, Some(vec![1]), Some(vec![3]))
        );
    }

    #[test]
    fn what_is_larger_than_the_level_is_not_kept() {
        let mut memory = Memory::new(ENTRY_BYTES + 10);
        memory.put(key(1), vec![0; 5]);
        memory.put(key(2), vec![0; 11]);
        assert_eq!((memory.get(&key(1)), memory.get(&key(2))), (Some(vec![0; 5]), None));
    }

    proptest::proptest! {
        /// Whatever is put and asked, the bytes are those of the entries and within the limit.
        #[test]
        fn the_limit_holds(steps in proptest::collection::vec((0_u8..8, 0_usize..400, proptest::bool::ANY), 0..200)) {
            let mut memory = Memory::new(1_500);
            for (number, length, asks) in steps {
                if asks {
                    memory.get(&key(number));
                } else {
                    memory.put(key(number), vec![number; length]);
                }
                let sum: u64 = memory.entries.values().map(|(_, value)| ENTRY_BYTES + value.len() as u64).sum();
                proptest::prop_assert!(sum == memory.bytes && sum <= 1_500);
                proptest::prop_assert_eq!(memory.by_use.len(), memory.entries.len());
            }
        }
    }
}
