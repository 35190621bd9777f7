//! The figures of a run once more, from the rows of its log alone: what a check compares a record with.

use std::collections::BTreeMap;

use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::Phase;
use weighbridge_types::sample::{SampleOutcome, SampleRow};

use super::book::{TaskBook, Tokens};
use super::figures::{group_metrics, task_metrics};
use super::run::{NO_FILTER, latency_of};
use crate::task::GroupConfig;
use crate::task::score::{FilterScores, Score};

/// Collects the rows of a run. Of several rows of a document the last counts. Tasks and data are not needed: rows hold
/// their scores.
#[derive(Debug, Default)]
pub struct Recount {
    tasks: BTreeMap<String, BTreeMap<u64, Document>>,
}

#[derive(Debug)]
struct Document {
    outcome: SampleOutcome,
    scores: Vec<(String, Score)>,
    /// What each repeat took; `None` where nobody waited.
    latencies: BTreeMap<u32, Option<f64>>,
    tokens: Tokens,
}

impl Recount {
    /// Takes a row.
    pub fn row(&mut self, row: SampleRow) {
        let scores = row.scores.iter().map(|(name, score)| (name.clone(), (*score).into())).collect();
        let task = self.tasks.entry(row.cell.get("task").unwrap_or_default().to_owned()).or_default();
        // A document that is asked once more begins with its first repeat.
        let before = task.remove(&row.doc_id).filter(|_| row.repeat > 0);
        let (mut latencies, mut tokens) =
            before.map(|document| (document.latencies, document.tokens)).unwrap_or_default();
        latencies.insert(row.repeat, latency_of([&row]));
        tokens.add(Tokens::of([&row]));
        task.insert(row.doc_id, Document { outcome: row.outcome, scores, latencies, tokens });
    }

    /// Documents with a last word.
    #[must_use]
    pub fn documents(&self) -> u64 {
        self.tasks.values().map(|task| task.len() as u64).sum()
    }

    /// Every figure of every task, and of groups of them.
    #[must_use]
    pub fn metrics(&self, groups: &[GroupConfig]) -> Vec<Metric> {
        let book_of = |documents: &BTreeMap<u64, Document>| {
            let mut book = TaskBook::new(documents.len());
            for (place, document) in documents.values().enumerate() {
                let (filters, scores) = by_filter(&document.scores);
                book.enter(place, document.outcome, &scores, &filters);
                book.enter_latency(document.outcome, document.latencies.values().copied().sum());
                book.enter_tokens(document.tokens);
            }
            book
        };
        let books: Vec<(&str, TaskBook)> =
            self.tasks.iter().map(|(task, documents)| (task.as_str(), book_of(documents))).collect();
        let tasks: Vec<(&str, &TaskBook)> = books.iter().map(|(name, book)| (*name, book)).collect();
        let of_task =
            |(name, book): &(&str, &TaskBook)| task_metrics(book, &Cell::of(Phase::Evaluate).with("task", name));
        let mut metrics: Vec<Metric> = tasks.iter().flat_map(of_task).collect();
        metrics.extend(group_metrics(groups, &tasks));
        metrics
    }
}

/// Sorts names of the form `metric,filter` by filter.
fn by_filter(named: &[(String, Score)]) -> (Vec<&str>, Vec<FilterScores>) {
    let mut filters: Vec<&str> = Vec::new();
    let mut scores: Vec<FilterScores> = Vec::new();
    for (name, score) in named {
        let (metric, filter) = name.split_once(',').unwrap_or((name, NO_FILTER));
        let place = filters.iter().position(|known| *known == filter).unwrap_or_else(|| {
            filters.push(filter);
            scores.push(FilterScores { filtered: Vec::new(), fell_back: false, scores: Vec::new() });
            filters.len() - 1
        });
        scores[place].scores.push((metric.to_owned(), *score));
    }
    (filters, scores)
}
