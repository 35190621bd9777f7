//! Intervals of a proportion: reliability, accuracy, share of good requests.

use crate::special::{beta_quantile, normal_quantile};
use crate::{Confidence, Estimate, Interval, Method, StatsError};

/// Wilson's score interval (Wilson 1927), without continuity correction: the default for a share.
///
/// # Errors
/// [`StatsError::Empty`] without trials, [`StatsError::OutOfRange`] when successes exceed trials.
pub fn wilson(successes: usize, trials: usize, confidence: Confidence) -> Result<Estimate, StatsError> {
    let share = share(successes, trials)?;
    let mut interval = wilson_of(share, trials as f64, confidence);
    if successes == 0 {
        interval.low = 0.0;
    }
    if successes == trials {
        interval.high = 1.0;
    }
    Ok(estimate(share, trials, interval))
}

/// Wilson's interval of a share of trials that depend on each other and are worth `n_effective` independent ones:
/// requests under load fail together.
///
/// # Errors
/// As [`wilson`]; [`StatsError::OutOfRange`] when the worth is not above 0 and at most the number of trials.
pub fn wilson_effective(
    successes: usize,
    trials: usize,
    n_effective: f64,
    confidence: Confidence,
) -> Result<Estimate, StatsError> {
    let whole = wilson(successes, trials, confidence)?;
    if !(n_effective > 0.0 && n_effective <= trials as f64) {
        let (what, expected) = ("an effective number of trials", "above 0 and at most the number of trials");
        return Err(StatsError::OutOfRange { what, value: n_effective, expected });
    }
    let interval = wilson_of(whole.value, n_effective, confidence).holding(whole.value);
    Ok(Estimate { interval, n_effective: Some(n_effective), ..whole })
}

fn wilson_of(share: f64, n: f64, confidence: Confidence) -> Interval {
    let z = normal_quantile(1.0 - confidence.tail());
    let shrink = 1.0 + z * z / n;
    let center = (share + z * z / (2.0 * n)) / shrink;
    let half_width = z / shrink * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let (low, high) = ((center - half_width).max(0.0), (center + half_width).min(1.0));
    Interval { low, high, confidence, method: Method::Wilson }
}

/// Clopper and Pearson's exact interval (1934): never covers less than it says, often more.
///
/// # Errors
/// As [`wilson`].
pub fn clopper_pearson(successes: usize, trials: usize, confidence: Confidence) -> Result<Estimate, StatsError> {
    let share = share(successes, trials)?;
    let (k, n, tail) = (successes as f64, trials as f64, confidence.tail());
    let low = if successes == 0 { 0.0 } else { beta_quantile(tail, k, n - k + 1.0) };
    let high = if successes == trials { 1.0 } else { beta_quantile(1.0 - tail, k + 1.0, n - k) };
    Ok(estimate(share, trials, Interval { low, high, confidence, method: Method::ClopperPearson }))
}

/// Paired yes-or-no outcomes of the same items on two sides, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PairCounts {
    /// Yes on both sides.
    pub both: u64,
    /// Yes on the first side only.
    pub only_first: u64,
    /// Yes on the second side only.
    pub only_second: u64,
    /// No on both sides.
    pub neither: u64,
}

impl PairCounts {
    /// Adds one item.
    pub fn push(&mut self, first: bool, second: bool) {
        *match (first, second) {
            (true, true) => &mut self.both,
            (true, false) => &mut self.only_first,
            (false, true) => &mut self.only_second,
            (false, false) => &mut self.neither,
        } += 1;
    }

