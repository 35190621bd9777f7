//! Asking again: how often all requests together may, and how long each waits before.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Retries that are saved up at most, so that a quiet hour does not pay for a storm.
const SAVED: f64 = 10.0;

/// Retries as a share of requests. Without it, a server that is overloaded is asked several times as much.
#[derive(Debug)]
pub struct RetryBudget {
    share: f64,
    balance: Mutex<f64>,
}

impl RetryBudget {
    /// Each request earns this share of a retry.
    ///
    /// # Panics
    /// When the share is not within 0 to 1.
    #[must_use]
    pub fn new(share: f64) -> Self {
        assert!((0.0..=1.0).contains(&share), "a share is within 0 to 1");
        Self { share, balance: Mutex::new(SAVED) }
    }

    /// A request is made for the first time.
    pub fn earn(&self) {
        let mut balance = self.balance.lock().unwrap_or_else(PoisonError::into_inner);
        *balance = (*balance + self.share).min(SAVED);
    }

    /// Whether one may be made again.
    #[must_use]
    pub fn spend(&self) -> bool {
        let mut balance = self.balance.lock().unwrap_or_else(PoisonError::into_inner);
        let may = *balance >= 1.0;
        if may {
            *balance -= 1.0;
        }
        may
    }
}

/// How long to wait before the try of this number, counted from 1: between half of and all of 100 ms × 2^(try − 1), at most
/// 5 s, and never less than the server asks for. `random` is within 0 to 1.
#[must_use]
pub fn backoff(attempt: u32, random: f64, asked: Option<Duration>) -> Duration {
    let most =
        Duration::from_millis(100).saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(Duration::from_secs(5));
    most.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0).max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_stay_a_share_of_requests() {
        let budget = RetryBudget::new(0.2);
        let mut retries = 0;
        for _ in 0..1_000 {
            budget.earn();
            retries += u32::from(budget.spend());
        }
        assert!((200..=210).contains(&retries), "{retries}");
    }

    #[test]
    fn waits_double_and_heed_the_server() {
        let waits: Vec<u128> = (1..=8).map(|attempt| backoff(attempt, 1.0, None).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(backoff(1, 0.0, None), Duration::from_millis(50));
        assert_eq!(backoff(1, 0.5, Some(Duration::from_secs(7))), Duration::from_secs(7));
    }
}
