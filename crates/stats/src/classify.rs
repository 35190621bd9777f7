//! Scores of predictions against the truth: of labels, of rankings, of probabilities, with intervals.
//!
//! [`Confusion`] counts labels and [`Marginals`] holds every formula over such counts; [`Ranking`] scores numbers at every
//! threshold; [`Reliability`] asks whether probabilities mean what they say; [`resample`] gives each an interval.

mod multiclass;
pub mod probability;
mod ranking;
pub mod resample;
mod scores;

pub use multiclass::{ClassScores, Pairing};
pub use probability::{Reliability, ReliabilityBin};
pub use ranking::{CurvePoint, Ranking, Step};
pub use scores::{Average, Marginals, PrecisionRecall};

use crate::proportion::wilson;
use crate::{Confidence, Estimate, Method, Resampling, StatsError};
use resample::{count_bootstrap, replicates_interval};

/// Counts of (truth, prediction) pairs over a closed set of classes.
///
/// A prediction may be missing, when the model's answer was no label at all: it is wrong for its true class and counts
/// for no other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `[truth, prediction]`, row-major; the last column holds missing predictions.
    counts: Vec<usize>,
}

/// The scores of one class, each `None` where its divisor is zero.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScore {
    /// Items of this class.
    pub support: usize,
    /// Items predicted as this class.
    pub predicted: usize,
    /// Items of this class predicted as such.
    pub correct: usize,
}

impl ClassScore {
    /// `correct / predicted`: how often the label is right. `None` when it was never given.
    pub fn precision(&self) -> Option<f64> {
        scores::share(self.correct as f64, self.predicted as f64)
    }

    /// `correct / support`: how much of the class was found. `None` when the class does not occur.
    pub fn recall(&self) -> Option<f64> {
        scores::share(self.correct as f64, self.support as f64)
    }

    /// `2 · correct / (support + predicted)`. `None` when the class neither occurs nor was predicted.
    pub fn f1(&self) -> Option<f64> {
        scores::f1(self.correct as f64, self.predicted as f64, self.support as f64)
    }
}

