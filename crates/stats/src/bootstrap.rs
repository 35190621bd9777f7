//! What every bootstrap shares: seeds, replicates, blocks, and the percentiles of replicates.

use crate::quantile::quantile_unsorted;
use crate::random::Random;
use crate::special::{normal_cdf, student_t_quantile};
use crate::{Confidence, Interval, Method};

/// The seed and the number of resamples of a bootstrap. Both belong in the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resampling {
    seed: u64,
    count: u32,
}

impl Resampling {
    /// Resamples unless told otherwise: the ends of a 95 % interval then rest on 50 replicates each.
    pub const DEFAULT_COUNT: u32 = 2_000;
    /// Fewer resamples than this are raised to it: the ends would be noise.
    pub const MIN_COUNT: u32 = 200;

    /// Seeds the default number of resamples.
    pub fn new(seed: u64) -> Self {
        Self { seed, count: Self::DEFAULT_COUNT }
    }

    /// Changes the number of resamples, to at least [`Resampling::MIN_COUNT`].
    #[must_use]
    pub fn with_count(self, count: u32) -> Self {
        Self { count: count.max(Self::MIN_COUNT), ..self }
    }

    /// The seed.
    pub fn seed(self) -> u64 {
        self.seed
    }

    /// The number of resamples.
    pub fn count(self) -> u32 {
        self.count
    }

    /// One value of the statistic per resample. Replicate i draws from stream i, whoever computes it.
    pub(crate) fn replicates(self, mut statistic: impl FnMut(&mut Random) -> f64) -> Vec<f64> {
        (0..self.count).map(|index| statistic(&mut Random::stream(self.seed, u64::from(index)))).collect()
    }
}

/// How a block bootstrap draws its blocks. Both wrap around the end of the series, so that each value is drawn equally
/// often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BlockScheme {
    /// Blocks of one length (Politis and Romano 1992).
    Fixed,
    /// Blocks of geometric length (Politis and Romano 1994): resamples are stationary.
    Stationary,
}

impl BlockScheme {
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Fixed => Method::BlockBootstrap,
            Self::Stationary => Method::StationaryBootstrap,
        }
    }
}

/// Calls `take` with `n` positions in 0..n, drawn block by block with the given (mean) length.
pub(crate) fn draw_blocks(
    scheme: BlockScheme,
    length: usize,
    n: usize,
    random: &mut Random,
    mut take: impl FnMut(usize),
) {
    let mut position = 0;
    let mut left = 0;
    for _ in 0..n {
        if left == 0 {
            position = random.below(n);
            left = match scheme {
                BlockScheme::Fixed => length,
                BlockScheme::Stationary => geometric(length, random),
            };
        }
        take(position);
        left -= 1;
        position += 1;
        if position == n {
            position = 0;
        }
    }
}

/// A geometric number with the given mean, at least 1.
fn geometric(mean: usize, random: &mut Random) -> usize {
    if mean <= 1 {
        return 1;
    }
    let stop = 1.0 / mean as f64;
    let draw = (-random.unit()).ln_1p() / (-stop).ln_1p();
    1 + crate::sample::to_index(draw)
}

/// The expanded percentile interval of replicates around an estimate (Hesterberg 2015, section 3.2).
///
/// Resamples of `units` independent units vary too little, by √((units − 1) / units), and their percentiles are normal
/// where Student's t belongs. Taking percentiles further out corrects both: `α' = Φ(−√(n / (n − 1)) · t(1 − α, n − 1))`.
/// `units` is at least 2.
pub(crate) fn percentile_interval(
    replicates: Vec<f64>,
    value: f64,
    units: usize,
    confidence: Confidence,
    method: Method,
) -> Interval {
    percentile_interval_at(replicates, value, expanded_tail(units, confidence), confidence, method)
}

/// The α' above. Finding it costs more than the percentiles of a short list, so that many lists share one.
pub(crate) fn expanded_tail(units: usize, confidence: Confidence) -> f64 {
    let df = units as f64 - 1.0;
    let t = student_t_quantile(1.0 - confidence.tail(), df);
    normal_cdf(-t * (units as f64 / df).sqrt())
}

/// The percentile interval at a tail that is known.
pub(crate) fn percentile_interval_at(
    mut replicates: Vec<f64>,
    value: f64,
    tail: f64,
    confidence: Confidence,
    method: Method,
) -> Interval {
    let low = quantile_unsorted(&mut replicates, tail);
    let high = quantile_unsorted(&mut replicates, 1.0 - tail);
    Interval { low, high, confidence, method }.holding(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_resamples_are_raised_to_the_minimum() {
        assert_eq!(Resampling::new(1).with_count(0).count(), Resampling::MIN_COUNT);
        assert_eq!(Resampling::new(1).with_count(5_000).count(), 5_000);
    }

    #[test]
    fn blocks_keep_neighbours_together_and_draw_all_positions() {
        for scheme in [BlockScheme::Fixed, BlockScheme::Stationary] {
            let (n, length) = (1_000, 10);
            let mut random = Random::stream(3, 0);
            let mut drawn = vec![0_u32; n];
            let mut jumps = 0;
            let mut last = None;
            for _ in 0..100 {
                draw_blocks(scheme, length, n, &mut random, |position| {
                    drawn[position] += 1;
                    jumps += u32::from(last.is_some_and(|last: usize| (last + 1) % n != position));
                    last = Some(position);
                });
            }
            assert!(drawn.iter().all(|&count| (50..160).contains(&count)), "{scheme:?}");
            assert!((9_000..11_000).contains(&jumps), "{scheme:?}: {jumps}");
        }
    }
}
