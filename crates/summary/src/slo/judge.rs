//! Whether objectives were met: the bound of the interval decides, not the point.

use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{MetricPointer, TargetResult, Verdict};

use super::{Slo, SloLimit, SloScope};
use crate::target::{Bound, Decision, Limit};

/// The profile under which the verdicts of objectives stand.
const PROFILE: &str = "slo";

impl Slo {
    /// Judges the figures of one cell: each limit on a figure by that figure, and all limits on single requests together
    /// by the share of requests that keep them, which must reach `good_share`.
    #[must_use]
    pub fn judge(&self, metrics: &[Metric], cell: &Cell, good_share: f64) -> Vec<TargetResult> {
        let of_requests: Vec<String> =
            self.limits().iter().filter(|limit| limit.scope() == SloScope::Request).map(SloLimit::to_string).collect();
        let mut results = Vec::new();
        if !of_requests.is_empty() {
            let wanted = Wanted {
                profile: PROFILE,
                name: of_requests.join(","),
                key: define::GOOD_FRACTION.name.to_owned(),
                limit: Limit { bound: Bound::AtLeast, value: good_share },
                unit: define::GOOD_FRACTION.unit,
            };
            results.push(wanted.judge(metrics, cell));
        }
        results.extend(self.limits().iter().filter_map(|limit| {
            let wanted = Wanted {
                profile: PROFILE,
                name: limit.to_string(),
                key: limit.key()?,
                limit: Limit { bound: limit.bound(), value: limit.value() },
                unit: limit.metric().unit,
            };
            Some(wanted.judge(metrics, cell))
        }));
        results
    }
}

/// What a figure must be.
pub(crate) struct Wanted {
    pub(crate) profile: &'static str,
    pub(crate) name: String,
    pub(crate) key: String,
    pub(crate) limit: Limit,
    pub(crate) unit: &'static str,
}

impl Wanted {
    /// Judges the figure of one cell.
    pub(crate) fn judge(self, metrics: &[Metric], cell: &Cell) -> TargetResult {
        let found = metrics.iter().find(|metric| metric.cell == *cell && metric.key() == self.key);
        let Decision { verdict, because } = self.decide(found);
        let observed = found.and_then(|metric| metric.value);
        TargetResult {
            limit: format!("{} {}", self.limit, self.unit),
            observed: observed.map_or_else(|| "unknown".to_owned(), |value| self.shown(value)),
            name: self.name,
            profile: self.profile.to_owned(),
            metric: MetricPointer { key: self.key, cell: cell.clone() },
            verdict,
            because,
        }
    }

    fn decide(&self, metric: Option<&Metric>) -> Decision {
        let Some(metric) = metric else {
            let because = format!("the run has no figure `{}` here", self.key);
            return Decision { verdict: Verdict::NotApplicable, because };
        };
        self.limit.by_interval(metric).unwrap_or_else(|| {
            let because = metric.reason.clone().unwrap_or_else(|| "the figure is unknown".to_owned());
            Decision { verdict: Verdict::Unclear, because }
        })
    }

    fn shown(&self, value: f64) -> String {
        format!("{} {}", short(value), self.unit)
    }
}

/// Four significant digits, as many as a reader compares.
fn short(value: f64) -> String {
    if value.abs() < 1e-12 {
        return "0".to_owned();
    }
    let decimals = (3.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
