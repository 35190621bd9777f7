//! The level in memory: bounded by bytes and entries, for many threads.
//!
//! Entries lie in shards with a lock each. Uses are numbered across all shards and each shard knows its entry used longest ago,
//! so that the one of the whole level goes first, as if there were no shards.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::key::Key;
use crate::level::{Kept, LevelReport, LevelSettings, Policy};
use crate::tag::Tag;

/// What an entry costs besides its bytes: key, place and order.
pub(crate) const ENTRY_BYTES: u64 = 160;
/// A power of two, more than threads usually are.
const SHARDS: usize = 16;
/// Entries of each shard that a policy chooses from, in turns: exact where there are no more, and near enough beyond.
const CANDIDATES: usize = 8;
/// No place.
const NONE: usize = usize::MAX;

/// Answers in memory.
#[derive(Debug)]
pub(crate) struct Memory {
    settings: LevelSettings,
    cells: Vec<Cell>,
    /// Numbers uses; the order of entries.
    use_count: AtomicU64,
    bytes: AtomicU64,
    entry_count: AtomicU64,
}

/// A shard, and beside its lock when its entry used longest ago was used; the largest number when it has none.
#[derive(Debug)]
struct Cell {
    shard: Mutex<Shard>,
    oldest_use: AtomicU64,
}

#[derive(Debug)]
struct Shard {
    places: HashMap<Key, usize>,
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    newest: usize,
    oldest: usize,
    /// Where the next candidates are looked for.
    hand: usize,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    hits: u64,
    misses: u64,
    stored: u64,
    evicted: u64,
    expired: u64,
    mistagged: u64,
    skipped: u64,
}

#[derive(Debug)]
struct Slot {
    key: Key,
    value: Bytes,
    tag: Tag,
    cost_ms: u32,
    expires_ms: u64,
    used_ms: u64,
    /// The number of its last use.
    used: u64,
    newer: usize,
    older: usize,
}

impl Slot {
    fn bytes(&self) -> u64 {
        ENTRY_BYTES + self.value.len() as u64
    }
}

impl Memory {
    pub(crate) fn new(settings: LevelSettings) -> Self {
        let cell = || Cell { shard: Mutex::new(Shard::new()), oldest_use: AtomicU64::new(u64::MAX) };
        Self {
            settings,
            cells: std::iter::repeat_with(cell).take(SHARDS).collect(),
            use_count: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            entry_count: AtomicU64::new(0),
        }
    }

    pub(crate) fn get(&self, key: &Key, tag: Tag, now_ms: u64) -> Option<Bytes> {
        let mut open = self.open(key);
        let found = self.find(&mut open, key, tag, now_ms);
        let counts = &mut open.shard.counts;
        *(if found.is_some() { &mut counts.hits } else { &mut counts.misses }) += 1;
        found
    }

    /// As `get`, for whoever was counted before.
    pub(crate) fn peek(&self, key: &Key, tag: Tag, now_ms: u64) -> Option<Bytes> {
        self.find(&mut self.open(key), key, tag, now_ms)
    }

    fn find(&self, open: &mut Open<'_>, key: &Key, tag: Tag, now_ms: u64) -> Option<Bytes> {
        let place = *open.shard.places.get(key)?;
        let slot = open.shard.slots[place].as_mut()?;
        if slot.expires_ms <= now_ms {
            open.shard.counts.expired += 1;
            self.remove(open, place);
            return None;
        }
        if slot.tag != tag {
            open.shard.counts.mistagged += 1;
            return None;
        }
        slot.used_ms = now_ms;
        slot.used = self.use_count.fetch_add(1, Ordering::Relaxed);
        let value = slot.value.clone();
        open.shard.unlink(place);
        open.shard.link(place);
        Some(value)
    }

