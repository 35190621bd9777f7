//! Sampling until a precision that was fixed before: the counts at which it is looked whether that is reached, and whether more
//! requests or more runs are worth their time.
//!
//! Whoever looks after every run and stops when the interval is narrow stops where the spread happens to look small, and the
//! interval misses more often than it says. Here the looks are few and fixed, and the confidence of each is raised so that all
//! of them together keep the one that was asked (Bonferroni).

use crate::{Confidence, sample};

/// Runs, or blocks of runs, after which it is looked. Each is about 1.4 times the one before: half the variance of the mean.
const LOOKS: [usize; 7] = [5, 8, 12, 17, 24, 34, 48];

/// The counts at which it is looked whether enough is known, fixed before the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looks(Vec<usize>);

impl Looks {
    /// Looks within so many runs, the last always among them.
    #[must_use]
    pub fn up_to(most: usize) -> Self {
        Self(LOOKS.into_iter().filter(|&look| look < most).chain([most]).collect())
    }

    /// Whether it is looked after so many.
    #[must_use]
    pub fn contains(&self, count: usize) -> bool {
        self.0.contains(&count)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The confidence of each look with which all keep this one.
    #[must_use]
    pub fn confidence(&self, of_all: Confidence) -> Confidence {
        let level = 1.0 - (1.0 - of_all.level()) / self.count() as f64;
        Confidence::new(level).unwrap_or(of_all)
    }
}

/// The figure of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunFigure {
    /// Its value.
    pub value: f64,
    /// Variance of the value that its own requests explain: the square of its standard error within the run. `None` where
    /// the run is too short to tell.
    pub within: Option<f64>,
    /// Requests that it rests on.
    pub requests: f64,
}

/// Where the variance of a figure sits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Components {
    /// Variance between runs that no number of requests takes away.
    pub between: f64,
    /// Variance within a run, times the requests of the run.
    pub per_request: f64,
}

/// What runs and requests cost, seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Of a run beside its measured requests: warm-up, drain, start.
    pub run: f64,
    /// Of a request.
    pub request: f64,
}

impl Components {
    /// Splits the variance of runs: that of their values is what lies between them and what their requests explain
    /// (Kalibera and Jones, ISMM 2013, for two levels). A negative rest is none. `None` below two runs, or where no run tells
    /// its part.
    #[must_use]
    pub fn of(runs: &[RunFigure]) -> Option<Self> {
        let told: Vec<(f64, f64)> = runs.iter().filter_map(|run| Some((run.within?, run.requests))).collect();
        let values: Vec<f64> = runs.iter().map(|run| run.value).collect();
        if values.len() < 2 || told.is_empty() {
            return None;
        }
        let mean = |of: fn(&(f64, f64)) -> f64| told.iter().map(of).sum::<f64>() / told.len() as f64;
        let total = sample::variance(&values, sample::mean(&values));
        Some(Self { between: (total - mean(|run| run.0)).max(0.0), per_request: mean(|run| run.0 * run.1) })
    }

    /// Requests of a run with which the mean over runs is known best for the time that it takes:
    /// √(cost of a run / cost of a request × variance per request / variance between runs). Infinite where runs do not
    /// differ: then one long run says most; below 1 where requests say nothing.
    #[must_use]
    pub fn requests_per_run(&self, cost: Cost) -> f64 {
        if self.between <= 0.0 {
            return f64::INFINITY;
        }
        (cost.run / cost.request * self.per_request / self.between).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_few_and_end_with_the_last_run() {
        let check = |most: usize, expected: &[usize]| assert_eq!(Looks::up_to(most).0, expected);
        check(2, &[2]);
        check(5, &[5]);
        check(10, &[5, 8, 10]);
        check(100, &[5, 8, 12, 17, 24, 34, 48, 100]);
    }

    #[test]
    fn the_looks_together_keep_the_confidence() {
        let looks = Looks::up_to(10);
        let each = 1.0 - looks.confidence(Confidence::P95).level();
        assert!((each * looks.count() as f64 - 0.05).abs() < 1e-12);
        assert!(looks.contains(8) && !looks.contains(9));
    }

    /// Runs of 100 requests whose values spread by 2 where their requests explain 1: half of the variance is between.
    #[test]
    fn variance_is_split_between_runs_and_requests() {
        let run = |value| RunFigure { value, within: Some(1.0), requests: 100.0 };
        let runs = [9.0, 11.0, 9.0, 11.0, 9.0, 11.0, 9.0, 11.0].map(run);
        let found = Components::of(&runs).unwrap();
        assert!((found.between - 1.0 / 7.0).abs() < 1e-12 && (found.per_request - 100.0).abs() < 1e-12, "{found:?}");
        // A run costs as much as 7 requests beside those it makes.
        let best = found.requests_per_run(Cost { run: 7.0, request: 1.0 });
        assert!((best - 70.0).abs() < 1e-9, "{best}");
    }

    #[test]
    fn equal_runs_are_worth_no_more_runs() {
        let run = |value| RunFigure { value, within: Some(4.0), requests: 10.0 };
        let found = Components::of(&[run(9.5), run(10.5)]).unwrap();
        assert!(found.requests_per_run(Cost { run: 1.0, request: 1.0 }).is_infinite());
        assert_eq!(Components::of(&[run(1.0)]), None);
        assert_eq!(Components::of(&[RunFigure { within: None, ..run(1.0) }; 3]), None);
    }
}
