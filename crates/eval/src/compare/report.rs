//! All sides against each other.

use serde::Serialize;
use weighbridge_stats::family::holm;
use weighbridge_stats::special::{normal_cdf, normal_quantile};
use weighbridge_types::comparison::Verdict;
use weighbridge_types::metric::MetricInterval;

use super::board::{Board, boards};
use super::column::Column;
use super::difference::{Difference, difference};
use super::error::CompareError;
use super::pairing::{Alignment, Coverage, Pairs};
use super::settings::{MissingAnswers, Settings};
use super::side::Side;
use crate::runner::definition;

/// One side in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SideSummary {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: String,
    /// Samples of all tasks.
    pub samples: u64,
    /// Samples without an answer.
    pub failures: u64,
}

/// What a comparison found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The sides; the first one is what others are judged against.
    pub sides: Vec<SideSummary>,
    /// What was paired, for every two sides and each task.
    pub coverage: Vec<Coverage>,
    /// Every two sides in every metric of each task, and over the tasks.
    pub differences: Vec<Difference>,
    /// Who stands where; only for more than two sides.
    pub boards: Vec<Board>,
    /// P values that were corrected together.
    pub tests: u64,
    /// Confidence of the intervals; one minus it is the level of all tests together.
    pub confidence: f64,
    /// Differences within ± this do not matter.
    pub margin: f64,
    /// Chance with which the smallest detectable differences are detected.
    pub power: f64,
    /// What became of samples without an answer: `wrong` or `left_out`.
    pub missing_answers: &'static str,
    /// Seed of the resamples.
    pub seed: u64,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Comparison {
    /// What the comparison says of the candidates against the first side: worse when any metric of any candidate is; else
    /// inconclusive when any is; else better when any is; else equivalent.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let baseline = self.sides.first().map(|side| side.name.as_str());
        let judged: Vec<Verdict> =
            self.differences.iter().filter(|of| Some(of.baseline.as_str()) == baseline).map(|of| of.verdict).collect();
        let order = [Verdict::Worse, Verdict::Inconclusive, Verdict::Better];
        order.into_iter().find(|verdict| judged.contains(verdict)).unwrap_or(Verdict::Equivalent)
    }
}

/// Compares every two sides; in each pair the one named first is the baseline.
///
/// # Errors
/// When the sides have nothing to compare, or a sample is not the same on two of them.
pub fn compare(sides: &[Side], settings: &Settings) -> Result<Comparison, CompareError> {
    settings.check()?;
    if sides.len() < 2 {
        return Err(CompareError::TooFew { count: sides.len() });
    }
    let mut work = Work { sides, settings, coverage: Vec::new(), differences: Vec::new(), notes: Vec::new() };
    work.tasks()?;
    work.check()?;
    work.means_over_tasks();
    let tests = judge(&mut work.differences, settings);
    let names: Vec<&str> = sides.iter().map(|side| side.name.as_str()).collect();
    let boards = if sides.len() > 2 { boards(&names, &work.differences) } else { Vec::new() };
    work.remarks();
    let summary = |side: &Side| SideSummary {
        name: side.name.clone(),
        source: side.source.clone(),
        samples: side.samples(),
        failures: side.failures(),
    };
    Ok(Comparison {
        sides: sides.iter().map(summary).collect(),
        coverage: work.coverage,
        differences: work.differences,
        boards,
        tests: tests as u64,
        confidence: settings.confidence.level(),
        margin: settings.margin,
        power: settings.power,
        missing_answers: match settings.missing {
            MissingAnswers::AreWrong => "wrong",
            MissingAnswers::AreLeftOut => "left_out",
        },
        seed: settings.resampling.seed(),
        notes: work.notes,
    })
}

/// Corrects all p values together and judges every difference; gives the number of tests.
fn judge(differences: &mut [Difference], settings: &Settings) -> usize {
    let p: Vec<f64> = differences.iter().filter_map(|of| of.p).collect();
    let mut adjusted = holm(&p).into_iter();
    let alpha = settings.alpha() / p.len().max(1) as f64;
    for difference in differences {
        let corrected = difference.p.and_then(|_| adjusted.next());
        difference.judge(corrected, alpha, settings);
    }
    p.len()
}

/// A comparison that is being made.
struct Work<'a> {
    sides: &'a [Side],
    settings: &'a Settings,
    coverage: Vec<Coverage>,
    differences: Vec<Difference>,
    notes: Vec<String>,
}

