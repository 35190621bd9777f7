//! A level that several hosts share: a server of keys and values.

mod address;
mod memcached;
mod pool;
mod redis;
pub mod resp;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weighbridge_types::time::Clock;

use crate::clock::WallClock;
use crate::gate::Gate;
use crate::key::Key;
use crate::level::{Kept, LevelReport, LevelSettings};
use crate::segment::{self, Version};
use crate::tag::Tag;

pub use memcached::Memcached;
pub use pool::RemoteSettings;
pub use redis::Redis;

/// How long a server that failed is left alone at first, and at most.
const BACK_OFF_MS: (u64, u64) = (1_000, 30_000);

/// Connects to nothing yet: the client of a server by the scheme of its address, `redis://` or `memcached://`.
///
/// # Errors
/// When the address has another form.
pub fn remote(address: &str, settings: RemoteSettings, clock: Clock) -> Result<Arc<dyn Remote>, RemoteError> {
    if address.starts_with("memcached:") {
        return Ok(Arc::new(Memcached::new(address, settings, clock)?));
    }
    Ok(Arc::new(Redis::new(address, settings, clock)?))
}

/// What a server could not do. No text holds a password.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The address has another form.
    #[error("read the address of a cache server: {0}")]
    Address(&'static str),
    /// The connection failed or took too long.
    #[error("{action} `{server}`: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which server.
        server: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The server refused.
    #[error("ask `{server}`: {message}")]
    Refused {
        /// Which server.
        server: String,
        /// What it said.
        message: String,
    },
    /// All connections are in use; the server itself may be well.
    #[error("ask `{server}`: all {most} connections are in use")]
    Busy {
        /// Which server.
        server: String,
        /// How many there may be.
        most: usize,
    },
}

/// A server of keys and values. It is called from threads that may block, several at once; each call ends within bounded time.
pub trait Remote: fmt::Debug + Send + Sync {
    /// The bytes under a key.
    ///
    /// # Errors
    /// When the server cannot say.
    fn get(&self, key: &Key) -> Result<Option<Vec<u8>>, RemoteError>;

    /// Keeps bytes for a while; whether it does, which it need not where they are too many for it.
    ///
    /// # Errors
    /// When the server cannot.
    fn put(&self, key: &Key, value: &[u8], ttl: Duration) -> Result<bool, RemoteError>;

    /// Takes the right to compute the answer under a key, for a while; whether nobody else has it.
    ///
    /// # Errors
    /// When the server cannot say.
    fn try_lease(&self, key: &Key, token: &str, ttl: Duration) -> Result<bool, RemoteError>;

    /// Gives the right back, if it is still that of this token.
    ///
    /// # Errors
    /// When the server cannot; the right then ends by itself.
    fn release(&self, key: &Key, token: &str) -> Result<(), RemoteError>;
}

/// What an answer is called by a server. The form of its value is part of the name.
fn name(key: &Key) -> String {
    format!("weighbridge:v2:{}", key.hex())
}

/// What the right to compute it is called.
fn lease_name(key: &Key) -> String {
    format!("weighbridge:v2:lease:{}", key.hex())
}

/// Who may compute an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    Ours,
    Others,
    /// Nobody says: every process for itself.
    Unknown,
}

/// The level. An outage is a miss, never an error.
#[derive(Debug)]
pub(crate) struct RemoteLevel {
    server: Arc<dyn Remote>,
    settings: LevelSettings,
    clock: Arc<dyn WallClock>,
    gate: Gate,
    hits: AtomicU64,
    misses: AtomicU64,
    stored: AtomicU64,
    expired: AtomicU64,
    damaged: AtomicU64,
    mistagged: AtomicU64,
    skipped: AtomicU64,
}

impl RemoteLevel {
    pub(crate) fn new(server: Arc<dyn Remote>, settings: LevelSettings, clock: Arc<dyn WallClock>) -> Self {
        let zero = || AtomicU64::new(0);
        let (hits, misses, stored, expired) = (zero(), zero(), zero(), zero());
        let (damaged, mistagged, skipped) = (zero(), zero(), zero());
        let gate = Gate::new(BACK_OFF_MS.0, BACK_OFF_MS.1);
        Self { server, settings, clock, gate, hits, misses, stored, expired, damaged, mistagged, skipped }
    }

    pub(crate) fn get(&self, key: &Key, tag: Tag) -> Option<Kept> {
        let found = self.find(key, tag);
        (if found.is_some() { &self.hits } else { &self.misses }).fetch_add(1, Ordering::Relaxed);
        found
    }

    /// As `get`, for whoever was counted as a miss before.
    pub(crate) fn look_again(&self, key: &Key, tag: Tag) -> Option<Kept> {
        let found = self.find(key, tag);
        self.hits.fetch_add(u64::from(found.is_some()), Ordering::Relaxed);
        found
    }

    fn find(&self, key: &Key, tag: Tag) -> Option<Kept> {
        let bytes = self.ask(|server| server.get(key))??;
        let kept = segment::find(bytes, Version::Two, key);
        let problem = match &kept {
            None => &self.damaged,
            Some(kept) if kept.expires_ms <= self.clock.now_ms() => &self.expired,
            Some(kept) if kept.tag != tag => &self.mistagged,
            Some(_) => return kept,
        };
        problem.fetch_add(1, Ordering::Relaxed);
        None
    }

    pub(crate) fn put(&self, key: &Key, kept: &Kept) {
        let now_ms = self.clock.now_ms();
        let expires_ms = self.settings.expires_ms(now_ms, kept.expires_ms);
        // A server's clock is not ours: it is told how long, and the entry itself knows until when.
        let ttl = Duration::from_millis(expires_ms.saturating_sub(now_ms));
        let mut bytes = Vec::new();
        let is_fit = segment::append(&mut bytes, key, &Kept { expires_ms, ..kept.clone() }).is_some();
        let is_kept = is_fit && !ttl.is_zero() && self.ask(|server| server.put(key, &bytes, ttl)) == Some(true);
        (if is_kept { &self.stored } else { &self.skipped }).fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn try_lease(&self, key: &Key, token: &str, ttl: Duration) -> Lease {
        match self.ask(|server| server.try_lease(key, token, ttl)) {
            Some(true) => Lease::Ours,
            Some(false) => Lease::Others,
            None => Lease::Unknown,
        }
    }

    pub(crate) fn release(&self, key: &Key, token: &str) {
        self.ask(|server| server.release(key, token));
    }

    /// Asks the server unless it failed a moment ago.
    fn ask<T>(&self, question: impl FnOnce(&dyn Remote) -> Result<T, RemoteError>) -> Option<T> {
        if !self.gate.enter(self.clock.now_ms()) {
            return None;
        }
        let answer = question(&*self.server);
        let now_ms = self.clock.now_ms();
        match answer {
            Ok(answer) => {
                self.gate.succeeded(now_ms);
                Some(answer)
            }
            // Ours are in use: the server is not to blame.
            Err(RemoteError::Busy { .. }) => None,
            Err(error) => {
                self.gate.failed(now_ms, error.to_string());
                None
            }
        }
    }

    pub(crate) fn report(&self) -> LevelReport {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LevelReport {
            name: self.settings.name.clone(),
            hits: number(&self.hits),
            misses: number(&self.misses),
            stored: number(&self.stored),
            expired: number(&self.expired),
            damaged: number(&self.damaged),
            mistagged: number(&self.mistagged),
            skipped: number(&self.skipped),
            failures: self.gate.failures(),
            off: self.gate.reason(self.clock.now_ms()),
            hit_target: self.settings.hit_target,
            ..LevelReport::default()
        }
    }
}
