//! Runs of the document pipeline against those of a baseline: documents per hour, quality, memory.
//!
//! A run is an object of the results file of the pipeline's matrix, with its metrics below `metrics` or beside it, nested
//! (`{"pipeline": {"documents_per_hour": 12}}`) or flat (`"pipeline.documents_per_hour"`). Runs that failed count in neither
//! mean. Means are over runs, as the older system took them; the limits are exact: a loss of 10 % fails, one of 9.9 % passes.

use serde::Serialize;
use serde_json::Value;

/// Rounding of a quotient of two means; far below what a file can say.
const ROUNDING: f64 = 1e-9;

pub(crate) const DOCUMENTS: &str = "pipeline.documents_per_hour";
pub(crate) const QUALITY: &str = "pipeline.quality_score_avg";
pub(crate) const MEMORY: &str = "system.memory_used_gb";

/// Changes that fail, percent, all positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegressLimits {
    /// Loss of documents per hour.
    pub throughput: f64,
    /// Loss of quality.
    pub quality: f64,
    /// Growth of memory.
    pub memory: f64,
}

/// Whether a part passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Assessment {
    /// Within the limit.
    Pass,
    /// At the limit or beyond it.
    Fail,
    /// Neither: a side does not tell.
    Unknown,
}

/// One figure of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RegressPart {
    /// Mean of the baseline.
    pub baseline: Option<f64>,
    /// Mean of the current side.
    pub current: Option<f64>,
    /// Change, percent with its sign.
    pub change_percent: Option<f64>,
    /// Change that fails, percent with its sign.
    pub threshold_percent: f64,
    /// Whether it passes.
    pub assessment: Assessment,
}

/// The judgement, under the keys of the older system.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Regress {
    /// Documents per hour.
    pub throughput_regression: RegressPart,
    /// Quality score.
    pub quality_regression: RegressPart,
    /// Memory in use, GB.
    pub memory_regression: RegressPart,
    /// [`Assessment::Fail`] where any part fails.
    pub overall_assessment: Assessment,
}

/// Results that cannot be held against each other.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RegressError {
    /// Not a list of runs.
    #[error("read the {side}: it is no list of runs")]
    Form {
        /// Which.
        side: &'static str,
    },
    /// No run tells the figure.
    #[error("judge `{key}`: no run of the {side} tells it")]
    Empty {
        /// Which side.
        side: &'static str,
        /// Key of the figure.
        key: &'static str,
    },
    /// The baseline has no ratio.
    #[error("judge `{key}`: the mean of the baseline is {value}, which has no ratio")]
    Zero {
        /// Key of the figure.
        key: &'static str,
        /// The mean.
        value: f64,
    },
    /// A limit outside its domain.
    #[error("judge with a threshold of {value} %: it must be a number above 0")]
    Threshold {
        /// As it was given.
        value: f64,
    },
}

impl RegressError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Form { .. } => "name a results file: a JSON list of objects with `metrics`",
            Self::Empty { .. } => "name a results file in which at least one run was completed",
            Self::Zero { .. } => "make the baseline again, from runs that processed documents",
            Self::Threshold { .. } => "write a loss of 10 % as 10",
        }
    }
}

/// Judges two results files.
///
/// # Errors
/// [`RegressError`].
pub fn regress(baseline: &Value, current: &Value, limits: RegressLimits) -> Result<Regress, RegressError> {
    for value in [limits.throughput, limits.quality, limits.memory] {
        if !(value.is_finite() && value > 0.0) {
            return Err(RegressError::Threshold { value });
        }
    }
    let runs = |side: &'static str, value: &Value| value.as_array().cloned().ok_or(RegressError::Form { side });
    let (ours, theirs) = (runs("baseline", baseline)?, runs("current side", current)?);
    let needed = |key: &'static str, limit: f64| {
        let before = mean(&ours, key).ok_or(RegressError::Empty { side: "baseline", key })?;
        let now = mean(&theirs, key).ok_or(RegressError::Empty { side: "current side", key })?;
        part(key, Some(before), Some(now), -limit)
    };
    let throughput_regression = needed(DOCUMENTS, limits.throughput)?;
    let quality_regression = needed(QUALITY, limits.quality)?;
    let memory_regression = part(MEMORY, mean(&ours, MEMORY), mean(&theirs, MEMORY), limits.memory)?;
    let fails = [&throughput_regression, &quality_regression, &memory_regression]
        .iter()
        .any(|part| part.assessment == Assessment::Fail);
    let overall_assessment = if fails { Assessment::Fail } else { Assessment::Pass };
    Ok(Regress { throughput_regression, quality_regression, memory_regression, overall_assessment })
}

