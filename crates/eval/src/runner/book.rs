//! The scores of an evaluation: a number for each document and metric, kept by place so that figures do not depend on
//! the order of answers.

use weighbridge_types::sample::{SampleOutcome, SampleRow};

use super::plan::Plan;
use super::scores::Scores;
use crate::task::score::{Figure, FilterScores, Score, aggregate};

/// Scores of one task.
#[derive(Debug)]
pub(crate) struct TaskBook {
    /// What became of each document; `None` where it was not asked yet.
    outcomes: Vec<Option<SampleOutcome>>,
    /// Filter and metric, with a score for each document.
    columns: Vec<Column>,
    /// Milliseconds of each document with an answer, in the order of answers; single precision, since there are millions.
    latencies: Vec<f32>,
    /// What the answers took.
    tokens: Tokens,
}

/// Tokens of answers that a model gave in this run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) output: u64,
    /// Answers with a count, and those without.
    pub(crate) counted: u64,
    pub(crate) uncounted: u64,
}

impl Tokens {
    /// Those of some rows. A row without an answer, or with one from the cache, took none.
    pub(crate) fn of<'a>(rows: impl IntoIterator<Item = &'a SampleRow>) -> Self {
        let mut tokens = Self::default();
        for row in rows.into_iter().filter(|row| !row.answers.is_empty() && !row.cached) {
            match row.input_tokens.zip(row.output_tokens) {
                Some((input, output)) => {
                    tokens.input += input;
                    tokens.output += output;
                    tokens.counted += 1;
                }
                None => tokens.uncounted += 1,
            }
        }
        tokens
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.input += other.input;
        self.output += other.output;
        self.counted += other.counted;
        self.uncounted += other.uncounted;
    }
}

/// The scores of a metric behind a filter.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) filter: String,
    pub(crate) metric: String,
    scores: Scores,
}

/// A figure in both forms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    /// Documents without an answer count as wrong; only for shares of right answers.
    pub(crate) all: Figure,
    /// Only documents with an answer.
    pub(crate) answered: Figure,
    /// Whether every score is 0 or 1.
    pub(crate) is_share: bool,
}

impl TaskBook {
    pub(crate) fn new(documents: usize) -> Self {
        Self { outcomes: vec![None; documents], columns: Vec::new(), latencies: Vec::new(), tokens: Tokens::default() }
    }

    /// Enters a document; what was entered for it before no longer counts.
    pub(crate) fn enter(&mut self, doc_id: usize, outcome: SampleOutcome, scores: &[FilterScores], filters: &[&str]) {
        let Some(place) = self.outcomes.get_mut(doc_id) else {
            return;
        };
        *place = Some(outcome);
        for column in &mut self.columns {
            column.scores.clear(doc_id);
        }
        for (filter, scores) in filters.iter().zip(scores) {
            for (metric, score) in &scores.scores {
                let known = self.columns.iter().position(|column| column.filter == *filter && column.metric == *metric);
                let index = known.unwrap_or_else(|| {
                    let scores = Scores::new(self.outcomes.len());
                    self.columns.push(Column { filter: (*filter).to_owned(), metric: metric.clone(), scores });
                    self.columns.len() - 1
                });
                self.columns[index].scores.set(doc_id, *score);
            }
        }
    }

