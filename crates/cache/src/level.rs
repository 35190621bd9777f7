//! What levels have in common: their settings, what they hold, what they count.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::millis;
use crate::tag::Tag;

/// Which entry goes first when a level is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The one used longest ago.
    #[default]
    Lru,
    /// The one with the largest product of bytes and age since its last use.
    SizeAware,
    /// The one with the largest product of bytes and age for each millisecond that computing it again would take.
    #[serde(alias = "intelligent")]
    CostAware,
}

impl Policy {
    /// How much an entry is in the way; the largest goes first.
    pub(crate) fn burden(self, bytes: u64, age_ms: u64, cost_ms: u32) -> f64 {
        // Entries of the present millisecond still differ by their bytes.
        let (bytes, age) = (bytes as f64, age_ms.saturating_add(1) as f64);
        match self {
            Self::Lru => age,
            Self::SizeAware => bytes * age,
            Self::CostAware => bytes * age / f64::from(cost_ms.max(1)),
        }
    }
}

/// How a level is bounded.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelSettings {
    /// What it is called in reports.
    pub name: String,
    /// Bytes that it may hold: of values and their bookkeeping in memory, of files on disk. A server bounds itself.
    pub bytes: u64,
    /// Most entries; only memory heeds it.
    pub most_entries: Option<u64>,
    /// How long an entry may be given out; `None` is for ever.
    pub ttl: Option<Duration>,
    /// What goes first when it is full. A server has a policy of its own.
    pub policy: Policy,
    /// The share of lookups that it should answer.
    pub hit_target: Option<f64>,
}

impl LevelSettings {
    /// Memory: an hour, the entry used longest ago goes first, 95 % of lookups.
    #[must_use]
    pub fn memory(bytes: u64) -> Self {
        Self::new("memory", bytes, 3_600, Policy::Lru, Some(0.95))
    }

    /// A fast disk: a day, what is cheap to compute for its size goes first.
    #[must_use]
    pub fn disk(bytes: u64) -> Self {
        Self::new("disk", bytes, 86_400, Policy::CostAware, None)
    }

    /// A large disk: a week, what is large goes first.
    #[must_use]
    pub fn cold(bytes: u64) -> Self {
        Self::new("cold", bytes, 604_800, Policy::SizeAware, None)
    }

    /// A server that several hosts share: a day.
    #[must_use]
    pub fn remote() -> Self {
        Self::new("remote", u64::MAX, 86_400, Policy::Lru, None)
    }

    fn new(name: &str, bytes: u64, ttl_s: u64, policy: Policy, hit_target: Option<f64>) -> Self {
        let ttl = Some(Duration::from_secs(ttl_s));
        Self { name: name.to_owned(), bytes, most_entries: None, ttl, policy, hit_target }
    }

    /// When an entry that may be given out until `expires_ms` expires in this level.
    pub(crate) fn expires_ms(&self, now_ms: u64, expires_ms: u64) -> u64 {
        self.ttl.map_or(expires_ms, |ttl| now_ms.saturating_add(millis(ttl)).min(expires_ms))
    }
}

/// An answer as levels hand it to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The answer. A slice of a larger buffer keeps all of that buffer.
    pub value: Bytes,
    /// What it is.
    pub tag: Tag,
    /// What computing it took.
    pub cost_ms: u32,
    /// When it was kept first, in milliseconds since 1970.
    pub stored_ms: u64,
    /// From when on it is not given out; `u64::MAX` is never.
    pub expires_ms: u64,
}

/// What a level was of use for since it was opened, and what it holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LevelReport {
    /// The name of its settings.
    pub name: String,
    /// Lookups that it answered.
    pub hits: u64,
    /// Lookups that it could not answer.
    pub misses: u64,
    /// Entries that were kept.
    pub stored: u64,
    /// Entries that made room for others.
    pub evicted: u64,
    /// Entries that were asked for after their time.
    pub expired: u64,
    /// Entries whose bytes are not those that were written; each is a miss.
    pub damaged: u64,
    /// Entries of another type or version than was asked for; each is a miss.
    pub mistagged: u64,
    /// Entries that were not kept: too large, or while the level was off.
    pub skipped: u64,
    /// Entries that were promised to be written behind and could not be.
    pub lost: u64,
    /// Times that a writer had to wait because the queue of a write-behind level was full.
    pub waits: u64,
    /// Entries that are not written yet; a kill now would lose them.
    pub pending: u64,
    /// Times that the level failed.
    pub failures: u64,
    /// Why it is left alone at present.
    pub off: Option<String>,
    /// Entries that it holds; `None` where only a server knows.
    pub entries: Option<u64>,
    /// Bytes that they take; `None` where only a server knows.
    pub bytes: Option<u64>,
    /// Bytes of their values before compression; `None` where only a server knows.
    pub raw_bytes: Option<u64>,
    /// The share of lookups that it should answer.
    pub hit_target: Option<f64>,
    /// Entries that came up into it from a level below.
    pub promoted: u64,
    /// Bytes that it may hold; `None` of a server, which bounds itself.
    pub most_bytes: Option<u64>,
    /// Entries that it may hold, where they are bounded.
    pub most_entries: Option<u64>,
    /// Seconds for which it gives an entry out; `None` is for ever.
    pub ttl_s: Option<u64>,
    /// What goes first when it is full.
    pub policy: Policy,
}

impl LevelReport {
    /// The share of lookups that it answered; `None` before the first.
    #[must_use]
    pub fn hit_ratio(&self) -> Option<f64> {
        let lookups = self.hits + self.misses;
        (lookups > 0).then(|| self.hits as f64 / lookups as f64)
    }

    /// Whether the share is what it should be; `None` without a target or lookups.
    #[must_use]
    pub fn meets_target(&self) -> Option<bool> {
        self.hit_ratio().zip(self.hit_target).map(|(ratio, target)| ratio >= target)
    }
}
