//! Where a series settles: how much of its start to leave out, and whether what remains stands still.
//!
//! MSER-5 (White 1997; Spratt 1998) looks for the cut that makes the mean of what remains best known. It finds a start
//! that differs, not a drift that never ends; [`steady_state`] therefore tests the rest for a trend as well.

use crate::trend::{MannKendall, mann_kendall_hamed_rao};
use crate::{StatsError, sample};

/// Values in a batch of MSER-5.
pub const MSER_BATCH: usize = 5;

/// Fewer batches than this show no start: the statistic of the last few is noise (Hoad, Robinson and Davies 2008).
pub const MIN_MSER_BATCHES: usize = 10;

/// The last batches are no candidates: the spread of so few is often small by chance (Hoad et al. 2008).
const LAST_BATCHES: usize = 5;

/// A trend test compares all pairs; longer series are first reduced to at most this many means.
const MAX_TREND_POINTS: usize = 512;

/// What to leave out of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truncation {
    /// Values to leave out at the start: a multiple of the batch, and no more than half of the batches.
    pub cut: usize,
    /// `Σ (Y − Ȳ)² / m²` over the `m` batch means that remain.
    pub statistic: f64,
    /// Batches in the whole series; values left over at its end are in none.
    pub batches: usize,
    /// Whether no later cut would be better. White's rule: where the best cut lies in the second half, the series is too
    /// short to show a steady state.
    pub is_early: bool,
}

/// The truncation point by MSER on means of `batch` consecutive values; [`MSER_BATCH`] gives MSER-5.
///
/// Cuts in the first half are candidates; those in the second half are looked at to know whether one would be better. Of
/// cuts that are equally good the earliest is taken.
///
/// # Errors
/// [`StatsError::Insufficient`] below [`MIN_MSER_BATCHES`] batches, [`StatsError::OutOfRange`] for an empty batch,
/// [`StatsError::Empty`] or [`StatsError::NotFinite`].
///
/// ```
/// use weighbridge_stats::steady::{MSER_BATCH, mser};
/// let mut series = vec![0.0; 20];
/// series.extend((0..200).map(|i| 10.0 + f64::from(i % 3)));
/// assert_eq!(mser(&series, MSER_BATCH)?.cut, 20);
/// # Ok::<(), weighbridge_stats::StatsError>(())
/// ```
pub fn mser(series: &[f64], batch: usize) -> Result<Truncation, StatsError> {
    if batch == 0 {
        return Err(StatsError::OutOfRange { what: "a batch", value: 0.0, expected: "at least one value" });
    }
    sample::check_at_least(series, MIN_MSER_BATCHES * batch)?;
    let means: Vec<f64> = series.chunks_exact(batch).map(sample::mean).collect();
    let count = means.len();
    // From the end, one batch more each time: the sum of squares around the mean by Welford's update.
    let (mut mean, mut squares) = (0.0, 0.0);
    let (mut best, mut late) = ((0, f64::INFINITY), f64::INFINITY);
    for (first, value) in means.iter().enumerate().rev() {
        let left = (count - first) as f64;
        let step = value - mean;
        mean += step / left;
        squares += step * (value - mean);
        let statistic = squares.max(0.0) / (left * left);
        if 2 * first <= count {
            if statistic <= best.1 {
                best = (first, statistic);
            }
        } else if count - first > LAST_BATCHES {
            late = late.min(statistic);
        }
    }
    Ok(Truncation { cut: best.0 * batch, statistic: best.1, batches: count, is_early: best.1 <= late })
}

/// When a series counts as standing still.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SteadyRule {
    /// A trend with a p value below this is one.
    pub significance: f64,
    /// A trend that changes the series by less than this share of its mean, from one end to the other, is let pass: with
    /// many values any trend is significant.
    pub drift: f64,
}

impl Default for SteadyRule {
    /// 1 % significance, 10 % drift.
    fn default() -> Self {
        Self { significance: 0.01, drift: 0.10 }
    }
}

/// What a series does after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Steadiness {
    /// No trend that matters remains.
    Steady,
    /// A change that matters remains and the best cut lies in the second half: the series is too short, or never settles.
    Unsettled,
    /// A trend remains.
    Drifting,
}