    /// Keeps an answer, in place of an earlier one.
    pub(crate) fn put(&self, key: Key, kept: Kept, now_ms: u64) {
        let most_entries = self.settings.most_entries.unwrap_or(u64::MAX);
        let slot = Slot {
            key,
            expires_ms: self.settings.expires_ms(now_ms, kept.expires_ms),
            value: kept.value,
            tag: kept.tag,
            cost_ms: kept.cost_ms,
            used_ms: now_ms,
            used: self.use_count.fetch_add(1, Ordering::Relaxed),
            newer: NONE,
            older: NONE,
        };
        {
            let mut open = self.open(&key);
            if slot.bytes() > self.settings.bytes || most_entries == 0 {
                open.shard.counts.skipped += 1;
                return;
            }
            if let Some(&place) = open.shard.places.get(&key) {
                self.remove(&mut open, place);
            }
            self.bytes.fetch_add(slot.bytes(), Ordering::Relaxed);
            self.entry_count.fetch_add(1, Ordering::Relaxed);
            open.shard.counts.stored += 1;
            open.shard.insert(slot);
        }
        while self.bytes.load(Ordering::Relaxed) > self.settings.bytes
            || self.entry_count.load(Ordering::Relaxed) > most_entries
        {
            if !self.evict(now_ms) {
                return;
            }
        }
    }

    /// Drops the entry that is most in the way; whether there was one.
    fn evict(&self, now_ms: u64) -> bool {
        let cell = match self.settings.policy {
            Policy::Lru => self.cells.iter().min_by_key(|cell| cell.oldest_use.load(Ordering::Relaxed)),
            policy => {
                let worst = self.cells.iter().filter_map(|cell| {
                    let worst = Open::of(cell).shard.worst(policy, now_ms)?;
                    Some((worst.1, worst.0, cell))
                });
                let worst = worst.max_by(|one, other| one.0.total_cmp(&other.0));
                return worst.is_some_and(|(_, key, cell)| {
                    let mut open = Open::of(cell);
                    // Another thread may have been faster; the caller looks again whether there is room.
                    if let Some(&place) = open.shard.places.get(&key) {
                        open.shard.counts.evicted += 1;
                        self.remove(&mut open, place);
                    }
                    true
                });
            }
        };
        let Some(cell) = cell.filter(|cell| cell.oldest_use.load(Ordering::Relaxed) != u64::MAX) else { return false };
        let mut open = Open::of(cell);
        let oldest = open.shard.oldest;
        if oldest != NONE {
            open.shard.counts.evicted += 1;
            self.remove(&mut open, oldest);
        }
        true
    }

    fn remove(&self, open: &mut Open<'_>, place: usize) {
        if let Some(slot) = open.shard.remove(place) {
            self.bytes.fetch_sub(slot.bytes(), Ordering::Relaxed);
            self.entry_count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn report(&self) -> LevelReport {
        let mut report = LevelReport {
            name: self.settings.name.clone(),
            hit_target: self.settings.hit_target,
            entries: Some(self.entry_count.load(Ordering::Relaxed)),
            bytes: Some(self.bytes.load(Ordering::Relaxed)),
            ..LevelReport::default()
        };
        for cell in &self.cells {
            let counts = Open::of(cell).shard.counts;
            report.hits += counts.hits;
            report.misses += counts.misses;
            report.stored += counts.stored;
            report.evicted += counts.evicted;
            report.expired += counts.expired;
            report.mistagged += counts.mistagged;
            report.skipped += counts.skipped;
        }
        let heads = report.entries.map(|entries| entries * ENTRY_BYTES);
        report.raw_bytes = report.bytes.zip(heads).map(|(bytes, heads)| bytes.saturating_sub(heads));
        report
    }

    fn open(&self, key: &Key) -> Open<'_> {
        // Keys are digests: any byte spreads them evenly.
        Open::of(&self.cells[usize::from(key.0[Key::LENGTH - 1]) % SHARDS])
    }
}

/// A locked shard, which notes its oldest use when it is let go.
struct Open<'a> {
    shard: MutexGuard<'a, Shard>,
    oldest_use: &'a AtomicU64,
}

