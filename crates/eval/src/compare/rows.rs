//! A side from the rows of a run.

use std::collections::BTreeMap;
use std::sync::Arc;

use weighbridge_types::definition as define;
use weighbridge_types::sample::{SampleRow, SampleScore};

use super::column::{Column, SumScore, Values};
use super::error::CompareError;
use super::labels::LabelScore;
use super::side::{Samples, Side};
use crate::ordered::Ordered;
use crate::runner::{NO_FILTER, context_of, definition};
use crate::score::Leaning;
use crate::task::score::{DETECTION, bias_of};

/// Collects the rows of one run. Of several rows of a document the last counts.
#[derive(Debug)]
pub struct RowReader {
    name: String,
    source: String,
    tasks: BTreeMap<String, Documents>,
}

/// What is known of the documents of a task.
#[derive(Debug, Default)]
struct Documents {
    by_id: Ordered<u64, Document>,
    /// Names of scores, `metric` or `metric,filter`.
    names: Vec<String>,
}

#[derive(Debug)]
struct Document {
    key: u128,
    question: u128,
    answered: bool,
    /// By the position of their names.
    scores: Vec<(usize, SampleScore)>,
}

impl RowReader {
    /// Starts a side.
    #[must_use]
    pub fn new(name: String, source: String) -> Self {
        Self { name, source, tasks: BTreeMap::new() }
    }

    /// Takes a row.
    pub fn row(&mut self, row: &SampleRow) {
        let task = row.cell.get("task").unwrap_or_default();
        if !self.tasks.contains_key(task) {
            self.tasks.insert(task.to_owned(), Documents::default());
        }
        let Some(documents) = self.tasks.get_mut(task) else { return };
        let question = number(&row.id);
        let mut scores = Vec::with_capacity(row.scores.len());
        for (name, score) in &row.scores {
            let place = documents.names.iter().position(|known| known == name).unwrap_or_else(|| {
                documents.names.push(name.clone());
                documents.names.len() - 1
            });
            scores.push((place, *score));
        }
        let key = row.document.as_deref().map_or(question, number);
        let answered = row.outcome.is_answer();
        documents.by_id.insert(row.doc_id, Document { key, question, answered, scores });
    }

    /// The side, once every row was taken.
    ///
    /// # Errors
    /// When no row has a score.
    pub fn finish(self) -> Result<Side, CompareError> {
        let tasks: Vec<Samples> = self.tasks.into_iter().map(|(task, documents)| documents.samples(task)).collect();
        if tasks.iter().all(|task| task.columns.is_empty()) {
            return Err(CompareError::NoScores { side: self.name });
        }
        Ok(Side { name: self.name, source: self.source, tasks })
    }
}

impl Documents {
    fn samples(self, task: String) -> Samples {
        let mut samples = Samples { task, ..Samples::default() };
        let mut seen: std::collections::HashMap<u128, u128> = std::collections::HashMap::new();
        for document in self.by_id.values() {
            // Documents of equal content are told apart by their order.
            let times = seen.entry(document.key).or_default();
            samples.keys.push(document.key.rotate_left(64) ^ *times);
            *times += 1;
            samples.questions.push(document.question);
            samples.answered.push(document.answered);
        }
        let documents: Vec<&Document> = self.by_id.values().collect();
        samples.columns =
            (0..self.names.len()).filter_map(|place| column(&self.names[place], place, &documents)).collect();
        samples
    }
}

/// The first 32 hexadecimal digits of a digest.
fn number(digest: &str) -> u128 {
    let end = digest.char_indices().nth(32).map_or(digest.len(), |(at, _)| at);
    u128::from_str_radix(&digest[..end], 16).unwrap_or_default()
}

fn column(name: &str, place: usize, documents: &[&Document]) -> Option<Column> {
    let (metric, filter) = match name.split_once(',') {
        Some((metric, filter)) if filter != NO_FILTER => (metric, Some(filter.to_owned())),
        Some((metric, _)) => (metric, None),
        None => (name, None),
    };
    // Of the figures of detection the one that weighs both kinds of error is compared.
    let definition = if metric == DETECTION { &define::MCC } else { definition(metric)? };
    let filter = context_of(metric).map(str::to_owned).or(filter);
    let scores =
        documents.iter().map(|document| document.scores.iter().find(|score| score.0 == place).map(|score| score.1));
    let values = match metric {
        "f1" | "mcc" => {
            let score = if metric == "f1" { LabelScore::ChoiceF1 } else { LabelScore::ChoiceMcc };
            let labels = |score| match score {
                // Codes need only be equal or not; those below zero are no choice.
                Some(SampleScore::Labels { gold, given }) => Some((gold.cast_unsigned(), given.cast_unsigned())),
                _ => None,
            };
            Values::Labels { values: scores.map(labels).collect(), score }
        }
        DETECTION => Values::Labels {
            values: scores
                .map(|score| match score {
                    Some(SampleScore::Detection { is_attack, is_flagged, .. }) => {
                        Some((u64::from(is_attack), u64::from(is_flagged)))
                    }
                    _ => None,
                })
                .collect(),
            score: LabelScore::ChoiceMcc,
        },
        _ if bias_of(metric).is_some_and(|bias| bias.1.is_none()) => Values::Sums {
            width: 4,
            values: scores
                .flat_map(|score| match score {
                    Some(SampleScore::Leaning { is_right, is_biased, is_known }) => {
                        Leaning { is_right, is_biased, is_known }.counts()
                    }
                    _ => [f64::NAN; 4],
                })
                .collect(),
            score: bias_of(metric).map_or_else(|| mean_to(|mean| mean), |bias| Arc::new(move |sums| bias.0.bias(sums))),
        },
        // The bias of a category is that of a part of the documents.
        _ if bias_of(metric).is_some() => return None,
        "span_f1" => Values::Sums {
            width: 3,
            values: scores
                .flat_map(|score| match score {
                    Some(SampleScore::Overlap { given, there, both }) => [given, there, both].map(|count| count as f64),
                    _ => [f64::NAN; 3],
                })
                .collect(),
            // As `Overlap::f1`.
            score: Arc::new(|sums| if sums[0] + sums[1] > 0.0 { 2.0 * sums[2] / (sums[0] + sums[1]) } else { 1.0 }),
        },
        "perplexity" => Values::Sums {
            width: 2,
            values: scores
                .flat_map(
                    |score| if let Some(SampleScore::Number(value)) = score { [value, 1.0] } else { [f64::NAN; 2] },
                )
                .collect(),
            score: mean_to(|mean| (-mean).exp()),
        },
        "word_perplexity" | "byte_perplexity" | "bits_per_byte" => Values::Sums {
            width: 2,
            values: scores
                .flat_map(|score| {
                    if let Some(SampleScore::Weighted { sum, units }) = score { [sum, units] } else { [f64::NAN; 2] }
                })
                .collect(),
            score: if metric == "bits_per_byte" {
                mean_to(|mean| -mean / std::f64::consts::LN_2)
            } else {
                mean_to(|mean| (-mean).exp())
            },
        },
        _ => Values::Numbers(
            scores.map(|score| if let Some(SampleScore::Number(value)) = score { value } else { f64::NAN }).collect(),
        ),
    };
    Some(Column { definition, filter, values })
}

/// A score of the mean of summed log-probabilities over summed units.
fn mean_to(score: fn(f64) -> f64) -> SumScore {
    Arc::new(move |sums| if sums[1] > 0.0 { score(sums[0] / sums[1]) } else { f64::NAN })
}
