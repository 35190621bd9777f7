//! What a report shows of an evaluation beside its figures: bounded, whatever the size of the evaluation.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::Cell;
use crate::sample::SampleOutcome;

/// What is shown of one task, or of a scored file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exhibit {
    /// Phase and task. Of several exhibits of one cell the last counts.
    pub cell: Cell,
    /// Truth against answer; null where there are no labels, or too many to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
    /// Curves of the score; null without scores of a positive label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curves: Option<Curves>,
    /// Some of the samples that were not answered right, in their order.
    pub failures: Vec<Failure>,
    /// How many of them there are in all.
    pub failed: u64,
}

/// Truth against answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Confusion {
    /// The labels, in the order of rows and columns.
    pub labels: Vec<String>,
    /// `[truth][answer]`: samples, or their weight. The last column holds answers that are no label.
    pub counts: Vec<Vec<f64>>,
}

/// Curves of a score that speaks of one label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Curves {
    /// The positive label.
    pub positive: String,
    /// ROC and precision-recall points, by descending threshold: threshold (null at the start), TPR (recall), FPR,
    /// precision.
    pub points: Vec<(Option<f64>, f64, f64, f64)>,
    /// Reliability bins: samples, mean stated probability, share that came true. Empty where scores are no probabilities.
    pub reliability: Vec<(f64, Option<f64>, Option<f64>)>,
}

/// One sample that was not answered right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Name of the sample, or its line or document.
    pub id: String,
    /// What became of it.
    pub outcome: SampleOutcome,
    /// What was asked; null where the file does not hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What would have been right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What was answered; null where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Why there is no answer, or why it was not understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Longest text of a failure that is kept, in characters.
const LONGEST: usize = 2_000;
/// Failures of one class that are kept of a task.
pub const MOST_OF_A_CLASS: usize = 25;
/// Labels of the largest table that is kept: a larger one cannot be read on a page.
pub const MOST_LABELS: usize = 40;

/// A text for an exhibit: its beginning where it is long.
#[must_use]
pub fn excerpt(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Chooses which failures are shown: of each class those whose keys are smallest. With keys that are hashes this is a
/// random sample which does not depend on the order of arrival, so that a run that was killed and went on shows the same.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// At most so many of a class.
    most: usize,
    /// By class, ascending by key.
    classes: Vec<(SampleOutcome, Vec<Kept>)>,
    failed: u64,
}

/// A failure that is kept, with its key and place.
#[derive(Clone, Debug)]
struct Kept {
    key: u64,
    place: u64,
    failure: Failure,
}

impl Default for Chosen {
    fn default() -> Self {
        Self { most: MOST_OF_A_CLASS, classes: Vec::new(), failed: 0 }
    }
}

impl Chosen {
    /// Keeps at most so many of a class.
    #[must_use]
    pub fn at_most(most: usize) -> Self {
        Self { most, ..Self::default() }
    }

    /// Counts a failure, and keeps it where its key is among the smallest of its class. `place` is its order on the page;
    /// `failure` is called only for one that is kept.
    pub fn push(&mut self, outcome: SampleOutcome, (key, place): (u64, u64), failure: impl FnOnce() -> Failure) {
        self.failed += 1;
        let known = self.classes.iter().position(|(of, _)| *of == outcome);
        let index = known.unwrap_or_else(|| {
            self.classes.push((outcome, Vec::new()));
            self.classes.len() - 1
        });
        let kept = &mut self.classes[index].1;
        let at = kept.partition_point(|known| (known.key, known.place) < (key, place));
        if at < self.most {
            kept.insert(at, Kept { key, place, failure: failure() });
            kept.truncate(self.most);
        }
    }

    /// Forgets failures that are none after all, by what became of them and their place.
    pub fn retain(&mut self, mut is_kept: impl FnMut(SampleOutcome, u64) -> bool) {
        for (outcome, kept) in &mut self.classes {
            kept.retain(|known| is_kept(*outcome, known.place));
        }
    }

    /// The failures in their order, and how many there were in all.
    #[must_use]
    pub fn finish(self) -> (Vec<Failure>, u64) {
        let mut kept: Vec<Kept> = self.classes.into_iter().flat_map(|(_, kept)| kept).collect();
        kept.sort_by_key(|known| known.place);
        (kept.into_iter().map(|known| known.failure).collect(), self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(id: u64) -> Failure {
        let outcome = SampleOutcome::Wrong;
        Failure { id: id.to_string(), outcome, prompt: None, target: None, answer: None, why: None }
    }

    /// The choice is the same in any order of arrival, and holds every class.
    #[test]
    fn the_choice_does_not_depend_on_the_order() {
        let chosen = |places: &[u64]| {
            let mut chosen = Chosen::at_most(3);
            for &place in places {
                let outcome = if place % 10 == 0 { SampleOutcome::Refused } else { SampleOutcome::Wrong };
                chosen.push(outcome, (place * 7 % 11, place), || failure(place));
            }
            let (kept, failed) = chosen.finish();
            (kept.iter().map(|failure| failure.id.clone()).collect::<Vec<_>>(), failed)
        };
        let forward: Vec<u64> = (1..=20).collect();
        let backward: Vec<u64> = forward.iter().rev().copied().collect();
        assert_eq!(chosen(&forward), chosen(&backward));
        let (kept, failed) = chosen(&forward);
        assert_eq!((kept.len(), failed), (5, 20));
        assert!(kept.contains(&"10".to_owned()) && kept.contains(&"20".to_owned()), "{kept:?}");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(excerpt("short"), "short");
        let long = excerpt(&"é".repeat(3_000));
        assert_eq!(long.chars().count(), LONGEST + 1);
        assert!(long.ends_with('…'));
    }
}
