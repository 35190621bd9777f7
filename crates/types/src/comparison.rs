//! Sides that were set against each other: what was compared, and what follows.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::{Cell, MetricInterval};

/// Version of the form of [`Comparison`].
pub const COMPARISON_VERSION: &str = "1.0";

/// What a comparison says of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval is better by more than the margin.
    Better,
    /// The whole interval is worse by more than the margin.
    Worse,
    /// The whole interval lies within the margin.
    Equivalent,
    /// The data do not decide.
    Inconclusive,
}

impl Verdict {
    /// The word in tables and files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Equivalent => "equivalent",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Several sides, of which the first is the baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Version of this form, `1.0`.
    pub schema_version: String,
    /// What was compared.
    pub sides: Vec<SideNote>,
    /// How it was decided.
    pub rule: Rule,
    /// In what the sides differ although it should be the same; not empty only where the comparison was forced.
    pub mismatches: Vec<Mismatch>,
    /// Each candidate against the baseline, in order.
    pub contrasts: Vec<Contrast>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Comparison {
    /// The verdict over all candidates: worse where one is, then inconclusive where one is.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let all: Vec<Verdict> = self.contrasts.iter().map(|contrast| contrast.verdict).collect();
        let first = [Verdict::Worse, Verdict::Inconclusive, Verdict::Better];
        first.into_iter().find(|verdict| all.contains(verdict)).unwrap_or(Verdict::Equivalent)
    }
}

/// One side: its runs, and what they weighed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SideNote {
    /// Its name.
    pub name: String,
    /// Kind of its runs: `bench`, `load`.
    pub kind: String,
    /// The reference of the model.
    pub model_ref: String,
    /// The engine, with its version where it says one.
    pub engine: String,
    /// Commit of the program that measured.
    pub commit: Option<String>,
    /// Names of the runs, in order of time.
    pub runs: Vec<String>,
}

/// How verdicts were reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rule {
    /// Changes up to this share count as none.
    pub threshold: f64,
    /// Confidence of intervals, and 1 − the chance of one false verdict among the gating metrics.
    pub confidence: f64,
    /// Chance with which a smallest detectable change would have been found.
    pub power: f64,
    /// Resamples of the bootstrap.
    pub resamples: u32,
    /// Its seed.
    pub seed: u64,
    /// Runs of the baseline's kind from which the noise floor was learned; 0 where none was.
    pub noise_runs: u64,
    /// Whether runs were compared in pairs that were made one after the other.
    #[serde(default)]
    pub paired: bool,
}

/// A setting or a trait of the host that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mismatch {
    /// What: `settings.lengths[0].input`, `environment.cpu_model`.
    pub what: String,
    /// The run of the baseline or the first run of a side.
    pub expected: String,
    /// The run that differs, and what it has.
    pub found: String,
    /// Which run.
    pub run: String,
}

/// A candidate against the baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contrast {
    /// Name of the candidate.
    pub candidate: String,
    /// The verdict, from the gating metrics.
    pub verdict: Verdict,
    /// Which metrics made it.
    pub because: String,
    /// Every metric that both sides have, gating ones first.
    pub rows: Vec<ComparedMetric>,
    /// Metrics that one side lacks.
    pub missing: Vec<MissingMetric>,
    /// How values are distributed on both sides, where the records hold percentiles.
    pub shapes: Vec<Shape>,
}

/// One metric in one cell, on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedMetric {
    /// `ttft.p99`.
    pub key: String,
    /// Where it belongs.
    pub cell: Cell,
    /// Unit of the values.
    pub unit: String,
    /// Whether the verdict of the candidate rests on it.
    pub gating: bool,
    /// The baseline's values, one per run.
    pub baseline: Vec<f64>,
    /// The candidate's values, one per run.
    pub candidate: Vec<f64>,
    /// Candidate / baseline, of the geometric means over runs; null where a value is not positive.
    pub ratio: Option<f64>,
    /// Candidate − baseline, of the means over runs, in the unit.
    pub difference: f64,
    /// Interval of the ratio, or of the difference where there is no ratio.
    pub interval: Option<MetricInterval>,
    /// Why there is no interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_reason: Option<String>,
    /// Probability that the candidate is worse at all, by the resamples; null for metrics without a better side.
    pub probability_worse: Option<f64>,
    /// The margin that the interval is held against: a share for a ratio, in the unit for a difference.
    pub margin: f64,
    /// Whether the margin is the noise floor of this host, which is above the threshold.
    pub margin_is_noise: bool,
    /// p value of the verdict, corrected for the other metrics: by Holm among those that gate, by Benjamini and Hochberg among
    /// the rest.
    pub p_adjusted: Option<f64>,
    /// The verdict; null for metrics without a better side.
    pub verdict: Option<Verdict>,
    /// The smallest worsening that these runs would have found, as a share for a ratio, in the unit for a difference.
    pub detectable: Option<f64>,
    /// Runs a side that would decide it, if it goes on as it is; null where it is decided or no number would do.
    pub runs_needed: Option<u64>,
}

/// A metric that one side lacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MissingMetric {
    /// `ttft.p99`.
    pub key: String,
    /// Where it belongs.
    pub cell: Cell,
    /// Whether the verdict should have rested on it.
    pub gating: bool,
    /// The side that lacks it.
    pub side: String,
    /// Why, as the record says it.
    pub reason: String,
}

/// A metric's distribution on both sides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Shape {
    /// Name of the metric, `ttft`.
    pub name: String,
    /// Where it belongs.
    pub cell: Cell,
    /// Unit of the values.
    pub unit: String,
    /// Share below, the baseline's value and the candidate's, each the median over runs of their percentiles.
    pub points: Vec<(f64, f64, f64)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worse_candidate_decides() {
        let contrast = |verdict| Contrast {
            candidate: String::new(),
            verdict,
            because: String::new(),
            rows: Vec::new(),
            missing: Vec::new(),
            shapes: Vec::new(),
        };
        let check = |verdicts: &[Verdict], expected| {
            let contrasts = verdicts.iter().copied().map(contrast).collect();
            let rule = Rule {
                threshold: 0.05,
                confidence: 0.95,
                power: 0.8,
                resamples: 2_000,
                seed: 42,
                noise_runs: 0,
                paired: false,
            };
            let (sides, mismatches, notes) = (Vec::new(), Vec::new(), Vec::new());
            let schema_version = COMPARISON_VERSION.to_owned();
            let found = Comparison { schema_version, sides, rule, mismatches, contrasts, notes };
            assert_eq!(found.verdict(), expected, "{verdicts:?}");
        };
        check(&[], Verdict::Equivalent);
        check(&[Verdict::Equivalent, Verdict::Better], Verdict::Better);
        check(&[Verdict::Better, Verdict::Inconclusive], Verdict::Inconclusive);
        check(&[Verdict::Inconclusive, Verdict::Worse, Verdict::Better], Verdict::Worse);
    }
}
