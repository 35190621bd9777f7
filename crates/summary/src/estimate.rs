//! One series of values to its figures: mean, range, percentiles, each with its interval or the reason for none.

use weighbridge_stats::dependence::effective_n;
use weighbridge_stats::tail::min_samples_for_percentile;
use weighbridge_stats::{
    Confidence, Dependence, Estimate, Interval, Sorted, StatsError, Summary, effective_t_mean, mean_interval,
    order_statistic_quantile, student_t_mean,
};
use weighbridge_types::definition::Definition;
use weighbridge_types::metric::{Cell, Flag, Metric, MetricInterval, Statistic};

use crate::basis::{Basis, CONFIDENCE, MIN_COUNT};

/// Independent requests that show less than this share of their count as effective n are taken as a dependent series.
const REMEMBERED_SHARE: f64 = 0.5;

/// Fewer values than this cannot show that they remember each other.
const MIN_TO_REMEMBER: usize = 8;

/// Longest series whose correlations are taken between single values.
pub(crate) const LONGEST: usize = 8_192;

/// Method of an interval between runs.
pub(crate) const BETWEEN_RUNS: &str = "student_t_of_runs";

/// Which statistics of a series are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Mean, range, and the percentiles; those of the headline also where they are null.
    Headline,
    /// Mean, range, and the percentiles that the count supports.
    Full,
    /// Mean and range.
    Range,
}

/// The percentiles that a headline metric names even where it has to say that they rest on too few values.
const HEADLINE: [Statistic; 4] = [Statistic::P50, Statistic::P90, Statistic::P95, Statistic::P99];

/// The values of one metric in one cell, by run, in order of time.
pub(crate) struct Series<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) cell: &'a Cell,
    pub(crate) runs: Vec<Vec<f64>>,
    pub(crate) dependence: Dependence,
    pub(crate) basis: &'a Basis,
}

impl Series<'_> {
    /// Every figure of the series; one null metric with `missing` when it holds no value.
    pub(crate) fn metrics(&self, shape: Shape, missing: &str) -> Vec<Metric> {
        let values: Vec<f64> = self.runs.concat();
        let summary = match Summary::new(&values) {
            Ok(summary) => summary,
            Err(StatsError::Empty) => return vec![self.unavailable(missing.to_owned())],
            Err(error) => return vec![self.unavailable(error.to_string())],
        };
        let worth = worth(&values, &summary);
        let mut metrics = vec![
            self.mean(&summary, worth),
            self.point(Statistic::Min, summary.min, summary.n),
            self.point(Statistic::Max, summary.max, summary.n),
        ];
        if shape != Shape::Range
            && let Some(sample) = Sample::new(values, worth)
        {
            let wanted = Statistic::GRID.iter();
            metrics.extend(wanted.filter_map(|&(statistic, q)| self.percentile(shape, statistic, q, &sample)));
        }
        for metric in &mut metrics {
            self.basis.mark(metric);
        }
        metrics
    }

    fn unavailable(&self, reason: String) -> Metric {
        let mut metric = Metric::unavailable(self.definition, Statistic::Mean, self.cell, reason);
        self.basis.mark(&mut metric);
        metric
    }

    fn point(&self, statistic: Statistic, value: f64, n: usize) -> Metric {
        let mut metric = Metric::measured(self.definition, statistic, self.cell, value, n as u64);
        if metric.n < MIN_COUNT {
            metric.flags.push(Flag::LowSample);
        }
        metric
    }

    fn mean(&self, summary: &Summary, worth: Option<f64>) -> Metric {
        let mut metric = self.point(Statistic::Mean, summary.mean, summary.n);
        metric.deviation = summary.sd;
        metric.cv = summary.cv();
        metric.n_effective = worth;
        let runs: Vec<&[f64]> = self.runs.iter().filter(|run| !run.is_empty()).map(Vec::as_slice).collect();
        match runs.as_slice() {
            [run] => set_interval(&mut metric, within_run(run, self.dependence), None),
            runs => {
                let means: Vec<f64> =
                    runs.iter().filter_map(|run| Summary::new(run).ok()).map(|run| run.mean).collect();
                metric.n_effective = Some(means.len() as f64);
                set_interval(&mut metric, student_t_mean(&means, CONFIDENCE), Some(BETWEEN_RUNS));
            }
        }
        // Few values make a symmetric interval so wide that it reaches where no time, rate or count can be.
        if let Some(interval) = metric.interval.as_mut().filter(|_| summary.min >= 0.0) {
            interval.low = interval.low.max(0.0);
        }
        metric
    }

    /// A percentile, with the interval between two order statistics.
    fn percentile(&self, shape: Shape, statistic: Statistic, q: f64, sample: &Sample) -> Option<Metric> {
        let n = sample.sorted.values().len();
        let mut metric = match told(shape, statistic, q, n as u64)? {
            Told::Missing { reason } => {
                let mut metric = Metric::unavailable(self.definition, statistic, self.cell, reason);
                metric.n = n as u64;
                metric.flags.push(Flag::LowSample);
                return Some(metric);
            }
            Told::Value { is_low } => {
                let mut metric = self.point(statistic, sample.sorted.quantile(q).ok()?, n);
                if is_low && !metric.flags.contains(&Flag::LowSample) {
                    metric.flags.push(Flag::LowSample);
                }
                metric
            }
        };
        metric.n_effective = sample.worth;
        set_interval(&mut metric, order_statistic_quantile(&sample.thinned, q, CONFIDENCE), None);
        Some(metric)
    }
}