impl Work<'_> {
    fn pairs_of_sides(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let count = self.sides.len();
        (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
    }

    fn tasks(&mut self) -> Result<(), CompareError> {
        let mut tasks: Vec<&str> = Vec::new();
        for task in self.sides.iter().flat_map(|side| &side.tasks) {
            if !tasks.contains(&task.task.as_str()) {
                tasks.push(&task.task);
            }
        }
        for task in tasks {
            let alignment = Alignment::new(self.sides, task);
            let is_whole = self.sides.iter().all(|side| side.task(task).is_some());
            for (a, b) in self.pairs_of_sides() {
                if let Some(pairs) = alignment.pairs(self.sides, (a, b))? {
                    self.coverage.push(pairs.coverage((&self.sides[a], &self.sides[b])));
                    self.metrics(&pairs, (a, b));
                }
            }
            if !is_whole {
                let lacking = self.sides.iter().filter(|side| side.task(task).is_none());
                let names: Vec<&str> = lacking.map(|side| side.name.as_str()).collect();
                self.notes.push(format!("`{task}` is not compared where it is missing: {}", names.join(", ")));
            }
        }
        Ok(())
    }

    fn metrics(&mut self, pairs: &Pairs<'_>, (a, b): (usize, usize)) {
        let wanted: Vec<&Column> = pairs.baseline.columns.iter().filter(|column| self.wants(column)).collect();
        for column in wanted {
            let Some(other) = pairs.candidate.columns.iter().find(|other| other.is_like(column)) else { continue };
            if let Some(mut found) = difference(pairs, (column, other), self.settings) {
                found.baseline.clone_from(&self.sides[a].name);
                found.candidate.clone_from(&self.sides[b].name);
                self.differences.push(found);
            }
        }
    }

    fn wants(&self, column: &Column) -> bool {
        let is_named = |name: &String| {
            column.definition.name == name || definition(name).is_some_and(|definition| definition == column.definition)
        };
        self.settings.metrics.is_empty() || self.settings.metrics.iter().any(is_named)
    }

    /// Refuses two sides that cannot be compared at all.
    fn check(&self) -> Result<(), CompareError> {
        for (a, b) in self.pairs_of_sides() {
            let (a, b) = (&self.sides[a], &self.sides[b]);
            let (baseline, candidate) = (a.name.clone(), b.name.clone());
            let is_pair = |x: &str, y: &str| x == baseline && y == candidate;
            let paired = self.coverage.iter().filter(|of| is_pair(&of.baseline, &of.candidate));
            if paired.map(|of| of.paired).sum::<u64>() == 0 {
                return Err(CompareError::NothingInCommon { baseline, candidate });
            }
            if !self.differences.iter().any(|of| is_pair(&of.baseline, &of.candidate)) {
                let columns = [a, b].into_iter().flat_map(|side| &side.tasks).flat_map(|task| &task.columns);
                let mut known: Vec<&str> = columns.map(|column| column.definition.name).collect();
                known.sort_unstable();
                known.dedup();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(CompareError::NoMetric { baseline, candidate, known });
            }
        }
        Ok(())
    }

    /// Adds the mean difference over tasks, each with equal weight: tasks are independent, so that the standard error is
    /// `√(Σ SE²) / tasks`. Tasks are taken as they are, not as drawn from more tasks.
    fn means_over_tasks(&mut self) {
        let mut means: Vec<Difference> = Vec::new();
        for first in &self.differences {
            let is_same = |of: &&Difference| {
                of.metric == first.metric
                    && of.filter == first.filter
                    && of.baseline == first.baseline
                    && of.candidate == first.candidate
            };
            let own: Vec<&Difference> = self.differences.iter().filter(is_same).collect();
            if own.len() >= 2 && !means.iter().any(|of| is_same(&of)) {
                means.extend(mean_over_tasks(&own, self.settings));
            }
        }
        self.differences.extend(means);
    }

    /// What the figures do not say by themselves.
    fn remarks(&mut self) {
        let unpaired: u64 = self.coverage.iter().map(|of| of.only_baseline + of.only_candidate).sum();
        if unpaired > 0 {
            self.notes.push(format!("{unpaired} samples are on one side of a pair only, and are left out"));
        }
        let otherwise: u64 = self.coverage.iter().map(|of| of.asked_otherwise).sum();
        if otherwise > 0 {
            let what = "pairs were asked with other prompts or parameters: the difference is that of both together";
            self.notes.push(format!("{otherwise} {what}"));
        }
        let unscored: u64 = self.differences.iter().map(|of| of.unscored).max().unwrap_or_default();
        if unscored > 0 {
            self.notes.push(format!("up to {unscored} pairs of a metric are left out: a side has no score"));
        }
        if self.sides.len() > 2 && unpaired > 0 {
            let first = &self.sides[0].name;
            self.notes.push(format!("leaderboard figures are over the samples that each side shares with `{first}`"));
        }
    }
}

fn mean_over_tasks(own: &[&Difference], settings: &Settings) -> Option<Difference> {
    let first = own.first()?;
    let count = own.len() as f64;
    let errors: Option<Vec<f64>> = own.iter().map(|of| of.standard_error).collect();
    let error = errors?.iter().map(|error| error * error).sum::<f64>().sqrt() / count;
    let mean = |of: &dyn Fn(&Difference) -> f64| own.iter().map(|difference| of(difference)).sum::<f64>() / count;
    let difference = mean(&|of| of.difference);
    let half = normal_quantile(1.0 - settings.confidence.tail()) * error;
    let has_spread = error > 0.0;
    Some(Difference {
        task: Some(format!("mean of {} tasks", own.len())),
        pairs: own.iter().map(|of| of.pairs).sum(),
        unscored: own.iter().map(|of| of.unscored).sum(),
        clusters: None,
        baseline_value: mean(&|of| of.baseline_value),
        candidate_value: mean(&|of| of.candidate_value),
        difference,
        standard_error: Some(error),
        unpaired_error: None,
        interval: has_spread.then(|| MetricInterval {
            low: difference - half,
            high: difference + half,
            confidence: settings.confidence.level(),
            method: "normal".to_owned(),
        }),
        interval_reason: (!has_spread).then(|| "no task shows a spread".to_owned()),
        discordant: None,
        test: has_spread.then_some("normal"),
        p: has_spread.then(|| 2.0 * normal_cdf(-(difference / error).abs())),
        ..(*first).clone()
    })
}