impl Confusion {
    /// Counts pairs of labels, each a number below `classes`.
    ///
    /// # Errors
    /// [`StatsError::Empty`] without items, [`StatsError::LengthMismatch`] for unpaired slices,
    /// [`StatsError::OutOfRange`] for a label outside the set.
    pub fn new(classes: usize, truth: &[usize], predicted: &[Option<usize>]) -> Result<Self, StatsError> {
        let cells = cells(classes, truth, predicted)?;
        let mut counts = vec![0; classes * (classes + 1)];
        for cell in cells {
            counts[cell] += 1;
        }
        Ok(Self { classes, counts })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of items.
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Items of class `truth` predicted as `predicted`; `None` counts answers that were no label.
    /// Zero for labels outside the set.
    pub fn count(&self, truth: usize, predicted: Option<usize>) -> usize {
        let is_known = |label: usize| label < self.classes;
        if !is_known(truth) || !predicted.is_none_or(is_known) {
            return 0;
        }
        self.counts[truth * (self.classes + 1) + predicted.unwrap_or(self.classes)]
    }

    /// Items predicted right.
    pub fn correct(&self) -> usize {
        (0..self.classes).map(|class| self.count(class, Some(class))).sum()
    }

    /// Share of items predicted right, with Wilson's interval.
    ///
    /// # Errors
    /// None for a confusion made by [`Confusion::new`], which holds at least one item.
    pub fn accuracy(&self, confidence: Confidence) -> Result<Estimate, StatsError> {
        wilson(self.correct(), self.total(), confidence)
    }

    /// The scores of one class; all counts are zero for a class outside the set.
    pub fn class(&self, class: usize) -> ClassScore {
        let support = (0..self.classes).map(Some).chain([None]).map(|label| self.count(class, label)).sum();
        let predicted = (0..self.classes).map(|truth| self.count(truth, Some(class))).sum();
        ClassScore { support, predicted, correct: self.count(class, Some(class)) }
    }

    /// Mean F1 over the classes that occur or were predicted, each with equal weight, as scikit-learn's
    /// `f1_score(average="macro")` with its default labels.
    pub fn macro_f1(&self) -> f64 {
        self.marginals().averaged(Average::Macro).map_or(f64::NAN, |of| of.f1)
    }

    /// The counts, `[truth, prediction]`, row-major; the last of `classes + 1` columns holds missing predictions.
    pub fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// The sums that every other score is computed from.
    pub fn marginals(&self) -> Marginals {
        let cells: Vec<f64> = self.counts.iter().map(|&count| count as f64).collect();
        Marginals::of(self.classes, &cells)
    }

    /// Counts pairs of coded labels, at memory speed; a prediction of `classes` is a missing one.
    ///
    /// # Errors
    /// As [`Confusion::new`].
    pub fn of_codes(classes: usize, truth: &[u32], predicted: &[u32]) -> Result<Self, StatsError> {
        let columns = classes + 1;
        if truth.len() != predicted.len() {
            return Err(StatsError::LengthMismatch { left: truth.len(), right: predicted.len() });
        }
        let Some((&last, &highest)) = truth.iter().max().zip(predicted.iter().max()) else {
            return Err(StatsError::Empty);
        };
        if last as usize >= classes || highest as usize > classes {
            let value = f64::from(if last as usize >= classes { last } else { highest });
            let expected = "a number below the number of classes";
            return Err(StatsError::OutOfRange { what: "a class label", value, expected });
        }
        // Two tables in turn: the same cell twice in a row would wait for its own store.
        let mut tables = [vec![0_usize; classes * columns], vec![0_usize; classes * columns]];
        let [even, odd] = &mut tables;
        let mut pairs = truth.chunks_exact(2).zip(predicted.chunks_exact(2));
        for (truth, predicted) in &mut pairs {
            even[truth[0] as usize * columns + predicted[0] as usize] += 1;
            odd[truth[1] as usize * columns + predicted[1] as usize] += 1;
        }
        if truth.len() % 2 == 1 {
            even[truth[truth.len() - 1] as usize * columns + predicted[predicted.len() - 1] as usize] += 1;
        }
        let counts = even.iter().zip(odd.iter()).map(|(even, odd)| even + odd).collect();
        Ok(Self { classes, counts })
    }
}

/// Macro F1 with an interval from resampled counts.
///
/// # Errors
/// [`StatsError::Insufficient`] below two items; otherwise as [`Confusion::new`].
pub fn macro_f1_interval(
    classes: usize,
    truth: &[usize],
    predicted: &[Option<usize>],
    confidence: Confidence,
    resampling: Resampling,
) -> Result<Estimate, StatsError> {
    let confusion = Confusion::new(classes, truth, predicted)?;
    let n = confusion.total();
    if n < 2 {
        return Err(StatsError::Insufficient { have: n, need: 2 });
    }
    let value = confusion.macro_f1();
    let counts: Vec<u64> = confusion.counts.iter().map(|&count| count as u64).collect();
    let mut marginals = Marginals::default();
    let mut replicates = count_bootstrap(&counts, resampling, 1, |drawn, out| {
        marginals.fill(classes, drawn);
        out[0] = marginals.averaged(Average::Macro).map_or(f64::NAN, |of| of.f1);
    });
    let interval = replicates_interval(replicates.remove(0), value, n, confidence, Method::CountBootstrap)?;
    Ok(Estimate { value, interval, n, n_effective: None })
}

/// The position of each pair in [`Confusion`]'s counts.
fn cells(classes: usize, truth: &[usize], predicted: &[Option<usize>]) -> Result<Vec<usize>, StatsError> {
    if truth.len() != predicted.len() {
        return Err(StatsError::LengthMismatch { left: truth.len(), right: predicted.len() });
    }
    if truth.is_empty() {
        return Err(StatsError::Empty);
    }
    let check = |label: usize| {
        if label < classes {
            return Ok(label);
        }
        Err(StatsError::OutOfRange {
            what: "a class label",
            value: label as f64,
            expected: "a number below the number of classes",
        })
    };
    let cell = |(&truth, predicted): (&usize, &Option<usize>)| {
        let column = predicted.map_or(Ok(classes), check)?;
        Ok(check(truth)? * (classes + 1) + column)
    };
    truth.iter().zip(predicted).map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_answer_is_wrong_for_its_class_and_counts_for_no_other() {
        let confusion = Confusion::new(2, &[0, 0, 1], &[Some(0), None, Some(1)]).unwrap();
        assert_eq!((confusion.total(), confusion.correct(), confusion.count(0, None)), (3, 2, 1));
        assert_eq!(confusion.class(0), ClassScore { support: 2, predicted: 1, correct: 1 });
        assert_eq!(confusion.class(0).recall(), Some(0.5));
        assert_eq!(confusion.class(1).precision(), Some(1.0));
    }

    #[test]
    fn an_absent_class_has_no_score_and_does_not_lower_the_mean() {
        let confusion = Confusion::new(3, &[0, 1], &[Some(0), Some(1)]).unwrap();
        assert_eq!(confusion.class(2).f1(), None);
        assert!((confusion.macro_f1() - 1.0).abs() < 1e-15);
        assert_eq!((confusion.count(usize::MAX, None), confusion.count(0, Some(9))), (0, 0));
    }

    #[test]
    fn bad_labels_are_refused() {
        assert_eq!(Confusion::new(2, &[], &[]), Err(StatsError::Empty));
        assert_eq!(Confusion::new(2, &[0], &[]), Err(StatsError::LengthMismatch { left: 1, right: 0 }));
        assert!(matches!(Confusion::new(2, &[2], &[Some(0)]), Err(StatsError::OutOfRange { .. })));
        assert!(matches!(Confusion::new(2, &[0], &[Some(5)]), Err(StatsError::OutOfRange { .. })));
        assert!(matches!(Confusion::new(0, &[0], &[None]), Err(StatsError::OutOfRange { .. })));
    }
}