/// The start of a series and the test of the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SteadyState {
    /// What to leave out.
    pub truncation: Truncation,
    /// The Mann–Kendall test of the batch means that remain, corrected for autocorrelation.
    pub trend: MannKendall,
    /// Change from the first third of the rest to the last, over its mean; positive upwards, 0 around a mean of zero.
    pub drift: f64,
    /// The answer.
    pub steadiness: Steadiness,
}

/// Finds the steady part: MSER-5, then the Mann–Kendall test with Hamed and Rao's correction on what remains.
///
/// # Errors
/// As [`mser`].
pub fn steady_state(series: &[f64], rule: SteadyRule) -> Result<SteadyState, StatsError> {
    let truncation = mser(series, MSER_BATCH)?;
    let rest = &series[truncation.cut..];
    let group = MSER_BATCH * rest.len().div_ceil(MSER_BATCH * MAX_TREND_POINTS).max(1);
    let means: Vec<f64> = rest.chunks_exact(group).map(sample::mean).collect();
    let trend = mann_kendall_hamed_rao(&means)?;
    let drift = drift(rest);
    let steadiness = match (truncation.is_early, trend.p < rule.significance) {
        _ if drift.abs() <= rule.drift => Steadiness::Steady,
        (false, _) => Steadiness::Unsettled,
        (true, true) => Steadiness::Drifting,
        (true, false) => Steadiness::Steady,
    };
    Ok(SteadyState { truncation, trend, drift, steadiness })
}

/// Three halves of the step between the means of the outer thirds: the change over the whole length of a line.
fn drift(rest: &[f64]) -> f64 {
    let third = (rest.len() / 3).max(1);
    let step = sample::mean(&rest[rest.len() - third..]) - sample::mean(&rest[..third]);
    let mean = sample::mean(rest);
    if mean.abs() > 0.0 { 1.5 * step / mean.abs() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn noise(n: usize) -> Vec<f64> {
        let mut random = Random::stream(21, 0);
        (0..n).map(|_| random.unit()).collect()
    }

    fn check(change: impl Fn(usize, f64) -> f64, expected: Steadiness) -> SteadyState {
        let series: Vec<f64> = noise(400).into_iter().enumerate().map(|(i, value)| change(i, value)).collect();
        let found = steady_state(&series, SteadyRule::default()).unwrap();
        assert_eq!(found.steadiness, expected, "{found:?}");
        found
    }

    #[test]
    fn a_slow_start_is_cut_and_the_rest_is_steady() {
        let found = check(|i, value| 10.0 + value - 8.0 * (-(i as f64) / 15.0).exp(), Steadiness::Steady);
        assert!((20..=120).contains(&found.truncation.cut), "{found:?}");
        let found = check(|_, value| 10.0 + value, Steadiness::Steady);
        assert!(found.truncation.cut < 100, "{found:?}");
    }

    #[test]
    fn a_series_that_never_settles_says_so() {
        check(|i, value| 10.0 + 20.0 * value + i as f64 * 0.02, Steadiness::Drifting);
        check(|i, value| 10.0 + value + i as f64 * 0.02, Steadiness::Unsettled);
        check(|i, value| if i < 300 { 2.0 + value } else { 90.0 }, Steadiness::Unsettled);
    }

    #[test]
    fn a_trend_too_small_to_matter_passes() {
        let found = check(|i, value| 100.0 + value + i as f64 * 0.01, Steadiness::Steady);
        assert!(found.trend.p < 0.01, "{found:?}");
    }

    #[test]
    fn short_and_constant_series() {
        let check = |n: usize, expected: Result<usize, StatsError>| {
            assert_eq!(mser(&vec![3.0; n], MSER_BATCH).map(|found| found.cut), expected);
        };
        check(0, Err(StatsError::Empty));
        check(49, Err(StatsError::Insufficient { have: 49, need: 50 }));
        check(50, Ok(0));
        assert!(matches!(mser(&[1.0], 0), Err(StatsError::OutOfRange { .. })));
        let found = steady_state(&[0.0; 60], SteadyRule::default()).unwrap();
        assert_eq!(found.steadiness, Steadiness::Steady);
    }
}
