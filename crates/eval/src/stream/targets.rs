//! Limits on the figures of a stream.

use weighbridge_summary::{Bound, Decision, Limit, rounded};
use weighbridge_types::definition;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{MetricPointer, Phase, Record, TargetResult, Verdict};

use super::error::StreamError;
use super::settings::StreamSettings;

/// Whose targets they are: of a made-up stream, which inform, or a user's own, which gate.
pub const SCENARIO_PROFILE: &str = "scenario";
const OWN_PROFILE: &str = "own";

/// A limit on one figure of the whole stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Key of the metric: `verdict_latency.p99`.
    key: String,
    limit: Limit,
    profile: &'static str,
}

impl Target {
    /// Reads `fpr<0.05` or `verdict_latency.p99 <= 2000`.
    ///
    /// # Errors
    /// [`StreamError::Target`] for an unknown metric, a missing sign or what is no number.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        let wrong = |problem: String| StreamError::Target { text: text.to_owned(), problem };
        let at = text.find(['<', '>', '≤', '≥']).ok_or_else(|| wrong("no `<` or `>` in it".to_owned()))?;
        let (key, rest) = text.split_at(at);
        let signs = [("<=", Bound::AtMost), (">=", Bound::AtLeast), ("≤", Bound::AtMost), ("≥", Bound::AtLeast)];
        let plain = [("<", Bound::Below), (">", Bound::Above)];
        let found = signs.into_iter().chain(plain).find_map(|(sign, bound)| Some((bound, rest.strip_prefix(sign)?)));
        let (bound, number) = found.ok_or_else(|| wrong("no `<` or `>` in it".to_owned()))?;
        let key = key.trim().to_owned();
        let name = key.split_once('.').map_or(key.as_str(), |(name, _)| name);
        if definition::find(name).is_none() {
            return Err(wrong(format!("`{name}` is no metric; `docs/reference/metrics.md` lists them")));
        }
        let value: Option<f64> = number.trim().parse().ok().filter(|value: &f64| value.is_finite());
        let value = value.ok_or_else(|| wrong(format!("`{}` is no number", number.trim())))?;
        Ok(Self { key, limit: Limit { bound, value }, profile: OWN_PROFILE })
    }

    /// All targets of a stream: those of a made-up one first.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn all(settings: &StreamSettings) -> Result<Vec<Self>, StreamError> {
        let of_scenario = |text: &String| Ok(Self { profile: SCENARIO_PROFILE, ..Self::parse(text)? });
        let scenario = settings.scenario_targets.iter().map(of_scenario);
        scenario.chain(settings.targets.iter().map(|text| Self::parse(text))).collect()
    }

    /// Decides by the figures of a record.
    #[must_use]
    pub fn judge(&self, record: &Record) -> TargetResult {
        let cell = Cell::of(Phase::Stream);
        let metric = record.metric(&self.key, &cell);
        let name = self.key.split_once('.').map_or(self.key.as_str(), |(name, _)| name);
        let (title, unit) = definition::find(name).map_or(("", ""), |found| (found.title, found.unit));
        let decided = metric.and_then(|metric| self.limit.beyond_or_within(metric, record));
        let observed = |metric: &Metric| {
            metric.value.map(|value| format!("{} {}", rounded(value), metric.unit).trim_end().to_owned())
        };
        let Decision { verdict, because } = decided.unwrap_or_else(|| Decision {
            verdict: Verdict::NotApplicable,
            because: metric.map_or_else(
                || "this stream has no such figure".to_owned(),
                |metric| metric.reason.clone().unwrap_or_else(|| "not measured in this run".to_owned()),
            ),
        });
        TargetResult {
            name: title.to_owned(),
            profile: self.profile.to_owned(),
            metric: MetricPointer { key: self.key.clone(), cell },
            limit: format!("{} {unit}", self.limit).trim_end().to_owned(),
            observed: metric.and_then(observed).unwrap_or_else(|| "—".to_owned()),
            verdict,
            because,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn limits_are_read_or_refused() {
        let target = Target::parse("verdict_latency.p99 <= 2e3").unwrap();
        assert_eq!(
            (target.key.as_str(), target.limit),
            ("verdict_latency.p99", Limit { bound: Bound::AtMost, value: 2e3 })
        );
        assert_eq!(Target::parse("uptime>95").unwrap().limit.bound, Bound::Above);
        for (text, expected) in
            [("fpr", "no `<`"), ("fper<1", "`fper` is no metric"), ("fpr<x", "`x` is no number"), ("fpr<inf", "`inf`")]
        {
            let error = Target::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z_.<>=≤≥0-9 -]{0,30}", other in ".{0,20}") {
            drop((Target::parse(&text), Target::parse(&other)));
        }
    }
}
