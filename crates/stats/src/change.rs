//! Change points of a history: where the level of a metric, one value per run, moved and stayed.
//!
//! Two detectors look at the series: [`mean`] by energy distance and Welch's t, as Hunter and Otava do it, and [`rank`]
//! by Pettitt's statistic. A point counts only where both put a change ([`change_points`]): a single wild run moves a
//! mean but no ranks, and steps among ties move ranks but no mean (METRICS §2, item 9).
//!
//! Both work in the same way, on windows of some thirty runs, so that an old point stays where it is when runs are
//! appended, a step down does not hide the step up before it, and the work grows with the number of runs only:
//!
//! 1. in each window, split where the statistic is largest and go on in both parts while splits are nearly significant;
//! 2. of candidates closer than the shortest segment, keep the surest;
//! 3. judge each against its neighbors, and drop the weakest until all that remain are significant.
//!
//! Every p value is multiplied by the number of places where the split could have been (Bonferroni): the best of many
//! is large by chance. The values must not depend on each other from run to run; where they do, false alarms rise.
//!
//! A history too short for that has [`prediction_interval`] and [`delta_iqr`]: is the next value one of these?

use crate::{StatsError, sample};

pub mod mean;
pub mod rank;

mod next_value;
mod segment;

pub use next_value::{DeltaIqr, delta_iqr, prediction_interval};

/// What counts as a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangeSettings {
    /// Runs that are looked at together, and the most that a side of a change is judged by.
    pub window: usize,
    /// Fewest runs between two changes, and between a change and either end; at least 2.
    pub min_segment: usize,
    /// A split whose p value, corrected for the search within its window, is at most this is a change.
    pub significance: f64,
    /// Smaller changes of the mean are none: 0.05 for 5 % up (1.05) or the way back down (1 / 1.05).
    pub min_change: f64,
    /// Both detectors must put the change within this many runs of each other.
    pub distance: usize,
}

impl ChangeSettings {
    /// Fewest runs in which a change can be seen.
    #[must_use]
    pub fn min_runs(&self) -> usize {
        self.min_segment.saturating_mul(2)
    }

    fn check(&self) -> Result<(), StatsError> {
        let refuse = |what, value, expected| Err(StatsError::OutOfRange { what, value, expected });
        if self.min_segment < 2 {
            return refuse("a shortest segment", self.min_segment as f64, "at least two runs");
        }
        if self.window < self.min_runs() || self.window > MAX_WINDOW {
            return refuse("a window", self.window as f64, "at least two shortest segments and at most 1024 runs");
        }
        if !(self.significance > 0.0 && self.significance < 1.0) {
            return refuse("a significance", self.significance, "a number between 0 and 1");
        }
        if !(self.min_change >= 0.0 && self.min_change.is_finite()) {
            return refuse("a smallest change", self.min_change, "a share that is not negative");
        }
        Ok(())
    }
}

impl Default for ChangeSettings {
    /// Windows of 30 runs and sides of 5 (METRICS §2, items 1 and 9), 2 % significance, 1 % change, 4 runs apart.
    ///
    /// At 2 % some 1 in 200 series of 60 independent runs shows a change that is not there, and a step of three deviations
    /// is seen after five to eight runs; at 1 % the rank detector seldom sees it before the sixth. The distance is the
    /// largest that is shorter than a side: ranks tell that a step is there more surely than where.
    fn default() -> Self {
        Self { window: 30, min_segment: 5, significance: 0.02, min_change: 0.01, distance: 4 }
    }
}

/// The work in a window grows with its square.
const MAX_WINDOW: usize = 1_024;

/// A place where the level moved and stayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// First run of the new level, as [`mean`] puts it.
    pub index: usize,
    /// First run of the new level, as [`rank`] puts it.
    pub rank_index: usize,
    /// Mean of the runs before, back to the last change and at most a window.
    pub before: f64,
    /// Mean of the runs from `index` on, up to the next change and at most a window.
    pub after: f64,
    /// `after / before`; `None` around a mean of zero or where the sign changes.
    pub ratio: Option<f64>,
    /// p value of Welch's t test, corrected for the search.
    pub mean_p: f64,
    /// p value of the Mann–Whitney test, corrected for the search.
    pub rank_p: f64,
}

/// The changes of a series in time order that both detectors see, ascending.
///
/// # Errors
/// [`StatsError::Insufficient`] below [`ChangeSettings::min_runs`]: whether such a history changed is not known, which
/// is not the same as no change; [`StatsError::OutOfRange`] for settings outside their domain, [`StatsError::Empty`] or
/// [`StatsError::NotFinite`].
///
/// ```
/// use weighbridge_stats::change::{ChangeSettings, change_points};
/// let ttft_ms: Vec<f64> = (0..40).map(|run| if run < 25 { 20.0 } else { 23.0 } + f64::from(run * 7 % 5) * 0.2).collect();
/// let found = change_points(&ttft_ms, ChangeSettings::default())?;
/// assert_eq!(found.len(), 1);
/// assert_eq!(found[0].index, 25);
/// assert!(found[0].ratio.is_some_and(|ratio| ratio > 1.14 && ratio < 1.16));
/// # Ok::<(), weighbridge_stats::StatsError>(())
/// ```
pub fn change_points(series: &[f64], settings: ChangeSettings) -> Result<Vec<ChangePoint>, StatsError> {
    let by_mean = mean::mean_changes(series, settings)?;
    if by_mean.is_empty() {
        return Ok(Vec::new());
    }
    let by_rank = rank::rank_changes(series, settings)?;
    let mut points = Vec::new();
    let mut left = by_rank.as_slice();
    // Both lists ascend; a partner is given once, and so are those before it.
    for change in &by_mean {
        let near = left.iter().enumerate().min_by_key(|(_, other)| other.index.abs_diff(change.index));
        let Some((place, partner)) = near.filter(|(_, other)| other.index.abs_diff(change.index) <= settings.distance)
        else {
            continue;
        };
        points.push(agreed(series, change, partner));
        left = &left[place + 1..];
    }
    Ok(points)
}

