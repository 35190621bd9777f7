//! Growth in a series: a robust slope with its interval, and a test for a monotone trend.
//!
//! For leaks (METRICS: test of growth) use the floor after each drain against requests served, ask that the interval of
//! the slope lies above a practical floor, and read [`mann_kendall`] beside it, never alone: on memory series it cries
//! wolf.

use std::cmp::Ordering;

use crate::bootstrap::{draw_blocks, percentile_interval};
use crate::dependence::{autocorrelation, block_length, correlation_time, shortest_block};
use crate::quantile::quantile_unsorted;
use crate::special::{normal_cdf, normal_quantile};
use crate::{
    BlockScheme, Confidence, Dependence, Estimate, Interval, MIN_BATCHES, Method, Resampling, StatsError, sample,
};

/// Pairwise methods take at most this many points: eight million slopes, 64 MiB.
pub const MAX_POINTS: usize = 4_096;

/// A bootstrap of slopes repeats pairwise work for each resample; longer series are first reduced to at most this many
/// means of consecutive points.
const MAX_BOOTSTRAP_POINTS: usize = 256;

/// A robust line through a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trend {
    /// Median of the pairwise slopes, in y per x.
    pub slope: f64,
    /// Interval of the slope.
    pub interval: Interval,
    /// `median(y) − slope · median(x)` (Conover 1980).
    pub intercept: f64,
    /// Points given.
    pub n: usize,
    /// Points that the slope rests on: fewer than `n` where a long series was reduced to means of consecutive points.
    pub points: usize,
}

/// Slope of `y` over ascending `x` with the interval that fits the series: [`theil_sen`] for independent points,
/// [`theil_sen_blocks`] for a series in time order.
///
/// # Errors
/// As those two.
pub fn trend(
    x: &[f64],
    y: &[f64],
    dependence: Dependence,
    confidence: Confidence,
    resampling: Resampling,
) -> Result<Trend, StatsError> {
    match dependence {
        Dependence::Independent => theil_sen(x, y, confidence),
        Dependence::Serial => theil_sen_blocks(x, y, confidence, resampling),
    }
}

/// Theil–Sen slope with Sen's rank interval (Sen 1968, with ties), for independent deviations from the line.
///
/// # Errors
/// [`StatsError::Insufficient`] where the pairwise slopes do not reach the confidence, below four points at 90 % and
/// five at 95 %; [`StatsError::NoSpread`] when all x are equal; [`StatsError::TooMany`] above [`MAX_POINTS`];
/// [`StatsError::LengthMismatch`], [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn theil_sen(x: &[f64], y: &[f64], confidence: Confidence) -> Result<Trend, StatsError> {
    sample::check_pairs(x, y, 2)?;
    check_pairwise(x)?;
    let mut slopes = pairwise_slopes(x, y);
    if slopes.is_empty() {
        return Err(StatsError::NoSpread);
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let count = slopes.len() as f64;
    let ties = tie_term(x) + tie_term(y);
    let spread = normal_quantile(1.0 - confidence.tail()) * (concordance_term(x.len()) - ties).max(0.0).sqrt();
    if spread >= count {
        return Err(StatsError::Insufficient { have: x.len(), need: min_points(x.len(), confidence) });
    }
    // Ranks round as in SciPy's `theilslopes`, half to even.
    let low = sample::to_index(((count - spread) / 2.0).round_ties_even() - 1.0);
    let high = sample::to_index(((count + spread) / 2.0).round_ties_even()).min(slopes.len() - 1);
    let slope = quantile_unsorted(&mut slopes.clone(), 0.5);
    let interval = Interval { low: slopes[low], high: slopes[high], confidence, method: Method::SenRank };
    let intercept = intercept(x, y, slope);
    Ok(Trend { slope, interval: interval.holding(slope), intercept, n: x.len(), points: x.len() })
}

