//! Two sides, each measured in a few independent runs: how they differ, and what the runs could have shown.
//!
//! The unit is the run. Values inside a run share its luck, so a side enters with one figure per run, and runs are drawn
//! with replacement while what lies inside a run stays as it is: of the ways to resample nested data this one has the right
//! variance (Davison and Hinkley 1997, 3.8; Kalibera and Jones, ISMM 2013).

use std::cmp::Ordering;

use crate::bootstrap::percentile_interval_at;
use crate::special::{normal_cdf, student_t_cdf, student_t_quantile};
use crate::{Confidence, Interval, Method, Resampling, StatsError, sample};

/// From this many runs a side on, Welch's interval of the logarithms stands alone; below, the wider of it and the
/// bootstrap's does, because neither can be trusted alone.
pub const ENOUGH_FOR_WELCH: usize = 10;

/// How two sides are set against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scale {
    /// `b / a`, by their logarithms: every value must be positive.
    Ratio,
    /// `b − a`.
    Difference,
}

/// How side B stands to side A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// The scale of value and interval.
    pub scale: Scale,
    /// Ratio of the geometric means of the runs, or difference of their means.
    pub value: f64,
    /// Interval of the value.
    pub interval: Interval,
    /// Share of resamples in which B is larger: the probability of direction.
    pub probability_larger: f64,
    /// Standard error of the difference; of logarithms for a ratio. 0 where no run differs from its side.
    pub error: f64,
    /// Degrees of freedom of the error (Welch and Satterthwaite).
    pub df: f64,
}

/// Sets two sides against each other, one figure per run.
///
/// # Errors
/// [`StatsError::Insufficient`] below two runs on a side, [`StatsError::NotPositive`] for a ratio of what has no logarithm,
/// [`StatsError::NotFinite`].
pub fn effect(
    a: &[f64],
    b: &[f64],
    scale: Scale,
    confidence: Confidence,
    resampling: Resampling,
) -> Result<Effect, StatsError> {
    let (a, b) = (scaled(a, scale)?, scaled(b, scale)?);
    let (mean_a, mean_b) = (sample::mean(&a), sample::mean(&b));
    let value = mean_b - mean_a;
    let shares = [(&a, mean_a), (&b, mean_b)].map(|(side, mean)| sample::variance(side, mean) / side.len() as f64);
    let error = (shares[0] + shares[1]).sqrt();
    let df = degrees(shares, [a.len(), b.len()]);
    let replicates = resampling.replicates(|random| {
        let mut mean = |side: &[f64]| {
            let sum: f64 = (0..side.len()).map(|_| side[random.below(side.len())]).sum();
            sum / side.len() as f64
        };
        let drawn = mean(&a);
        mean(&b) - drawn
    });
    let spread = Spread { value, error, df, units: a.len().min(b.len()) };
    Ok(spread.effect(replicates, scale, confidence))
}

/// Sets two sides against each other whose runs come in pairs, the i-th with the i-th: what both runs of a pair meet cancels out.
///
/// # Errors
/// As [`effect`], and [`StatsError::LengthMismatch`].
pub fn paired_effect(
    a: &[f64],
    b: &[f64],
    scale: Scale,
    confidence: Confidence,
    resampling: Resampling,
) -> Result<Effect, StatsError> {
    if a.len() != b.len() {
        return Err(StatsError::LengthMismatch { left: a.len(), right: b.len() });
    }
    let (a, b) = (scaled(a, scale)?, scaled(b, scale)?);
    let changes: Vec<f64> = a.iter().zip(&b).map(|(a, b)| b - a).collect();
    let value = sample::mean(&changes);
    let units = changes.len();
    let error = (sample::variance(&changes, value) / units as f64).sqrt();
    let replicates = resampling.replicates(|random| {
        let sum: f64 = (0..units).map(|_| changes[random.below(units)]).sum();
        sum / units as f64
    });
    let spread = Spread { value, error, df: units as f64 - 1.0, units };
    Ok(spread.effect(replicates, scale, confidence))
}

/// An effect on the additive scale, with what its interval needs.
struct Spread {
    value: f64,
    error: f64,
    df: f64,
    units: usize,
}

impl Spread {
    fn effect(self, replicates: Vec<f64>, scale: Scale, confidence: Confidence) -> Effect {
        let Self { value, error, df, units } = self;
        let larger = replicates.iter().map(|&drawn| match drawn.partial_cmp(&0.0) {
            Some(Ordering::Greater) => 1.0,
            Some(Ordering::Less) => 0.0,
            _ => 0.5,
        });
        let probability_larger = sample::sum(larger) / replicates.len() as f64;
        let quantile = student_t_quantile(1.0 - confidence.tail(), df);
        let welch = Interval::around(value, quantile * error, confidence, Method::Welch);
        let interval = if units >= ENOUGH_FOR_WELCH {
            welch
        } else {
            let wider = (units as f64 / (units as f64 - 1.0)).sqrt();
            let tail = normal_cdf(-wider * quantile);
            let drawn = percentile_interval_at(replicates, value, tail, confidence, Method::HierarchicalBootstrap);
            Interval { low: drawn.low.min(welch.low), high: drawn.high.max(welch.high), ..drawn }
        };
        let back = |value: f64| if scale == Scale::Ratio { value.exp() } else { value };
        let interval = Interval { low: back(interval.low), high: back(interval.high), ..interval };
        Effect { scale, value: back(value), interval, probability_larger, error, df }
    }
}

