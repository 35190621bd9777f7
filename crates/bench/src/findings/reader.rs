//! How rules look at a record.

use weighbridge_types::metric::{Metric, Provenance};
use weighbridge_types::record::{Finding, FindingKind, MetricPointer, Phase, Record};

/// A record, seen by a rule.
pub(super) struct Reader<'a> {
    pub(super) record: &'a Record,
}

impl<'a> Reader<'a> {
    pub(super) fn new(record: &'a Record) -> Self {
        Self { record }
    }

    /// Known figures of a phase with this key.
    pub(super) fn all(&self, phase: Phase, key: &str) -> Vec<&'a Metric> {
        let is_own = |metric: &&Metric| !matches!(metric.provenance, Provenance::Projected | Provenance::Reference);
        let of_phase = self.record.metrics_of(phase).filter(is_own);
        of_phase.filter(|metric| metric.value.is_some() && metric.key() == key).collect()
    }

    /// The only known figure of a phase with this key; the first where there are several.
    pub(super) fn one(&self, phase: Phase, key: &str) -> Option<&'a Metric> {
        self.all(phase, key).into_iter().next()
    }

    /// The figure with this key in the same cell as another.
    pub(super) fn beside(&self, other: &Metric, key: &str) -> Option<&'a Metric> {
        self.record.metric(key, &other.cell).filter(|metric| metric.value.is_some())
    }

    /// Figures with this key by the number under a setting, ascending.
    pub(super) fn by(&self, phase: Phase, key: &str, setting: &str) -> Vec<(u64, &'a Metric)> {
        let mut found: Vec<(u64, &Metric)> = self
            .all(phase, key)
            .into_iter()
            .filter_map(|metric| Some((metric.cell.get(setting)?.parse().ok()?, metric)))
            .collect();
        found.sort_by_key(|(number, _)| *number);
        found
    }
}

/// The value of a metric that [`Reader`] gave out, which is known.
pub(super) fn value(metric: &Metric) -> f64 {
    metric.value.unwrap_or_default()
}

/// A finding of a kind that carries no priority.
pub(super) fn finding(kind: FindingKind, rule: &str, evidence: &[&Metric], text: String) -> Finding {
    let evidence = evidence.iter().map(|m| MetricPointer { key: m.key(), cell: m.cell.clone() }).collect();
    Finding { rule: rule.to_owned(), kind, priority: None, impact: None, text, evidence }
}

/// When to follow a recommendation, and how much it would bring.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    pub(super) priority: &'static str,
    pub(super) impact: &'static str,
}

pub(super) const NOW_HIGH: Weight = Weight { priority: "immediate", impact: "high" };
pub(super) const NOW_MEDIUM: Weight = Weight { priority: "immediate", impact: "medium" };
pub(super) const LATER_MEDIUM: Weight = Weight { priority: "future", impact: "medium" };
pub(super) const LATER_LOW: Weight = Weight { priority: "future", impact: "low" };

/// A recommendation.
pub(super) fn advice(weight: Weight, rule: &str, evidence: &[&Metric], text: String) -> Finding {
    Finding {
        priority: Some(weight.priority.to_owned()),
        impact: Some(weight.impact.to_owned()),
        ..finding(FindingKind::Recommendation, rule, evidence, text)
    }
}
