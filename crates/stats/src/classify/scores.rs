//! Every score of labels, from the sums of a confusion table.

/// How the scores of single classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Average {
    /// The mean over classes that occur or were predicted, each with equal weight.
    Macro,
    /// From the sums over all classes: every item counts the same.
    Micro,
    /// The mean over classes, weighted by how often each occurs.
    Weighted,
}

impl Average {
    /// Every way, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Macro, Self::Micro, Self::Weighted];

    /// Name in files and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Macro => "macro",
            Self::Micro => "micro",
            Self::Weighted => "weighted",
        }
    }
}

/// Precision, recall and F1 together.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct PrecisionRecall {
    /// Right among those predicted.
    pub precision: f64,
    /// Found among those that are.
    pub recall: f64,
    /// Their harmonic mean, from the counts.
    pub f1: f64,
}

/// The sums of a confusion table: all that the scores of labels need.
///
/// A table has a row for each true class, a column for each predicted class and one last column for answers that were
/// no label. Such an answer is wrong for its true class and counts for no other, as if it were a label outside the
/// set. Weights may stand in for counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Marginals {
    truth: Vec<f64>,
    predicted: Vec<f64>,
    correct: Vec<f64>,
    /// Answers that were no label.
    strays: f64,
    total: f64,
}

impl Marginals {
    /// Sums a table `[truth, prediction]`, row-major, with `classes + 1` columns. Cells beyond the table are not read.
    pub fn of(classes: usize, cells: &[f64]) -> Self {
        let mut marginals = Self::default();
        marginals.fill(classes, cells);
        marginals
    }

    /// Sums another table in place: a bootstrap does this thousands of times.
    pub fn fill(&mut self, classes: usize, cells: &[f64]) {
        for sums in [&mut self.truth, &mut self.predicted, &mut self.correct] {
            sums.clear();
            sums.resize(classes, 0.0);
        }
        self.strays = 0.0;
        for (class, row) in cells.chunks_exact(classes + 1).take(classes).enumerate() {
            self.truth[class] = row.iter().sum();
            self.correct[class] = row[class];
            for (sum, cell) in self.predicted.iter_mut().zip(row) {
                *sum += cell;
            }
            self.strays += row[classes];
        }
        self.total = self.truth.iter().sum();
    }

