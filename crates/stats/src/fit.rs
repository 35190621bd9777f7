//! Least-squares lines and growth: how a figure scales with its cause.

use crate::special::student_t_quantile;
use crate::{Confidence, Interval, Method, StatsError, sample};

/// A least-squares line `y = intercept + slope · x`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearFit {
    /// Change of y per x.
    pub slope: f64,
    /// Interval of the slope.
    pub slope_interval: Interval,
    /// y at x = 0.
    pub intercept: f64,
    /// Interval of the intercept.
    pub intercept_interval: Interval,
    /// Share of the variance of y that the line explains, in [0, 1]. `None` when y does not vary.
    pub r_squared: Option<f64>,
    /// Standard deviation of y around the line, divisor n − 2.
    pub residual_sd: f64,
    /// Points.
    pub n: usize,
}

impl LinearFit {
    /// The line's y at `x`.
    pub fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }
}

/// Fits a line by least squares, with Student's t intervals (n − 2 degrees of freedom) for independent, even errors.
///
/// # Errors
/// [`StatsError::Insufficient`] below three points, [`StatsError::NoSpread`] when all x are equal,
/// [`StatsError::LengthMismatch`], [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn linear_fit(x: &[f64], y: &[f64], confidence: Confidence) -> Result<LinearFit, StatsError> {
    sample::check_pairs(x, y, 3)?;
    if sample::is_constant(x) {
        return Err(StatsError::NoSpread);
    }
    let n = x.len() as f64;
    let (mean_x, mean_y) = (sample::mean(x), sample::mean(y));
    let points = || x.iter().zip(y).map(|(x, y)| (x - mean_x, y - mean_y));
    let xx = sample::sum(points().map(|(x, _)| x * x));
    let xy = sample::sum(points().map(|(x, y)| x * y));
    let yy = sample::sum(points().map(|(_, y)| y * y));
    let slope = xy / xx;
    let residual = sample::sum(points().map(|(x, y)| (y - slope * x).powi(2)));
    let residual_variance = residual / (n - 2.0);
    let t = student_t_quantile(1.0 - confidence.tail(), n - 2.0);
    let half_width = |variance: f64| t * (residual_variance * variance).sqrt();
    let around = |value, width| Interval::around(value, width, confidence, Method::LeastSquares);
    let intercept = mean_y - slope * mean_x;
    Ok(LinearFit {
        slope,
        slope_interval: around(slope, half_width(1.0 / xx)),
        intercept,
        intercept_interval: around(intercept, half_width(1.0 / n + mean_x * mean_x / xx)),
        r_squared: (!sample::is_constant(y)).then(|| (1.0 - residual / yy).clamp(0.0, 1.0)),
        residual_sd: residual_variance.sqrt(),
        n: x.len(),
    })
}

/// Fits `y = factor · x^exponent` as a line through the logarithms: the slope is the exponent.
///
/// An exponent of 1 is proportional growth, 2 quadratic; y grows by `2^exponent` when x doubles
/// ([`growth_per_doubling`]).
///
/// # Errors
/// [`StatsError::NotPositive`] at a value without logarithm; otherwise as [`linear_fit`].
pub fn power_fit(x: &[f64], y: &[f64], confidence: Confidence) -> Result<LinearFit, StatsError> {
    sample::check_pairs(x, y, 3)?;
    if let Some(&value) = x.iter().chain(y).find(|&&value| value <= 0.0) {
        return Err(StatsError::NotPositive { value });
    }
    let logs = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<_>>();
    linear_fit(&logs(x), &logs(y), confidence)
}

/// What y is multiplied by when x doubles, under a power law.
pub fn growth_per_doubling(exponent: f64) -> f64 {
    exponent.exp2()
}

/// How many times `first` the value `last` is. `None` unless both are positive.
pub fn growth_factor(first: f64, last: f64) -> Option<f64> {
    (first > 0.0 && last > 0.0).then(|| last / first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exact_line_is_found() {
        let fit = linear_fit(&[1.0, 2.0, 3.0, 4.0], &[3.0, 5.0, 7.0, 9.0], Confidence::P95).unwrap();
        assert!((fit.slope - 2.0).abs() < 1e-12 && (fit.at(10.0) - 21.0).abs() < 1e-12);
        assert!(fit.r_squared.unwrap() > 1.0 - 1e-12);
    }

    #[test]
    fn a_square_has_exponent_two() {
        let x = [128.0, 256.0, 512.0, 1024.0];
        let fit = power_fit(&x, &x.map(|x| 3.0 * x * x), Confidence::P95).unwrap();
        assert!((fit.slope - 2.0).abs() < 1e-12 && (growth_per_doubling(fit.slope) - 4.0).abs() < 1e-11);
    }

    #[test]
    fn refuses_what_has_no_line() {
        let check = |x: &[f64], y: &[f64], expected: StatsError| {
            assert_eq!(linear_fit(x, y, Confidence::P95).unwrap_err(), expected);
        };
        check(&[1.0, 2.0], &[1.0, 2.0], StatsError::Insufficient { have: 2, need: 3 });
        check(&[1.0; 3], &[1.0, 2.0, 3.0], StatsError::NoSpread);
        let error = power_fit(&[1.0, 2.0, 0.0], &[1.0; 3], Confidence::P95).unwrap_err();
        assert_eq!(error, StatsError::NotPositive { value: 0.0 });
        assert_eq!(linear_fit(&[1.0, 2.0, 3.0], &[1.0; 3], Confidence::P95).unwrap().r_squared, None);
    }

    #[test]
    fn growth_from_nothing_is_unknown() {
        assert_eq!(growth_factor(0.0, 3.0), None);
        assert_eq!(growth_factor(2.0, 3.0), Some(1.5));
    }
}
