//! Wall time for what outlives a process: when an answer was kept and until when it may be given.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use weighbridge_types::time::WallTime;

/// What a cache reads the time from: milliseconds since 1970, because an expiry must mean the same after a restart and in another
/// process. Every lookup reads it once, from any thread.
pub trait WallClock: fmt::Debug + Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// The clock of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemWall;

impl WallClock for SystemWall {
    fn now_ms(&self) -> u64 {
        WallTime::now().unix_millis()
    }
}

/// A clock that stands until it is moved, so that expiry is tested without waiting.
#[derive(Debug)]
pub struct ManualWall(AtomicU64);

impl ManualWall {
    /// A clock that shows so many milliseconds since 1970.
    #[must_use]
    pub const fn new(now_ms: u64) -> Self {
        Self(AtomicU64::new(now_ms))
    }

    /// Moves it forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }
}

impl WallClock for ManualWall {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Whole milliseconds, saturating.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
