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

    /// All of 10 requests succeeded, and still reliability may be as low as 72 %.
    #[test]
    fn a_perfect_score_leaves_doubt() {
        let interval = wilson(10, 10, Confidence::P95).unwrap().interval;
        assert!((interval.low - 0.7225).abs() < 1e-4 && interval.high >= 1.0, "{interval:?}");
    }
}