    /// Enters how long a document took; one without an answer has no latency, and is asked again or not at all.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "single precision holds a millisecond count to a ten-millionth"
    )]
    pub(crate) fn enter_latency(&mut self, outcome: SampleOutcome, milliseconds: Option<f64>) {
        if outcome.is_answer() || outcome == SampleOutcome::Unparsable {
            self.latencies.extend(milliseconds.map(|milliseconds| milliseconds as f32));
        }
    }

    /// Enters what the answers of a document took.
    pub(crate) const fn enter_tokens(&mut self, tokens: Tokens) {
        self.tokens.add(tokens);
    }

    /// What the answers took.
    pub(crate) const fn tokens(&self) -> Tokens {
        self.tokens
    }

    /// Milliseconds of documents with an answer.
    pub(crate) fn latencies(&self) -> impl Iterator<Item = f64> + '_ {
        self.latencies.iter().map(|&milliseconds| f64::from(milliseconds))
    }

    /// Whether a document need not be asked again.
    pub(crate) fn is_done(&self, doc_id: usize) -> bool {
        self.outcomes.get(doc_id).is_some_and(|outcome| outcome.is_some_and(|outcome| !outcome.may_be_asked_again()))
    }

    /// What became of a document; `None` where it was not asked yet.
    pub(crate) fn outcome(&self, doc_id: usize) -> Option<SampleOutcome> {
        self.outcomes.get(doc_id).copied().flatten()
    }

    pub(crate) fn asked(&self) -> u64 {
        self.outcomes.iter().flatten().count() as u64
    }

    pub(crate) fn count(&self, outcome: SampleOutcome) -> u64 {
        self.outcomes.iter().flatten().filter(|found| **found == outcome).count() as u64
    }

    /// Documents for which no answer came.
    pub(crate) fn failed(&self) -> u64 {
        SampleOutcome::ALL.into_iter().filter(|outcome| !has_answer(*outcome)).map(|outcome| self.count(outcome)).sum()
    }

    /// Columns in the order of the task's filters and metrics.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What `part` takes of each score of a column, in the order of documents, and whether the document has an answer.
    pub(crate) fn with_answers<T>(&self, column: &Column, part: fn(Score) -> Option<T>) -> Vec<(T, bool)> {
        let scores = column.scores.iter().zip(&self.outcomes);
        scores.filter_map(|(score, outcome)| Some((part(score?)?, outcome.is_some_and(has_answer)))).collect()
    }

    /// What a document counts in a share: its score; without one it is wrong, unless other metrics have a number for it:
    /// then this one is not of it.
    fn share(&self, column: &Column, doc_id: usize) -> Option<Score> {
        let is_number = |column: &Column| matches!(column.scores.get(doc_id), Some(Score::Number(_)));
        column.scores.get(doc_id).or_else(|| (!self.columns.iter().any(is_number)).then_some(Score::Number(0.0)))
    }

    pub(crate) fn figures(&self, column: &Column) -> Figures {
        let scores = column.scores.iter().zip(&self.outcomes);
        let answered = scores.filter_map(|(score, outcome)| score.filter(|_| outcome.is_some_and(has_answer)));
        let is_truth = |score: Score| matches!(score, Score::Number(value) if value.to_bits() == 0 || value.to_bits() == 1.0_f64.to_bits());
        let is_share = answered.clone().next().is_some() && answered.clone().all(is_truth);
        let all = if is_share {
            let asked = (0..self.outcomes.len()).filter(|doc_id| self.outcomes[*doc_id].is_some());
            aggregate(&column.metric, asked.filter_map(|doc_id| self.share(column, doc_id)))
        } else {
            aggregate(&column.metric, column.scores.iter().flatten())
        };
        Figures { all, answered: aggregate(&column.metric, answered), is_share }
    }
}

/// Whether an answer came, of whatever worth.
fn has_answer(outcome: SampleOutcome) -> bool {
    !matches!(outcome, SampleOutcome::Refused | SampleOutcome::TimedOut | SampleOutcome::ServerError)
}

/// Scores of every task.
#[derive(Debug)]
pub(crate) struct Book {
    pub(crate) tasks: Vec<TaskBook>,
}

impl Book {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self { tasks: plan.tasks.iter().map(|planned| TaskBook::new(planned.task.len())).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Value;

    fn scores(value: f64) -> Vec<FilterScores> {
        let scores = vec![("acc".to_owned(), Score::Number(value))];
        vec![FilterScores { filtered: vec![Value::None], fell_back: false, scores }]
    }

    #[test]
    fn failures_count_as_wrong_and_are_left_out() {
        let mut book = TaskBook::new(4);
        book.enter(2, SampleOutcome::Right, &scores(1.0), &["none"]);
        book.enter(0, SampleOutcome::Wrong, &scores(0.0), &["none"]);
        book.enter(1, SampleOutcome::ServerError, &[], &["none"]);
        let figures = book.figures(&book.columns()[0]);
        assert_eq!((figures.all.value, figures.all.n), (Some(1.0 / 3.0), 3));
        assert_eq!((figures.answered.value, figures.answered.n), (Some(0.5), 2));
        assert_eq!((book.asked(), book.failed(), book.is_done(1), book.is_done(0)), (3, 1, false, true));
        // Asked again, the answer takes the place of the failure.
        book.enter(1, SampleOutcome::Right, &scores(1.0), &["none"]);
        assert_eq!(book.figures(&book.columns()[0]).all.value, Some(2.0 / 3.0));
        assert_eq!(book.failed(), 0);
    }
}
