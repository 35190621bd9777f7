//! A table by key for what comes nearly in order: half the memory of a tree that is filled from one end.

/// Values by ascending key. Of several values of a key the last counts.
///
/// A key that comes out of order moves those above it: cheap for answers, which overtake a bounded number of others.
#[derive(Debug, Clone)]
pub(crate) struct Ordered<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for Ordered<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord, V> Ordered<K, V> {
    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.entries.last().is_none_or(|last| last.0 < key) {
            self.entries.push((key, value));
            return;
        }
        match self.entries.binary_search_by(|entry| entry.0.cmp(&key)) {
            Ok(place) => self.entries[place].1 = value,
            Err(place) => self.entries.insert(place, (key, value)),
        }
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let place = self.entries.binary_search_by(|entry| entry.0.cmp(key)).ok()?;
        self.entries.get(place).map(|entry| &entry.1)
    }

    /// Keys with their values, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Values by ascending key.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.iter().map(|entry| &entry.1)
    }

    /// How many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Gives back the room that is not used.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_holds_what_a_tree_holds(entries in prop::collection::vec((0_u8..40, any::<u16>()), 0..80)) {
            let mut ours = Ordered::default();
            entries.iter().for_each(|&(key, value)| ours.insert(key, value));
            let theirs: BTreeMap<u8, u16> = entries.into_iter().collect();
            prop_assert!(ours.iter().eq(theirs.iter()));
            prop_assert!(ours.values().eq(theirs.values()) && ours.len() == theirs.len());
            prop_assert!((0..50).all(|key| ours.get(&key) == theirs.get(&key)));
        }
    }
}
