//! Levels one below the other, for a server: what fails is a miss.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use crate::clock::{WallClock, millis};
use crate::disk::{Disk, Writes};
use crate::error::CacheError;
use crate::key::Key;
use crate::level::{Kept, LevelReport, LevelSettings};
use crate::memory::Memory;
use crate::remote::{Lease, Remote, RemoteLevel};
use crate::tag::Tag;

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// Memory.
    Memory,
    /// A folder.
    Disk,
    /// A server that several hosts share.
    Remote,
    /// It was computed for this caller.
    Computed,
    /// It was found or computed for another caller, who asked at the same time.
    Joined,
}

/// How to keep an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// What it is.
    pub tag: Tag,
    /// How long it may be given out, where that is less than what a level allows.
    pub ttl: Option<Duration>,
    /// What computing it took; `None` is unknown, and the time of the computation where that is timed.
    pub cost: Option<Duration>,
}

impl Keep {
    /// As long as each level allows.
    #[must_use]
    pub const fn tagged(tag: Tag) -> Self {
        Self { tag, ttl: None, cost: None }
    }
}

/// Memory, and below it any number of folders and servers in the order in which they are asked.
///
/// A lookup goes from level to level until one answers, and the answer is promoted to all levels above. An answer is put into
/// all levels. A level that fails is left alone for a while, which its report tells; the others go on.
#[derive(Debug)]
pub struct Levels {
    clock: Arc<dyn WallClock>,
    memory: Memory,
    lower: Vec<Lower>,
    /// Of each level, memory first: how it is bounded, and how many entries came up into it.
    bounds: Vec<(LevelSettings, AtomicU64)>,
}

#[derive(Debug)]
enum Lower {
    Disk(Disk),
    Remote(Box<RemoteLevel>),
}

impl Lower {
    fn get(&self, key: &Key, tag: Tag) -> Option<(Kept, Source)> {
        match self {
            // A folder that cannot be read has no answers.
            Self::Disk(disk) => Some((disk.get(key, tag).ok()??, Source::Disk)),
            Self::Remote(remote) => Some((remote.get(key, tag)?, Source::Remote)),
        }
    }

    fn put(&self, key: Key, kept: &Kept) {
        match self {
            // It is counted, and its reason told, by the level itself.
            Self::Disk(disk) => drop(disk.put(key, kept)),
            Self::Remote(remote) => remote.put(&key, kept),
        }
    }

    fn report(&self) -> LevelReport {
        match self {
            Self::Disk(disk) => disk.report(),
            Self::Remote(remote) => remote.report(),
        }
    }
}

impl Levels {
    /// Memory alone.
    #[must_use]
    pub fn new(memory: LevelSettings, clock: Arc<dyn WallClock>) -> Self {
        let bounds = vec![(memory.clone(), AtomicU64::new(0))];
        Self { clock, memory: Memory::new(memory), lower: Vec::new(), bounds }
    }

