//! How sides are compared.

use weighbridge_stats::{Confidence, Resampling};

use super::error::CompareError;

/// What becomes of a sample for which a side has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MissingAnswers {
    /// It counts as wrong where a metric knows right and wrong; for other metrics its pair is left out.
    #[default]
    AreWrong,
    /// Its pair is left out.
    AreLeftOut,
}

/// How sides are compared.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names of the metrics to compare, as in reports or as in lm-eval; all that both sides have when empty.
    pub metrics: Vec<String>,
    /// Differences within ± this, in the metric's unit, do not matter.
    pub margin: f64,
    /// Confidence of the intervals; one minus it is the level of the tests.
    pub confidence: Confidence,
    /// Chance with which the smallest detectable difference is detected.
    pub power: f64,
    /// Samples without an answer.
    pub missing: MissingAnswers,
    /// Seed and number of resamples.
    pub resampling: Resampling,
}

impl Settings {
    /// Level of the tests.
    pub(super) fn alpha(&self) -> f64 {
        1.0 - self.confidence.level()
    }

    /// Checks what the types do not.
    pub(super) fn check(&self) -> Result<(), CompareError> {
        let misfit = |setting, value: f64, expected| CompareError::Setting { setting, value, expected };
        if !(self.margin.is_finite() && self.margin >= 0.0) {
            return Err(misfit("margin", self.margin, "0 or more, in the unit of the metric"));
        }
        if !(self.power > 0.5 && self.power < 1.0) {
            return Err(misfit("power", self.power, "above 0.5 and below 1"));
        }
        Ok(())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            metrics: Vec::new(),
            margin: 0.0,
            confidence: Confidence::P95,
            power: 0.8,
            missing: MissingAnswers::default(),
            resampling: Resampling::new(42),
        }
    }
}
