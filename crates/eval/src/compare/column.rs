//! What one metric knows of every sample of a side.

use std::fmt;
use std::sync::Arc;

use weighbridge_types::definition::{Definition, Direction};

use super::labels::LabelScore;

/// The score of sums: of one sample's numbers, or of those of many, added up.
pub(super) type SumScore = Arc<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// Code of an answer that is no label.
pub(super) const NO_LABEL: u64 = u64::MAX;

/// One metric over the samples of a side.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) definition: &'static Definition,
    /// What was done with answers before, or which kind of the metric it is.
    pub(super) filter: Option<String>,
    pub(super) values: Values,
}

/// What a metric adds up. A sample without a score has NaN, or `None`.
pub(super) enum Values {
    /// The mean of numbers.
    Numbers(Vec<f64>),
    /// A score of sums: `width` numbers for each sample.
    Sums { width: usize, values: Vec<f64>, score: SumScore },
    /// A score of a table of right and given labels, by their codes.
    Labels { values: Vec<Option<(u64, u64)>>, score: LabelScore },
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(values) => f.debug_tuple("Numbers").field(&values.len()).finish(),
            Self::Sums { width, values, .. } => f.debug_tuple("Sums").field(width).field(&values.len()).finish(),
            Self::Labels { values, score } => f.debug_tuple("Labels").field(score).field(&values.len()).finish(),
        }
    }
}

impl Column {
    /// Whether two columns are the same metric of the same kind.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.definition == other.definition && self.filter == other.filter
    }

    /// The name in tables: `accuracy`, or `exact_match (strict)`.
    pub(super) fn title(&self) -> String {
        match &self.filter {
            Some(filter) => format!("{} ({filter})", self.definition.title),
            None => self.definition.title.to_owned(),
        }
    }

    /// +1 where more is better, −1 where less is.
    pub(super) fn sign(&self) -> f64 {
        if self.definition.direction == Direction::Lower { -1.0 } else { 1.0 }
    }

    /// Whether a sample has a score.
    pub(super) fn has(&self, sample: usize) -> bool {
        match &self.values {
            Values::Numbers(values) => values.get(sample).is_some_and(|value| value.is_finite()),
            Values::Sums { width, values, .. } => values.get(sample * width).is_some_and(|value| value.is_finite()),
            Values::Labels { values, .. } => values.get(sample).is_some_and(Option::is_some),
        }
    }

    /// Whether the metric is a share of right answers: every score is 0 or 1.
    pub(super) fn is_share(&self) -> bool {
        let Values::Numbers(values) = &self.values else { return false };
        let is_truth = |value: &f64| value.to_bits() == 0 || value.to_bits() == 1.0_f64.to_bits();
        let mut scored = values.iter().filter(|value| value.is_finite()).peekable();
        scored.peek().is_some() && scored.all(is_truth)
    }
}