impl Effect {
    /// One-sided p value of the hypothesis that the true value is at most `margin`, on the scale of the value.
    #[must_use]
    pub fn p_above(&self, margin: f64) -> f64 {
        let (value, margin) = match self.scale {
            Scale::Ratio => (self.value.ln(), margin.ln()),
            Scale::Difference => (self.value, margin),
        };
        if self.error > 0.0 {
            return student_t_cdf((margin - value) / self.error, self.df);
        }
        if value > margin { 0.0 } else { 1.0 }
    }

    /// One-sided p value of the hypothesis that the true value is at least `margin`.
    #[must_use]
    pub fn p_below(&self, margin: f64) -> f64 {
        1.0 - self.p_above(margin)
    }

    /// How far beyond a margin the true value must lie for the interval to leave it with this probability, on the additive
    /// scale: logarithms for a ratio. `(t(1 − α/2) + t(power)) · error` (Cohen 1988, with Student's t).
    #[must_use]
    pub fn detectable(&self, power: f64) -> f64 {
        let confidence = self.interval.confidence;
        (student_t_quantile(1.0 - confidence.tail(), self.df) + student_t_quantile(power, self.df)) * self.error
    }

    /// Runs a side that would make a true distance of `gap` from the margin detectable with this power, when runs go on to
    /// differ as they do and both sides have `runs` now. `None` without a gap.
    #[must_use]
    pub fn runs_for(&self, gap: f64, runs: usize, power: f64) -> Option<f64> {
        let factor = (self.detectable(power) / gap.abs()).powi(2);
        factor.is_finite().then(|| (factor * runs as f64).ceil())
    }
}

fn scaled(side: &[f64], scale: Scale) -> Result<Vec<f64>, StatsError> {
    sample::check_at_least(side, 2)?;
    match scale {
        Scale::Difference => Ok(side.to_vec()),
        Scale::Ratio => match side.iter().find(|&&value| value <= 0.0) {
            Some(&value) => Err(StatsError::NotPositive { value }),
            None => Ok(side.iter().map(|value| value.ln()).collect()),
        },
    }
}

/// Degrees of freedom of the sum of two variances of means; those of both sides together where neither varies.
fn degrees([share_a, share_b]: [f64; 2], [n_a, n_b]: [usize; 2]) -> f64 {
    let of = |share: f64, n: usize| share.powi(2) / (n as f64 - 1.0);
    let found = (share_a + share_b).powi(2) / (of(share_a, n_a) + of(share_b, n_b));
    if found.is_finite() { found } else { (n_a + n_b) as f64 - 2.0 }
}

