//! What the service counts of itself.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the classes of a duration, seconds; one more holds everything above.
pub(crate) const BOUNDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// Durations counted by class.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_nanos: AtomicU64,
}

impl Histogram {
    pub(crate) fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let class = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.counts[class].fetch_add(1, Ordering::Relaxed);
        self.sum_nanos.fetch_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts up to each bound, the last one of all; and the sum in seconds.
    pub(crate) fn read(&self) -> ([u64; BOUNDS.len() + 1], f64) {
        let mut counts = [0; BOUNDS.len() + 1];
        let mut up_to = 0;
        for (count, class) in counts.iter_mut().zip(&self.counts) {
            up_to += class.load(Ordering::Relaxed);
            *count = up_to;
        }
        (counts, Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)).as_secs_f64())
    }
}

/// Requests for one model.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    /// Answers that ended with a stop, with the limit, or otherwise.
    pub(crate) finished: [AtomicU64; 3],
    /// Requests that failed, by class in the order of [`FaultClass::ALL`](weighbridge_serving::FaultClass::ALL).
    pub(crate) failed: [AtomicU64; 6],
    /// Requests whose client went away.
    pub(crate) canceled: AtomicU64,
    pub(crate) input_tokens: AtomicU64,
    pub(crate) output_tokens: AtomicU64,
    pub(crate) cache_hits: AtomicU64,
    pub(crate) cache_misses: AtomicU64,
    /// Answers of near texts; they are no hits.
    pub(crate) cache_near: AtomicU64,
    /// From the request's arrival to its first token.
    pub(crate) ttft: Histogram,
    /// Between two tokens.
    pub(crate) itl: Histogram,
    /// From the request's arrival to its end.
    pub(crate) e2e: Histogram,
    /// Waiting for a place.
    pub(crate) queue: Histogram,
    /// Waiting for the model to be loaded.
    pub(crate) load: Histogram,
    /// From the arrival to the engine, without the two waits, and from the engine's first token to the answer: what the server
    /// adds to a first token.
    pub(crate) overhead: Histogram,
}

/// Adds to a counter.
pub(crate) fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

/// Reads a counter.
pub(crate) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