impl<'a> Open<'a> {
    fn of(cell: &'a Cell) -> Self {
        // A panic while the lock was held cannot leave values torn, only an order that is a little off.
        let shard = cell.shard.lock().unwrap_or_else(PoisonError::into_inner);
        Self { shard, oldest_use: &cell.oldest_use }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let oldest = self.shard.slots.get(self.shard.oldest).and_then(Option::as_ref);
        self.oldest_use.store(oldest.map_or(u64::MAX, |slot| slot.used), Ordering::Relaxed);
    }
}

impl Shard {
    fn new() -> Self {
        let (places, slots, free) = (HashMap::new(), Vec::new(), Vec::new());
        Self { places, slots, free, newest: NONE, oldest: NONE, hand: 0, counts: Counts::default() }
    }

    fn insert(&mut self, slot: Slot) {
        let key = slot.key;
        let place = self.free.pop().unwrap_or(self.slots.len());
        if place == self.slots.len() {
            self.slots.push(Some(slot));
        } else {
            self.slots[place] = Some(slot);
        }
        self.places.insert(key, place);
        self.link(place);
    }

    fn remove(&mut self, place: usize) -> Option<Slot> {
        self.unlink(place);
        let slot = self.slots[place].take()?;
        self.places.remove(&slot.key);
        self.free.push(place);
        Some(slot)
    }

