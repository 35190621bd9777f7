//! How much the values of a series depend on their neighbours.
//!
//! Requests inside one run share queues, caches and temperature. Taking them as independent makes every interval too
//! narrow; these functions measure by how much.

use crate::{BlockScheme, StatsError, sample};

/// What the caller knows about the order of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dependence {
    /// Each value is a repetition of its own: one per run, restart or item.
    Independent,
    /// The values are in time order and may depend on their neighbours: requests inside one run.
    Serial,
}

/// Lags beyond this are not summed, to bound the work on series that hardly mix. A series whose memory is longer than
/// this shows an effective n of a few percent of n anyway, and is far below any minimum.
const MAX_LAG: usize = 2_000;

/// Autocorrelation at the lags 0 to `max_lag`, divisor n at every lag (Box and Jenkins), so that |ρ| ≤ 1.
///
/// All zero beyond lag 0 for a constant series, which shows no dependence.
///
/// # Errors
/// [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn autocorrelation(series: &[f64], max_lag: usize) -> Result<Vec<f64>, StatsError> {
    sample::check(series)?;
    let centered = Centered::new(series);
    Ok((0..=max_lag.min(series.len() - 1)).map(|lag| centered.correlation(lag)).collect())
}

/// Number of independent values that would estimate the mean as well as this series does: `n / τ`, at most n.
///
/// τ = 1 + 2 Σ ρ(k) is cut by Geyer's initial monotone sequence (1992): sums of neighbouring pairs, as long as they
/// stay positive, and never growing. Negative dependence is not credited: τ is at least 1.
///
/// # Errors
/// [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn effective_n(series: &[f64]) -> Result<f64, StatsError> {
    sample::check(series)?;
    Ok(series.len() as f64 / correlation_time(series))
}

/// τ of [`effective_n`], in values; at least 1. The series must be checked.
pub(crate) fn correlation_time(series: &[f64]) -> f64 {
    let centered = Centered::new(series);
    let last_lag = (series.len() - 1).min(MAX_LAG);
    let mut pair_sum = 0.0;
    let mut smallest = f64::INFINITY;
    for even in (0..last_lag).step_by(2) {
        let pair = centered.correlation(even) + centered.correlation(even + 1);
        if pair <= 0.0 {
            break;
        }
        smallest = smallest.min(pair);
        pair_sum += smallest;
    }
    (2.0 * pair_sum - 1.0).max(1.0)
}

/// The shortest run of values that may stand as one unit: five correlation times beyond the first value.
///
/// Five keeps the standard error of an AR(1) series within about 7 % of the truth; more would refuse most series.
pub(crate) fn shortest_block(correlation_time: f64) -> usize {
    1 + sample::to_index((5.0 * (correlation_time - 1.0)).ceil())
}

/// The block lengths that a block bootstrap of the mean of this series should use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockLength {
    /// For fixed-length, circular blocks.
    pub fixed: f64,
    /// Mean length for the stationary bootstrap.
    pub geometric: f64,
}

impl BlockLength {
    /// The length for a scheme, in whole values.
    pub(crate) fn of(self, scheme: BlockScheme) -> usize {
        let length = match scheme {
            BlockScheme::Fixed => self.fixed,
            BlockScheme::Stationary => self.geometric,
        };
        sample::to_index(length.ceil()).max(1)
    }
}

/// Automatic block length after Politis and White (2004), with the correction of Patton, Politis and White (2009).
///
/// Length 1 for a series without any dependence, at most `min(3 √n, n / 3)`.
///
/// # Errors
/// [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn block_length(series: &[f64]) -> Result<BlockLength, StatsError> {
    sample::check(series)?;
    let n = series.len() as f64;
    let centered = Centered::new(series);
    if centered.variance <= 0.0 || series.len() < 4 {
        return Ok(BlockLength { fixed: 1.0, geometric: 1.0 });
    }
    let bandwidth = centered.bandwidth();
    let (mut slope, mut long_run) = (0.0, centered.variance);
    for lag in 1..=bandwidth {
        // The flat-top window: whole up to half the bandwidth, then down to zero.
        let weight = (2.0 * (1.0 - lag as f64 / bandwidth as f64)).min(1.0);
        let covariance = centered.covariance(lag);
        slope += 2.0 * weight * lag as f64 * covariance;
        long_run += 2.0 * weight * covariance;
    }
    let length = |factor: f64| {
        let best = (2.0 * slope * slope / (factor * long_run * long_run) * n).cbrt();
        if best.is_finite() { best.clamp(1.0, (3.0 * n.sqrt()).min(n / 3.0).ceil()) } else { 1.0 }
    };
    Ok(BlockLength { fixed: length(4.0 / 3.0), geometric: length(2.0) })
}

