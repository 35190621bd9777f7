//! A histogram whose memory does not grow with the count and whose quantiles have a stated relative error.
//!
//! Buckets are linear within each power of two, 1,024 of them, so that a bucket's middle is within [`RELATIVE_ERROR`] of
//! every value in it. The buckets are the same for every histogram: merging adds counts, in any order, without loss.

use crate::tail;

/// Bits of the fraction that tell buckets apart.
const BITS: u32 = 10;

/// Buckets in each power of two.
const PER_OCTAVE: usize = 1 << BITS;

/// Largest relative error of a quantile: half a bucket, 2⁻¹¹, 0.049 %.
pub const RELATIVE_ERROR: f64 = 1.0 / (2 * PER_OCTAVE) as f64;

/// Values below this are counted as zero. In milliseconds it is less than an attosecond.
pub const SMALLEST: f64 = 1.0 / (1_u64 << 50) as f64;

/// Values at or above this are refused. In milliseconds it is 36 million years.
pub const TOO_LARGE: f64 = (1_u64 << 60) as f64;

/// Counts of non-negative values. At most 110 powers of two of 1,024 counts each, 880 KiB; a latency seldom spans more
/// than ten of them.
///
/// ```
/// use weighbridge_stats::histogram::{Histogram, RELATIVE_ERROR};
/// let mut histogram = Histogram::default();
/// for value in 1..=1_000 {
///     histogram.push(f64::from(value));
/// }
/// let median = histogram.quantile(0.5).unwrap();
/// assert!((median / 500.5 - 1.0).abs() <= RELATIVE_ERROR);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Number of the first bucket in `counts`, a whole octave.
    first: usize,
    counts: Vec<u64>,
    zeros: u64,
    count: u64,
    refused: u64,
    range: Option<(f64, f64)>,
}

impl Histogram {
    /// Counts a value once.
    pub fn push(&mut self, value: f64) {
        self.push_n(value, 1);
    }

    /// Counts a value `times` times. Negative, too large and non-finite values enter nothing but [`refused`](Self::refused).
    pub fn push_n(&mut self, value: f64, times: u64) {
        if !(0.0..TOO_LARGE).contains(&value) {
            self.refused += times;
            return;
        }
        if times == 0 {
            return;
        }
        self.count += times;
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
        if value < SMALLEST {
            self.zeros += times;
            return;
        }
        let bucket = bucket(value);
        let offset = bucket.wrapping_sub(self.first);
        match self.counts.get_mut(offset) {
            Some(count) => *count += times,
            None => self.grow_to(bucket, times),
        }
    }

