//! A series of unknown length: its values while they are few, a histogram when they are many.

use weighbridge_stats::histogram::Histogram;
use weighbridge_stats::stream::{GroupMeans, Moments};
use weighbridge_stats::{
    Confidence, Dependence, Interval, Method, StatsError, Summary, mean_interval, order_statistic_ranks, student_t_mean,
};
use weighbridge_types::definition::Definition;
use weighbridge_types::metric::{Cell, Flag, Metric, Statistic};

use crate::basis::{Basis, CONFIDENCE, MIN_COUNT};
use crate::estimate::{BETWEEN_RUNS, LONGEST, Series, Shape, Told, reason, set_interval, stored, told};

/// Method of a percentile's interval where only a histogram has the values.
const FROM_HISTOGRAM: &str = "order_statistic_of_histogram";

/// The values of one metric of one run, in the order of the log.
#[derive(Clone, Debug)]
pub(super) enum Values {
    /// All of them.
    Kept {
        values: Vec<f64>,
        /// When there are more, they become a histogram.
        limit: usize,
    },
    /// Their distribution.
    Sketched(Box<Sketch>),
}

/// What is kept of a long series: flat memory.
#[derive(Clone, Debug)]
pub(super) struct Sketch {
    histogram: Histogram,
    moments: Moments,
    groups: GroupMeans,
}

impl Sketch {
    fn new() -> Self {
        Self { histogram: Histogram::default(), moments: Moments::default(), groups: GroupMeans::new(LONGEST) }
    }

    fn push_n(&mut self, value: f64, times: u64) {
        self.histogram.push_n(value, times);
        self.moments.push_n(value, times);
        self.groups.push_n(value, times);
    }
}

impl Values {
    pub(super) fn new(limit: usize) -> Self {
        Self::Kept { values: Vec::new(), limit }
    }

    pub(super) fn push(&mut self, value: f64) {
        self.push_n(value, 1);
    }

    pub(super) fn push_n(&mut self, value: f64, times: u32) {
        match self {
            Self::Kept { values, limit } if values.len() + times as usize <= *limit => {
                values.extend(std::iter::repeat_n(value, times as usize));
            }
            Self::Kept { .. } => self.sketch().push_n(value, u64::from(times)),
            Self::Sketched(sketch) => sketch.push_n(value, u64::from(times)),
        }
    }

    /// Goes over to a histogram.
    #[cold]
    fn sketch(&mut self) -> &mut Sketch {
        if let Self::Kept { values, .. } = self {
            let mut sketch = Box::new(Sketch::new());
            values.iter().for_each(|&value| sketch.push_n(value, 1));
            *self = Self::Sketched(sketch);
        }
        match self {
            Self::Sketched(sketch) => sketch,
            Self::Kept { .. } => unreachable!("it was replaced above"),
        }
    }
}

/// What a series is of.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) definition: &'a Definition,
    pub(super) cell: &'a Cell,
    pub(super) basis: &'a Basis,
    pub(super) dependence: Dependence,
}

impl Of<'_> {
    /// Every figure of a series, by run; one null metric with `missing` when it holds no value.
    pub(super) fn metrics(self, runs: Vec<Values>, shape: Shape, missing: &str) -> Vec<Metric> {
        let is_kept = runs.iter().all(|run| matches!(run, Values::Kept { .. }));
        let mut runs = runs;
        if is_kept {
            let kept = |run| match run {
                Values::Kept { values, .. } => values,
                Values::Sketched(_) => Vec::new(),
            };
            let runs = runs.into_iter().map(kept).collect();
            let Self { definition, cell, basis, dependence } = self;
            return Series { definition, cell, runs, dependence, basis }.metrics(shape, missing);
        }
        let sketches: Vec<&Sketch> = runs.iter_mut().map(|run| &*run.sketch()).collect();
        let mut metrics = self.of_sketches(&sketches, shape);
        metrics.iter_mut().for_each(|metric| self.basis.mark(metric));
        metrics
    }

    fn of_sketches(self, runs: &[&Sketch], shape: Shape) -> Vec<Metric> {
        let runs: Vec<&Sketch> = runs.iter().copied().filter(|run| run.moments.count() > 0).collect();
        let mut all = (Histogram::default(), Moments::default());
        for run in &runs {
            all.0.merge(&run.histogram);
            all.1.merge(&run.moments);
        }
        let Some(summary) = all.1.summary() else { return Vec::new() };
        let worth = runs.iter().map(|run| run.groups.effective_n(&run.moments)).sum::<Result<f64, StatsError>>().ok();
        let mut metrics = vec![
            self.mean(&summary, &runs, worth),
            self.point(Statistic::Min, summary.min, summary.n),
            self.point(Statistic::Max, summary.max, summary.n),
        ];
        if shape != Shape::Range {
            let wanted = Statistic::GRID.iter();
            metrics.extend(wanted.filter_map(|&(statistic, q)| self.percentile(shape, statistic, q, &all.0, worth)));
        }
        metrics
    }

    fn point(self, statistic: Statistic, value: f64, n: usize) -> Metric {
        let mut metric = Metric::measured(self.definition, statistic, self.cell, value, n as u64);
        if metric.n < MIN_COUNT {
            metric.flags.push(Flag::LowSample);
        }
        metric
    }

    fn mean(self, summary: &Summary, runs: &[&Sketch], worth: Option<f64>) -> Metric {
        let mut metric = self.point(Statistic::Mean, summary.mean, summary.n);
        metric.deviation = summary.sd;
        metric.cv = summary.cv();
        metric.n_effective = worth;
        if let [run] = runs {
            let estimate = mean_interval(run.groups.means(), Dependence::Serial, CONFIDENCE);
            set_interval(&mut metric, estimate, None);
        } else {
            let means: Vec<f64> = runs.iter().filter_map(|run| run.moments.summary()).map(|run| run.mean).collect();
            metric.n_effective = Some(means.len() as f64);
            set_interval(&mut metric, student_t_mean(&means, CONFIDENCE), Some(BETWEEN_RUNS));
        }
        // As for a kept series: no time, rate or count is below zero.
        if let Some(interval) = metric.interval.as_mut().filter(|_| summary.min >= 0.0) {
            interval.low = interval.low.max(0.0);
        }
        metric
    }

    fn percentile(
        self,
        shape: Shape,
        statistic: Statistic,
        q: f64,
        histogram: &Histogram,
        worth: Option<f64>,
    ) -> Option<Metric> {
        let n = histogram.count();
        let mut metric = match told(shape, statistic, q, n)? {
            Told::Missing { reason } => Metric::unavailable(self.definition, statistic, self.cell, reason),
            Told::Value { .. } => self.point(statistic, histogram.quantile(q)?, n as usize),
        };
        metric.n = n;
        if metric.value.is_some() {
            metric.flags.push(Flag::Histogram);
            metric.n_effective = worth;
            match interval(histogram, q, worth) {
                Ok(interval) => metric.interval = Some(stored(&interval, metric.value, Some(FROM_HISTOGRAM))),
                Err(error) => metric.interval_reason = Some(reason(&error)),
            }
        }
        Some(metric)
    }
}