/// Mean over the runs that tell it; a failed run tells nothing.
fn mean(runs: &[Value], key: &str) -> Option<f64> {
    let is_failed = |run: &&Value| run.get("status").and_then(Value::as_str) == Some("failed");
    let values = runs.iter().filter(|run| !is_failed(run)).filter_map(|run| figure(run, key));
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn figure(run: &Value, key: &str) -> Option<f64> {
    let of = |value: &Value| {
        let flat = value.get(key).and_then(Value::as_f64);
        let nested = || key.split('.').try_fold(value, |value, part| value.get(part)).and_then(Value::as_f64);
        flat.or_else(nested)
    };
    run.get("metrics").and_then(of).or_else(|| of(run))
}

/// Judges one figure; a negative limit is a loss that fails, a positive one a growth.
fn part(
    key: &'static str,
    baseline: Option<f64>,
    current: Option<f64>,
    limit: f64,
) -> Result<RegressPart, RegressError> {
    let change = match baseline.zip(current) {
        Some((before, _)) if before <= 0.0 => return Err(RegressError::Zero { key, value: before }),
        Some((before, now)) => Some(100.0 * (now - before) / before),
        None => None,
    };
    let fails = change.map(|change| if limit < 0.0 { change <= limit + ROUNDING } else { change >= limit - ROUNDING });
    let assessment = match fails {
        Some(true) => Assessment::Fail,
        Some(false) => Assessment::Pass,
        None => Assessment::Unknown,
    };
    Ok(RegressPart { baseline, current, change_percent: change, threshold_percent: limit, assessment })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const LIMITS: RegressLimits = RegressLimits { throughput: 10.0, quality: 5.0, memory: 15.0 };

    fn runs(documents: f64, quality: f64, memory: f64) -> Value {
        json!([
            {"model": "a", "status": "completed", "metrics": {
                "pipeline": {"documents_per_hour": documents, "quality_score_avg": quality},
                "system": {"memory_used_gb": memory},
            }},
            {"model": "b", "status": "failed", "metrics": {"pipeline": {"documents_per_hour": 0.0}}},
        ])
    }

    #[test]
    fn the_limits_are_exact() {
        let base = runs(100.0, 0.8, 10.0);
        let of = |documents, quality, memory| regress(&base, &runs(documents, quality, memory), LIMITS).unwrap();
        assert_eq!(of(90.1, 0.8, 10.0).throughput_regression.assessment, Assessment::Pass);
        assert_eq!(of(90.0, 0.8, 10.0).throughput_regression.assessment, Assessment::Fail);
        assert_eq!(of(100.0, 0.76, 10.0).quality_regression.assessment, Assessment::Fail);
        assert_eq!(of(100.0, 0.761, 10.0).quality_regression.assessment, Assessment::Pass);
        assert_eq!(of(100.0, 0.8, 11.5).memory_regression.assessment, Assessment::Fail);
        assert_eq!(of(100.0, 0.8, 11.4).overall_assessment, Assessment::Pass);
        assert_eq!(of(90.0, 0.8, 10.0).overall_assessment, Assessment::Fail);
    }

    #[test]
    fn keys_may_be_flat_and_memory_may_be_unknown() {
        let flat = json!([{"metrics": {DOCUMENTS: 50.0, QUALITY: 0.7}}]);
        let found = regress(&flat, &flat, LIMITS).unwrap();
        assert_eq!(found.throughput_regression.change_percent, Some(0.0));
        assert_eq!(found.memory_regression.assessment, Assessment::Unknown);
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        let good = runs(100.0, 0.8, 10.0);
        let of = |base: Value| regress(&base, &good, LIMITS).unwrap_err();
        assert_eq!(of(runs(0.0, 0.8, 10.0)), RegressError::Zero { key: DOCUMENTS, value: 0.0 });
        assert_eq!(of(json!([])), RegressError::Empty { side: "baseline", key: DOCUMENTS });
        assert_eq!(of(json!({})), RegressError::Form { side: "baseline" });
        let limits = RegressLimits { quality: -5.0, ..LIMITS };
        assert_eq!(regress(&good, &good, limits), Err(RegressError::Threshold { value: -5.0 }));
    }

    proptest! {
        #[test]
        fn any_json_is_judged_or_refused(text in "[\\[\\]{}\",:0-9a-z. -]{0,200}", documents in any::<f64>()) {
            let odd = serde_json::from_str(&text).unwrap_or(json!([{"metrics": {DOCUMENTS: documents}}]));
            let _ = regress(&odd, &runs(1.0, 1.0, 1.0), LIMITS);
            let _ = regress(&runs(1.0, 1.0, 1.0), &odd, LIMITS);
        }
    }
}
