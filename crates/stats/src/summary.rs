//! The plain description of a sample.

use crate::{StatsError, sample};

/// Count, mean, spread and range of a sample, in the unit of its values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Number of values, at least one.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation, divisor n − 1. `None` below two values, where no spread exists.
    pub sd: Option<f64>,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// Sum of the values.
    pub sum: f64,
}

impl Summary {
    /// Describes a sample. Sums are compensated (Neumaier 1974) and the variance takes two passes.
    ///
    /// # Errors
    /// [`StatsError::Empty`] without values, [`StatsError::NotFinite`] at an unusable one.
    pub fn new(values: &[f64]) -> Result<Self, StatsError> {
        sample::check(values)?;
        let sum = sample::sum(values.iter().copied());
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Rounding may carry the mean of equal values one bit past them.
        let mean = (sum / values.len() as f64).clamp(min, max);
        let sd = (values.len() >= 2).then(|| sample::variance(values, mean).sqrt());
        Ok(Self { n: values.len(), mean, sd, min, max, sum })
    }

    /// Coefficient of variation, `sd / |mean|`. `None` below two values and at mean zero.
    pub fn cv(&self) -> Option<f64> {
        self.sd.filter(|_| self.mean.abs() > 0.0).map(|sd| sd / self.mean.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_has_no_spread() {
        let summary = Summary::new(&[4.0]).unwrap();
        assert_eq!((summary.n, summary.sd, summary.cv()), (1, None, None));
    }

    #[test]
    fn mean_zero_has_no_coefficient() {
        let summary = Summary::new(&[-1.0, 1.0]).unwrap();
        assert!(summary.sd.is_some());
        assert_eq!(summary.cv(), None);
    }
}