struct Centered {
    values: Vec<f64>,
    variance: f64,
}

impl Centered {
    fn new(series: &[f64]) -> Self {
        if sample::is_constant(series) {
            return Self { values: vec![0.0; series.len()], variance: 0.0 };
        }
        let mean = sample::mean(series);
        let values: Vec<f64> = series.iter().map(|value| value - mean).collect();
        let variance = dot(&values, &values) / values.len() as f64;
        Self { values, variance }
    }

    fn covariance(&self, lag: usize) -> f64 {
        dot(&self.values[lag..], &self.values) / self.values.len() as f64
    }

    fn correlation(&self, lag: usize) -> f64 {
        match lag {
            0 => 1.0,
            _ if self.variance <= 0.0 => 0.0,
            _ => self.covariance(lag) / self.variance,
        }
    }

    /// Twice the last lag before `run` correlations in a row are within noise (Politis and White 2004, section 3.2 and
    /// footnote c); twice the last lag outside noise where no such run is found.
    fn bandwidth(&self) -> usize {
        let n = self.values.len() as f64;
        let noise = 2.0 * (n.log10() / n).sqrt();
        let run = sample::to_index(n.log10()).max(5);
        let last = (sample::to_index(n.sqrt().ceil()) + run).min(self.values.len() - 1);
        let mut significant = 0;
        for lag in 1..=last {
            if self.correlation(lag).abs() >= noise {
                significant = lag;
            } else if lag - significant == run {
                break;
            }
        }
        (2 * significant).clamp(2, last)
    }
}

/// Sum of products over the shorter length.
fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::special::normal_quantile;

    /// An autoregressive series, `x = φ x' + noise`: τ = (1 + φ) / (1 − φ).
    fn autoregressive(phi: f64, n: usize) -> Vec<f64> {
        let mut random = Random::stream(11, 0);
        let mut last = 0.0;
        (0..n)
            .map(|_| {
                last = phi * last + normal_quantile(random.unit().max(1e-12));
                last
            })
            .collect()
    }

    #[test]
    fn effective_n_matches_theory() {
        for (phi, expected) in [(0.0, 20_000.0), (0.5, 20_000.0 / 3.0), (0.9, 20_000.0 / 19.0)] {
            let found = effective_n(&autoregressive(phi, 20_000)).unwrap();
            assert!((found / expected - 1.0).abs() < 0.15, "phi {phi}: {found} for {expected}");
        }
    }

    #[test]
    fn negative_dependence_is_not_credited() {
        let found = effective_n(&autoregressive(-0.5, 1_000)).unwrap();
        assert!((found - 1_000.0).abs() < 1e-9, "{found}");
    }

    #[test]
    fn a_constant_series_shows_no_dependence() {
        let series = [0.1; 50];
        assert_eq!(autocorrelation(&series, 2).unwrap(), [1.0, 0.0, 0.0]);
        assert!((effective_n(&series).unwrap() - 50.0).abs() < 1e-12);
        assert_eq!(block_length(&series).unwrap(), BlockLength { fixed: 1.0, geometric: 1.0 });
    }

    #[test]
    fn blocks_grow_with_memory() {
        let length = |phi| block_length(&autoregressive(phi, 5_000)).unwrap().fixed;
        assert!(length(0.0) < length(0.5) && length(0.5) < length(0.9));
    }

    #[test]
    fn short_series_do_not_panic() {
        for n in 1..12 {
            let series: Vec<f64> = (0..n).map(|i| f64::from(i % 3)).collect();
            assert!(block_length(&series).unwrap().fixed >= 1.0);
            assert!(effective_n(&series).unwrap() <= f64::from(n));
        }
    }
}
