//! Rows to columns of numbers.

use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::hash::BuildHasher;

use weighbridge_types::exhibit::{Chosen, Failure, excerpt};

use crate::predictions::{Field, PredictionsError, Problem, Row, Value};

use super::class_scores::ClassProbabilities;
use super::labels::Labels;
use super::settings::Settings;
use super::sums::is_right;

/// What a sample was answered: a label's number, or above all of them the problem.
pub(super) mod answer {
    use crate::predictions::Problem;

    /// The number of the first problem; labels never reach it.
    const FIRST: u32 = u32::MAX - 16;

    /// The number of a problem.
    pub(in crate::score) fn of(problem: Problem) -> u32 {
        FIRST + problem as u32
    }

    /// The problem that a number stands for.
    pub(in crate::score) fn problem(code: u32) -> Option<Problem> {
        let index = code.checked_sub(FIRST)?;
        Problem::ALL.get(index as usize).copied()
    }
}

/// Everything that is kept of the samples.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) labels: Labels,
    /// True label of each sample; empty when the file has none.
    pub(super) truth: Vec<u32>,
    /// Answer of each sample, as [`answer`] codes it.
    pub(super) answers: Vec<u32>,
    /// Score of each sample that has a truth; `NaN` for a failed one. Empty when the file has none.
    pub(super) scores: Vec<f64>,
    pub(super) probabilities: ClassProbabilities,
    scored: u64,
    unscored_line: Option<u64>,
    /// Earliest and latest time stamp, seconds.
    pub(super) times: Option<(f64, f64)>,
    /// Weight of each sample; empty when all count the same.
    pub(super) weights: Vec<f64>,
    /// Cluster of each sample, by number; empty when they are independent.
    pub(super) clusters: Vec<u32>,
    pub(super) cluster_count: usize,
    /// Problem of each sample that has one.
    pub(super) problems: [u64; Problem::ALL.len()],
    /// Samples without an answer and without a stated problem; counted as unparsable.
    pub(super) silent: u64,
    pub(super) rows: u64,
    /// Some of the failures, for the report.
    pub(super) chosen: Chosen,
    /// Hashes of the ids.
    ids: Vec<u64>,
    has_ids: bool,
    cluster_codes: HashMap<Box<str>, u32, FixedState>,
    hasher: FixedState,
}

