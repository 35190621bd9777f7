//! Weighted sums of blocks of time, and the numbers that they give. A number that does not exist is NaN, as resampling wants it.

use std::collections::BTreeSet;

use weighbridge_stats::classify::Marginals;
use weighbridge_types::latency_counts::quantile_ms;
use weighbridge_types::stream::Pane;

/// Labels of attacks that figures are made of, at most.
const MOST_LABELS: usize = 40;

/// Weighted sums of blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    pub(super) hits: f64,
    pub(super) misses: f64,
    pub(super) alarms: f64,
    pub(super) quiet: f64,
    pub(super) alerts: f64,
    pub(super) answered: f64,
    pub(super) events: f64,
    pub(super) shed: f64,
    pub(super) attacks_unanswered: f64,
    pub(super) benign_unanswered: f64,
    pub(super) repeated: f64,
    pub(super) keyed: f64,
    pub(super) hours: f64,
    pub(super) probes_made: f64,
    probes_passed: f64,
    first_bucket: u16,
    latency_max_ms: f64,
    /// By bucket, from the first that occurs.
    pub(super) latencies: Vec<f64>,
    /// Events and alerts by label.
    pub(super) labels: Vec<(f64, f64)>,
    /// Verdicts by route.
    pub(super) routes: Vec<f64>,
}

/// Names and places that are shared by all sums of one ledger.
pub(super) struct Frame<'a> {
    pub(super) labels: Vec<&'a str>,
    pub(super) routes: Vec<&'a str>,
    first_bucket: u16,
    buckets: usize,
}

impl<'a> Frame<'a> {
    pub(super) fn of(blocks: &'a [Pane]) -> Self {
        let labels: BTreeSet<&str> = blocks.iter().flat_map(|block| block.attacks.keys().map(String::as_str)).collect();
        let routes: BTreeSet<&str> =
            blocks.iter().flat_map(|block| block.predictions.keys().map(String::as_str)).collect();
        let buckets = || blocks.iter().flat_map(|block| block.latencies.iter().map(|(bucket, _)| *bucket));
        let first_bucket = buckets().min().unwrap_or_default();
        let count = buckets().max().map_or(0, |last| usize::from(last - first_bucket) + 1);
        Self {
            labels: labels.into_iter().take(MOST_LABELS).collect(),
            routes: routes.into_iter().collect(),
            first_bucket,
            buckets: count,
        }
    }

    pub(super) fn empty(&self) -> Sums {
        Sums {
            latencies: vec![0.0; self.buckets],
            labels: vec![(0.0, 0.0); self.labels.len()],
            routes: vec![0.0; self.routes.len()],
            ..Sums::default()
        }
    }

    /// Adds up the blocks, each as often as its weight says.
    pub(super) fn fill(&self, sums: &mut Sums, blocks: &[Pane], weights: &[f64]) {
        let (mut latencies, mut labels, mut routes) =
            (std::mem::take(&mut sums.latencies), std::mem::take(&mut sums.labels), std::mem::take(&mut sums.routes));
        latencies.fill(0.0);
        labels.fill((0.0, 0.0));
        routes.fill(0.0);
        *sums = Sums { first_bucket: self.first_bucket, ..Sums::default() };
        for (block, &weight) in blocks.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            let answered = &block.answered;
            let unanswered = block.unanswered();
            let add = |sum: &mut f64, count: u64| *sum += weight * count as f64;
            add(&mut sums.hits, answered.hits);
            add(&mut sums.misses, answered.misses);
            add(&mut sums.alarms, answered.alarms);
            add(&mut sums.quiet, answered.quiet);
            add(&mut sums.alerts, answered.alerts());
            add(&mut sums.answered, answered.events());
            add(&mut sums.events, block.events);
            add(&mut sums.shed, block.shed.events());
            add(&mut sums.attacks_unanswered, unanswered.attacks);
            add(&mut sums.benign_unanswered, unanswered.benign);
            add(&mut sums.repeated, block.repeated);
            add(&mut sums.keyed, block.keyed);
            sums.hours += weight * block.length_s / 3_600.0;
            for probes in block.probes.values() {
                add(&mut sums.probes_passed, probes.passed);
                add(&mut sums.probes_made, probes.made);
            }
            sums.latency_max_ms = sums.latency_max_ms.max(block.latency_max_ms.unwrap_or_default());
            for (bucket, count) in &block.latencies {
                add(&mut latencies[usize::from(bucket - self.first_bucket)], *count);
            }
            for (place, label) in self.labels.iter().enumerate() {
                if let Some(found) = block.attacks.get(*label) {
                    add(&mut labels[place].0, found.events);
                    add(&mut labels[place].1, found.alerts);
                }
            }
            for (place, route) in self.routes.iter().enumerate() {
                add(&mut routes[place], block.predictions.get(*route).copied().unwrap_or_default());
            }
        }
        (sums.latencies, sums.labels, sums.routes) = (latencies, labels, routes);
    }
}