/// How a percentile is told.
pub(crate) enum Told {
    /// With its value, which may rest on few.
    Value { is_low: bool },
    /// As null, with the reason: it is asked for by name and rests on too few values.
    Missing { reason: String },
}

/// Whether, and how, a percentile of `n` values is told.
pub(crate) fn told(shape: Shape, statistic: Statistic, q: f64, n: u64) -> Option<Told> {
    let need = min_samples_for_percentile(q, Confidence::P99)? as u64;
    let is_tail = !(0.2..=0.8).contains(&q);
    if n >= need || !is_tail {
        return Some(Told::Value { is_low: n < need });
    }
    let reason = format!("{n} values; this percentile can be bounded from {need} on");
    (shape == Shape::Headline && HEADLINE.contains(&statistic)).then_some(Told::Missing { reason })
}

/// The values of a series, sorted: all of them, and as many as they are worth.
struct Sample {
    sorted: Sorted,
    /// Order statistics take values as independent. A series that remembers is thinned until it does not.
    thinned: Sorted,
    worth: Option<f64>,
}

impl Sample {
    fn new(values: Vec<f64>, worth: Option<f64>) -> Option<Self> {
        let n = values.len() as f64;
        let step = (n / worth.unwrap_or(n).max(1.0)).ceil() as usize;
        let thinned = Sorted::new(values.iter().copied().step_by(step.max(1)).collect()).ok()?;
        Some(Self { sorted: Sorted::new(values).ok()?, thinned, worth })
    }
}

/// How many independent values a series is worth. Correlations of a long one are taken between means of consecutive
/// values: their variance says how well the mean of all is known, at a fraction of the work.
fn worth(values: &[f64], summary: &Summary) -> Option<f64> {
    if values.len() <= LONGEST {
        return effective_n(values).ok();
    }
    let means = consecutive_means(values);
    let spread = Summary::new(&means).ok()?.sd?;
    let variance_of_mean = spread * spread / effective_n(&means).ok()?;
    let n = values.len() as f64;
    if variance_of_mean > 0.0 { Some((summary.sd?.powi(2) / variance_of_mean).clamp(1.0, n)) } else { Some(n) }
}

/// At most [`LONGEST`] means of consecutive values; an incomplete last group is left out.
fn consecutive_means(values: &[f64]) -> Vec<f64> {
    let size = values.len().div_ceil(LONGEST);
    values.chunks_exact(size).map(|group| group.iter().sum::<f64>() / size as f64).collect()
}

/// The mean's interval within one run.
pub(crate) fn within_run(values: &[f64], dependence: Dependence) -> Result<Estimate, StatsError> {
    if values.len() > LONGEST {
        return mean_interval(&consecutive_means(values), Dependence::Serial, CONFIDENCE);
    }
    if dependence == Dependence::Independent && values.len() >= MIN_TO_REMEMBER {
        let is_remembering = effective_n(values)? < REMEMBERED_SHARE * values.len() as f64;
        let dependence = if is_remembering { Dependence::Serial } else { Dependence::Independent };
        return interval_of_mean(values, dependence);
    }
    interval_of_mean(values, dependence)
}

/// The interval that the dependence asks for; a series too short for batches takes the one on its effective n.
fn interval_of_mean(values: &[f64], dependence: Dependence) -> Result<Estimate, StatsError> {
    match mean_interval(values, dependence, CONFIDENCE) {
        Err(insufficient) if insufficient.is_insufficient() && dependence == Dependence::Serial => {
            effective_t_mean(values, CONFIDENCE).map_err(|_| insufficient)
        }
        answer => answer,
    }
}