    /// Items.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.both + self.only_first + self.only_second + self.neither
    }

    /// Exact two-sided p value of McNemar's test: [`mcnemar_exact`](crate::compare::mcnemar_exact).
    #[must_use]
    pub fn mcnemar(&self) -> f64 {
        crate::compare::mcnemar_exact(self.only_first, self.only_second)
    }

    /// Share of yes on the first side minus that on the second, with Newcombe's square-and-add interval for paired items
    /// (Newcombe 1998, method 10). Unlike a bootstrap it has a width where no pair disagrees.
    ///
    /// # Errors
    /// [`StatsError::Empty`] without items.
    pub fn difference(&self, confidence: Confidence) -> Result<Estimate, StatsError> {
        let n = self.count();
        let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let first = wilson(count(self.both + self.only_first), count(n), confidence)?;
        let second = wilson(count(self.both + self.only_second), count(n), confidence)?;
        let value = (self.only_first as f64 - self.only_second as f64) / n as f64;
        let phi = self.correlation();
        let reach = |one: f64, other: f64| (one * one - 2.0 * phi * one * other + other * other).max(0.0).sqrt();
        let below = reach(first.value - first.interval.low, second.interval.high - second.value);
        let above = reach(first.interval.high - first.value, second.value - second.interval.low);
        let (low, high) = ((value - below).max(-1.0), (value + above).min(1.0));
        let interval = Interval { low, high, confidence, method: Method::NewcombePaired }.holding(value);
        Ok(Estimate { value, interval, n: count(n), n_effective: None })
    }

    /// The correlation of the sides, with Newcombe's correction for continuity where it is positive; 0 where a side is all
    /// yes or all no.
    fn correlation(&self) -> f64 {
        let [a, b, c, d] = [self.both, self.only_first, self.only_second, self.neither].map(|count| count as f64);
        let margins = (a + b) * (c + d) * (a + c) * (b + d);
        if margins <= 0.0 {
            return 0.0;
        }
        let product = a * d - b * c;
        let corrected = if product > 0.0 { (product - 0.5 * (a + b + c + d)).max(0.0) } else { product };
        corrected / margins.sqrt()
    }
}

fn share(successes: usize, trials: usize) -> Result<f64, StatsError> {
    match trials {
        0 => Err(StatsError::Empty),
        _ if successes > trials => Err(StatsError::OutOfRange {
            what: "a count of successes",
            value: successes as f64,
            expected: "at most the number of trials",
        }),
        _ => Ok(successes as f64 / trials as f64),
    }
}

fn estimate(share: f64, trials: usize, interval: Interval) -> Estimate {
    Estimate { value: share, interval: interval.holding(share), n: trials, n_effective: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_counts_are_refused() {
        assert_eq!(wilson(0, 0, Confidence::P95), Err(StatsError::Empty));
        assert!(matches!(clopper_pearson(3, 2, Confidence::P95), Err(StatsError::OutOfRange { .. })));
    }

    /// Newcombe 1998, table II: (36, 12, 2, 0). Fagerland, Lydersen and Laake 2014, table III: (1, 1, 7, 12).
    #[test]
    fn paired_differences_of_the_papers() {
        let check = |[both, only_first, only_second, neither]: [u64; 4], value: f64, low: f64, high: f64, step: f64| {
            let counts = PairCounts { both, only_first, only_second, neither };
            let found = counts.difference(Confidence::P95).unwrap();
            let near = |stated: f64, computed: f64| (stated - computed).abs() < 0.5 * step;
            assert!((found.value - value).abs() < 1e-12, "{found:?}");
            assert!(near(low, found.interval.low) && near(high, found.interval.high), "{found:?}");
            let swapped = PairCounts { only_first: only_second, only_second: only_first, ..counts };
            let other = swapped.difference(Confidence::P95).unwrap().interval;
            assert!((other.low + found.interval.high).abs() < 1e-12 && (other.high + found.interval.low).abs() < 1e-12);
        };
        check([36, 12, 2, 0], 0.2, 0.0569, 0.3404, 1e-4);
        check([1, 1, 7, 12], -6.0 / 21.0, -0.507, -0.026, 1e-3);
    }

    #[test]
    fn sides_that_agree_everywhere_still_leave_doubt() {
        let mut counts = PairCounts::default();
        assert_eq!(counts.difference(Confidence::P95), Err(StatsError::Empty));
        (0..100).for_each(|_| counts.push(true, true));
        let found = counts.difference(Confidence::P95).unwrap();
        assert!(found.value == 0.0 && found.interval.high > 0.03 && found.interval.high < 0.04, "{found:?}");
        assert!((counts.mcnemar() - 1.0).abs() < 1e-12);
    }

    /// All of 10 requests succeeded, and still reliability may be as low as 72 %.
    #[test]
    fn a_perfect_score_leaves_doubt() {
        let interval = wilson(10, 10, Confidence::P95).unwrap().interval;
        assert!((interval.low - 0.7225).abs() < 1e-4 && interval.high >= 1.0, "{interval:?}");
    }
}
