//! What is scored, and how.

use weighbridge_stats::{Confidence, Resampling};

use crate::cwe::Hierarchy;
use crate::predictions::{Form, Mapping};
use crate::text::bleu::Bleu;
use crate::text::matching::Normalization;

use super::costs::Costs;

/// How a file is scored. Every choice belongs in the record.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Form of the file; told by its name when not given.
    pub form: Option<Form>,
    /// Which column holds what.
    pub mapping: Mapping,
    /// The closed set of labels; open when empty.
    pub labels: Vec<String>,
    /// The label that scores and alerts speak of.
    pub positive: Option<String>,
    /// Scores at or above this are called positive, where the file has scores and no predictions.
    pub threshold: f64,
    /// What mistakes cost; without it there is no expected cost.
    pub costs: Option<Costs>,
    /// The hierarchy that distances of weaknesses are taken in.
    pub weaknesses: Option<Hierarchy>,
    /// The choices of BLEU.
    pub bleu: Bleu,
    /// What exact match ignores.
    pub normalization: Normalization,
    /// Names of the metrics to report; all that the file allows when empty.
    pub metrics: Vec<String>,
    /// Confidence of the intervals.
    pub confidence: Confidence,
    /// Seed and number of resamples.
    pub resampling: Resampling,
}

impl Settings {
    /// Whether a metric of this name is asked for.
    #[must_use]
    pub fn wants(&self, metric: &str) -> bool {
        self.metrics.is_empty() || self.metrics.iter().any(|name| name == metric)
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            form: None,
            mapping: Mapping::default(),
            labels: Vec::new(),
            positive: None,
            threshold: 0.5,
            costs: None,
            weaknesses: None,
            bleu: Bleu::default(),
            normalization: Normalization::default(),
            metrics: Vec::new(),
            confidence: Confidence::P95,
            resampling: Resampling::new(42),
        }
    }
}