/// The ratio that two equal sides stay below with this probability, learned from runs that nothing but chance tells apart:
/// sides of `a` and `b` runs are drawn from them, and the ratio of the larger mean to the smaller is kept.
///
/// # Errors
/// As [`effect`] for ratios, with [`StatsError::Insufficient`] below `a + b` or ten runs.
pub fn noise_floor(
    runs: &[f64],
    (a, b): (usize, usize),
    probability: f64,
    resampling: Resampling,
) -> Result<f64, StatsError> {
    let need = (a + b).max(10);
    if runs.len() < need {
        return Err(StatsError::Insufficient { have: runs.len(), need });
    }
    let logs = scaled(runs, Scale::Ratio)?;
    let mut drawn = resampling.replicates(|random| {
        let mut pool = logs.clone();
        let mut mean = |count: usize| {
            let sum: f64 = (0..count).map(|_| pool.swap_remove(random.below(pool.len()))).sum();
            sum / count as f64
        };
        let first = mean(a);
        (mean(b) - first).abs()
    });
    Ok(crate::quantile::quantile_unsorted(&mut drawn, probability).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 6] = [100.0, 103.0, 98.0, 101.0, 99.0, 102.0];

    fn times(factor: f64) -> Vec<f64> {
        A.iter().rev().map(|value| value * factor).collect()
    }

    fn ratio(a: &[f64], b: &[f64]) -> Result<Effect, StatsError> {
        effect(a, b, Scale::Ratio, Confidence::P95, Resampling::new(1))
    }

    #[test]
    fn welch_of_logarithms_equals_scipy() {
        // scipy.stats.ttest_ind(log(b), log(a), equal_var=False) of SciPy 1.17 on these numbers.
        let a = [10.0, 11.0, 10.5, 9.8, 10.2, 10.9, 10.1, 10.4, 9.9, 10.6];
        let b = [11.2, 11.9, 11.5, 10.8, 11.4, 12.1, 11.0, 11.6, 10.9, 11.8];
        let found = ratio(&a, &b).unwrap();
        assert_eq!(found.interval.method, Method::Welch);
        let interval = found.interval;
        for (found, expected) in [
            (found.value, 1.104_486_845_742_587_4),
            (interval.low, 1.064_596_514_397_164_7),
            (interval.high, 1.145_871_864_054_695),
            (found.df, 17.990_304_282_874_22),
            (found.p_above(1.0), 1.103_212_715_625_587_6e-5),
        ] {
            assert!((found / expected - 1.0).abs() < 1e-8, "{found} {expected}");
        }
    }

    #[test]
    fn a_difference_beyond_the_spread_of_runs_shows() {
        let found = ratio(&A, &times(1.1)).unwrap();
        assert!(
            (found.value - 1.1).abs() < 1e-12 && found.interval.low > 1.07 && found.interval.high < 1.13,
            "{found:?}"
        );
        assert!(found.probability_larger > 0.999 && found.p_above(1.05) < 0.01 && found.p_below(1.15) < 0.01);
        let same = ratio(&A, &times(1.0)).unwrap();
        assert!(same.interval.contains(1.0) && same.p_above(1.0) > 0.4, "{same:?}");
    }

    #[test]
    fn what_both_runs_of_a_pair_meet_cancels_out() {
        // A host that slows down by 30 % meanwhile: no side shows it alone, the pairs do.
        let a: Vec<f64> = (0..8).map(|run| 100.0 + 4.0 * f64::from(run)).collect();
        let b: Vec<f64> = a.iter().enumerate().map(|(run, value)| value * (1.03 + 0.001 * (run % 3) as f64)).collect();
        let resampling = Resampling::new(1);
        let paired = paired_effect(&a, &b, Scale::Ratio, Confidence::P95, resampling).unwrap();
        assert!(paired.interval.low > 1.028 && paired.interval.high < 1.034, "{paired:?}");
        assert!(ratio(&a, &b).unwrap().interval.contains(1.0));
        let unlike = paired_effect(&a, &b[1..], Scale::Ratio, Confidence::P95, resampling);
        assert_eq!(unlike, Err(StatsError::LengthMismatch { left: 8, right: 7 }));
    }

    #[test]
    fn more_runs_would_settle_what_is_near_the_margin() {
        let found = ratio(&A, &times(1.06)).unwrap();
        let gap = (1.06_f64 / 1.05).ln();
        let needed = found.runs_for(gap, A.len(), 0.8).unwrap();
        assert!(needed > 20.0 && needed < 100.0, "{needed}");
        assert_eq!(found.runs_for(0.0, A.len(), 0.8), None);
        assert!((found.detectable(0.8) - gap * (needed / 6.0).sqrt()).abs() < 0.1 * gap);
    }

    #[test]
    fn sides_that_never_vary_are_told_apart_exactly() {
        let found = ratio(&[5.0; 3], &[6.0; 4]).unwrap();
        assert_eq!((found.interval.low, found.error, found.df), (found.interval.high, 0.0, 5.0));
        assert!((found.p_above(1.1), found.p_above(1.3)) == (0.0, 1.0));
    }

    #[test]
    fn differences_may_be_of_any_sign() {
        let found = effect(&[0.0, 0.0], &[1.0, 3.0], Scale::Difference, Confidence::P95, Resampling::new(1)).unwrap();
        assert!((found.value - 2.0).abs() < 1e-12 && found.interval.contains(0.0), "{found:?}");
    }

    #[test]
    fn refuses_what_cannot_be_compared() {
        assert_eq!(ratio(&[1.0], &A), Err(StatsError::Insufficient { have: 1, need: 2 }));
        assert_eq!(ratio(&A, &[1.0, 0.0]), Err(StatsError::NotPositive { value: 0.0 }));
        assert!(matches!(ratio(&A, &[1.0, f64::NAN]), Err(StatsError::NotFinite { .. })));
        let floor = noise_floor(&A, (2, 2), 0.95, Resampling::new(1));
        assert_eq!(floor, Err(StatsError::Insufficient { have: 6, need: 10 }));
    }

    #[test]
    fn the_noise_floor_is_what_equal_sides_stay_below() {
        let runs: Vec<f64> = (0..20).map(|run| 100.0 + f64::from(run % 5)).collect();
        let floor = |sides| noise_floor(&runs, sides, 0.95, Resampling::new(3)).unwrap();
        // One run against one: at most 104/100. Five against five: much less.
        assert!(floor((1, 1)) > 1.025 && floor((1, 1)) <= 1.04 + 1e-12, "{}", floor((1, 1)));
        assert!(floor((5, 5)) > 1.005 && floor((5, 5)) < 1.025, "{}", floor((5, 5)));
    }

    proptest::proptest! {
        #[test]
        fn exchanging_the_sides_turns_the_ratio(
            a in proptest::collection::vec(1e-3_f64..1e3, 2..14), b in proptest::collection::vec(1e-3_f64..1e3, 2..14)
        ) {
            let (there, back) = (ratio(&a, &b).unwrap(), ratio(&b, &a).unwrap());
            proptest::prop_assert!((there.value * back.value - 1.0).abs() < 1e-9);
            proptest::prop_assert!(there.interval.contains(there.value));
            proptest::prop_assert!((there.p_above(1.0) - back.p_below(1.0)).abs() < 1e-9);
        }
    }
}