impl Columns {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            labels: Labels::new(&settings.labels),
            truth: Vec::new(),
            answers: Vec::new(),
            scores: Vec::new(),
            probabilities: ClassProbabilities::default(),
            scored: 0,
            unscored_line: None,
            times: None,
            weights: Vec::new(),
            clusters: Vec::new(),
            cluster_count: 0,
            problems: [0; Problem::ALL.len()],
            silent: 0,
            rows: 0,
            chosen: Chosen::default(),
            ids: Vec::new(),
            has_ids: false,
            cluster_codes: HashMap::with_hasher(FixedState::default()),
            hasher: FixedState::default(),
        }
    }

    /// Takes a row whose truth and answer are labels.
    pub(super) fn take(&mut self, row: &Row<'_>) -> Result<(), PredictionsError> {
        let key = self.identify(row)?;
        let stated = problem(row)?;
        // A list as target is a set, and no label.
        let is_set = matches!(row.get(Field::Target), Value::Json(_));
        let mut problem = stated;
        if let Some(truth) = if is_set { None } else { self.labels.code(row, Field::Target)? } {
            self.score(row, stated)?;
            let likeliest = self.probabilities.take(row, &mut self.labels, (truth, self.rows))?;
            let given = self.given(row, stated, truth, likeliest)?;
            self.silent += u64::from(given.is_none() && stated.is_none());
            problem = match given {
                Some(label) => (label != truth).then_some(Problem::Wrong),
                None => stated.or(Some(Problem::Unparsable)),
            };
            self.truth.push(truth);
            self.answers.push(given.unwrap_or_else(|| answer::of(problem.unwrap_or(Problem::Unparsable))));
        }
        if is_right(row) == Some(false) {
            problem = problem.or(Some(Problem::Wrong));
        }
        if let Some(problem) = problem {
            self.problems[problem.index()] += 1;
            self.show(row, problem, key);
        }
        self.time(row)?;
        self.group(row)?;
        self.weigh(row)?;
        self.rows += 1;
        self.all_or_none(row)
    }

    /// The label that was given.
    fn given(
        &mut self,
        row: &Row<'_>,
        problem: Option<Problem>,
        truth: u32,
        likeliest: Option<u32>,
    ) -> Result<Option<u32>, PredictionsError> {
        if problem.is_some_and(|problem| !problem.is_answered()) {
            return Ok(None);
        }
        let given = self.labels.code(row, Field::Prediction)?.or(likeliest);
        if problem == Some(Problem::Wrong) && given == Some(truth) {
            let what = "its problem is `wrong`, and its prediction is its target".to_owned();
            return Err(PredictionsError::Contradiction { line: row.line, what });
        }
        Ok(given)
    }

    /// Keeps a failure for the report, if it is one of those chosen.
    fn show(&mut self, row: &Row<'_>, problem: Problem, key: Option<u64>) {
        let is_undecided = row.get(Field::Score).is_given() && !row.get(Field::Prediction).is_given();
        if is_undecided {
            // The threshold decides only when the whole file has been read.
            return;
        }
        let key = key.unwrap_or_else(|| self.hasher.hash_one(self.rows));
        self.chosen.push(problem.outcome(), (key, self.rows), || failure(row, problem));
    }

    fn score(&mut self, row: &Row<'_>, problem: Option<Problem>) -> Result<(), PredictionsError> {
        let score = row.number(Field::Score)?;
        let is_failed = problem.is_some_and(|problem| !problem.is_answered()) || !row.get(Field::Prediction).is_given();
        self.scored += u64::from(score.is_some());
        if score.is_none() && !is_failed && self.unscored_line.is_none() {
            self.unscored_line = Some(row.line);
        }
        if score.is_some() || !self.scores.is_empty() {
            // Most files have no scores; those that do may begin with failed samples.
            self.scores.resize(self.truth.len(), f64::NAN);
            self.scores.push(score.unwrap_or(f64::NAN));
        }
        Ok(())
    }

    /// Checks what only the whole file can tell.
    pub(super) fn finish(&mut self) -> Result<(), PredictionsError> {
        if self.scored > 0
            && let Some(line) = self.unscored_line
        {
            let what = "it has a prediction and no score, and other lines have a score".to_owned();
            return Err(PredictionsError::Contradiction { line, what });
        }
        if self.scored == 0 && !self.truth.is_empty() && self.silent == self.truth.len() as u64 {
            let found = "neither a prediction nor a score nor a problem".to_owned();
            return Err(PredictionsError::Missing { line: 1, field: Field::Prediction.name(), found });
        }
        Ok(())
    }

    fn time(&mut self, row: &Row<'_>) -> Result<(), PredictionsError> {
        if let Some(time) = row.number(Field::Timestamp)? {
            let (first, last) = self.times.unwrap_or((time, time));
            self.times = Some((first.min(time), last.max(time)));
        }
        Ok(())
    }

    /// Keeps the hash of the id, and gives it.
    fn identify(&mut self, row: &Row<'_>) -> Result<Option<u64>, PredictionsError> {
        let Some(id) = row.text(Field::Id)? else { return Ok(None) };
        let hash = self.hash(id);
        self.ids.push(hash);
        Ok(Some(hash))
    }

    fn group(&mut self, row: &Row<'_>) -> Result<(), PredictionsError> {
        let Some(name) = row.text(Field::Cluster)? else { return Ok(()) };
        let next = u32::try_from(self.cluster_codes.len()).unwrap_or(u32::MAX);
        let code = match self.cluster_codes.get(name) {
            Some(&code) => code,
            None => {
                self.cluster_codes.insert(name.into(), next);
                next
            }
        };
        self.clusters.push(code);
        self.cluster_count = self.cluster_codes.len();
        Ok(())
    }

    fn weigh(&mut self, row: &Row<'_>) -> Result<(), PredictionsError> {
        let Some(weight) = row.number(Field::Weight)? else { return Ok(()) };
        if weight < 0.0 {
            return Err(row.refuse(Field::Weight, "a number that is not negative"));
        }
        self.weights.push(weight);
        Ok(())
    }

    /// A column that some rows have and others lack would pair the wrong values.
    fn all_or_none(&self, row: &Row<'_>) -> Result<(), PredictionsError> {
        let columns = [
            (self.truth.len(), Field::Target),
            (self.ids.len(), Field::Id),
            (self.clusters.len(), Field::Cluster),
            (self.weights.len(), Field::Weight),
        ];
        for (length, field) in columns {
            if length != 0 && length as u64 != self.rows {
                let what = match row.get(field) {
                    Value::Absent | Value::Null => format!("it has no {}, and earlier lines have one", field.name()),
                    _ => format!("it has a {}, and earlier lines have none", field.name()),
                };
                return Err(PredictionsError::Contradiction { line: row.line, what });
            }
        }
        Ok(())
    }

    /// Fills in answers from scores, where the file has scores and no predictions: positive at or above the threshold.
    pub(super) fn decide(&mut self, threshold: f64, positive: u32, negative: u32) {
        for ((answer, score), truth) in self.answers.iter_mut().zip(&self.scores).zip(&self.truth) {
            if score.is_nan() {
                continue;
            }
            if let Some(problem) = answer::problem(*answer) {
                self.problems[problem.index()] -= 1;
            }
            *answer = if *score >= threshold { positive } else { negative };
            self.problems[Problem::Wrong.index()] += u64::from(answer != truth);
            self.silent = self.silent.saturating_sub(1);
        }
    }

    /// Whether the file has scores and not a single prediction.
    pub(super) fn only_scores(&self) -> bool {
        self.scored > 0 && self.answers.iter().all(|&answer| answer::problem(answer).is_some())
    }

    /// Which labels are the truth of a sample, by number.
    pub(super) fn true_labels(&self) -> Vec<bool> {
        let mut is_true = vec![false; self.labels.names().len()];
        for &code in &self.truth {
            is_true[code as usize] = true;
        }
        is_true
    }

    /// Samples whose label was given right.
    pub(super) fn right(&self) -> u64 {
        self.answers.iter().zip(&self.truth).filter(|(answer, truth)| answer == truth).count() as u64
    }

    /// Samples without an answer.
    pub(super) fn failures(&self) -> u64 {
        Problem::ALL.iter().filter(|problem| !problem.is_answered()).map(|problem| self.problems[problem.index()]).sum()
    }

    /// Whether samples had ids, so that repeated ones could be looked for.
    pub(super) fn has_ids(&self) -> bool {
        self.has_ids
    }

    /// Hashes of the ids, when all rows are taken: those that two rows share are a suspicion, no proof.
    pub(super) fn take_ids(&mut self) -> Vec<u64> {
        self.has_ids = !self.ids.is_empty();
        std::mem::take(&mut self.ids)
    }

    /// The hash of an id.
    pub(super) fn hash(&self, id: &str) -> u64 {
        self.hasher.hash_one(id)
    }
}

/// A sample as the report shows it.
fn failure(row: &Row<'_>, problem: Problem) -> Failure {
    let shown = |field: Field| match row.get(field) {
        Value::Json(text) => Some(excerpt(text)),
        _ => row.text(field).ok().flatten().map(excerpt),
    };
    Failure {
        id: shown(Field::Id).unwrap_or_else(|| format!("line {}", row.line)),
        outcome: problem.outcome(),
        prompt: shown(Field::Prompt),
        target: shown(Field::Target).or_else(|| shown(Field::References)),
        answer: shown(Field::Prediction).or_else(|| shown(Field::Text)),
        why: shown(Field::Why),
    }
}

pub(crate) fn problem(row: &Row<'_>) -> Result<Option<Problem>, PredictionsError> {
    let Some(name) = row.text(Field::Problem)? else { return Ok(None) };
    let known = || {
        let names: Vec<&str> = Problem::ALL.iter().map(|problem| problem.name()).collect();
        row.refuse(Field::Problem, format!("one of {}", names.join(", ")))
    };
    Problem::from_name(name).map(Some).ok_or_else(known)
}