/// The interval between two order statistics of as many independent values as the series is worth, at their quantiles.
fn interval(histogram: &Histogram, q: f64, worth: Option<f64>) -> Result<Interval, StatsError> {
    let independent = (worth.unwrap_or(1.0).floor() as usize).clamp(1, histogram.count().max(1) as usize);
    let (low, high) = order_statistic_ranks(independent, q, CONFIDENCE)?;
    let last = (independent - 1).max(1) as f64;
    let at = |rank: usize| histogram.quantile(rank as f64 / last).ok_or(StatsError::Empty);
    let confidence: Confidence = CONFIDENCE;
    Ok(Interval { low: at(low)?, high: at(high)?, confidence, method: Method::OrderStatistic })
}

#[cfg(test)]
mod tests {
    use super::*;
    use weighbridge_stats::histogram::RELATIVE_ERROR;
    use weighbridge_types::definition::TTFT;

    fn figures(values: &[f64], limit: usize, runs: usize) -> Vec<Metric> {
        let mut parts: Vec<Values> = (0..runs).map(|_| Values::new(limit)).collect();
        for (index, &value) in values.iter().enumerate() {
            parts[index % runs].push(value);
        }
        let (cell, basis) = (Cell::default(), Basis::default());
        let of = Of { definition: &TTFT, cell: &cell, basis: &basis, dependence: Dependence::Serial };
        of.metrics(parts, Shape::Headline, "none")
    }

    fn scrambled(n: u32) -> Vec<f64> {
        let mut state = 1_u64;
        (0..n)
            .map(|_| {
                state = state * 48_271 % 2_147_483_647;
                100.0 + state as f64 / 1e7
            })
            .collect()
    }

    #[test]
    fn a_histogram_tells_what_the_values_tell() {
        for runs in [1, 3] {
            let values = scrambled(20_000);
            let (exact, sketched) = (figures(&values, 100_000, runs), figures(&values, 1_000, runs));
            assert_eq!(exact.len(), sketched.len());
            for (a, b) in exact.iter().zip(&sketched) {
                assert_eq!((a.key(), a.n), (b.key(), b.n));
                let (x, y) = (a.value.unwrap(), b.value.unwrap());
                assert!((x - y).abs() <= RELATIVE_ERROR * x, "{}: {x} {y}", a.key());
                let is_percentile = !matches!(a.statistic, Statistic::Mean | Statistic::Min | Statistic::Max);
                assert_eq!(b.flags.contains(&Flag::Histogram), is_percentile, "{}", b.key());
                assert_eq!(a.interval.is_some(), b.interval.is_some(), "{}", a.key());
                if let (Some(a), Some(b)) = (&a.interval, &b.interval) {
                    assert!(
                        (a.low - b.low).abs() < 0.02 * a.low && (a.high - b.high).abs() < 0.02 * a.high,
                        "{a:?} {b:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn nothing_is_a_reason() {
        let metrics = figures(&[], 10, 1);
        assert_eq!((metrics.len(), metrics[0].reason.as_deref()), (1, Some("none")));
    }
}