    /// Makes an entry the newest.
    fn link(&mut self, place: usize) {
        let before = self.newest;
        if let Some(slot) = &mut self.slots[place] {
            (slot.newer, slot.older) = (NONE, before);
        }
        match self.slots.get_mut(before).and_then(Option::as_mut) {
            Some(slot) => slot.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
    }

    fn unlink(&mut self, place: usize) {
        let Some(Slot { newer, older, .. }) = self.slots[place] else { return };
        match self.slots.get_mut(newer).and_then(Option::as_mut) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older).and_then(Option::as_mut) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// The next candidates' entry that is most in the way.
    fn worst(&mut self, policy: Policy, now_ms: u64) -> Option<(Key, f64)> {
        let (mut worst, mut seen) = (None, 0);
        for _ in 0..self.slots.len() {
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(slot) = &self.slots[self.hand] else { continue };
            let burden = policy.burden(slot.bytes(), now_ms.saturating_sub(slot.used_ms), slot.cost_ms);
            if worst.is_none_or(|(_, most)| burden > most) {
                worst = Some((slot.key, burden));
            }
            seen += 1;
            if seen == CANDIDATES {
                break;
            }
        }
        worst
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(number: u32) -> Key {
        Key::of(&number).unwrap()
    }

    fn kept(length: usize, cost_ms: u32) -> Kept {
        let value = vec![7; length].into();
        Kept { value, tag: Tag::BYTES, cost_ms, stored_ms: 0, expires_ms: u64::MAX }
    }

    fn memory(bytes: u64, policy: Policy) -> Memory {
        Memory::new(LevelSettings { policy, ..LevelSettings::memory(bytes) })
    }

    fn has(memory: &Memory, number: u32, now_ms: u64) -> bool {
        memory.get(&key(number), Tag::BYTES, now_ms).is_some()
    }

    #[test]
    fn of_1001_entries_the_one_used_longest_ago_goes() {
        let settings = LevelSettings { most_entries: Some(1_000), ..LevelSettings::memory(1 << 30) };
        let memory = Memory::new(settings);
        (0..1_000).for_each(|number| memory.put(key(number), kept(10, 0), 0));
        assert!(has(&memory, 0, 0));
        memory.put(key(1_000), kept(10, 0), 0);
        let gone: Vec<u32> = (0..=1_000).filter(|number| !has(&memory, *number, 0)).collect();
        assert_eq!(gone, [1]);
        let report = memory.report();
        assert_eq!((report.entries, report.evicted, report.stored), (Some(1_000), 1, 1_001));
        assert_eq!((report.raw_bytes, report.misses), (Some(10_000), 1));
    }

    #[test]
    fn what_is_larger_than_the_level_is_not_kept() {
        let memory = memory(ENTRY_BYTES + 10, Policy::Lru);
        memory.put(key(1), kept(5, 0), 0);
        memory.put(key(2), kept(11, 0), 0);
        assert!(has(&memory, 1, 0) && !has(&memory, 2, 0) && memory.report().skipped == 1);
    }

    #[test]
    fn an_entry_expires() {
        let memory = memory(1 << 20, Policy::Lru);
        memory.put(key(1), kept(5, 0), 1_000);
        memory.put(key(2), Kept { expires_ms: 1_500, ..kept(5, 0) }, 1_000);
        assert!(has(&memory, 2, 1_499) && !has(&memory, 2, 1_500));
        assert!(has(&memory, 1, 3_600_999) && !has(&memory, 1, 3_601_000));
        assert_eq!((memory.report().expired, memory.report().entries), (2, Some(0)));
    }

    #[test]
    fn another_tag_is_a_miss_until_it_is_replaced() {
        let memory = memory(1 << 20, Policy::Lru);
        memory.put(key(1), kept(5, 0), 0);
        assert_eq!(memory.get(&key(1), Tag::new(1, 1), 0), None);
        memory.put(key(1), Kept { tag: Tag::new(1, 1), ..kept(6, 0) }, 0);
        assert_eq!(memory.get(&key(1), Tag::new(1, 1), 0).unwrap().len(), 6);
        assert_eq!((memory.report().mistagged, memory.report().entries), (1, Some(1)));
    }

    #[test]
    fn policies_choose_what_goes() {
        let check = |policy, expected: u32| {
            let memory = memory(3 * ENTRY_BYTES + 2_400, policy);
            // Old and small; large and dear; middling and cheap.
            memory.put(key(0), kept(500, 40), 0);
            memory.put(key(1), kept(1_200, 9_000), 100);
            memory.put(key(2), kept(700, 1), 250);
            memory.put(key(3), kept(300, 1_000), 300);
            let gone: Vec<u32> = (0..4).filter(|number| !has(&memory, *number, 300)).collect();
            assert_eq!(gone, [expected], "{policy:?}");
        };
        check(Policy::Lru, 0);
        check(Policy::SizeAware, 1);
        check(Policy::CostAware, 2);
    }

    #[test]
    fn many_threads_stay_within_the_limit() {
        for policy in [Policy::Lru, Policy::SizeAware, Policy::CostAware] {
            let memory = memory(100 * ENTRY_BYTES, policy);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let memory = &memory;
                    scope.spawn(move || {
                        for number in 0..500 {
                            memory.put(key(thread * 250 + number), kept(50, number), u64::from(number));
                            has(memory, number, u64::from(number));
                        }
                    });
                }
            });
            let report = memory.report();
            let sum: u64 = memory.cells.iter().map(|cell| Open::of(cell).shard.places.len() as u64).sum();
            assert!(
                report.entries == Some(sum) && report.bytes.unwrap() <= 100 * ENTRY_BYTES && sum > 70,
                "{report:?}"
            );
        }
    }

    proptest::proptest! {
        /// Whatever is put and asked, the bytes are those of the entries and within the limit, and one shard is as good as many.
        #[test]
        fn the_limit_holds(steps in proptest::collection::vec((0_u32..8, 0_usize..400, 0..3_u8), 0..200)) {
            let level = Memory::new(LevelSettings { ttl: Some(Duration::from_millis(50)), ..LevelSettings::memory(1_500) });
            for (now_ms, (number, length, step)) in (0..).zip(steps) {
                if step == 0 {
                    has(&level, number, now_ms);
                } else {
                    level.put(key(number), kept(length, 0), now_ms);
                }
                let mut sum = 0;
                for cell in &level.cells {
                    let shard = &Open::of(cell).shard;
                    sum += shard.slots.iter().flatten().map(Slot::bytes).sum::<u64>();
                    let mut order = vec![];
                    let mut place = shard.oldest;
                    while let Some(slot) = shard.slots.get(place).and_then(Option::as_ref) {
                        order.push(slot.used);
                        place = slot.newer;
                    }
                    proptest::prop_assert!(order.is_sorted() && order.len() == shard.places.len());
                }
                proptest::prop_assert!(Some(sum) == level.report().bytes && sum <= 1_500);
            }
        }
    }
}
