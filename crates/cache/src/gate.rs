//! A level that failed is left alone for a while, so that its failure costs nothing but its hits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether a level is used at present.
#[derive(Debug)]
pub(crate) struct Gate {
    first_ms: u64,
    longest_ms: u64,
    /// Until when the level is left alone; 0 after a success.
    until_ms: AtomicU64,
    /// Until when whoever tries the level again may take.
    trial_ms: AtomicU64,
    failures: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    delay_ms: u64,
    reason: String,
}

impl Gate {
    /// Leaves a level alone for `first_ms`, and twice as long after each further failure.
    pub(crate) fn new(first_ms: u64, longest_ms: u64) -> Self {
        let (until_ms, trial_ms, failures) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { first_ms, longest_ms, until_ms, trial_ms, failures, last: Mutex::default() }
    }

    /// Whether to use the level now. After the wait one caller tries it; the others wait until that one knows, or has not come
    /// back for as long as a first wait.
    pub(crate) fn enter(&self, now_ms: u64) -> bool {
        match self.until_ms.load(Ordering::Relaxed) {
            0 => true,
            until_ms if until_ms > now_ms => false,
            _ => {
                let trial_ms = self.trial_ms.load(Ordering::Relaxed);
                let next_ms = now_ms.saturating_add(self.first_ms);
                trial_ms <= now_ms
                    && self.trial_ms.compare_exchange(trial_ms, next_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            }
        }
    }

    pub(crate) fn failed(&self, now_ms: u64, reason: String) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.reason = reason;
        // Requests that were under way together fail together, and are one failure.
        if self.until_ms.load(Ordering::Relaxed) <= now_ms {
            last.delay_ms = (last.delay_ms * 2).clamp(self.first_ms, self.longest_ms);
            self.until_ms.store(now_ms.saturating_add(last.delay_ms), Ordering::Relaxed);
            self.trial_ms.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn succeeded(&self, now_ms: u64) {
        let until_ms = self.until_ms.load(Ordering::Relaxed);
        // The end of a request that began before the failure says nothing about the time after it.
        if until_ms != 0 && until_ms <= now_ms {
            self.last.lock().unwrap_or_else(PoisonError::into_inner).delay_ms = 0;
            self.until_ms.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Why the level is left alone at present.
    pub(crate) fn reason(&self, now_ms: u64) -> Option<String> {
        let reason = || self.last.lock().unwrap_or_else(PoisonError::into_inner).reason.clone();
        (self.until_ms.load(Ordering::Relaxed) > now_ms).then(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_a_bound_and_ends_with_a_success() {
        let gate = Gate::new(1_000, 30_000);
        let mut now_ms = 5;
        let mut waits = Vec::new();
        for _ in 0..7 {
            gate.failed(now_ms, "refused".to_owned());
            gate.failed(now_ms, "refused".to_owned());
            assert_eq!(gate.reason(now_ms).as_deref(), Some("refused"));
            let wait = (1..).find(|wait| gate.enter(now_ms + wait)).unwrap();
            // Only one tries, unless it does not come back.
            assert!(!gate.enter(now_ms + wait) && !gate.enter(now_ms + wait + 999));
            waits.push(wait);
            now_ms += wait;
        }
        assert_eq!(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        gate.succeeded(now_ms);
        gate.failed(now_ms, "again".to_owned());
        gate.succeeded(now_ms);
        assert!(!gate.enter(now_ms + 999) && gate.enter(now_ms + 1_000) && gate.failures() == 15);
        assert!(gate.enter(now_ms + 2_000));
        gate.succeeded(now_ms + 2_000);
        assert!(gate.enter(now_ms + 2_000) && gate.enter(now_ms + 2_000));
        assert_eq!(gate.reason(now_ms + 1_000), None);
    }
}