/// Puts an interval on a metric, widened to hold its value, or says why there is none.
pub(crate) fn set_interval(metric: &mut Metric, estimate: Result<Estimate, StatsError>, method: Option<&str>) {
    match estimate {
        Ok(estimate) => metric.interval = Some(stored(&estimate.interval, metric.value, method)),
        Err(error) => metric.interval_reason = Some(reason(&error)),
    }
}

/// An interval as stored; it holds `value`.
pub(crate) fn stored(interval: &Interval, value: Option<f64>, method: Option<&str>) -> MetricInterval {
    MetricInterval {
        low: value.map_or(interval.low, |value| interval.low.min(value)),
        high: value.map_or(interval.high, |value| interval.high.max(value)),
        confidence: interval.confidence.level(),
        method: method.unwrap_or(interval.method.as_str()).to_owned(),
    }
}

/// Why there is no interval, for the reader of a table.
pub(crate) fn reason(error: &StatsError) -> String {
    match error {
        StatsError::Insufficient { have, need } => format!("{have} values; an interval needs {need}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use weighbridge_types::definition::TTFT;

    fn figures(runs: Vec<Vec<f64>>, dependence: Dependence) -> Vec<Metric> {
        let (cell, basis) = (Cell::default(), Basis::default());
        Series { definition: &TTFT, cell: &cell, runs, dependence, basis: &basis }.metrics(Shape::Headline, "none")
    }

    fn get(metrics: &[Metric], statistic: Statistic) -> &Metric {
        metrics.iter().find(|metric| metric.statistic == statistic).unwrap()
    }

    fn scrambled(n: u32) -> Vec<f64> {
        (0..n).map(|i| f64::from(i * 7_919 % 1_009)).collect()
    }

    #[test]
    fn tails_are_null_below_the_count_that_bounds_them() {
        let check = |n: u32, statistic, is_known: bool| {
            let metrics = figures(vec![scrambled(n)], Dependence::Independent);
            let metric = get(&metrics, statistic);
            assert_eq!(metric.value.is_some(), is_known, "{n} {statistic:?}");
            assert_eq!(metric.reason.is_none(), is_known);
            assert_eq!(metric.n, u64::from(n));
        };
        check(63, Statistic::P90, false);
        check(64, Statistic::P90, true);
        check(661, Statistic::P99, false);
        check(662, Statistic::P99, true);
        check(3, Statistic::P50, true);
    }

    #[test]
    fn few_values_are_flagged_and_one_has_no_interval() {
        let metrics = figures(vec![vec![5.0]], Dependence::Independent);
        let mean = get(&metrics, Statistic::Mean);
        assert_eq!((mean.flags.as_slice(), mean.interval.is_none()), (&[Flag::LowSample][..], true));
        assert_eq!(mean.interval_reason.as_deref(), Some("1 values; an interval needs 2"));
        assert!(get(&figures(vec![scrambled(20)], Dependence::Independent), Statistic::Mean).flags.is_empty());
    }

    #[test]
    fn no_value_gives_one_reason_and_no_zero() {
        let metrics = figures(vec![vec![]], Dependence::Independent);
        assert_eq!(metrics.len(), 1);
        assert_eq!((metrics[0].value, metrics[0].reason.as_deref()), (None, Some("none")));
    }

    #[test]
    fn two_runs_are_two_repetitions() {
        let metrics = figures(vec![scrambled(100), scrambled(100)], Dependence::Serial);
        let interval = get(&metrics, Statistic::Mean).interval.clone().unwrap();
        assert_eq!(interval.method, "student_t_of_runs");
    }

    #[test]
    fn a_time_has_no_negative_end() {
        let metrics = figures(vec![vec![1.0, 9.0]], Dependence::Independent);
        let interval = get(&metrics, Statistic::Mean).interval.clone().unwrap();
        assert!(interval.low >= 0.0 && interval.high > 9.0);
    }

    #[test]
    fn a_long_series_is_worth_as_much_as_its_parts() {
        // Each value comes ten times: a tenth of the count is independent.
        let repeated: Vec<f64> = scrambled(4_000).into_iter().flat_map(|value| [value; 10]).collect();
        let worth = worth(&repeated, &Summary::new(&repeated).unwrap()).unwrap();
        assert!((2_500.0..=6_500.0).contains(&worth), "{worth}");
    }

    #[test]
    fn a_series_that_drifts_gets_no_interval_for_independent_values() {
        let drifting: Vec<f64> = (0..40).map(f64::from).collect();
        let metrics = figures(vec![drifting], Dependence::Independent);
        assert!(get(&metrics, Statistic::Mean).interval.is_none());
    }
}
