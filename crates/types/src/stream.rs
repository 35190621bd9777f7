//! A stream of events as a security desk answered it: what a log keeps of it, bounded whatever the number of events.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stretch of the events' own time with what became of its events. Of several lines of one stretch each counts: events
/// that came after a stretch was closed are counted where they arrived.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Pane {
    /// Its start, seconds since 1970 by the events' time stamps.
    pub start_s: f64,
    /// Its length, seconds of the events' own time.
    pub length_s: f64,
    /// Events that arrived. Each is in exactly one of the counts of `answered`, `shed`, `failed` and `unrouted`.
    pub events: u64,
    /// Events with a verdict.
    pub answered: Answered,
    /// Events that a full queue did not take, or gave up.
    pub shed: Unanswered,
    /// Events whose model failed.
    pub failed: Unanswered,
    /// Events that no route takes.
    pub unrouted: Unanswered,
    /// Events whose time stamp is before that of an event that came earlier.
    pub out_of_order: u64,
    /// Events that came after their stretch was closed.
    pub late: u64,
    /// Alerts of a key that had one shortly before.
    pub repeated: u64,
    /// Alerts with a key.
    pub keyed: u64,
    /// Most events that waited when one arrived.
    pub backlog_max: u64,
    /// Longest time from a planned arrival to the verdict, milliseconds; null without a model.
    pub latency_max_ms: Option<f64>,
    /// Times from planned arrival to verdict, as counts by bucket: bucket `b` holds those from 2^(b/32) µs up to the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub latencies: Vec<(u16, u64)>,
    /// Verdicts of each model, by the name of its route.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub predictions: BTreeMap<String, u64>,
    /// Attacks by their label: how many came, and how many of them raised an alert.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attacks: BTreeMap<String, Found>,
    /// Probes of each model, by the name of its route.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub probes: BTreeMap<String, Probes>,
}

/// Events with a verdict, by what they were and what was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answered {
    /// Attacks that raised an alert.
    pub hits: u64,
    /// Attacks that raised none.
    pub misses: u64,
    /// Benign events that raised an alert.
    pub alarms: u64,
    /// Benign events that raised none.
    pub quiet: u64,
    /// Events without a label that raised an alert.
    pub unlabeled_alerts: u64,
    /// Events without a label that raised none.
    pub unlabeled_quiet: u64,
}

impl Answered {
    /// Events with a verdict.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.hits + self.misses + self.alarms + self.quiet + self.unlabeled_alerts + self.unlabeled_quiet
    }

    /// Alerts that were raised.
    #[must_use]
    pub const fn alerts(&self) -> u64 {
        self.hits + self.alarms + self.unlabeled_alerts
    }

    /// Adds the counts of others.
    pub const fn add(&mut self, other: &Self) {
        self.hits += other.hits;
        self.misses += other.misses;
        self.alarms += other.alarms;
        self.quiet += other.quiet;
        self.unlabeled_alerts += other.unlabeled_alerts;
        self.unlabeled_quiet += other.unlabeled_quiet;
    }
}

/// Events without a verdict, by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Unanswered {
    pub attacks: u64,
    pub benign: u64,
    pub unlabeled: u64,
}

impl Unanswered {
    /// Events without a verdict.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.attacks + self.benign + self.unlabeled
    }

    /// Adds the counts of others.
    pub const fn add(&mut self, other: &Self) {
        self.attacks += other.attacks;
        self.benign += other.benign;
        self.unlabeled += other.unlabeled;
    }
}

/// Attacks of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Events.
    pub events: u64,
    /// Of these, alerts.
    pub alerts: u64,
}

/// Questions to a model that ask whether it answers at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Probes {
    /// Asked.
    pub made: u64,
    /// Answered in time.
    pub passed: u64,
}

impl Pane {
    /// Adds another stretch of the same stream; it then begins with the earlier one and is as long as both.
    pub fn add(&mut self, other: &Self) {
        if self.events == 0 && self.length_s <= 0.0 {
            (self.start_s, self.length_s) = (other.start_s, other.length_s);
        } else {
            let end = (self.start_s + self.length_s).max(other.start_s + other.length_s);
            self.start_s = self.start_s.min(other.start_s);
            self.length_s = end - self.start_s;
        }
        self.events += other.events;
        self.answered.add(&other.answered);
        self.shed.add(&other.shed);
        self.failed.add(&other.failed);
        self.unrouted.add(&other.unrouted);
        self.out_of_order += other.out_of_order;
        self.late += other.late;
        self.repeated += other.repeated;
        self.keyed += other.keyed;
        self.backlog_max = self.backlog_max.max(other.backlog_max);
        self.latency_max_ms = match (self.latency_max_ms, other.latency_max_ms) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        };
        merge_counts(&mut self.latencies, &other.latencies);
        for (route, count) in &other.predictions {
            *self.predictions.entry(route.clone()).or_default() += count;
        }
        for (label, found) in &other.attacks {
            let known = self.attacks.entry(label.clone()).or_default();
            known.events += found.events;
            known.alerts += found.alerts;
        }
        for (route, probes) in &other.probes {
            let known = self.probes.entry(route.clone()).or_default();
            known.made += probes.made;
            known.passed += probes.passed;
        }
    }

    /// Events without a verdict, for whatever reason.
    #[must_use]
    pub fn unanswered(&self) -> Unanswered {
        let mut all = self.shed;
        all.add(&self.failed);
        all.add(&self.unrouted);
        all
    }
}

/// Adds counts by bucket; both lists are ascending, and stay so.
fn merge_counts(into: &mut Vec<(u16, u64)>, from: &[(u16, u64)]) {
    for &(bucket, count) in from {
        match into.binary_search_by_key(&bucket, |known| known.0) {
            Ok(place) => into[place].1 += count,
            Err(place) => into.insert(place, (bucket, count)),
        }
    }
}

/// One attack from its first event to its last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// Its name: the column that names incidents, or else the label of its events.
    pub name: String,
    /// Time stamp of its first event, seconds since 1970.
    pub start_s: f64,
    /// Time stamp of its last event, seconds since 1970.
    pub end_s: f64,
    /// Its events.
    pub events: u64,
    /// Its events that raised an alert.
    pub alerts: u64,
    /// First event to the first alert by the time stamps, and the time that its verdict took, seconds; null where no event
    /// of it raised an alert.
    pub detected_after_s: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_add_up() {
        let pane = |start_s: f64, latencies: &[(u16, u64)]| Pane {
            start_s,
            length_s: 60.0,
            events: 3,
            answered: Answered { hits: 1, alarms: 1, ..Answered::default() },
            shed: Unanswered { attacks: 1, ..Unanswered::default() },
            latencies: latencies.to_vec(),
            latency_max_ms: Some(start_s),
            attacks: [("sqli".to_owned(), Found { events: 2, alerts: 1 })].into(),
            ..Pane::default()
        };
        let mut sum = Pane::default();
        sum.add(&pane(120.0, &[(4, 1), (9, 1)]));
        sum.add(&pane(60.0, &[(2, 5), (9, 1)]));
        assert_eq!((sum.start_s, sum.length_s, sum.events, sum.answered.alerts()), (60.0, 120.0, 6, 4));
        assert_eq!(sum.latencies, [(2, 5), (4, 1), (9, 2)]);
        assert_eq!((sum.unanswered().attacks, sum.latency_max_ms), (2, Some(120.0)));
        assert_eq!(sum.attacks["sqli"], Found { events: 4, alerts: 2 });
    }
}
