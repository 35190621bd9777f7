//! How many items are computed together: as many as memory allows and as pay.

use std::fmt::Debug;
use std::time::Duration;

/// Where an engine asks how much memory may be taken.
pub trait MemorySource: Debug + Send + Sync {
    /// Bytes that may be taken now; `None` where there is no such memory, or nobody knows.
    fn free(&self) -> Option<u64>;
}

/// What bounds a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchLimits {
    /// Items at most.
    pub most: usize,
    /// Items at most where nobody knows how much memory is free.
    pub unknown: usize,
    /// Share of the free memory that a batch may take.
    pub share: f64,
    /// Memory that an item takes, bytes.
    pub item_bytes: u64,
}

impl Default for BatchLimits {
    fn default() -> Self {
        Self { most: 64, unknown: 16, share: 0.8, item_bytes: 50 << 20 }
    }
}

impl BatchLimits {
    /// Items that this much free memory allows: `share × free / item`, at least 1 and at most [`most`](Self::most).
    #[must_use]
    pub fn allowed(&self, free: Option<u64>) -> usize {
        let Some(free) = free else { return self.unknown.clamp(1, self.most.max(1)) };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped, and never negative")]
        let items = (self.share * free as f64 / self.item_bytes.max(1) as f64) as usize;
        items.clamp(1, self.most.max(1))
    }
}

/// A batch did not fit the memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not enough memory for a batch of {size}")]
pub struct Exhausted {
    /// Its size.
    pub size: usize,
}

/// Batches of one size that are timed before another size is tried.
const TRIALS: u32 = 10;

/// A neighboring size must be this much faster to be taken: below it a change is noise.
const WORTHWHILE: f64 = 1.02;

/// Batches after which the neighbors of the best size are measured anew, because hosts change.
const REVISIT: u32 = 1000;

/// Finds the size of batches: halves it when memory was exhausted, and moves towards the size at which most items are done
/// per second.
///
/// Sizes are powers of two. After some whole batches of the best size its neighbors are tried, the larger one first, and the
/// fastest of the three becomes the best.
#[derive(Clone, Debug)]
pub struct AdaptiveBatch {
    limits: BatchLimits,
    /// Largest size that memory bore.
    most: usize,
    /// The size that is best so far, and the one that is measured now: each is two to this.
    best: usize,
    now: usize,
    speeds: Vec<Speed>,
}

/// What batches of one size did.
#[derive(Clone, Copy, Debug, Default)]
struct Speed {
    batches: u32,
    items: f64,
    seconds: f64,
}

impl Speed {
    /// Items per second, once there were enough batches.
    fn known(&self) -> Option<f64> {
        (self.batches > TRIALS && self.seconds > 0.0).then(|| self.items / self.seconds)
    }
}

impl AdaptiveBatch {
    /// Begins with the largest batches.
    #[must_use]
    pub fn new(limits: BatchLimits) -> Self {
        let most = limits.most.max(1);
        let now = most.ilog2() as usize;
        Self { limits, most, best: now, now, speeds: vec![Speed::default(); now + 1] }
    }

    /// Items of the next batch, of those that wait, where this much memory is free; at least 1.
    #[must_use]
    pub fn size(&self, waiting: usize, free: Option<u64>) -> usize {
        let bound = self.limits.allowed(free).min(self.most);
        waiting.min(bound).min(1 << self.now).max(1)
    }

    /// Learns that a batch of this size did not fit.
    pub fn exhausted(&mut self, size: usize) {
        self.most = (size / 2).max(1).min(self.most);
        let largest = self.most.ilog2() as usize;
        (self.best, self.now) = (self.best.min(largest), self.now.min(largest));
    }

    /// Learns what a batch took. Batches that were smaller than they might have been say nothing of their size.
    pub fn note(&mut self, size: usize, took: Duration) {
        if size != 1 << self.now {
            return;
        }
        let speed = &mut self.speeds[self.now];
        speed.batches += 1;
        speed.items += size as f64;
        speed.seconds += took.as_secs_f64();
        if speed.known().is_some() {
            self.look_around();
        }
    }

    /// Goes to an unknown neighbor of the best size; where all are known, the fastest is the best.
    fn look_around(&mut self) {
        if self.speeds[self.best].batches >= REVISIT {
            self.speeds.fill(Speed::default());
        }
        let largest = self.most.ilog2() as usize;
        loop {
            let near = [self.best, self.best + 1, self.best.wrapping_sub(1)];
            let near = near.into_iter().filter(|&size| size <= largest);
            if let Some(unknown) = near.clone().find(|&size| self.speeds[size].known().is_none()) {
                self.now = unknown;
                return;
            }
            let speed = |size: usize| self.speeds[size].known().unwrap_or(0.0);
            let faster = |best, size| if speed(size) > WORTHWHILE * speed(best) { size } else { best };
            let fastest = near.fold(self.best, faster);
            self.now = fastest;
            if fastest == self.best {
                return;
            }
            self.best = fastest;
        }
    }

