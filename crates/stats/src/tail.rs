//! Honest tails: bounds of a percentile, and the count below which there is none.
//!
//! The rule is the early stopping of MLPerf LoadGen (`loadgen/early_stopping.cc`, tolerance 0): among `n` values, the
//! number above the true percentile is binomial, so that the t-th largest value bounds the percentile from above once
//! `P(X ≤ t) ≤ 1 − c` for `X ~ Binomial(n, 1 − q)`. LoadGen asks for t ≥ 1, one value more than the theory does.

use crate::special::binomial_cdf;
use crate::{Confidence, Sorted, StatsError};

/// The bound needs this many values for any percentile that a table could ask for; beyond it there is no answer.
const MAX_SAMPLES: usize = 1 << 40;

/// Smallest number of values at which the percentile `q` in (0, 1) can be bounded at confidence `c`.
///
/// At 99 %: 64 for p90, 662 for p99, 6,636 for p99.9, as LoadGen. Low percentiles mirror high ones: p1 needs 662 too.
/// `None` for `q` outside (0, 1), and where 2⁴⁰ values would not do.
///
/// ```
/// use weighbridge_stats::{Confidence, tail::min_samples_for_percentile};
/// assert_eq!(min_samples_for_percentile(0.99, Confidence::P99), Some(662));
/// ```
pub fn min_samples_for_percentile(q: f64, c: Confidence) -> Option<usize> {
    if !(q > 0.0 && q < 1.0) {
        return None;
    }
    let inner = q.max(1.0 - q);
    // P(X ≤ 1), written out: no value beyond the percentile, or exactly one.
    let odds = |n: usize| {
        let none = inner.powf(n as f64 - 1.0);
        none * (inner + n as f64 * (1.0 - inner))
    };
    let is_enough = |n: usize| odds(n) <= 1.0 - c.level();
    let mut high = 2;
    while !is_enough(high) {
        high *= 2;
        if high > MAX_SAMPLES {
            return None;
        }
    }
    Some(first_index(high / 2, high, is_enough))
}

/// A value that the true percentile does not exceed, at the stated confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TailBound {
    /// The bound, one of the sample's values; never below the sample's own percentile.
    pub value: f64,
    /// The bound is the sample's t-th largest value: this is t. LoadGen's count of discarded queries.
    pub rank_from_top: usize,
}

/// Upper confidence bound of percentile `q` in (0, 1), for independent values: LoadGen's early-stopping estimate.
///
/// The confidence is one-sided. `Ok(None)` below [`min_samples_for_percentile`], where no honest bound exists.
/// Bounds of several percentiles hold one at a time, not together.
///
/// # Errors
/// [`StatsError::OutOfRange`] for another `q`.
pub fn percentile_upper_bound(sorted: &Sorted, q: f64, c: Confidence) -> Result<Option<TailBound>, StatsError> {
    check_inner_quantile(q)?;
    let values = sorted.values();
    let holds = |t: usize| binomial_cdf(t as u64, values.len() as u64, 1.0 - q) <= 1.0 - c.level();
    let first_failing = first_index(0, values.len(), |t| !holds(t));
    let rank_from_top = match first_failing.checked_sub(1) {
        Some(rank) if rank >= 1 => rank,
        _ => return Ok(None),
    };
    Ok(Some(TailBound { value: values[values.len() - rank_from_top], rank_from_top }))
}

/// Checks that `q` lies strictly between 0 and 1.
pub(crate) fn check_inner_quantile(q: f64) -> Result<(), StatsError> {
    if q > 0.0 && q < 1.0 {
        Ok(())
    } else {
        Err(StatsError::OutOfRange { what: "a quantile", value: q, expected: "a number between 0 and 1" })
    }
}

/// The first index in `low..high` that satisfies a predicate that never turns back; `high` when none does.
pub(crate) fn first_index(mut low: usize, mut high: usize, is_true: impl Fn(usize) -> bool) -> usize {
    while low < high {
        let middle = low + (high - low) / 2;
        if is_true(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_equal_loadgen() {
        let check = |q, expected| assert_eq!(min_samples_for_percentile(q, Confidence::P99), expected, "{q}");
        check(0.90, Some(64));
        check(0.99, Some(662));
        check(0.999, Some(6636));
        check(0.01, Some(662));
        check(1.0, None);
        check(0.0, None);
        check(f64::NAN, None);
        check(1.0 - f64::EPSILON / 2.0, None);
    }

    #[test]
    fn bound_exists_from_the_minimum_count_on() {
        let bound = |n: u32| {
            let sorted = Sorted::new((0..n).map(f64::from).collect()).unwrap();
            percentile_upper_bound(&sorted, 0.99, Confidence::P99).unwrap()
        };
        assert_eq!(bound(661), None);
        assert_eq!(bound(662), Some(TailBound { value: 661.0, rank_from_top: 1 }));
        // 77 is the count that LoadGen discards at 10,000 queries.
        assert_eq!(bound(10_000), Some(TailBound { value: 9923.0, rank_from_top: 77 }));
    }
}