    #[cold]
    fn grow_to(&mut self, bucket: usize, times: u64) {
        let octave = bucket / PER_OCTAVE * PER_OCTAVE;
        if self.counts.is_empty() {
            self.first = octave;
        }
        if octave < self.first {
            let missing = self.first - octave;
            self.counts.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = octave;
        }
        let need = octave + PER_OCTAVE - self.first;
        if need > self.counts.len() {
            self.counts.reserve_exact(need - self.counts.len());
            self.counts.resize(need, 0);
        }
        self.counts[bucket - self.first] += times;
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Self) {
        for (offset, &count) in other.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            match self.counts.get_mut((other.first + offset).wrapping_sub(self.first)) {
                Some(own) => *own += count,
                None => self.grow_to(other.first + offset, count),
            }
        }
        self.zeros += other.zeros;
        self.count += other.count;
        self.refused += other.refused;
        self.range = match (self.range, other.range) {
            (Some((low, high)), Some((other_low, other_high))) => Some((low.min(other_low), high.max(other_high))),
            (own, other) => own.or(other),
        };
    }

    /// Values counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Values that could not be counted.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Smallest value, exact.
    pub fn min(&self) -> Option<f64> {
        self.range.map(|(low, _)| low)
    }

    /// Largest value, exact.
    pub fn max(&self) -> Option<f64> {
        self.range.map(|(_, high)| high)
    }

    /// Quantile `q` in [0, 1], type 7 over the values as their buckets tell them: within [`RELATIVE_ERROR`] of the exact
    /// type-7 quantile, and exact at 0 and 1. `None` without a value and for another `q`.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        let position = self.count.checked_sub(1)? as f64 * q;
        let below = position.floor();
        let share = position - below;
        // Counts stay below 2^53, where a float still tells neighbours apart.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank between 0 and the count")]
        let rank = below as u64;
        let (low, high) = self.neighbours(rank)?;
        Some(if share < 0.5 { low + (high - low) * share } else { high - (high - low) * (1.0 - share) })
    }

    /// The value of this rank and the next one, from 0; the last rank is its own neighbour.
    fn neighbours(&self, rank: u64) -> Option<(f64, f64)> {
        let (min, max) = self.range?;
        let value = |middle: f64, rank: u64| match rank {
            0 => min,
            _ if rank + 1 >= self.count => max,
            _ => middle.clamp(min, max),
        };
        let next = (rank + 1).min(self.count - 1);
        let mut before = self.zeros;
        let mut low = (rank < before).then(|| value(0.0, rank));
        if next < before {
            return Some((low?, value(0.0, next)));
        }
        for (offset, &count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            before += count;
            let middle = middle(self.first + offset);
            if low.is_none() && rank < before {
                low = Some(value(middle, rank));
            }
            if next < before {
                return Some((low?, value(middle, next)));
            }
        }
        None
    }

    /// Values at most `limit`, within the buckets' error: all of the bucket that holds it are counted.
    pub fn count_to(&self, limit: f64) -> u64 {
        if limit < 0.0 || limit.is_nan() {
            return 0;
        }
        if limit >= TOO_LARGE {
            return self.count;
        }
        let last = if limit < SMALLEST { return self.zeros } else { bucket(limit) };
        let held = self.counts.iter().take((last + 1).saturating_sub(self.first));
        self.zeros + held.sum::<u64>()
    }

    /// Whether a percentile of so many values can be bounded ([`tail::min_samples_for_percentile`]).
    pub fn supports(&self, q: f64) -> bool {
        let need = tail::min_samples_for_percentile(q, crate::Confidence::P99);
        need.is_some_and(|need| self.count >= need as u64)
    }
}

/// Number of the bucket of a value from [`SMALLEST`] on: the exponent and the first bits of the fraction, as one number.
fn bucket(value: f64) -> usize {
    (value.to_bits() >> (f64::MANTISSA_DIGITS - 1 - BITS)) as usize
}

/// Middle of a bucket.
fn middle(bucket: usize) -> f64 {
    let shift = f64::MANTISSA_DIGITS - 1 - BITS;
    f64::from_bits(((bucket as u64) << shift) | (1 << (shift - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Histogram {
        let mut histogram = Histogram::default();
        values.iter().for_each(|&value| histogram.push(value));
        histogram
    }

    #[test]
    fn one_value_is_exact_and_none_is_unknown() {
        assert_eq!(Histogram::default().quantile(0.5), None);
        for q in [0.0, 0.3, 1.0] {
            assert_eq!(of(&[0.1]).quantile(q), Some(0.1));
        }
        assert_eq!(of(&[0.1]).quantile(1.1), None);
        assert_eq!(of(&[0.1]).quantile(f64::NAN), None);
    }

    #[test]
    fn what_cannot_be_counted_is_counted_apart() {
        let histogram = of(&[1.0, -1.0, f64::NAN, f64::INFINITY, TOO_LARGE, 0.0]);
        assert_eq!((histogram.count(), histogram.refused()), (2, 4));
        assert_eq!((histogram.min(), histogram.max()), (Some(0.0), Some(1.0)));
    }

    #[test]
    fn memory_stays_flat_over_the_whole_range() {
        let mut histogram = Histogram::default();
        for exponent in -60..60 {
            histogram.push_n(2.0_f64.powi(exponent), 1_000_000);
        }
        assert!(histogram.counts.len() <= 110 * PER_OCTAVE, "{}", histogram.counts.len());
        assert_eq!(histogram.count(), 120_000_000);
    }

    #[test]
    fn counts_below_a_limit() {
        let histogram = of(&[0.0, 1.0, 2.0, 3.0, 4.0]);
        let check = |limit, expected| assert_eq!(histogram.count_to(limit), expected, "{limit}");
        check(-1.0, 0);
        check(0.0, 1);
        check(0.5, 1);
        check(3.0, 4);
        check(f64::INFINITY, 5);
        check(f64::NAN, 0);
    }
}