impl Sums {
    fn attacks_answered(&self) -> f64 {
        self.hits + self.misses
    }

    fn benign_answered(&self) -> f64 {
        self.alarms + self.quiet
    }

    pub(super) fn attacks(&self) -> f64 {
        self.attacks_answered() + self.attacks_unanswered
    }

    pub(super) fn benign(&self) -> f64 {
        self.benign_answered() + self.benign_unanswered
    }

    pub(super) fn labeled(&self) -> f64 {
        self.attacks() + self.benign()
    }

    pub(super) fn labeled_answered(&self) -> f64 {
        self.attacks_answered() + self.benign_answered()
    }

    /// An event without a verdict is not right.
    pub(super) fn accuracy(&self) -> f64 {
        share(self.hits + self.quiet, self.labeled())
    }

    pub(super) fn accuracy_answered(&self) -> f64 {
        share(self.hits + self.quiet, self.labeled_answered())
    }

    pub(super) fn fpr(&self) -> f64 {
        share(self.alarms, self.benign())
    }

    pub(super) fn fpr_answered(&self) -> f64 {
        share(self.alarms, self.benign_answered())
    }

    pub(super) fn recall(&self) -> f64 {
        share(self.hits, self.attacks())
    }

    pub(super) fn recall_answered(&self) -> f64 {
        share(self.hits, self.attacks_answered())
    }

    pub(super) fn precision(&self) -> f64 {
        share(self.hits, self.hits + self.alarms)
    }

    pub(super) fn f1(&self) -> f64 {
        share(2.0 * self.hits, self.hits + self.alarms + self.attacks())
    }

    /// Truth against answer; an event without a verdict is an answer that is no label.
    pub(super) fn mcc(&self) -> f64 {
        let cells = [self.quiet, self.alarms, self.benign_unanswered, self.misses, self.hits, self.attacks_unanswered];
        Marginals::of(2, &cells).mcc().unwrap_or(f64::NAN)
    }

    pub(super) fn verdicts_per_hour(&self) -> f64 {
        share(self.answered, self.hours)
    }

    pub(super) fn alerts_per_hour(&self) -> f64 {
        share(self.alerts, self.hours)
    }

    pub(super) fn false_alerts_per_hour(&self) -> f64 {
        if self.benign() > 0.0 { share(self.alarms, self.hours) } else { f64::NAN }
    }

    pub(super) fn repeated_share(&self) -> f64 {
        share(self.repeated, self.keyed)
    }

    pub(super) fn shed_share(&self) -> f64 {
        share(self.shed, self.events)
    }

    pub(super) fn uptime(&self) -> f64 {
        100.0 * share(self.probes_passed, self.probes_made)
    }

    pub(super) fn recall_of(&self, label: usize) -> f64 {
        share(self.labels[label].1, self.labels[label].0)
    }

    pub(super) fn predictions_per_hour(&self, route: usize) -> f64 {
        share(self.routes[route], self.hours)
    }

    /// The middle of a bucket may lie beyond the longest time in it.
    pub(super) fn latency_ms(&self, at: f64) -> f64 {
        let counts = (self.first_bucket..).zip(self.latencies.iter().copied());
        quantile_ms(counts, at).map_or(f64::NAN, |found| found.min(self.latency_max_ms))
    }
}

/// A quotient; NaN without anything to divide by.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { f64::NAN }
}
