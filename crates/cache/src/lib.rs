//! Answers that need not be asked for again: memory before disk, keyed by the whole request.
//!
//! A [`Key`] is the digest of everything that decides an answer; the caller puts it together. [`Cache`] looks into memory,
//! then into a folder of append-only files ([`segment`]), in which every entry carries a checksum. Several processes may
//! read and write one folder: each appends to a file of its own. This room does not know what an answer is.
//!
//! A kill at any byte leaves a folder that is valid up to the last whole entry. The price of the simple form is that the
//! folder is bounded by dropping its oldest file, and not the entries used least. Timing runs never read a cache.

mod disk;
mod error;
mod key;
mod memory;
pub mod segment;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub use disk::VerifyReport;
pub use error::CacheError;
pub use key::Key;

use disk::Disk;
use memory::Memory;

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

/// Two levels of answers, for many threads.
#[derive(Debug)]
pub struct Cache {
    inner: Mutex<Levels>,
}

#[derive(Debug)]
struct Levels {
    memory: Memory,
    disk: Disk,
    counts: Counts,
}

impl Cache {
    /// Opens a folder, and makes it where there is none. What a kill left unfinished is cut off.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &Path, limits: Limits) -> Result<Self, CacheError> {
        let disk = Disk::open(folder, limits.disk_bytes)?;
        let counts = Counts { damaged: disk.damaged(), ..Counts::default() };
        Ok(Self { inner: Mutex::new(Levels { memory: Memory::new(limits.memory_bytes), disk, counts }) })
    }

    /// The answer to a request, if it is known. One from disk moves into memory.
    ///
    /// # Errors
    /// When a file cannot be read. A damaged entry is no error but a miss.
    pub fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        let levels = &mut *self.levels();
        if let Some(found) = levels.memory.get(key) {
            levels.counts.memory_hits += 1;
            return Ok(Some(found));
        }
        let found = levels.disk.get(key)?;
        match &found {
            Some(value) => {
                levels.counts.disk_hits += 1;
                levels.memory.put(*key, value.clone());
            }
            None => levels.counts.misses += 1,
        }
        levels.counts.damaged = levels.disk.damaged();
        Ok(found)
    }

    /// Keeps an answer. The first one for a key stays.
    ///
    /// # Errors
    /// When it cannot be written, or is too long; what was kept before stays valid.
    pub fn put(&self, key: Key, value: &[u8]) -> Result<(), CacheError> {
        let levels = &mut *self.levels();
        if levels.disk.put(&key, value)? {
            levels.counts.stored += 1;
            levels.memory.put(key, value.to_vec());
        }
        Ok(())
    }

    /// What the cache was of use for.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.levels().counts
    }

    fn levels(&self) -> std::sync::MutexGuard<'_, Levels> {
        // A panic while the lock was held cannot leave the levels torn: each changes in one step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads every byte of a folder and compares it with its checksums; changes nothing.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn verify(folder: &Path) -> Result<VerifyReport, CacheError> {
    disk::verify(folder)
}