/// Theil–Sen slope with an interval from a block bootstrap of the deviations from the line.
///
/// The deviations are drawn in stationary blocks of automatic length and put back on the line. Above 256 points the
/// series is first reduced to that many means of consecutive points, which keeps the slope and shortens the work.
///
/// # Errors
/// [`StatsError::Insufficient`] below 30 blocks; otherwise as [`theil_sen`].
pub fn theil_sen_blocks(
    x: &[f64],
    y: &[f64],
    confidence: Confidence,
    resampling: Resampling,
) -> Result<Trend, StatsError> {
    sample::check_pairs(x, y, MIN_BATCHES)?;
    let group = x.len().div_ceil(MAX_BOOTSTRAP_POINTS);
    let (xs, ys) = (group_means(x, group), group_means(y, group));
    let points = xs.len();
    let mut slopes = pairwise_slopes(&xs, &ys);
    if slopes.is_empty() {
        return Err(StatsError::NoSpread);
    }
    let slope = quantile_unsorted(&mut slopes, 0.5);
    let rest: Vec<f64> = xs.iter().zip(&ys).map(|(x, y)| y - slope * x).collect();
    let shortest = shortest_block(correlation_time(&rest));
    if points / shortest < MIN_BATCHES {
        return Err(StatsError::Insufficient { have: x.len(), need: MIN_BATCHES * shortest * group });
    }
    let length = block_length(&rest)?.of(BlockScheme::Stationary).clamp(shortest, points / MIN_BATCHES);
    let mut resample = Vec::with_capacity(points);
    let replicates = resampling.replicates(|random| {
        resample.clear();
        draw_blocks(BlockScheme::Stationary, length, points, random, |position| {
            resample.push(slope * xs[resample.len()] + rest[position]);
        });
        pairwise_slopes_into(&xs, &resample, &mut slopes);
        quantile_unsorted(&mut slopes, 0.5)
    });
    let method = BlockScheme::Stationary.method();
    let interval = percentile_interval(replicates, slope, points / length, confidence, method);
    Ok(Trend { slope, interval, intercept: intercept(&xs, &ys, slope), n: x.len(), points })
}

impl Trend {
    /// In how many units of x, from the x of `last`, the line reaches `threshold`: `(threshold − last) / slope`, with the
    /// interval that the slope's interval gives. `last` is a value of the line, such as its fit at the latest run.
    ///
    /// `None` where the interval of the slope holds zero, since the threshold may then never be reached; where the line
    /// leads away from the threshold; and where an argument is not finite. Zero at the threshold. The interval is that of
    /// the slope alone, and the answer assumes that the series goes on as it did.
    ///
    /// ```
    /// use weighbridge_stats::{Confidence, trend::theil_sen};
    /// let days: Vec<f64> = (0..10).map(f64::from).collect();
    /// let rss_mib: Vec<f64> = days.iter().map(|day| 100.0 + 2.0 * day).collect();
    /// let trend = theil_sen(&days, &rss_mib, Confidence::P95)?;
    /// let days_left = trend.reaches(118.0, 128.0).map(|reach| reach.value);
    /// assert_eq!(days_left, Some(5.0));
    /// # Ok::<(), weighbridge_stats::StatsError>(())
    /// ```
    #[must_use]
    pub fn reaches(&self, last: f64, threshold: f64) -> Option<Estimate> {
        let distance = threshold - last;
        let (value, slow, fast) = (distance / self.slope, distance / self.interval.low, distance / self.interval.high);
        let is_ahead = value >= 0.0 && value.is_finite() && slow.is_finite() && fast.is_finite();
        if self.interval.contains(0.0) || !is_ahead {
            return None;
        }
        let Interval { confidence, method, .. } = self.interval;
        let interval = Interval { low: slow.min(fast), high: slow.max(fast), confidence, method };
        Some(Estimate { value, interval: interval.holding(value), n: self.n, n_effective: None })
    }
}

/// The Mann–Kendall test for a monotone trend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MannKendall {
    /// Rising pairs minus falling pairs.
    pub s: f64,
    /// Kendall's τ-a: `s` over the number of pairs.
    pub tau: f64,
    /// Normal score with continuity correction; zero without any untied pair.
    pub z: f64,
    /// Two-sided p value.
    pub p: f64,
    /// Factor on the variance of `s` for autocorrelation; 1 where none was applied.
    pub variance_factor: f64,
}

/// Mann–Kendall test of a series in time order, variance with ties (Kendall 1975), for independent values.
///
/// # Errors
/// [`StatsError::Insufficient`] below three values, [`StatsError::TooMany`] above [`MAX_POINTS`],
/// [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn mann_kendall(series: &[f64]) -> Result<MannKendall, StatsError> {
    sample::check_at_least(series, 3)?;
    check_pairwise(series)?;
    Ok(kendall(series, 1.0))
}

