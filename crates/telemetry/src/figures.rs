//! From values to metrics.

use weighbridge_stats::{Confidence, batch_means, effective_t_mean};
use weighbridge_types::definition::Definition;
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Statistic};

use crate::bounded::{Bounded, Gain};

/// The mean of values in order of time, with the interval that its dependence allows.
pub(crate) fn mean(definition: &Definition, cell: &Cell, values: &[f64], absent: &str) -> Metric {
    if values.is_empty() {
        return Metric::unavailable(definition, Statistic::Mean, cell, absent);
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let mut metric = Metric::measured(definition, Statistic::Mean, cell, mean, values.len() as u64);
    match batch_means(values, Confidence::P95).or_else(|_| effective_t_mean(values, Confidence::P95)) {
        Ok(found) => {
            metric.n_effective = found.n_effective;
            metric.interval = Some(MetricInterval {
                low: found.interval.low,
                high: found.interval.high,
                confidence: found.interval.confidence.level(),
                method: found.interval.method.as_str().to_owned(),
            });
        }
        Err(error) => metric.interval_reason = Some(error.to_string()),
    }
    metric
}

/// One value out of several: the largest, a quantile, the last.
pub(crate) fn one_of(
    definition: &Definition,
    statistic: Statistic,
    cell: &Cell,
    value: Option<f64>,
    n: usize,
    absent: &str,
) -> Metric {
    match value {
        None => Metric::unavailable(definition, statistic, cell, absent),
        Some(value) => {
            let mut metric = Metric::measured(definition, statistic, cell, value, n as u64);
            metric.interval_reason = Some("one value of a series has no interval".to_owned());
            metric
        }
    }
}

/// The largest of values.
pub(crate) fn max(definition: &Definition, cell: &Cell, values: &[f64], absent: &str) -> Metric {
    let most = values.iter().copied().max_by(f64::total_cmp);
    one_of(definition, Statistic::Max, cell, most, values.len(), absent)
}

/// A number with bounds.
pub(crate) fn bounded(definition: &Definition, cell: &Cell, number: Bounded, method: &str) -> Metric {
    let mut metric = Metric::measured(definition, Statistic::Value, cell, number.value, 1);
    if number.low < number.high {
        return metric.with_interval(number.interval(method));
    }
    metric.interval_reason = Some("counted in full, nothing was sampled".to_owned());
    metric
}

/// What a counter gained; without bounds where samples do not lie around the whole window.
pub(crate) fn gained(definition: &Definition, cell: &Cell, gain: &Result<Gain, String>) -> Metric {
    match gain {
        Err(reason) => Metric::unavailable(definition, Statistic::Value, cell, reason),
        Ok(gain) if gain.is_whole => bounded(definition, cell, gain.amount, "samples_around"),
        Ok(gain) => {
            let mut metric = Metric::measured(definition, Statistic::Value, cell, gain.amount.value, 1);
            metric.interval_reason =
                Some("samples cover a part of the window only; the figure is of that part".to_owned());
            metric
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weighbridge_types::definition::SERVER_RUNNING;

    #[test]
    fn means_have_an_interval_where_the_series_allows_it() {
        let cell = Cell::default();
        let few = mean(&SERVER_RUNNING, &cell, &[1.0, 2.0], "none");
        assert_eq!(
            (few.value, few.n, few.interval.is_none(), few.interval_reason.is_some()),
            (Some(1.5), 2, true, true)
        );
        let values: Vec<f64> = (0..60).map(|index| f64::from(index * 7 % 5)).collect();
        let many = mean(&SERVER_RUNNING, &cell, &values, "none");
        assert!(many.interval.is_some_and(|interval| interval.low <= 2.0 && 2.0 <= interval.high));
        let none = mean(&SERVER_RUNNING, &cell, &[], "none");
        assert_eq!((none.value, none.reason.as_deref()), (None, Some("none")));
        assert_eq!(max(&SERVER_RUNNING, &cell, &[1.0, 4.0, 2.0], "none").value, Some(4.0));
    }
}