    /// Adds a folder below what there is.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn with_disk(mut self, folder: &Path, settings: LevelSettings, writes: Writes) -> Result<Self, CacheError> {
        self.bounds.push((settings.clone(), AtomicU64::new(0)));
        let disk = Disk::open(folder, settings, writes, self.clock.clone())?;
        self.lower.push(Lower::Disk(disk));
        Ok(self)
    }

    /// Adds a server below what there is.
    #[must_use]
    pub fn with_remote(mut self, server: Arc<dyn Remote>, settings: LevelSettings) -> Self {
        self.bounds.push((settings.clone(), AtomicU64::new(0)));
        self.lower.push(Lower::Remote(Box::new(RemoteLevel::new(server, settings, self.clock.clone()))));
        self
    }

    /// The answer under a key, if it is known as what the tag says. It blocks where a lower level is asked.
    #[must_use]
    pub fn get(&self, key: &Key, tag: Tag) -> Option<(Bytes, Source)> {
        match self.get_memory(key, tag) {
            Some(value) => Some((value, Source::Memory)),
            None => self.get_lower(key, tag),
        }
    }

    /// Keeps an answer in all levels, in place of an earlier one. It blocks where there are lower levels; when it returns, a folder
    /// with [`Writes::Acknowledged`] has it.
    pub fn put(&self, key: Key, value: Bytes, keep: Keep) {
        let kept = self.kept(value, keep);
        self.put_memory(key, kept.clone());
        self.put_lower(key, &kept);
    }

    /// Brings answers from lower levels into those above; how many there were. It blocks.
    pub fn warm(&self, keys: impl IntoIterator<Item = Key>, tag: Tag) -> u64 {
        let is_there = |key: &Key| self.peek_memory(key, tag).is_some() || self.get_lower(key, tag).is_some();
        keys.into_iter().filter(is_there).count() as u64
    }

    /// The keys of the folders that were used or kept last, the latest first: what to warm a new process with.
    #[must_use]
    pub fn latest(&self, most: usize) -> Vec<Key> {
        let disk = self.lower.iter().find_map(|lower| if let Lower::Disk(disk) = lower { Some(disk) } else { None });
        disk.map_or_else(Vec::new, |disk| disk.latest(most))
    }

    /// What each level was of use for and holds, memory first.
    #[must_use]
    pub fn reports(&self) -> Vec<LevelReport> {
        let reports = std::iter::once(self.memory.report()).chain(self.lower.iter().map(Lower::report));
        let whole = |(report, (settings, promoted)): (LevelReport, &(LevelSettings, AtomicU64))| LevelReport {
            promoted: promoted.load(Ordering::Relaxed),
            most_bytes: Some(settings.bytes).filter(|bytes| *bytes < u64::MAX),
            most_entries: settings.most_entries,
            ttl_s: settings.ttl.map(|ttl| ttl.as_secs()),
            policy: settings.policy,
            ..report
        };
        reports.zip(&self.bounds).map(whole).collect()
    }

    /// Writes what is pending, and the folders to the storage device. It blocks.
    ///
    /// # Errors
    /// The first thing that went wrong; all levels are flushed anyway. What was lost is in the reports.
    pub fn flush(&self) -> Result<(), CacheError> {
        let mut first = Ok(());
        for lower in &self.lower {
            if let Lower::Disk(disk) = lower {
                first = first.and(disk.flush());
            }
        }
        first
    }

    pub(crate) fn has_lower(&self) -> bool {
        !self.lower.is_empty()
    }

    pub(crate) fn get_memory(&self, key: &Key, tag: Tag) -> Option<Bytes> {
        self.memory.get(key, tag, self.clock.now_ms())
    }

    /// A second look into memory, which is not counted.
    pub(crate) fn peek_memory(&self, key: &Key, tag: Tag) -> Option<Bytes> {
        self.memory.peek(key, tag, self.clock.now_ms())
    }

    pub(crate) fn get_lower(&self, key: &Key, tag: Tag) -> Option<(Bytes, Source)> {
        for (place, level) in self.lower.iter().enumerate() {
            if let Some((kept, source)) = level.get(key, tag) {
                self.promote(*key, &kept, place);
                return Some((kept.value, source));
            }
        }
        None
    }

    /// Puts an entry of a lower level into all above it.
    fn promote(&self, key: Key, kept: &Kept, place: usize) {
        self.put_memory(key, kept.clone());
        self.lower[..place].iter().for_each(|above| above.put(key, kept));
        for (_, promoted) in &self.bounds[..=place] {
            promoted.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn kept(&self, value: Bytes, keep: Keep) -> Kept {
        let stored_ms = self.clock.now_ms();
        let expires_ms = keep.ttl.map_or(u64::MAX, |ttl| stored_ms.saturating_add(millis(ttl)));
        let cost_ms = u32::try_from(keep.cost.map_or(0, millis)).unwrap_or(u32::MAX);
        Kept { value, tag: keep.tag, cost_ms, stored_ms, expires_ms }
    }

    pub(crate) fn put_memory(&self, key: Key, kept: Kept) {
        self.memory.put(key, kept, self.clock.now_ms());
    }

    pub(crate) fn put_lower(&self, key: Key, kept: &Kept) {
        self.lower.iter().for_each(|lower| lower.put(key, kept));
    }

    /// Takes the right to compute an answer from the first server.
    pub(crate) fn try_lease(&self, key: &Key, token: &str, ttl: Duration) -> Lease {
        self.server().map_or(Lease::Unknown, |server| server.try_lease(key, token, ttl))
    }

    pub(crate) fn release(&self, key: &Key, token: &str) {
        if let Some(server) = self.server() {
            server.release(key, token);
        }
    }

    pub(crate) fn has_server(&self) -> bool {
        self.server().is_some()
    }

    /// What a server has, promoted to the levels above it. Looking again and again is counted only when it finds something.
    pub(crate) fn get_server(&self, key: &Key, tag: Tag) -> Option<(Bytes, Source)> {
        let is_server = |lower: &Lower| matches!(lower, Lower::Remote(_));
        let place = self.lower.iter().position(is_server)?;
        let kept = self.server()?.look_again(key, tag)?;
        self.promote(*key, &kept, place);
        Some((kept.value, Source::Remote))
    }

    fn server(&self) -> Option<&RemoteLevel> {
        self.lower.iter().find_map(|lower| match lower {
            Lower::Remote(remote) => Some(&**remote),
            Lower::Disk(_) => None,
        })
    }
}