/// A change as one detector sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// First run of the new level.
    pub index: usize,
    /// Runs before it that it was judged by.
    pub runs_before: usize,
    /// Runs from it on that it was judged by.
    pub runs_after: usize,
    /// p value, corrected for the search.
    pub p: f64,
}

impl Change {
    fn sides<'a>(&self, series: &'a [f64]) -> (&'a [f64], &'a [f64]) {
        (&series[self.index - self.runs_before..self.index], &series[self.index..self.index + self.runs_after])
    }
}

fn agreed(series: &[f64], by_mean: &Change, by_rank: &Change) -> ChangePoint {
    let (before, after) = by_mean.sides(series);
    let (before, after) = (sample::mean(before), sample::mean(after));
    let ratio = Some(after / before).filter(|ratio| ratio.is_finite() && *ratio > 0.0);
    let (index, rank_index) = (by_mean.index, by_rank.index);
    ChangePoint { index, rank_index, before, after, ratio, mean_p: by_mean.p, rank_p: by_rank.p }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::special::normal_quantile;

    fn steps(levels: &[(usize, f64)], noise: f64) -> Vec<f64> {
        let mut random = Random::stream(9, 0);
        let runs = levels.iter().flat_map(|&(count, level)| std::iter::repeat_n(level, count));
        runs.map(|level| level * (1.0 + noise * normal_quantile(random.unit().max(1e-9)))).collect()
    }

    fn indices(series: &[f64], settings: ChangeSettings) -> Vec<usize> {
        change_points(series, settings).unwrap().iter().map(|point| point.index).collect()
    }

    #[test]
    fn each_step_is_one_point() {
        let check = |levels: &[(usize, f64)], expected: &[usize]| {
            assert_eq!(indices(&steps(levels, 0.01), ChangeSettings::default()), expected, "{levels:?}");
        };
        check(&[(60, 10.0)], &[]);
        check(&[(5, 10.0), (5, 12.0)], &[5]);
        check(&[(30, 10.0), (5, 11.0)], &[30]);
        check(&[(20, 10.0), (20, 11.0), (20, 10.0)], &[20, 40]);
        check(&[(10, 10.0), (10, 11.0), (10, 10.0)], &[10, 20]);
        check(&[(37, 10.0), (100, 11.0), (8, 10.0), (200, 12.0)], &[37, 137, 145]);
    }

    #[test]
    fn one_wild_run_is_no_change_and_a_mild_one_hides_none() {
        let mut series = steps(&[(60, 10.0)], 0.01);
        series[12] = 100.0;
        series[50] = 0.1;
        assert_eq!(indices(&series, ChangeSettings::default()), [0_usize; 0]);
        let mut series = steps(&[(30, 10.0), (30, 11.0)], 0.01);
        series[12] = 12.0;
        series[50] = 9.0;
        assert_eq!(indices(&series, ChangeSettings::default()), [30]);
    }

    #[test]
    fn counts_without_noise_change_where_they_differ() {
        let series = [vec![7.0; 9], vec![8.0; 12]].concat();
        let found = change_points(&series, ChangeSettings::default()).unwrap();
        let [point] = found[..] else { panic!("{found:?}") };
        assert_eq!((point.index, point.rank_index), (9, 9));
        assert!((point.ratio.unwrap() - 8.0 / 7.0).abs() < 1e-15 && point.mean_p < 1e-15, "{point:?}");
        let from_zero = [vec![0.0; 9], vec![8.0; 12]].concat();
        assert_eq!(change_points(&from_zero, ChangeSettings::default()).unwrap()[0].ratio, None);
    }

    #[test]
    fn small_changes_are_none_in_either_direction() {
        for levels in [[(30, 100.0), (30, 104.0)], [(30, 104.0), (30, 100.0)]] {
            let series = steps(&levels, 0.002);
            let settings = ChangeSettings { min_change: 0.03, ..ChangeSettings::default() };
            assert_eq!(indices(&series, settings), [30]);
            assert_eq!(indices(&series, ChangeSettings { min_change: 0.05, ..settings }), [0_usize; 0]);
        }
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let check = |series: &[f64], settings: ChangeSettings, expected: StatsError| {
            assert_eq!(change_points(series, settings).unwrap_err(), expected);
        };
        let usual = ChangeSettings::default();
        check(&[], usual, StatsError::Empty);
        check(&[1.0; 9], usual, StatsError::Insufficient { have: 9, need: 10 });
        check(&[1.0, f64::INFINITY], usual, StatsError::NotFinite { index: 1, value: f64::INFINITY });
        let out_of_range = |settings| {
            assert!(matches!(change_points(&[1.0; 40], settings), Err(StatsError::OutOfRange { .. })), "{settings:?}");
        };
        out_of_range(ChangeSettings { min_segment: 1, ..usual });
        out_of_range(ChangeSettings { window: 9, ..usual });
        out_of_range(ChangeSettings { window: MAX_WINDOW + 1, ..usual });
        out_of_range(ChangeSettings { min_segment: usize::MAX, ..usual });
        out_of_range(ChangeSettings { significance: 0.0, ..usual });
        out_of_range(ChangeSettings { significance: f64::NAN, ..usual });
        out_of_range(ChangeSettings { min_change: -0.1, ..usual });
        out_of_range(ChangeSettings { min_change: f64::INFINITY, ..usual });
    }
}
