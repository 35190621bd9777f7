//! Which model works on a document: by its complexity and the memory that is free.

use serde::{Deserialize, Serialize};

/// How a model is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceMode {
    /// The rule of the reference, to the letter: complexity below the first threshold and memory above the first gives the small
    /// model; complexity below the second and memory above the second the middle one; else memory above the third the large one; else
    /// the fallback. A complex document with 40 GB free gets the smallest model, though the middle one would fit.
    #[default]
    Strict,
    /// The model that the complexity asks for, or the largest smaller one that fits; the fallback where none fits.
    BestFit,
}

/// How models are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSelection {
    /// `adaptive`, or the name of a tier that is always taken.
    pub strategy: String,
    /// The rule.
    pub mode: ChoiceMode,
    /// Complexities below which the small and the middle model do.
    pub complexity_thresholds: Vec<f64>,
    /// Free memory above which the small, the middle and the large model fit, GB.
    pub memory_thresholds: Vec<f64>,
    /// What the memory thresholds are multiplied by, for stand-ins that are smaller than what they stand for.
    pub memory_scale: f64,
    /// The tiers, the smallest first.
    pub tiers: Vec<String>,
    /// The tier where nothing else fits.
    pub fallback_model: String,
}

impl Default for ModelSelection {
    fn default() -> Self {
        Self {
            strategy: "adaptive".to_owned(),
            mode: ChoiceMode::Strict,
            complexity_thresholds: vec![0.3, 0.7],
            memory_thresholds: vec![15.0, 30.0, 50.0],
            memory_scale: 1.0,
            tiers: ["qwen3_1_7b", "qwen3_7b", "qwen3_30b"].map(str::to_owned).into(),
            fallback_model: "qwen3_1_7b".to_owned(),
        }
    }
}

/// A model that was chosen, and why: enough to replay the decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// The tier.
    pub tier: String,
    /// Complexity of the document.
    pub complexity: f64,
    /// Memory that was free, GB.
    pub free_gb: f64,
    /// The thresholds after scaling, GB.
    pub memory_thresholds: Vec<f64>,
    /// Why this one.
    pub reason: String,
}

/// A selection that cannot be followed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("accept `model_selection.{key}`: {problem}")]
pub struct SelectionError {
    /// The key.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

impl ModelSelection {
    /// Checks every value.
    ///
    /// # Errors
    ///
    /// Names the first that does not fit: thresholds must ascend, names must be tiers.
    pub fn check(&self) -> Result<(), SelectionError> {
        let wrong = |key, problem: String| Err(SelectionError { key, problem });
        let ascends = |values: &[f64]| {
            values.iter().all(|value| value.is_finite()) && values.windows(2).all(|pair| pair[0] < pair[1])
        };
        if self.tiers.len() != 3 {
            return wrong("tiers", format!("{} are named, there must be 3", self.tiers.len()));
        }
        if self.complexity_thresholds.len() != 2 || !ascends(&self.complexity_thresholds) {
            return wrong(
                "complexity_thresholds",
                format!("`{:?}` are not two that ascend", self.complexity_thresholds),
            );
        }
        if self.memory_thresholds.len() != 3 || !ascends(&self.memory_thresholds) {
            return wrong("memory_thresholds", format!("`{:?}` are not three that ascend", self.memory_thresholds));
        }
        if !(self.memory_scale > 0.0 && self.memory_scale.is_finite()) {
            return wrong("memory_scale", format!("`{}` is not above 0", self.memory_scale));
        }
        let known = self.tiers.join("`, `");
        if !self.tiers.contains(&self.fallback_model) {
            return wrong("fallback_model", format!("`{}` is none of `{known}`", self.fallback_model));
        }
        if self.strategy != "adaptive" && !self.tiers.contains(&self.strategy) {
            return wrong("strategy", format!("`{}` is none of `adaptive`, `{known}`", self.strategy));
        }
        Ok(())
    }

    /// The model for a document.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn choose(&self, complexity: f64, free_gb: f64) -> Result<Choice, SelectionError> {
        self.check()?;
        let thresholds: Vec<f64> = self.memory_thresholds.iter().map(|value| value * self.memory_scale).collect();
        let (tier, reason) = if self.strategy == "adaptive" {
            match self.mode {
                ChoiceMode::Strict => self.strict(complexity, free_gb, &thresholds),
                ChoiceMode::BestFit => self.best_fit(complexity, free_gb, &thresholds),
            }
        } else {
            (self.strategy.clone(), "fixed by the settings".to_owned())
        };
        Ok(Choice { tier, complexity, free_gb, memory_thresholds: thresholds, reason })
    }

