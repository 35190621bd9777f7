//! What a report shows of a task beside its figures: truth against answer, and some of the failures.

use std::collections::HashMap;

use weighbridge_types::exhibit::{self, Chosen, Confusion, Exhibit, Failure, excerpt};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Phase;
use weighbridge_types::sample::{SampleAnswer, SampleOutcome, SampleRow};

use super::book::TaskBook;
use super::plan::{Mode, Planned};
use crate::task::score::FilterScores;
use crate::task::{OutputType, Sample};

/// Failures that are shown of all tasks together, and of each class of one task at least.
const MOST_FAILURES: usize = 600;
const FEWEST_OF_A_CLASS: usize = 2;
/// Pairs of a truth and an answer that are told apart; answers beyond them are no label.
const MOST_PAIRS: usize = 4_000;

/// What is gathered of one task.
#[derive(Debug)]
pub(super) struct Shown {
    chosen: Chosen,
    pairs: Pairs,
}

/// How often each answer was given for each truth.
#[derive(Debug, Default)]
struct Pairs {
    counts: HashMap<Labels, f64>,
    /// True labels in order of appearance.
    labels: Vec<String>,
    /// There are more labels than a table can show.
    is_over: bool,
}

impl Pairs {
    fn add(&mut self, truth: String, given: Option<String>) {
        if self.is_over {
            return;
        }
        if !self.labels.contains(&truth) {
            self.labels.push(truth.clone());
            self.is_over = self.labels.len() > exhibit::MOST_LABELS;
        }
        let pair = (truth, given);
        let is_known = self.counts.len() < MOST_PAIRS || self.counts.contains_key(&pair);
        *self.counts.entry(if is_known { pair } else { (pair.0, None) }).or_default() += 1.0;
    }

    /// The table, where labels repeat: otherwise each answer is its own label.
    fn finish(mut self) -> Option<Confusion> {
        let total: f64 = self.counts.values().sum();
        if self.is_over || self.labels.is_empty() || total < 2.0 * self.labels.len() as f64 {
            return None;
        }
        self.labels.sort();
        let place = |label: &String| self.labels.binary_search(label).ok();
        let mut counts = vec![vec![0.0; self.labels.len() + 1]; self.labels.len()];
        for ((truth, given), count) in &self.counts {
            let column = given.as_ref().and_then(place).unwrap_or(self.labels.len());
            counts[place(truth)?][column] += count;
        }
        Some(Confusion { labels: self.labels, counts })
    }
}

impl Shown {
    /// For one of so many tasks.
    pub(super) fn of_tasks(tasks: usize) -> Self {
        let share = MOST_FAILURES / tasks.max(1) / SampleOutcome::ALL.len();
        Self {
            chosen: Chosen::at_most(share.clamp(FEWEST_OF_A_CLASS, exhibit::MOST_OF_A_CLASS)),
            pairs: Pairs::default(),
        }
    }

    /// Takes a document with its [`labels`] and what became of it.
    pub(super) fn take(
        &mut self,
        labels: Option<Labels>,
        sample: &Sample,
        rows: &[SampleRow],
        scores: &[FilterScores],
        outcome: SampleOutcome,
    ) {
        if let Some((truth, given)) = labels {
            self.pairs.add(truth, given);
        }
        if matches!(outcome, SampleOutcome::Right | SampleOutcome::Answered) {
            return;
        }
        let id = rows.first().map(|row| row.id.as_str()).unwrap_or_default();
        let key = id.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default();
        self.chosen.push(outcome, (key, sample.doc_id as u64), || failure(sample, rows, scores, outcome));
    }

    /// What is shown, given what became of each document in the end: a failure that was asked again may be none.
    pub(super) fn finish(mut self, task: &str, book: &TaskBook) -> Exhibit {
        self.chosen.retain(|outcome, place| {
            usize::try_from(place).ok().and_then(|doc_id| book.outcome(doc_id)) == Some(outcome)
        });
        let is_failure = |outcome: &SampleOutcome| !matches!(outcome, SampleOutcome::Right | SampleOutcome::Answered);
        Exhibit {
            cell: Cell::of(Phase::Evaluate).with("task", task),
            confusion: self.pairs.finish(),
            curves: None,
            failures: self.chosen.finish().0,
            failed: SampleOutcome::ALL.into_iter().filter(is_failure).map(|outcome| book.count(outcome)).sum(),
        }
    }
}

/// The true label and the given one.
pub(super) type Labels = (String, Option<String>);

