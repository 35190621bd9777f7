//! The difference of two sides in one metric.

use serde::Serialize;
use weighbridge_stats::Interval;
use weighbridge_stats::family::{detectable_difference, sample_factor};
use weighbridge_types::comparison::Verdict;
use weighbridge_types::metric::MetricInterval;

use super::column::Column;
use super::measure::measure;
use super::pairing::Pairs;
use super::settings::Settings;

/// Two sides in one metric, over the samples that both have.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// The task; none for files of predictions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Name of the metric.
    pub metric: String,
    /// Name and version of its formula.
    pub definition: String,
    /// What was done with answers before, or which kind of the metric it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The side that is compared with.
    pub baseline: String,
    /// The side that is judged.
    pub candidate: String,
    /// Pairs behind the figures.
    pub pairs: u64,
    /// Pairs left out because a side has no score.
    pub unscored: u64,
    /// Independent units, where pairs come in clusters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<u64>,
    /// The baseline's figure over the pairs.
    pub baseline_value: f64,
    /// The candidate's figure over the pairs.
    pub candidate_value: f64,
    /// Candidate − baseline.
    pub difference: f64,
    /// Standard error of the difference, paired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// What it would be if the same samples were not paired, for means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpaired_error: Option<f64>,
    /// Interval of the difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<MetricInterval>,
    /// Why there is no interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_reason: Option<String>,
    /// Pairs that only the baseline, and only the candidate, got right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub discordant: Option<[u64; 2]>,
    /// The test behind the p value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<&'static str>,
    /// Two-sided p value of no difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The p value after Holm's correction over the whole comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// The smallest true difference that so many pairs detect, at the level that the correction leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detectable: Option<f64>,
    /// Pairs that it would take to detect the difference found, where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs_needed: Option<f64>,
    /// What it comes to.
    pub verdict: Verdict,
    /// +1 where more is better, −1 where less is.
    #[serde(skip)]
    pub(super) sign: f64,
    /// Name for people, with what was done with answers before.
    #[serde(skip)]
    pub title: String,
}

/// Compares one metric of a pair of sides. `None` where no pair has a score on both sides.
pub(super) fn difference(pairs: &Pairs<'_>, columns: (&Column, &Column), settings: &Settings) -> Option<Difference> {
    let found = measure(pairs, columns, settings)?;
    let column = columns.0;
    let interval = |interval: Interval| MetricInterval {
        low: interval.low,
        high: interval.high,
        confidence: interval.confidence.level(),
        method: interval.method.as_str().to_owned(),
    };
    Some(Difference {
        task: (!pairs.baseline.task.is_empty()).then(|| pairs.baseline.task.clone()),
        metric: column.definition.name.to_owned(),
        definition: column.definition.id(),
        filter: column.filter.clone(),
        baseline: String::new(),
        candidate: String::new(),
        pairs: found.pairs as u64,
        unscored: (pairs.places.len() - found.pairs) as u64,
        clusters: (!pairs.clusters.is_empty()).then_some(pairs.cluster_count as u64),
        baseline_value: found.values[0],
        candidate_value: found.values[1],
        difference: found.values[1] - found.values[0],
        standard_error: found.error,
        unpaired_error: found.unpaired_error,
        interval: found.interval.map(interval),
        interval_reason: found.reason,
        discordant: found.discordant,
        test: found.test,
        p: found.p,
        p_adjusted: None,
        detectable: None,
        pairs_needed: None,
        verdict: Verdict::Inconclusive,
        sign: column.sign(),
        title: column.title(),
    })
}

impl Difference {
    /// Judges the difference once the p values of all are corrected; `alpha` is the level that the correction leaves to
    /// one test.
    pub(super) fn judge(&mut self, p_adjusted: Option<f64>, alpha: f64, settings: &Settings) {
        self.p_adjusted = p_adjusted;
        self.detectable = self.standard_error.and_then(|error| detectable_difference(error, alpha, settings.power));
        self.verdict = self.verdict(settings);
        if self.verdict == Verdict::Inconclusive {
            let factor = self.detectable.and_then(|least| sample_factor(least, self.difference));
            self.pairs_needed = factor.map(|factor| (factor * self.pairs as f64).ceil());
        }
    }

    fn verdict(&self, settings: &Settings) -> Verdict {
        let Some(interval) = &self.interval else { return Verdict::Inconclusive };
        let ends = [self.sign * interval.low, self.sign * interval.high];
        let (low, high) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let is_seen = self.p_adjusted.is_some_and(|p| p <= settings.alpha());
        if is_seen && low > settings.margin {
            Verdict::Better
        } else if is_seen && high < -settings.margin {
            Verdict::Worse
        } else if settings.margin > 0.0 && low >= -settings.margin && high <= settings.margin {
            Verdict::Equivalent
        } else {
            Verdict::Inconclusive
        }
    }
}