    /// Computes all items in batches; their results are in the order of the items. A batch that does not fit is computed
    /// again in halves, and nothing that was computed is lost.
    ///
    /// # Errors
    /// [`Exhausted`] where a single item does not fit.
    pub fn run<T, R>(
        &mut self,
        items: &[T],
        memory: &dyn MemorySource,
        mut compute: impl FnMut(&[T]) -> Result<Vec<R>, Exhausted>,
    ) -> Result<Vec<R>, Exhausted> {
        let mut results = Vec::with_capacity(items.len());
        while let Some(rest) = items.get(results.len()..).filter(|rest| !rest.is_empty()) {
            let size = self.size(rest.len(), memory.free());
            match compute(&rest[..size]) {
                Ok(made) => results.extend(made),
                Err(exhausted) if size == 1 => return Err(exhausted),
                Err(_) => self.exhausted(size),
            }
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory as a test says.
    #[derive(Debug)]
    struct Fixed(Option<u64>);

    impl MemorySource for Fixed {
        fn free(&self) -> Option<u64> {
            self.0
        }
    }

    #[test]
    fn free_memory_bounds_a_batch() {
        let batch = AdaptiveBatch::new(BatchLimits::default());
        assert_eq!(batch.size(100, None), 16);
        assert_eq!(batch.size(100, Some(8 << 30)), 64);
        assert_eq!(batch.size(100, Some(100 << 20)), 1);
        assert_eq!(batch.size(100, Some(0)), 1);
        assert_eq!(batch.size(3, Some(8 << 30)), 3);
        assert_eq!(batch.size(0, Some(8 << 30)), 1);
    }

    #[test]
    fn exhausted_memory_halves_batches_and_loses_nothing() {
        let mut batch = AdaptiveBatch::new(BatchLimits::default());
        let items: Vec<u32> = (0..100).collect();
        let mut sizes = Vec::new();
        let compute = |items: &[u32]| {
            sizes.push(items.len());
            if items.len() > 10 {
                Err(Exhausted { size: items.len() })
            } else {
                Ok(items.iter().map(|item| item * 2).collect())
            }
        };
        let results = batch.run(&items, &Fixed(Some(8 << 30)), compute).unwrap();
        assert_eq!(results, items.iter().map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(sizes[..4], [64, 32, 16, 8]);
        assert!(sizes[4..].iter().all(|&size| size <= 8), "{sizes:?}");
        assert_eq!(batch.size(100, Some(8 << 30)), 8);
    }

    #[test]
    fn an_item_that_never_fits_is_an_error() {
        let mut batch = AdaptiveBatch::new(BatchLimits::default());
        let compute = |items: &[u32]| {
            if items.contains(&3) { Err(Exhausted { size: items.len() }) } else { Ok(items.to_vec()) }
        };
        assert_eq!(batch.run(&[1, 2, 3], &Fixed(None), compute), Err(Exhausted { size: 1 }));
    }

    /// Seconds of a batch: a cost of its own, a cost of each item, and one that grows where caches overflow.
    fn seconds(size: usize, best: usize) -> Duration {
        Duration::from_millis((best * best + size * size) as u64)
    }

    #[test]
    fn the_fastest_size_is_found_and_kept() {
        for best in [1, 4, 8, 16, 64] {
            let mut batch = AdaptiveBatch::new(BatchLimits::default());
            for _ in 0..300 {
                let size = batch.size(100, Some(8 << 30));
                batch.note(size, seconds(size, best));
            }
            // Items per second of `size / (best² + size²)` are most at `best`.
            for _ in 0..100 {
                let size = batch.size(100, Some(8 << 30));
                assert_eq!(size, best);
                batch.note(size, seconds(size, best));
            }
        }
    }

    #[test]
    fn few_batches_and_small_ones_change_nothing() {
        let mut batch = AdaptiveBatch::new(BatchLimits::default());
        for _ in 0..10 {
            batch.note(64, seconds(64, 8));
        }
        for _ in 0..100 {
            batch.note(5, seconds(5, 8));
        }
        assert_eq!(batch.size(100, Some(8 << 30)), 64);
        batch.note(64, seconds(64, 8));
        assert_eq!(batch.size(100, Some(8 << 30)), 32);
    }
}
