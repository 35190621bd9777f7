//! Whether the next value is like the few before it: what is left to ask of a history too short for change points.

use crate::quantile::quantile_unsorted;
use crate::special::student_t_quantile;
use crate::{Confidence, Estimate, Interval, Method, StatsError, sample};

/// Where the next value of a normal sample lies with the given confidence: `mean ± t(n − 1) · sd · √(1 + 1/n)`.
///
/// Unlike the interval of a mean it does not shrink to nothing with more values: one run varies, however well the mean is
/// known.
///
/// # Errors
/// [`StatsError::Insufficient`] below two values, [`StatsError::Empty`] or [`StatsError::NotFinite`].
///
/// ```
/// use weighbridge_stats::{Confidence, change::prediction_interval};
/// let next = prediction_interval(&[20.1, 19.8, 20.4, 20.0, 19.9], Confidence::P99)?;
/// assert!(next.interval.contains(20.9) && !next.interval.contains(21.5));
/// # Ok::<(), weighbridge_stats::StatsError>(())
/// ```
pub fn prediction_interval(values: &[f64], confidence: Confidence) -> Result<Estimate, StatsError> {
    sample::check_at_least(values, 2)?;
    let n = values.len() as f64;
    let mean = sample::mean(values);
    let spread = (sample::variance(values, mean) * (1.0 + 1.0 / n)).sqrt();
    let half_width = student_t_quantile(1.0 - confidence.tail(), n - 1.0) * spread;
    let interval = Interval::around(mean, half_width, confidence, Method::Prediction);
    Ok(Estimate { value: mean, interval, n: values.len(), n_effective: None })
}

/// Limits for the next value that rest on how far values move from run to run. They claim no confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeltaIqr {
    /// Median of the values.
    pub median: f64,
    /// Interquartile range of the steps from each value to the next.
    pub iqr: f64,
    /// `median − factor · iqr`.
    pub low: f64,
    /// `median + factor · iqr`.
    pub high: f64,
    /// Values given.
    pub n: usize,
}

/// Fewest steps whose quartiles are more than their ends.
const MIN_STEPS: usize = 3;

/// The median, give or take `factor` times the interquartile range of the steps from run to run.
///
/// One wild run moves neither, and a level that changed long ago widens nothing: for values that are not normal, where
/// [`prediction_interval`] would be too wide. The steps of independent normal values have an interquartile range of 1.9
/// standard deviations, so that a factor of 1.5 leaves out about 1 in 250 in long samples, more in short ones.
///
/// # Errors
/// [`StatsError::OutOfRange`] unless `factor` is positive and finite, [`StatsError::Insufficient`] below four values,
/// [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn delta_iqr(values: &[f64], factor: f64) -> Result<DeltaIqr, StatsError> {
    if !(factor > 0.0 && factor.is_finite()) {
        return Err(StatsError::OutOfRange { what: "a factor", value: factor, expected: "a positive number" });
    }
    sample::check_at_least(values, MIN_STEPS + 1)?;
    let median = quantile_unsorted(&mut values.to_vec(), 0.5);
    let mut steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let iqr = quantile_unsorted(&mut steps, 0.75) - quantile_unsorted(&mut steps, 0.25);
    Ok(DeltaIqr { median, iqr, low: median - factor * iqr, high: median + factor * iqr, n: values.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wild_run_and_an_old_level_leave_the_limits_as_they_are() {
        let calm = [10.0, 11.0, 10.0, 12.0, 11.0, 10.0, 12.0, 11.0, 12.0];
        let mut wild = calm;
        wild[4] = 900.0;
        let (calm, wild) = (delta_iqr(&calm, 1.5).unwrap(), delta_iqr(&wild, 1.5).unwrap());
        assert!((calm.median - 11.0).abs() < 1e-15 && (calm.high - 14.375).abs() < 1e-12, "{calm:?}");
        assert!(wild.high < 20.0 && wild.low > 0.0, "{wild:?}");
    }

    #[test]
    fn too_few_values_and_factors_without_sense_are_refused() {
        assert_eq!(delta_iqr(&[1.0; 3], 1.5), Err(StatsError::Insufficient { have: 3, need: 4 }));
        assert!(matches!(delta_iqr(&[1.0; 9], f64::NAN), Err(StatsError::OutOfRange { .. })));
        assert!(matches!(delta_iqr(&[1.0; 9], 0.0), Err(StatsError::OutOfRange { .. })));
        assert_eq!(prediction_interval(&[1.0], Confidence::P95), Err(StatsError::Insufficient { have: 1, need: 2 }));
        let next = prediction_interval(&[3.0; 4], Confidence::P95).unwrap();
        assert!(next.interval.width() < 1e-15 && next.interval.contains(3.0));
    }
}