/// Mann–Kendall test with the variance corrected for autocorrelation (Hamed and Rao 1998, equation 14).
///
/// The Theil–Sen line is taken out, the rest is ranked, and lags whose correlation is significant at 5 % enter. Where
/// strong negative correlation would make the variance negative, the uncorrected variance is kept.
///
/// # Errors
/// As [`mann_kendall`].
pub fn mann_kendall_hamed_rao(series: &[f64]) -> Result<MannKendall, StatsError> {
    sample::check_at_least(series, 3)?;
    check_pairwise(series)?;
    let n = series.len();
    let time: Vec<f64> = (1..=n).map(|i| i as f64).collect();
    let slope = quantile_unsorted(&mut pairwise_slopes(&time, series), 0.5);
    let rest: Vec<f64> = series.iter().zip(&time).map(|(y, t)| y - slope * t).collect();
    let noise = normal_quantile(0.975) / (n as f64).sqrt();
    let mut sum = 0.0;
    for (lag, rho) in autocorrelation(&ranks(&rest), n - 1)?.into_iter().enumerate().skip(1) {
        if rho.abs() > noise {
            let left = (n - lag) as f64;
            sum += left * (left - 1.0) * (left - 2.0) * rho;
        }
    }
    let n = n as f64;
    let factor = 1.0 + 2.0 / (n * (n - 1.0) * (n - 2.0)) * sum;
    Ok(kendall(series, if factor > 0.0 { factor } else { 1.0 }))
}

fn kendall(series: &[f64], variance_factor: f64) -> MannKendall {
    let n = series.len();
    let mut s = 0.0;
    for (i, early) in series.iter().enumerate() {
        for late in &series[i + 1..] {
            s += match late.partial_cmp(early) {
                Some(Ordering::Greater) => 1.0,
                Some(Ordering::Less) => -1.0,
                Some(Ordering::Equal) | None => 0.0,
            };
        }
    }
    let sd = ((concordance_term(n) - tie_term(series)) * variance_factor).sqrt();
    let z = if s > 0.0 {
        (s - 1.0) / sd
    } else if s < 0.0 {
        (s + 1.0) / sd
    } else {
        0.0
    };
    let pairs = n as f64 * (n as f64 - 1.0) / 2.0;
    MannKendall { s, tau: s / pairs, z, p: 2.0 * normal_cdf(-z.abs()), variance_factor }
}

fn check_pairwise(values: &[f64]) -> Result<(), StatsError> {
    if values.len() > MAX_POINTS {
        return Err(StatsError::TooMany { have: values.len(), max: MAX_POINTS });
    }
    Ok(())
}

fn pairwise_slopes(x: &[f64], y: &[f64]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(x.len() * x.len().saturating_sub(1) / 2);
    pairwise_slopes_into(x, y, &mut slopes);
    slopes
}

/// Slopes between all points of different x.
fn pairwise_slopes_into(x: &[f64], y: &[f64], slopes: &mut Vec<f64>) {
    slopes.clear();
    for i in 0..x.len() {
        for j in i + 1..x.len() {
            let run = x[j] - x[i];
            if run.abs() > 0.0 {
                slopes.push((y[j] - y[i]) / run);
            }
        }
    }
}

fn intercept(x: &[f64], y: &[f64], slope: f64) -> f64 {
    quantile_unsorted(&mut y.to_vec(), 0.5) - slope * quantile_unsorted(&mut x.to_vec(), 0.5)
}

/// Variance of Kendall's S without ties, `n (n − 1)(2n + 5) / 18`.
fn concordance_term(n: usize) -> f64 {
    let n = n as f64;
    n * (n - 1.0) * (2.0 * n + 5.0) / 18.0
}

/// What equal values take from that variance: the same term for each group of them.
fn tie_term(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.chunk_by(|&a, &b| sample::is_same(a, b)).map(|group| concordance_term(group.len())).sum()
}

/// The first count above `have` at which the untied pairwise slopes reach the confidence.
fn min_points(have: usize, confidence: Confidence) -> usize {
    let z = normal_quantile(1.0 - confidence.tail());
    let reaches = |n: usize| z * concordance_term(n).sqrt() < (n * (n - 1) / 2) as f64;
    (have + 1..MAX_POINTS).find(|&n| reaches(n)).unwrap_or(MAX_POINTS)
}

/// Ranks from 1; equal values share the mean of their ranks.
pub(crate) fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0.0;
    for group in order.chunk_by(|&a, &b| sample::is_same(values[a], values[b])) {
        let size = group.len() as f64;
        for &index in group {
            ranks[index] = before + (size + 1.0) / 2.0;
        }
        before += size;
    }
    ranks
}

