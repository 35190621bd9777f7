//! How often each key may ask: a bucket of tokens per key that fills at a rate.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use weighbridge_types::time::{Clock, Stamp};

use crate::error::ServeError;

/// Keys that are remembered at once. Beyond them those whose bucket is full are forgotten, which changes nothing for them.
const KEYS_KEPT: usize = 10_000;

/// A rate, and how far a key may be ahead of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests per second.
    pub per_second: f64,
    /// Requests at once after a pause; at least 1.
    pub burst: f64,
}

/// The buckets of all keys.
#[derive(Debug)]
pub struct Buckets {
    rate: Rate,
    clock: Clock,
    buckets: Mutex<HashMap<String, Bucket, foldhash::fast::RandomState>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Stamp,
}

impl Buckets {
    /// Full buckets for every key.
    ///
    /// # Panics
    /// When the rate is not above 0 or the burst below 1.
    #[must_use]
    pub fn new(rate: Rate, clock: Clock) -> Self {
        assert!(rate.per_second > 0.0 && rate.burst >= 1.0, "a rate lets something in");
        Self { rate, clock, buckets: Mutex::default() }
    }

    /// Takes a token of a key.
    ///
    /// # Errors
    /// [`ServeError::RateLimited`] with the time until there is one.
    pub fn take(&self, key: &str) -> Result<(), ServeError> {
        let now = self.clock.now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEYS_KEPT && !buckets.contains_key(key) {
            buckets.retain(|_, bucket| bucket.at_time(now, self.rate).tokens < self.rate.burst);
        }
        let full = Bucket { tokens: self.rate.burst, at: now };
        let bucket = match buckets.get_mut(key) {
            Some(bucket) => bucket,
            None => buckets.entry(key.to_owned()).or_insert(full),
        };
        *bucket = bucket.at_time(now, self.rate);
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let retry_after = Duration::from_secs_f64((1.0 - bucket.tokens) / self.rate.per_second);
        Err(ServeError::RateLimited { key: key.to_owned(), retry_after })
    }
}

impl Bucket {
    fn at_time(self, now: Stamp, rate: Rate) -> Self {
        let filled = self.tokens + (now - self.at).as_secs_f64() * rate.per_second;
        Self { tokens: filled.min(rate.burst), at: now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_held_to_its_rate_and_others_are_not() {
        let buckets = Buckets::new(Rate { per_second: 2.0, burst: 3.0 }, Clock::start());
        for _ in 0..3 {
            buckets.take("a").unwrap();
        }
        let refused = buckets.take("a").unwrap_err();
        assert_eq!(refused.retry_after(), Some(Duration::from_millis(500)));
        buckets.take("b").unwrap();
        tokio::time::advance(Duration::from_millis(500)).await;
        buckets.take("a").unwrap();
        assert!(buckets.take("a").is_err());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!((0..10).filter(|_| buckets.take("a").is_ok()).count(), 3);
    }
}
