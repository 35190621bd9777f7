//! Scores of many samples from the counts of each.

use weighbridge_stats::classify::resample::unit_bootstrap;
use weighbridge_stats::cluster::ClusterSums;
use weighbridge_stats::{Estimate, Interval, Method};
use weighbridge_types::definition::Definition;
use weighbridge_types::metric::{Cell, Metric};

use super::figure::{Scope, estimated, figure};
use super::label_scores::of_replicates;
use super::settings::Settings;
use super::tables::bounded;

/// Which samples have counts of a kind, in the order of the counts, and which of them have an answer.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// Position among all samples.
    samples: Vec<u32>,
    answered: Vec<bool>,
}

impl Counted {
    pub(super) fn push(&mut self, sample: u64, is_answered: bool) {
        self.samples.push(u32::try_from(sample).unwrap_or(u32::MAX));
        self.answered.push(is_answered);
    }

    pub(super) fn len(&self) -> usize {
        self.samples.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Whether a sample has no answer.
    pub(super) fn has_failures(&self) -> bool {
        self.answered.contains(&false)
    }

    /// The samples of one form: position among the counts, and independent unit.
    pub(super) fn of(&self, scope: Scope, unit: &dyn Fn(u32) -> u32) -> Vec<(usize, u32)> {
        let is_kept = |at: &usize| scope == Scope::FailuresAsWrong || self.answered[*at];
        (0..self.len()).filter(is_kept).map(|at| (at, unit(self.samples[at]))).collect()
    }
}

/// The samples of one form that have counts: position among the counts, and independent unit.
pub(super) struct Corpus<'a> {
    pub(super) kept: &'a [(usize, u32)],
    pub(super) units: usize,
    pub(super) settings: &'a Settings,
}

impl Corpus<'_> {
    /// The mean of a score that lies between 0 and 1.
    pub(super) fn mean(&self, definition: &Definition, cell: &Cell, value: impl Fn(usize) -> f64) -> Metric {
        self.mean_up_to(1.0, definition, cell, value)
    }

    /// The mean of a score that lies between 0 and `highest`.
    pub(super) fn mean_up_to(
        &self,
        highest: f64,
        definition: &Definition,
        cell: &Cell,
        value: impl Fn(usize) -> f64,
    ) -> Metric {
        let mut sums = ClusterSums::default();
        for &(at, unit) in self.kept {
            sums.add(unit as usize, value(at), 1.0);
        }
        let clipped = sums.mean(self.settings.confidence).map(|found| Estimate {
            interval: Interval {
                low: found.interval.low.max(0.0),
                high: found.interval.high.min(highest),
                ..found.interval
            },
            ..found
        });
        estimated(definition, cell, clipped)
    }

    /// A score of summed counts, with an interval from resampled units.
    pub(super) fn figure<C: Default>(
        &self,
        definition: &Definition,
        cell: &Cell,
        add: impl Fn(&mut C, usize, f64),
        score: impl Fn(&C) -> f64,
    ) -> Metric {
        let mut whole = C::default();
        self.kept.iter().for_each(|&(at, _)| add(&mut whole, at, 1.0));
        let value = score(&whole);
        // Adding the counts of a sample costs about as much as ten visits.
        let interval = match bounded(self.settings.resampling, 10 * self.kept.len() as u64) {
            None => Err(format!("{} samples are too many to resample", self.kept.len())),
            Some(resampling) => {
                let mut replicates = unit_bootstrap(self.units, resampling, 1, |drawn, out| {
                    let mut sum = C::default();
                    for &(at, unit) in self.kept {
                        let times = drawn[unit as usize];
                        if times > 0.0 {
                            add(&mut sum, at, times);
                        }
                    }
                    out[0] = score(&sum);
                });
                let method = if self.units < self.kept.len() { Method::ClusterBootstrap } else { Method::Bootstrap };
                of_replicates(replicates.remove(0), value, self.units, method, self.settings)
            }
        };
        figure(definition, cell, value, self.kept.len() as u64, interval)
    }
}
