//! Intervals of a mean.

use crate::dependence::{correlation_time, shortest_block};
use crate::special::student_t_quantile;
use crate::{Confidence, Dependence, Estimate, Interval, Method, StatsError, Summary, sample};

/// Fewer batches than this give no interval of a dependent series: neither can the variance between batches be
/// trusted, nor can one see that they are uncorrelated.
pub const MIN_BATCHES: usize = 30;

/// A series worth fewer independent values than this gives no interval: t on so few says nothing.
const MIN_EFFECTIVE: usize = 5;

/// More batches than about this add nothing to the t quantile; longer batches are less correlated.
const USUAL_BATCHES: usize = 100;

/// Mean with the interval that fits the series: [`student_t_mean`] for independent values, [`batch_means`] for a series
/// in time order.
///
/// # Errors
/// [`StatsError::Insufficient`] with the count that would do, [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn mean_interval(series: &[f64], dependence: Dependence, confidence: Confidence) -> Result<Estimate, StatsError> {
    match dependence {
        Dependence::Independent => student_t_mean(series, confidence),
        Dependence::Serial => batch_means(series, confidence),
    }
}

/// Mean of independent values with Student's t interval, `mean ± t(n − 1) · sd / √n`.
///
/// # Errors
/// [`StatsError::Insufficient`] below two values.
pub fn student_t_mean(values: &[f64], confidence: Confidence) -> Result<Estimate, StatsError> {
    sample::check_at_least(values, 2)?;
    let summary = Summary::new(values)?;
    let half_width = t_half_width(values, confidence);
    let interval = Interval::around(summary.mean, half_width, confidence, Method::StudentT);
    Ok(Estimate { value: summary.mean, interval, n: summary.n, n_effective: None })
}

/// Mean of a dependent series with an interval from non-overlapping batch means (Schmeiser 1982).
///
/// The series is cut into 30 or more batches, each five times as long as the series remembers; their means are nearly
/// independent, and Student's t applies to them. Values left over from whole batches are left out of the spread at the
/// start, where warm-up could still show; the mean is that of all values. Cut warm-up first: this does not.
///
/// # Errors
/// [`StatsError::Insufficient`] when fewer than 30 such batches fit. The `need` rests on the memory seen so far and can
/// grow once a longer series shows more.
pub fn batch_means(series: &[f64], confidence: Confidence) -> Result<Estimate, StatsError> {
    sample::check_at_least(series, MIN_BATCHES)?;
    let n = series.len();
    let time = correlation_time(series);
    let shortest = shortest_block(time);
    if n / shortest < MIN_BATCHES {
        return Err(StatsError::Insufficient { have: n, need: MIN_BATCHES * shortest });
    }
    let batch_length = shortest.max(n / USUAL_BATCHES);
    let means: Vec<f64> = series[n % batch_length..].chunks_exact(batch_length).map(sample::mean).collect();
    let value = sample::mean(series);
    let interval = Interval::around(value, t_half_width(&means, confidence), confidence, Method::BatchMeans);
    Ok(Estimate { value, interval, n, n_effective: Some(n as f64 / time) })
}

/// Mean of a short dependent series with Student's t interval on its effective n, `mean ± t(n_eff − 1) · sd / √n_eff`
/// with `n_eff = n / τ` (Law 2015, Simulation Modeling and Analysis, 4.4).
///
/// The correlation time τ of a short series is itself rough, so that this covers less than it says where memory is
/// strong; [`batch_means`] is better wherever it answers.
///
/// # Errors
/// [`StatsError::Insufficient`] when the series is worth fewer than five values.
pub fn effective_t_mean(series: &[f64], confidence: Confidence) -> Result<Estimate, StatsError> {
    sample::check_at_least(series, MIN_EFFECTIVE)?;
    let n = series.len() as f64;
    let time = correlation_time(series).max(1.0);
    let worth = n / time;
    if worth < MIN_EFFECTIVE as f64 {
        // Five correlation times, which a shortest block falls short of by four values.
        let need = shortest_block(time) + MIN_EFFECTIVE - 1;
        return Err(StatsError::Insufficient { have: series.len(), need });
    }
    let value = sample::mean(series);
    // The spread about the mean of a series with memory is too small by the share of the mean's own variance.
    let variance = sample::variance(series, value) * (n - 1.0) / (n - time);
    let half_width = student_t_quantile(1.0 - confidence.tail(), worth - 1.0) * (variance / worth).sqrt();
    let interval = Interval::around(value, half_width, confidence, Method::EffectiveT);
    Ok(Estimate { value, interval, n: series.len(), n_effective: Some(worth) })
}

/// `t(n − 1) · sd / √n` of two or more independent values.
fn t_half_width(values: &[f64], confidence: Confidence) -> f64 {
    let n = values.len() as f64;
    let standard_error = (sample::variance(values, sample::mean(values)) / n).sqrt();
    student_t_quantile(1.0 - confidence.tail(), n - 1.0) * standard_error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_values_say_how_many_are_missing() {
        let check = |n: usize, dependence, expected: Result<Method, StatsError>| {
            let series: Vec<f64> = (0..n).map(|i| (i * 7 % 5) as f64).collect();
            let found = mean_interval(&series, dependence, Confidence::P95);
            assert_eq!(found.map(|estimate| estimate.interval.method), expected);
        };
        check(0, Dependence::Independent, Err(StatsError::Empty));
        check(1, Dependence::Independent, Err(StatsError::Insufficient { have: 1, need: 2 }));
        check(8, Dependence::Independent, Ok(Method::StudentT));
        check(8, Dependence::Serial, Err(StatsError::Insufficient { have: 8, need: 30 }));
        check(30, Dependence::Serial, Ok(Method::BatchMeans));
    }

    #[test]
    fn a_trend_needs_more_than_a_thousand_values() {
        let series: Vec<f64> = (0..1_000).map(f64::from).collect();
        let error = batch_means(&series, Confidence::P95).unwrap_err();
        assert!(matches!(error, StatsError::Insufficient { have: 1_000, need } if need > 1_000), "{error:?}");
    }

    #[test]
    fn equal_values_have_an_interval_of_no_width() {
        for dependence in [Dependence::Independent, Dependence::Serial] {
            let estimate = mean_interval(&[0.1; 40], dependence, Confidence::P95).unwrap();
            assert!(estimate.interval.width() < 1e-15 && estimate.interval.contains(estimate.value));
        }
    }
}
