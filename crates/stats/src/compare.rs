//! One side against another: Welch's t, paired differences, McNemar.

use crate::bootstrap::percentile_interval;
use crate::special::{binomial_cdf, student_t_cdf, student_t_quantile};
use crate::{Confidence, Estimate, Interval, Method, Resampling, StatsError, sample};

/// Welch's t test of two independent samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WelchTest {
    /// `mean(b) − mean(a)`.
    pub difference: f64,
    /// Interval of the difference.
    pub interval: Interval,
    /// The t statistic of the difference.
    pub t: f64,
    /// Degrees of freedom by Welch and Satterthwaite.
    pub df: f64,
    /// Two-sided p value.
    pub p: f64,
}

/// Compares the means of two independent samples of unlike spread (Welch 1947). Give it logarithms to compare ratios.
///
/// # Errors
/// [`StatsError::Insufficient`] below two values on a side, or when neither side varies; [`StatsError::Empty`] or
/// [`StatsError::NotFinite`].
pub fn welch(a: &[f64], b: &[f64], confidence: Confidence) -> Result<WelchTest, StatsError> {
    sample::check_at_least(a, 2)?;
    sample::check_at_least(b, 2)?;
    let test = WelchStatistic::new(a, b);
    if test.variance <= 0.0 {
        // Without any spread there is no scale to judge the difference on.
        let have = a.len().min(b.len());
        return Err(StatsError::Insufficient { have, need: have + 1 });
    }
    let half_width = student_t_quantile(1.0 - confidence.tail(), test.df) * test.variance.sqrt();
    let interval = Interval::around(test.difference, half_width, confidence, Method::Welch);
    Ok(WelchTest { difference: test.difference, interval, t: test.t(), df: test.df, p: test.p() })
}

/// Welch's test without its interval, whose quantile costs fifty times as much as the rest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WelchStatistic {
    /// `mean(b) − mean(a)`.
    pub(crate) difference: f64,
    /// Variance of the difference; zero when neither side varies, and then there is no test.
    pub(crate) variance: f64,
    df: f64,
}

impl WelchStatistic {
    /// Both samples hold at least two values, checked by the caller.
    pub(crate) fn new(a: &[f64], b: &[f64]) -> Self {
        let (mean_a, mean_b) = (sample::mean(a), sample::mean(b));
        let share_a = sample::variance(a, mean_a) / a.len() as f64;
        let share_b = sample::variance(b, mean_b) / b.len() as f64;
        let variance = share_a + share_b;
        // Of the shares' shares, which no unit takes out of range.
        let part = |share: f64, count: usize| (share / variance).powi(2) / (count as f64 - 1.0);
        let df = 1.0 / (part(share_a, a.len()) + part(share_b, b.len()));
        Self { difference: mean_b - mean_a, variance, df }
    }

    fn t(self) -> f64 {
        self.difference / self.variance.sqrt()
    }

    /// Two-sided p value.
    pub(crate) fn p(self) -> f64 {
        2.0 * student_t_cdf(-self.t().abs(), self.df)
    }
}

/// Exact two-sided p value of McNemar's test (1947) on paired yes-or-no outcomes.
///
/// Arguments are the discordant pairs: right only on side A, right only on side B. Under equal sides either is
/// Binomial(sum, 1/2). Without discordant pairs the sides do not differ and p is 1.
pub fn mcnemar_exact(only_a: u64, only_b: u64) -> f64 {
    let discordant = only_a + only_b;
    (2.0 * binomial_cdf(only_a.min(only_b), discordant, 0.5)).min(1.0)
}

/// Mean of the paired differences `b − a`, with an interval from resampled pairs.
///
/// # Errors
/// [`StatsError::LengthMismatch`] for unpaired sides, [`StatsError::Insufficient`] below two pairs,
/// [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn paired_bootstrap(
    a: &[f64],
    b: &[f64],
    confidence: Confidence,
    resampling: Resampling,
) -> Result<Estimate, StatsError> {
    sample::check_pairs(a, b, 2)?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| b - a).collect();
    let n = differences.len();
    let value = sample::mean(&differences);
    let replicates =
        resampling.replicates(|random| sample::sum((0..n).map(|_| differences[random.below(n)])) / n as f64);
    let interval = percentile_interval(replicates, value, n, confidence, Method::PairedBootstrap);
    Ok(Estimate { value, interval, n, n_effective: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_without_spread_cannot_be_judged() {
        let error = welch(&[1.0, 1.0], &[2.0, 2.0, 2.0], Confidence::P95).unwrap_err();
        assert!(error.is_insufficient());
    }

    #[test]
    fn equal_discordance_is_no_difference() {
        assert!((mcnemar_exact(0, 0) - 1.0).abs() < 1e-15);
        assert!((mcnemar_exact(7, 7) - 1.0).abs() < 1e-15);
        assert!(mcnemar_exact(0, 20) < 1e-5);
    }

    #[test]
    fn pairing_removes_what_both_sides_share() {
        let a: Vec<f64> = (0..30).map(|i| f64::from(i * i)).collect();
        let b: Vec<f64> = a.iter().enumerate().map(|(i, a)| a + 1.0 + 0.1 * (i % 3) as f64).collect();
        let estimate = paired_bootstrap(&a, &b, Confidence::P95, Resampling::new(3)).unwrap();
        assert!(estimate.interval.contains(1.1) && estimate.interval.low > 1.0, "{estimate:?}");
    }
}