fn group_means(values: &[f64], group: usize) -> Vec<f64> {
    values.chunks(group).map(sample::mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn line(n: usize, slope: f64) -> (Vec<f64>, Vec<f64>) {
        let mut random = Random::stream(6, 0);
        (0..n).map(|i| (i as f64, slope * i as f64 + random.unit())).unzip()
    }

    #[test]
    fn refuses_what_has_no_slope() {
        let check = |x: &[f64], y: &[f64], expected: StatsError| {
            assert_eq!(theil_sen(x, y, Confidence::P95).unwrap_err(), expected);
        };
        check(&[], &[], StatsError::Empty);
        check(&[1.0, 2.0], &[1.0], StatsError::LengthMismatch { left: 2, right: 1 });
        check(&[1.0; 5], &[1.0, 2.0, 3.0, 4.0, 5.0], StatsError::NoSpread);
        check(&[1.0, 2.0, 3.0], &[1.0, 2.0, 4.0], StatsError::Insufficient { have: 3, need: 4 });
        let long = vec![0.0; MAX_POINTS + 1];
        check(&long, &long, StatsError::TooMany { have: MAX_POINTS + 1, max: MAX_POINTS });
    }

    #[test]
    fn both_intervals_hold_a_known_slope_and_exclude_zero() {
        for (n, dependence) in [(60, Dependence::Independent), (60, Dependence::Serial), (1_000, Dependence::Serial)] {
            let (x, y) = line(n, 0.5);
            let resampling = Resampling::new(5).with_count(200);
            let trend = trend(&x, &y, dependence, Confidence::P95, resampling).unwrap();
            assert!(trend.interval.contains(0.5) && trend.interval.low > 0.0, "{n} {dependence:?}: {trend:?}");
            assert_eq!((trend.n, trend.points <= MAX_BOOTSTRAP_POINTS), (n, true));
        }
    }

    #[test]
    fn a_threshold_is_reached_only_by_a_line_that_leads_there() {
        let of = |low: f64, slope: f64, high: f64| {
            let interval = Interval { low, high, confidence: Confidence::P95, method: Method::SenRank };
            Trend { slope, interval, intercept: 0.0, n: 9, points: 9 }
        };
        let check = |trend: Trend, threshold: f64, expected: Option<(f64, f64, f64)>| {
            let found = trend.reaches(10.0, threshold);
            let found = found.map(|reach| (reach.interval.low, reach.value, reach.interval.high));
            assert_eq!(found, expected, "{trend:?} {threshold}");
        };
        check(of(1.0, 2.0, 4.0), 18.0, Some((2.0, 4.0, 8.0)));
        check(of(-4.0, -2.0, -1.0), 2.0, Some((2.0, 4.0, 8.0)));
        check(of(1.0, 2.0, 4.0), 10.0, Some((0.0, 0.0, 0.0)));
        check(of(1.0, 2.0, 4.0), 9.0, None);
        check(of(-4.0, -2.0, -1.0), 18.0, None);
        check(of(-1.0, 2.0, 4.0), 18.0, None);
        check(of(0.0, 2.0, 4.0), 18.0, None);
        check(of(1e-320, 2.0, 4.0), 1e10, None);
        check(of(1.0, 2.0, 4.0), f64::NAN, None);
        check(of(1.0, 2.0, 4.0), f64::INFINITY, None);
    }

    #[test]
    fn a_flat_series_has_no_trend() {
        let test = mann_kendall_hamed_rao(&[5.0; 40]).unwrap();
        assert!(test.z.abs() < 1e-12 && (test.p - 1.0).abs() < 1e-12, "{test:?}");
        let x: Vec<f64> = (0..40).map(f64::from).collect();
        let trend = theil_sen_blocks(&x, &[5.0; 40], Confidence::P95, Resampling::new(1)).unwrap();
        assert!(trend.interval.contains(0.0) && trend.interval.width() < 1e-12);
    }

    #[test]
    fn both_zeros_tie() {
        assert_eq!(ranks(&[0.0, -0.0, 1.0]), [1.5, 1.5, 3.0]);
        assert_eq!(mann_kendall(&[0.0, -0.0, 1.0]).unwrap(), mann_kendall(&[0.0, 0.0, 1.0]).unwrap());
    }

    #[test]
    fn short_serial_series_say_how_many_points_are_missing() {
        let (x, y) = line(12, 1.0);
        let error = theil_sen_blocks(&x, &y, Confidence::P95, Resampling::new(1)).unwrap_err();
        assert_eq!(error, StatsError::Insufficient { have: 12, need: 30 });
    }
}