    /// Sums the cells of a table that hold something, each with its true class and its answer below `classes + 1`: the
    /// cost does not grow with the square of the classes. Pairs beyond the table are not counted.
    pub fn fill_cells(&mut self, classes: usize, places: &[(u32, u32)], weights: &[f64]) {
        for sums in [&mut self.truth, &mut self.predicted, &mut self.correct] {
            sums.clear();
            sums.resize(classes, 0.0);
        }
        (self.strays, self.total) = (0.0, 0.0);
        for (&(truth, answer), &weight) in places.iter().zip(weights) {
            let Some(sum) = self.truth.get_mut(truth as usize) else { continue };
            *sum += weight;
            self.total += weight;
            match self.predicted.get_mut(answer as usize) {
                Some(sum) => *sum += weight,
                None => self.strays += weight,
            }
            if truth == answer {
                self.correct[truth as usize] += weight;
            }
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.truth.len()
    }

    /// Items, or their weight.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Items whose true class this is.
    pub fn support(&self, class: usize) -> f64 {
        self.truth[class]
    }

    /// Items predicted as this class.
    pub fn predicted(&self, class: usize) -> f64 {
        self.predicted[class]
    }

    /// Items of this class predicted as such.
    pub fn correct(&self, class: usize) -> f64 {
        self.correct[class]
    }

    /// `Σ correct / items`. `None` without items.
    pub fn accuracy(&self) -> Option<f64> {
        share(self.correct.iter().sum(), self.total)
    }

    /// Mean recall over the classes that occur, as scikit-learn's `balanced_accuracy_score`. `None` without items.
    pub fn balanced_accuracy(&self) -> Option<f64> {
        let mut recalls = Mean::default();
        for (correct, truth) in self.correct.iter().zip(&self.truth) {
            if let Some(recall) = share(*correct, *truth) {
                recalls.add(recall, 1.0);
            }
        }
        recalls.value()
    }

    /// Whether a class occurs or was predicted.
    pub fn is_present(&self, class: usize) -> bool {
        self.truth[class] + self.predicted[class] > 0.0
    }

    /// Precision, recall and F1 of one class; a quotient without divisor is 0, as scikit-learn's `zero_division=0`.
    pub fn class(&self, class: usize) -> PrecisionRecall {
        quotients(self.correct[class], self.predicted[class], self.truth[class])
    }

    /// Share of the items of other classes that were predicted as this one. `None` without such items.
    pub fn false_positive_rate(&self, class: usize) -> Option<f64> {
        share(self.predicted[class] - self.correct[class], self.total - self.truth[class])
    }

    /// Precision, recall and F1 over all classes. `None` without items.
    pub fn averaged(&self, average: Average) -> Option<PrecisionRecall> {
        if average == Average::Micro {
            let sum = |values: &[f64]| values.iter().sum::<f64>();
            let whole = quotients(sum(&self.correct), sum(&self.predicted), self.total);
            return (self.total > 0.0).then_some(whole);
        }
        let mut means = [Mean::default(); 3];
        for class in (0..self.classes()).filter(|&class| self.is_present(class)) {
            let weight = if average == Average::Macro { 1.0 } else { self.truth[class] };
            let of = self.class(class);
            for (mean, value) in means.iter_mut().zip([of.precision, of.recall, of.f1]) {
                mean.add(value, weight);
            }
        }
        let [precision, recall, f1] = means;
        Some(PrecisionRecall { precision: precision.value()?, recall: recall.value()?, f1: f1.value()? })
    }

    /// Matthews' correlation coefficient for any number of classes (Gorodkin 2004), as scikit-learn's
    /// `matthews_corrcoef`. `None` where truth or predictions know one class only: scikit-learn says 0 there.
    pub fn mcc(&self) -> Option<f64> {
        let square = |sums: &[f64]| sums.iter().map(|sum| sum * sum).sum::<f64>();
        let agreement = self.correct.iter().sum::<f64>() * self.total - self.chance_product();
        let predicted = self.total * self.total - square(&self.predicted) - self.strays * self.strays;
        let truth = self.total * self.total - square(&self.truth);
        (predicted > 0.0 && truth > 0.0).then(|| agreement / (predicted * truth).sqrt())
    }

    /// Cohen's kappa: `(observed − expected) / (1 − expected)` agreement. `None` where chance alone would agree always.
    pub fn kappa(&self) -> Option<f64> {
        let expected = self.chance_product();
        let agreement = self.correct.iter().sum::<f64>() * self.total;
        share(agreement - expected, self.total * self.total - expected)
    }

    /// `Σ truth · predicted`: what chance agrees on, times the items.
    fn chance_product(&self) -> f64 {
        self.truth.iter().zip(&self.predicted).map(|(truth, predicted)| truth * predicted).sum()
    }
}

/// The F1 of one class: `2 · correct / (support + predicted)`. `None` when the class neither occurs nor was predicted.
pub(super) fn f1(correct: f64, predicted: f64, support: f64) -> Option<f64> {
    share(2.0 * correct, support + predicted)
}

/// `part / whole`; `None` for an empty whole.
pub(super) fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn quotients(correct: f64, predicted: f64, support: f64) -> PrecisionRecall {
    PrecisionRecall {
        precision: share(correct, predicted).unwrap_or(0.0),
        recall: share(correct, support).unwrap_or(0.0),
        f1: f1(correct, predicted, support).unwrap_or(0.0),
    }
}

/// A weighted mean in the making.
#[derive(Debug, Clone, Copy, Default)]
struct Mean {
    sum: f64,
    weight: f64,
}

impl Mean {
    fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.weight += weight;
    }

    fn value(self) -> Option<f64> {
        share(self.sum, self.weight)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small cases whose results are exact")]
mod tests {
    use super::*;

    #[test]
    fn the_dashboard_sample_of_f1() {
        // Precision 91.8 %, recall 93.1 % give F1 92.4 %.
        let (correct, predicted, support) = (0.918 * 0.931, 0.931, 0.918);
        assert!((f1(correct, predicted, support).unwrap() - 0.9245).abs() < 5e-5);
    }

    #[test]
    fn no_answer_lowers_recall_and_leaves_precision() {
        let marginals = Marginals::of(2, &[1.0, 0.0, 1.0, 0.0, 2.0, 0.0]);
        assert_eq!(marginals.class(0), PrecisionRecall { precision: 1.0, recall: 0.5, f1: 2.0 / 3.0 });
        let micro = marginals.averaged(Average::Micro).unwrap();
        assert_eq!((micro.precision, micro.recall), (1.0, 0.75));
        assert_eq!(marginals.accuracy(), Some(0.75));
    }

    #[test]
    fn without_items_or_with_one_class_there_is_no_score() {
        let empty = Marginals::of(2, &[0.0; 6]);
        assert_eq!((empty.accuracy(), empty.mcc(), empty.kappa()), (None, None, None));
        assert!(Average::ALL.iter().all(|&average| empty.averaged(average).is_none()));
        let single = Marginals::of(2, &[5.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!((single.accuracy(), single.mcc(), single.kappa()), (Some(1.0), None, None));
    }

    /// What nobody predicts has precision 0, as scikit-learn counts it.
    #[test]
    fn a_class_that_was_never_predicted_has_precision_zero() {
        let marginals = Marginals::of(2, &[3.0, 0.0, 0.0, 2.0, 0.0, 0.0]);
        assert_eq!(marginals.class(1), PrecisionRecall::default());
        assert_eq!(marginals.averaged(Average::Macro).unwrap().precision, 0.3);
    }
}