    fn strict(&self, complexity: f64, free_gb: f64, memory: &[f64]) -> (String, String) {
        let limits = &self.complexity_thresholds;
        let taken = match () {
            () if complexity < limits[0] && free_gb > memory[0] => 0,
            () if complexity < limits[1] && free_gb > memory[1] => 1,
            () if free_gb > memory[2] => 2,
            () => return (self.fallback_model.clone(), "no rule fits: fallback".to_owned()),
        };
        (self.tiers[taken].clone(), format!("rule {} of 3", taken + 1))
    }

    fn best_fit(&self, complexity: f64, free_gb: f64, memory: &[f64]) -> (String, String) {
        let wanted = self.complexity_thresholds.iter().filter(|limit| complexity >= **limit).count();
        match (0..=wanted).rev().find(|tier| free_gb > memory[*tier]) {
            Some(tier) if tier == wanted => (self.tiers[tier].clone(), "as complex as it asks for".to_owned()),
            Some(tier) => (self.tiers[tier].clone(), format!("the largest that fits below `{}`", self.tiers[wanted])),
            None => (self.fallback_model.clone(), "none fits: fallback".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strict_rule_holds_at_its_boundaries() {
        let selection = ModelSelection::default();
        let check = |complexity: f64, free_gb: f64, expected: &str| {
            assert_eq!(selection.choose(complexity, free_gb).unwrap().tier, expected, "{complexity} {free_gb}");
        };
        check(0.29, 15.1, "qwen3_1_7b");
        check(0.29, 15.0, "qwen3_1_7b"); // The fallback.
        check(0.29, 200.0, "qwen3_1_7b");
        check(0.30, 15.1, "qwen3_1_7b"); // The fallback.
        check(0.30, 30.0, "qwen3_1_7b"); // The fallback.
        check(0.30, 30.1, "qwen3_7b");
        check(0.69, 30.1, "qwen3_7b");
        check(0.69, 200.0, "qwen3_7b");
        check(0.70, 30.1, "qwen3_1_7b"); // The fallback.
        check(0.70, 50.0, "qwen3_1_7b"); // The fallback.
        check(0.70, 50.1, "qwen3_30b");
        check(1.00, 200.0, "qwen3_30b");
        // The known gap.
        check(0.80, 40.0, "qwen3_1_7b");
        let reason = selection.choose(0.8, 40.0).unwrap().reason;
        assert_eq!(reason, "no rule fits: fallback");
    }

    #[test]
    fn best_fit_takes_the_largest_that_fits() {
        let selection = ModelSelection { mode: ChoiceMode::BestFit, ..ModelSelection::default() };
        let check = |complexity: f64, free_gb: f64, expected: &str| {
            assert_eq!(selection.choose(complexity, free_gb).unwrap().tier, expected, "{complexity} {free_gb}");
        };
        check(0.8, 40.0, "qwen3_7b");
        check(0.8, 51.0, "qwen3_30b");
        check(0.8, 20.0, "qwen3_1_7b");
        check(0.5, 200.0, "qwen3_7b");
        check(0.1, 200.0, "qwen3_1_7b");
        check(0.8, 1.0, "qwen3_1_7b");
    }

    #[test]
    fn a_fixed_name_is_taken_and_thresholds_scale() {
        let fixed = ModelSelection { strategy: "qwen3_7b".to_owned(), ..ModelSelection::default() };
        assert_eq!(fixed.choose(0.9, 1.0).unwrap().tier, "qwen3_7b");
        let scaled = ModelSelection { memory_scale: 0.01, ..ModelSelection::default() };
        let choice = scaled.choose(0.5, 0.4).unwrap();
        assert_eq!((choice.tier.as_str(), choice.memory_thresholds), ("qwen3_7b", vec![0.15, 0.3, 0.5]));
    }

    #[test]
    fn what_cannot_be_followed_is_refused() {
        let check = |change: fn(&mut ModelSelection), expected: &str| {
            let mut selection = ModelSelection::default();
            change(&mut selection);
            assert_eq!(selection.choose(0.5, 50.0).unwrap_err().key, expected);
        };
        check(|selection| selection.complexity_thresholds = vec![0.7, 0.3], "complexity_thresholds");
        check(|selection| selection.memory_thresholds = vec![15.0, 30.0], "memory_thresholds");
        check(|selection| selection.memory_thresholds[0] = f64::NAN, "memory_thresholds");
        check(|selection| selection.fallback_model = "gpt".to_owned(), "fallback_model");
        check(|selection| selection.strategy = "gpt".to_owned(), "strategy");
        check(|selection| selection.memory_scale = 0.0, "memory_scale");
        check(|selection| drop(selection.tiers.pop()), "tiers");
    }
}
