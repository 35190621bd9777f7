//! Two levels for whoever wants to know what went wrong.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

use crate::clock::{SystemWall, WallClock};
use crate::disk::{Disk, Writes};
use crate::error::CacheError;
use crate::key::Key;
use crate::level::{Kept, LevelSettings, Policy};
use crate::memory::Memory;
use crate::tag::Tag;

/// How much a cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of answers in memory.
    pub memory_bytes: u64,
    /// Bytes of files in the folder.
    pub disk_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, disk_bytes: 4 << 30 }
    }
}

/// What a cache was of use for, since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Lookups that found an answer in memory.
    pub memory_hits: u64,
    /// Lookups that found it on disk.
    pub disk_hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// Answers that were kept.
    pub stored: u64,
    /// Entries whose bytes are not those that were written; each is a miss.
    pub damaged: u64,
}

/// Memory before a folder, for answers that never expire. Unlike [`Levels`](crate::Levels) it says what could not be read or written.
#[derive(Debug)]
pub struct Cache {
    clock: Arc<dyn WallClock>,
    memory: Memory,
    disk: Disk,
    stored: AtomicU64,
}

impl Cache {
    /// Opens a folder, and makes it where there is none. What a kill left unfinished is cut off.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path, limits: Limits) -> Result<Self, CacheError> {
        let clock: Arc<dyn WallClock> = Arc::new(SystemWall);
        let memory = LevelSettings { ttl: None, ..LevelSettings::memory(limits.memory_bytes) };
        let disk = LevelSettings { ttl: None, policy: Policy::Lru, ..LevelSettings::disk(limits.disk_bytes) };
        let disk = Disk::open(folder, disk, Writes::Acknowledged, clock.clone())?;
        Ok(Self { clock, memory: Memory::new(memory), disk, stored: AtomicU64::new(0) })
    }

    /// The answer to a request, if it is known. One from disk moves into memory.
    ///
    /// # Errors
    /// When a file cannot be read. A damaged entry is no error but a miss.
    pub fn get(&self, key: &Key) -> Result<Option<Bytes>, CacheError> {
        let now_ms = self.clock.now_ms();
        if let Some(found) = self.memory.get(key, Tag::BYTES, now_ms) {
            return Ok(Some(found));
        }
        let Some(kept) = self.disk.get(key, Tag::BYTES)? else { return Ok(None) };
        self.memory.put(*key, kept.clone(), now_ms);
        Ok(Some(kept.value))
    }

    /// Keeps an answer. The first one for a key stays.
    ///
    /// # Errors
    /// When it cannot be written, or is too long; what was kept before stays valid.
    pub fn put(&self, key: Key, value: &[u8]) -> Result<(), CacheError> {
        if self.disk.has(&key) {
            return Ok(());
        }
        let now_ms = self.clock.now_ms();
        let value = Bytes::copy_from_slice(value);
        let kept = Kept { value, tag: Tag::BYTES, cost_ms: 0, stored_ms: now_ms, expires_ms: u64::MAX };
        if self.disk.put(key, &kept)? {
            self.stored.fetch_add(1, Ordering::Relaxed);
            self.memory.put(key, kept, now_ms);
        }
        Ok(())
    }

    /// What the cache was of use for.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (memory, disk) = (self.memory.report(), self.disk.report());
        Counts {
            memory_hits: memory.hits,
            disk_hits: disk.hits,
            misses: disk.misses,
            stored: self.stored.load(Ordering::Relaxed),
            damaged: disk.damaged,
        }
    }
}
