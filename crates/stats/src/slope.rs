//! The slope of a long series that remembers: requests in flight over time, for one.
//!
//! Least squares takes the deviations from a line as independent; in a queue they are anything but, and its interval is
//! then several times too narrow.

use crate::dependence::{correlation_time, shortest_block};
use crate::fit::linear_fit;
use crate::special::student_t_quantile;
use crate::{Confidence, Interval, Method, StatsError, sample};

/// Fewer batches than this tell too little of the spread between them.
const MIN_BATCHES: usize = 10;

/// More batches than this add nothing to the t quantile.
const USUAL_BATCHES: usize = 60;

/// Fewer points than this show neither a slope nor a memory.
const MIN_POINTS: usize = 12;

/// A slope with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// Change of y per x.
    pub slope: f64,
    /// Its interval; the method says which of the two ways was taken.
    pub interval: Interval,
    /// Points given.
    pub n: usize,
    /// Batches, or steps, that the interval rests on.
    pub units: usize,
}

/// Slope of `y` over ascending `x` at even distances.
///
/// Where the deviations from the least-squares line forget within a tenth of the series, the line is fitted to the means
/// of batches five correlation times long, whose errors are nearly independent ([`Method::BatchSlope`]). Where they do
/// not, the series is a walk: each step is new, and the slope is the mean step with Student's t interval
/// ([`Method::MeanStep`]). A queue that is stable forgets; one that is overloaded walks upwards.
///
/// # Errors
/// [`StatsError::Insufficient`] below 12 points, [`StatsError::NoSpread`] when all x are equal,
/// [`StatsError::LengthMismatch`], [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn dependent_slope(x: &[f64], y: &[f64], confidence: Confidence) -> Result<Slope, StatsError> {
    sample::check_pairs(x, y, MIN_POINTS)?;
    let line = linear_fit(x, y, confidence)?;
    let rest: Vec<f64> = x.iter().zip(y).map(|(x, y)| y - line.at(*x)).collect();
    let shortest = if is_noise(&rest, y) { 1 } else { shortest_block(correlation_time(&rest)) };
    if x.len() / shortest < MIN_BATCHES {
        return mean_step(x, y, confidence);
    }
    let length = shortest.max(x.len() / USUAL_BATCHES);
    let means = |values: &[f64]| -> Vec<f64> { values.chunks_exact(length).map(sample::mean).collect() };
    let (xs, ys) = (means(x), means(y));
    let fit = linear_fit(&xs, &ys, confidence)?;
    let interval = Interval { method: Method::BatchSlope, ..fit.slope_interval };
    Ok(Slope { slope: line.slope, interval: interval.holding(line.slope), n: x.len(), units: xs.len() })
}

/// Whether deviations are nothing but the rounding of the values.
fn is_noise(rest: &[f64], y: &[f64]) -> bool {
    let size = |values: &[f64]| values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    size(rest) <= 1e-9 * size(y)
}

/// The mean step of a walk, per x.
fn mean_step(x: &[f64], y: &[f64], confidence: Confidence) -> Result<Slope, StatsError> {
    let steps: Vec<f64> = y.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let width = (x[x.len() - 1] - x[0]) / steps.len() as f64;
    if width.abs() <= 0.0 {
        return Err(StatsError::NoSpread);
    }
    let count = steps.len() as f64;
    let mean = sample::mean(&steps);
    // Steps that pull in the same direction as the one before make the walk wider than their own spread says.
    let time = correlation_time(&steps);
    let worth = (count / time).max(3.0);
    let error = (sample::variance(&steps, mean) / worth).sqrt();
    let half_width = student_t_quantile(1.0 - confidence.tail(), worth - 1.0) * error / width.abs();
    let slope = mean / width;
    let interval = Interval::around(slope, half_width, confidence, Method::MeanStep);
    Ok(Slope { slope, interval, n: x.len(), units: steps.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u32, y: impl Fn(f64) -> f64) -> (Vec<f64>, Vec<f64>) {
        (0..n).map(f64::from).map(|x| (x, y(x))).unzip()
    }

    #[test]
    fn an_exact_line_has_its_slope_and_no_doubt() {
        let (x, y) = line(40, |x| 3.0 + 0.5 * x);
        let found = dependent_slope(&x, &y, Confidence::P95).unwrap();
        assert!((found.slope - 0.5).abs() < 1e-12 && found.interval.width() < 1e-9, "{found:?}");
        let (x, y) = line(40, |_| 7.0);
        let found = dependent_slope(&x, &y, Confidence::P95).unwrap();
        assert!(found.interval.contains(0.0) && found.interval.width() < 1e-12, "{found:?}");
    }

    #[test]
    fn a_slow_wave_is_taken_as_a_walk() {
        let (x, y) = line(60, |x| (x / 10.0).sin());
        let found = dependent_slope(&x, &y, Confidence::P95).unwrap();
        assert_eq!(found.interval.method, Method::MeanStep);
        assert!(found.interval.contains(0.0), "{found:?}");
    }

    #[test]
    fn refuses_what_has_no_slope() {
        let check = |x: &[f64], y: &[f64], expected| {
            assert_eq!(dependent_slope(x, y, Confidence::P95).unwrap_err(), expected);
        };
        check(&[], &[], StatsError::Empty);
        check(&[1.0; 11], &[1.0; 11], StatsError::Insufficient { have: 11, need: 12 });
        check(&[1.0; 12], &[1.0; 12], StatsError::NoSpread);
    }
}
