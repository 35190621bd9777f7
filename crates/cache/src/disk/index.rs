//! Where on disk each answer lies.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::folder::Segment;
use crate::key::Key;
use crate::level::Kept;
use crate::segment::About;
use crate::tag::Tag;

/// A power of two, more than threads usually are.
const SHARDS: usize = 16;

/// Where an entry lies. It holds its file open, so that reading needs no lock and survives the end of the file.
#[derive(Debug, Clone)]
pub(super) struct Location {
    pub(super) segment: Arc<Segment>,
    pub(super) offset: u64,
    /// Bytes in the file.
    pub(super) size: u32,
    pub(super) about: About,
    /// When it was used last, or kept.
    pub(super) used_ms: u64,
    /// Whether it was used since it was written to its file.
    pub(super) is_used: bool,
}

impl Location {
    pub(super) fn is_at(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.segment, &other.segment) && self.offset == other.offset
    }
}

/// An answer that waits to be written, or its place.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Queued { kept: Kept, ticket: u64 },
    At(Location),
}

impl Place {
    fn about(&self) -> (Tag, u64, u64, u64) {
        match self {
            Self::Queued { kept, .. } => (kept.tag, kept.stored_ms, kept.expires_ms, kept.value.len() as u64),
            Self::At(Location { about, .. }) => {
                (about.tag, about.stored_ms, about.expires_ms, u64::from(about.raw_length))
            }
        }
    }

    fn raw_bytes(&self) -> u64 {
        self.about().3
    }
}

/// What a lookup finds.
#[derive(Debug)]
pub(super) enum Look {
    Absent,
    Expired,
    Mistagged,
    Found(Place),
}

/// Keys and places, in shards with a lock each.
#[derive(Debug)]
pub(super) struct Index {
    shards: Vec<Mutex<HashMap<Key, Place>>>,
    raw_bytes: AtomicU64,
}

impl Index {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect(), raw_bytes: AtomicU64::new(0) }
    }

    pub(super) fn look_up(&self, key: &Key, tag: Tag, now_ms: u64) -> Look {
        let mut shard = self.shard(key);
        let Some(place) = shard.get_mut(key) else { return Look::Absent };
        let (found, _, expires_ms, raw_bytes) = place.about();
        if expires_ms <= now_ms {
            shard.remove(key);
            self.raw_bytes.fetch_sub(raw_bytes, Ordering::Relaxed);
            return Look::Expired;
        }
        if found != tag {
            return Look::Mistagged;
        }
        if let Place::At(location) = place {
            (location.used_ms, location.is_used) = (now_ms, true);
        }
        Look::Found(place.clone())
    }

    /// Whether there is an answer that may be given out.
    pub(super) fn has(&self, key: &Key, now_ms: u64) -> bool {
        self.shard(key).get(key).is_some_and(|place| place.about().2 > now_ms)
    }

    /// Enters a place in the stead of any other.
    pub(super) fn enter(&self, key: Key, place: Place) {
        self.insert(&mut self.shard(&key), key, place);
    }

    /// Enters what was found in a file, unless something younger is known; of equals the later one counts.
    pub(super) fn enter_found(&self, key: Key, location: Location) {
        let mut shard = self.shard(&key);
        if shard.get(&key).is_none_or(|known| known.about().1 <= location.about.stored_ms) {
            self.insert(&mut shard, key, Place::At(location));
        }
    }

    /// The answer that waited under this ticket has been written, or is lost. One that was put later under its key goes before.
    pub(super) fn settle(&self, key: Key, waited: u64, written: Option<Location>) {
        let mut shard = self.shard(&key);
        if !matches!(shard.get(&key), Some(Place::Queued { ticket, .. }) if *ticket == waited) {
            return;
        }
        match written {
            Some(location) => self.insert(&mut shard, key, Place::At(location)),
            None => self.remove(&mut shard, &key),
        }
    }

    /// Enters a place unless the answer was put again in the meantime.
    pub(super) fn enter_again(&self, key: Key, location: Location) {
        let mut shard = self.shard(&key);
        if !shard.contains_key(&key) {
            self.insert(&mut shard, key, Place::At(location));
        }
    }

    /// Forgets an entry whose bytes are damaged.
    pub(super) fn forget(&self, key: &Key, damaged: &Location) {
        let mut shard = self.shard(key);
        if matches!(shard.get(key), Some(Place::At(location)) if location.is_at(damaged)) {
            self.remove(&mut shard, key);
        }
    }

    /// Takes out all entries of a file.
    pub(super) fn take(&self, segment: &Arc<Segment>) -> Vec<(Key, Location)> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            lock(shard).retain(|key, place| {
                let Place::At(location) = &*place else { return true };
                let is_taken = Arc::ptr_eq(&location.segment, segment);
                if is_taken {
                    self.raw_bytes.fetch_sub(place.raw_bytes(), Ordering::Relaxed);
                    taken.push((*key, location.clone()));
                }
                !is_taken
            });
        }
        taken
    }

    /// The keys that were used or kept last, the latest first.
    pub(super) fn latest(&self, most: usize) -> Vec<Key> {
        let mut keys = Vec::new();
        for shard in &self.shards {
            keys.extend(lock(shard).iter().map(|(key, place)| {
                let used_ms = if let Place::At(location) = place { location.used_ms } else { u64::MAX };
                (std::cmp::Reverse(used_ms), *key)
            }));
        }
        keys.sort_unstable();
        keys.truncate(most);
        keys.into_iter().map(|(_, key)| key).collect()
    }

    pub(super) fn raw_bytes(&self) -> u64 {
        self.raw_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn entries(&self) -> u64 {
        self.shards.iter().map(|shard| lock(shard).len() as u64).sum()
    }

    fn insert(&self, shard: &mut HashMap<Key, Place>, key: Key, place: Place) {
        self.raw_bytes.fetch_add(place.raw_bytes(), Ordering::Relaxed);
        if let Some(former) = shard.insert(key, place) {
            self.raw_bytes.fetch_sub(former.raw_bytes(), Ordering::Relaxed);
        }
    }

    fn remove(&self, shard: &mut HashMap<Key, Place>, key: &Key) {
        if let Some(former) = shard.remove(key) {
            self.raw_bytes.fetch_sub(former.raw_bytes(), Ordering::Relaxed);
        }
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, Place>> {
        lock(&self.shards[usize::from(key.0[Key::LENGTH - 1]) % SHARDS])
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is one step: a panic cannot leave it torn.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
