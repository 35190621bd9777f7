//! ROC-AUC of several classes, from one probability or score per class.

use super::scores::share;
use super::{Average, Ranking};
use crate::StatsError;

/// Which two-class problems the areas are averaged over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pairing {
    /// Each class against all others.
    OneVsRest,
    /// Each class against each other one, both ways (Hand and Till 2001).
    OneVsOne,
}

/// Scores of several classes: one row per item, one column per class.
#[derive(Debug, Clone, Copy)]
pub struct ClassScores<'a> {
    /// Number of classes.
    pub classes: usize,
    /// `[item, class]`, row-major.
    pub scores: &'a [f64],
    /// True class of each item.
    pub truth: &'a [u32],
}

impl ClassScores<'_> {
    /// The mean area over the two-class problems, as scikit-learn's `roc_auc_score(multi_class=…, average=…)`.
    /// `Micro` is not defined here and read as `Macro`. Weighted: one-vs-rest by how often the class occurs, one-vs-one by
    /// how often either does.
    ///
    /// # Errors
    /// As [`Ranking::new`]; [`StatsError::Insufficient`] when a class does not occur.
    pub fn roc_auc(&self, pairing: Pairing, average: Average) -> Result<f64, StatsError> {
        if self.scores.len() != self.truth.len() * self.classes {
            return Err(StatsError::LengthMismatch { left: self.scores.len(), right: self.truth.len() * self.classes });
        }
        let mut support = vec![0.0; self.classes];
        for &class in self.truth {
            *support.get_mut(class as usize).ok_or(StatsError::OutOfRange {
                what: "a class label",
                value: f64::from(class),
                expected: "a number below the number of classes",
            })? += 1.0;
        }
        let weight = |classes: &[usize]| match average {
            Average::Weighted => classes.iter().map(|&class| support[class]).sum(),
            Average::Macro | Average::Micro => 1.0,
        };
        let (mut sum, mut weights) = (0.0, 0.0);
        for a in 0..self.classes {
            match pairing {
                Pairing::OneVsRest => {
                    let weight: f64 = weight(&[a]);
                    sum += weight * self.area(a, None)?;
                    weights += weight;
                }
                Pairing::OneVsOne => {
                    for b in a + 1..self.classes {
                        let weight: f64 = weight(&[a, b]);
                        sum += weight * 0.5 * (self.area(a, Some(b))? + self.area(b, Some(a))?);
                        weights += weight;
                    }
                }
            }
        }
        share(sum, weights).ok_or(StatsError::Empty)
    }

    /// The area of class `a` by its own score, against one other class or all.
    fn area(&self, a: usize, against: Option<usize>) -> Result<f64, StatsError> {
        let mut scores = Vec::new();
        let mut is_positive = Vec::new();
        for (row, &class) in self.scores.chunks_exact(self.classes).zip(self.truth) {
            let class = class as usize;
            if class == a || against.is_none_or(|b| class == b) {
                scores.push(row[a]);
                is_positive.push(class == a);
            }
        }
        Ok(Ranking::new(&scores, &is_positive)?.roc_auc())
    }
}