/// The labels of a document, where the task has labels. Choices are named by their letters: their texts differ
/// from document to document.
pub(super) fn labels(
    planned: &Planned,
    sample: &Sample,
    rows: &[SampleRow],
    scores: &[FilterScores],
) -> Option<Labels> {
    match planned.task.config.output_type {
        OutputType::MultipleChoice => {
            let [gold] = planned.task.gold(sample)[..] else { return None };
            Some((letter(usize::try_from(gold).ok()?), choice(planned, sample, rows, scores).map(letter)))
        }
        OutputType::Generate => {
            let given = scores.first().and_then(|scores| scores.filtered.first()).map(|value| value.text());
            Some((target(sample), given.map(|given| given.trim().to_owned())))
        }
        OutputType::LogLikelihood | OutputType::Rolling => None,
    }
}

/// The number of the choice that was made: by letter, or the likeliest, the first of equals.
fn choice(planned: &Planned, sample: &Sample, rows: &[SampleRow], scores: &[FilterScores]) -> Option<usize> {
    if planned.mode == Mode::Letters {
        return usize::try_from(scores.first()?.filtered.first()?.as_int()?).ok();
    }
    let value = |answer: &SampleAnswer| match answer {
        SampleAnswer::LogProbability { value, .. } => *value,
        SampleAnswer::Text { .. } => f64::NEG_INFINITY,
    };
    let count = sample.choices.as_ref()?.len();
    let values: Vec<f64> = rows.first()?.answers.iter().take(count).map(value).collect();
    (0..values.len()).reduce(|best, at| if values[at] > values[best] { at } else { best })
}

/// `A`, `B`, …; numbers where there are more than letters.
fn letter(index: usize) -> String {
    u8::try_from(index)
        .ok()
        .filter(|index| *index < 26)
        .map_or_else(|| (index + 1).to_string(), |index| char::from(b'A' + index).to_string())
}

/// What would have been right: the text of a choice, or of the target.
fn target(sample: &Sample) -> String {
    let choice = sample.target.as_int().and_then(|index| usize::try_from(index).ok());
    let choice = choice.and_then(|index| sample.choices.as_ref()?.get(index).cloned());
    choice.unwrap_or_else(|| sample.target.text()).trim().to_owned()
}

fn failure(sample: &Sample, rows: &[SampleRow], scores: &[FilterScores], outcome: SampleOutcome) -> Failure {
    let texts: Vec<&str> = rows
        .iter()
        .flat_map(|row| &row.answers)
        .filter_map(|answer| match answer {
            SampleAnswer::Text { text, .. } => Some(text.as_str()),
            SampleAnswer::LogProbability { .. } => None,
        })
        .collect();
    let likeliest = || {
        let values = rows.first()?.answers.iter().enumerate().filter_map(|(at, answer)| match answer {
            SampleAnswer::LogProbability { value, .. } => Some((at, *value)),
            SampleAnswer::Text { .. } => None,
        });
        let best = values.reduce(|best, next| if next.1 > best.1 { next } else { best })?.0;
        sample.choices.as_ref()?.get(best).cloned()
    };
    let answer = if texts.is_empty() { likeliest() } else { Some(texts.join("\n— next answer —\n")) };
    let read = scores.first().and_then(|scores| scores.filtered.first()).map(|value| value.text());
    let read = read.filter(|read| !texts.is_empty() && texts.iter().all(|text| text.trim() != read.trim()));
    let problem = rows.iter().find_map(|row| row.problem.clone());
    Failure {
        id: format!("document {}", sample.doc_id),
        outcome,
        prompt: sample.asks.first().and_then(|ask| ask.prompt.as_ref()).map(|prompt| excerpt(&prompt.shown())),
        target: Some(excerpt(&target(sample))),
        answer: answer.as_deref().map(excerpt),
        why: problem.or_else(|| read.map(|read| format!("read as `{}`", excerpt(&read)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_needs_labels_that_repeat() {
        let table = |pairs: &[(&str, Option<&str>)]| {
            let mut found = Pairs::default();
            pairs.iter().for_each(|(truth, given)| found.add((*truth).to_owned(), given.map(str::to_owned)));
            found.finish()
        };
        let found = table(&[("b", Some("b")), ("a", Some("b")), ("a", None), ("b", Some("other"))]).unwrap();
        assert_eq!(found.labels, ["a", "b"]);
        assert_eq!(found.counts, [[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]);
        assert_eq!(table(&[("1", Some("1")), ("2", Some("2"))]), None);
        assert_eq!(table(&[]), None);
    }

    #[test]
    fn too_many_labels_make_no_table() {
        let mut found = Pairs::default();
        for index in 0..400 {
            found.add((index % 200).to_string(), None);
        }
        assert_eq!(found.finish(), None);
    }

    #[test]
    fn choices_are_named_by_letters() {
        assert_eq!((letter(0), letter(25), letter(26)), ("A".to_owned(), "Z".to_owned(), "27".to_owned()));
    }
}
