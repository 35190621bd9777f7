//! The ratio of two sides, each measured in runs of many values.
//!
//! Values inside one run share its luck: the unit of replication is the run, or whatever stands on top (host, day).
//! Resampling goes the way the data were made, level by level (Kalibera and Jones, ISMM 2013; Davison and Hinkley 1997,
//! 3.8).

use crate::bootstrap::percentile_interval;
use crate::quantile::quantile_unsorted;
use crate::random::Random;
use crate::{Confidence, Interval, Method, Resampling, StatsError, sample};

/// One side's measurements as they were made: hosts of runs of values, to any depth.
#[derive(Debug, Clone, PartialEq)]
pub enum Nest {
    /// The values of one run.
    Values(Vec<f64>),
    /// Repetitions of the level below.
    Levels(Vec<Nest>),
}

impl Nest {
    /// A side of two levels: runs of values.
    pub fn of_runs(runs: impl IntoIterator<Item = Vec<f64>>) -> Self {
        Self::Levels(runs.into_iter().map(Self::Values).collect())
    }

    /// Number of independent repetitions on top.
    fn width(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Levels(children) => children.len(),
        }
    }

    fn check(&self) -> Result<(), StatsError> {
        match self {
            Self::Values(values) => {
                sample::check(values)?;
                match values.iter().find(|&&value| value <= 0.0) {
                    Some(&value) => Err(StatsError::NotPositive { value }),
                    None => Ok(()),
                }
            }
            Self::Levels(children) if children.is_empty() => Err(StatsError::Empty),
            Self::Levels(children) => children.iter().try_for_each(Self::check),
        }
    }

    /// Mean over children, each with equal weight, of their centers.
    fn center(&self, center: Center) -> f64 {
        match self {
            Self::Values(values) => center.of(&mut values.clone()),
            Self::Levels(children) => {
                sample::sum(children.iter().map(|child| child.center(center))) / children.len() as f64
            }
        }
    }

    /// The same for children drawn with replacement, level by level. `buffer` is scratch space.
    fn resampled_center(&self, center: Center, random: &mut Random, buffer: &mut Vec<f64>) -> f64 {
        match self {
            Self::Values(values) => {
                buffer.clear();
                buffer.extend((0..values.len()).map(|_| values[random.below(values.len())]));
                center.of(buffer)
            }
            Self::Levels(children) => {
                let count = children.len();
                let draws = (0..count).map(|_| children[random.below(count)].resampled_center(center, random, buffer));
                sample::sum(draws) / count as f64
            }
        }
    }
}

/// What stands for the values of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Center {
    /// Arithmetic mean.
    Mean,
    /// Median.
    Median,
}

impl Center {
    fn of(self, values: &mut [f64]) -> f64 {
        match self {
            Self::Mean => sample::mean(values),
            Self::Median => quantile_unsorted(values, 0.5),
        }
    }
}

/// How many times side A the side B is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ratio {
    /// `center(b) / center(a)`.
    pub value: f64,
    /// Interval of the ratio.
    pub interval: Interval,
    /// Share of resamples in which B is larger: the probability of direction.
    pub probability_larger: f64,
    /// Independent repetitions on top of side A.
    pub runs_a: usize,
    /// Independent repetitions on top of side B.
    pub runs_b: usize,
}

/// Ratio of the centers of two sides with an interval by hierarchical bootstrap, on the logarithmic scale.
///
/// A side's center is the mean of its runs' centers, each run with equal weight. The interval is corrected for the
/// number of runs on the smaller side, so that five runs do not pass for many.
///
/// # Errors
/// [`StatsError::Insufficient`] below two repetitions on top of a side, [`StatsError::NotPositive`] for a value that has
/// no logarithm, [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn ratio(
    a: &Nest,
    b: &Nest,
    center: Center,
    confidence: Confidence,
    resampling: Resampling,
) -> Result<Ratio, StatsError> {
    a.check()?;
    b.check()?;
    let units = a.width().min(b.width());
    if units < 2 {
        return Err(StatsError::Insufficient { have: units, need: 2 });
    }
    let log_ratio = (b.center(center) / a.center(center)).ln();
    let mut buffer = Vec::new();
    let replicates = resampling.replicates(|random| {
        let center_a = a.resampled_center(center, random, &mut buffer);
        (b.resampled_center(center, random, &mut buffer) / center_a).ln()
    });
    let larger = replicates.iter().filter(|&&log| log > 0.0).count();
    let probability_larger = larger as f64 / replicates.len() as f64;
    let log = percentile_interval(replicates, log_ratio, units, confidence, Method::HierarchicalBootstrap);
    let interval = Interval { low: log.low.exp(), high: log.high.exp(), ..log };
    let value = log_ratio.exp();
    Ok(Ratio { value, interval, probability_larger, runs_a: a.width(), runs_b: b.width() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five runs of forty values around `level`, each run off by up to 4 %.
    fn side(level: f64) -> Nest {
        Nest::of_runs((0..5).map(|run: i32| {
            let run_level = level * (1.0 + 0.02 * f64::from(run - 2));
            (0..40).map(|i| run_level * (1.0 + 0.001 * f64::from(i % 7 - 3))).collect()
        }))
    }

    #[test]
    fn spread_between_runs_decides_and_not_the_count_of_values() {
        let found = ratio(&side(100.0), &side(101.0), Center::Median, Confidence::P95, Resampling::new(9)).unwrap();
        assert!((found.value - 1.01).abs() < 1e-9);
        // The runs spread by 3 %; 200 values per side must not hide it.
        assert!(found.interval.contains(1.0) && found.interval.width() > 0.04, "{found:?}");
    }

    #[test]
    fn a_large_difference_shows() {
        let found = ratio(&side(100.0), &side(150.0), Center::Mean, Confidence::P95, Resampling::new(9)).unwrap();
        assert!(found.interval.low > 1.3 && found.interval.contains(1.5), "{found:?}");
        assert!(found.probability_larger > 0.999);
    }

    #[test]
    fn three_levels_count_the_top() {
        let hosts = |level| Nest::Levels(vec![side(level), side(level * 1.1), side(level * 0.9)]);
        let found = ratio(&hosts(1.0), &hosts(2.0), Center::Median, Confidence::P90, Resampling::new(2)).unwrap();
        assert_eq!((found.runs_a, found.runs_b), (3, 3));
        assert!(found.interval.contains(2.0));
    }

    #[test]
    fn refuses_what_has_no_ratio() {
        let check = |a: Nest, expected: StatsError| {
            let found = ratio(&a, &side(1.0), Center::Mean, Confidence::P95, Resampling::new(1));
            assert_eq!(found.unwrap_err(), expected);
        };
        check(Nest::Levels(vec![]), StatsError::Empty);
        check(Nest::of_runs([vec![1.0], vec![]]), StatsError::Empty);
        check(Nest::of_runs([vec![1.0, 2.0]]), StatsError::Insufficient { have: 1, need: 2 });
        check(Nest::of_runs([vec![1.0], vec![0.0]]), StatsError::NotPositive { value: 0.0 });
    }
}
