//! Tables of truth and answer, and how they are resampled.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use weighbridge_stats::classify::Marginals;
use weighbridge_stats::classify::resample::{count_bootstrap, unit_bootstrap};
use weighbridge_stats::{Method, Resampling};

use super::collect::{Columns, answer};
use super::figure::Scope;
use super::label_scores::MOST_LABELS;

/// Sample visits that resampling may cost at most, about two seconds; fewer resamples are made of longer files.
const MOST_VISITS: u64 = 400_000_000;

/// How resamples of `units` visits each are bounded. `None` where even the fewest would cost too much.
pub(crate) fn bounded(resampling: Resampling, visits: u64) -> Option<Resampling> {
    let affordable = u32::try_from(MOST_VISITS / visits.max(1)).unwrap_or(u32::MAX);
    (affordable >= Resampling::MIN_COUNT).then(|| resampling.with_count(resampling.count().min(affordable)))
}

/// Truth and answer of the samples of one form. Only cells that hold something are kept: where answers are free text,
/// nearly every sample has a label of its own.
#[derive(Debug)]
pub(super) struct Table<'a> {
    columns: &'a Columns,
    scope: Scope,
    pub(super) classes: usize,
    /// Position in reports of each label's number.
    rank: Vec<u32>,
    /// True label and answer of each cell, by position in reports; the answer `classes` is no label.
    pub(super) places: Vec<(u32, u32)>,
    /// Samples in each cell, or their weight.
    pub(super) weights: Vec<f64>,
    pub(super) samples: u64,
}

impl<'a> Table<'a> {
    pub(super) fn new(columns: &'a Columns, scope: Scope, order: &[u32]) -> Self {
        let mut rank = vec![0; order.len()];
        for (position, &code) in (0..).zip(order) {
            rank[code as usize] = position;
        }
        let (places, weights) = (Vec::new(), Vec::new());
        let mut table = Self { columns, scope, classes: order.len(), rank, places, weights, samples: 0 };
        let mut cells = Cells::new(table.classes);
        let (mut weights, mut samples): (Vec<f64>, u64) = (Vec::new(), 0);
        table.each(|index, place| {
            let cell = cells.of(place);
            if cell == weights.len() {
                weights.push(0.0);
            }
            weights[cell] += columns.weights.get(index).copied().unwrap_or(1.0);
            samples += 1;
        });
        (table.places, table.weights, table.samples) = (cells.places, weights, samples);
        table
    }

    /// The sums that scores are computed from.
    pub(super) fn marginals(&self) -> Marginals {
        let mut marginals = Marginals::default();
        marginals.fill_cells(self.classes, &self.places, &self.weights);
        marginals
    }

    /// `[truth][answer]`, with a last column for answers that are no label.
    pub(super) fn rows(&self) -> Vec<Vec<f64>> {
        let mut rows = vec![vec![0.0; self.classes + 1]; self.classes];
        for (&(truth, answer), weight) in self.places.iter().zip(&self.weights) {
            rows[truth as usize][answer as usize] += weight;
        }
        rows
    }

    /// Calls `visit` with the position and the place of each sample.
    fn each(&self, mut visit: impl FnMut(usize, (u32, u32))) {
        let stray = u32::try_from(self.classes).unwrap_or(u32::MAX);
        for (index, (&truth, &answer)) in self.columns.truth.iter().zip(&self.columns.answers).enumerate() {
            let column = match self.rank.get(answer as usize) {
                Some(&rank) => rank,
                None => {
                    let is_answered = answer::problem(answer).is_some_and(|problem| problem.is_answered());
                    if self.scope == Scope::AnsweredOnly && !is_answered {
                        continue;
                    }
                    stray
                }
            };
            visit(index, (self.rank[truth as usize], column));
        }
    }

    /// Independent units: samples, or clusters of them.
    pub(super) fn units(&self) -> usize {
        if self.columns.clusters.is_empty() {
            usize::try_from(self.samples).unwrap_or(usize::MAX)
        } else {
            self.columns.cluster_count
        }
    }

    /// Replicates of `statistics` numbers, computed from resampled tables; the method that made them.
    /// `None` where it would cost too much.
    pub(super) fn resample(
        &self,
        resampling: Resampling,
        statistics: usize,
        compute: impl FnMut(&[f64], &mut [f64]),
    ) -> Option<(Vec<Vec<f64>>, Method)> {
        if self.columns.clusters.is_empty() && self.columns.weights.is_empty() {
            let counts: Vec<u64> = self.weights.iter().map(|&count| whole(count)).collect();
            let resampling = bounded(resampling, self.cost(statistics))?;
            return Some((count_bootstrap(&counts, resampling, statistics, compute), Method::CountBootstrap));
        }
        self.resample_units(bounded(resampling, self.samples + self.cost(statistics))?, statistics, compute)
    }

    /// Visits that one resample costs: a binomial draw is worth about ten, and where there are many labels every score
    /// looks at all of them.
    fn cost(&self, statistics: usize) -> u64 {
        let of_labels = if self.classes > MOST_LABELS { (statistics * self.classes) as u64 } else { 0 };
        10 * self.places.len() as u64 + self.classes as u64 + of_labels
    }

    fn resample_units(
        &self,
        resampling: Resampling,
        statistics: usize,
        mut compute: impl FnMut(&[f64], &mut [f64]),
    ) -> Option<(Vec<Vec<f64>>, Method)> {
        let mut items: Vec<(u32, u32, f64)> = Vec::new();
        let mut cells = Cells::new(self.classes);
        // In the order of the places, which are known by now.
        for &place in &self.places {
            cells.of(place);
        }
        let clusters = &self.columns.clusters;
        self.each(|index, place| {
            let unit = clusters.get(index).copied().unwrap_or_else(|| u32::try_from(items.len()).unwrap_or(u32::MAX));
            let weight = self.columns.weights.get(index).copied().unwrap_or(1.0);
            items.push((unit, u32::try_from(cells.of(place)).unwrap_or(u32::MAX), weight));
        });
        let mut weights = vec![0.0; self.weights.len()];
        let replicates = unit_bootstrap(self.units(), resampling, statistics, |drawn, out| {
            weights.fill(0.0);
            for &(unit, cell, weight) in &items {
                weights[cell as usize] += weight * drawn[unit as usize];
            }
            compute(&weights, out);
        });
        let method = if clusters.is_empty() { Method::Bootstrap } else { Method::ClusterBootstrap };
        Some((replicates, method))
    }
}

/// The number of each place that was seen, in the order of first sight.
#[derive(Debug)]
struct Cells {
    classes: usize,
    places: Vec<(u32, u32)>,
    /// Number of a place plus one, row-major; empty where a table would be large, and the other one is used.
    table: Vec<u32>,
    numbers: HashMap<(u32, u32), u32, FixedState>,
}

impl Cells {
    /// A table of places up to this many labels has half a million bytes at most.
    const MOST: usize = 350;

    fn new(classes: usize) -> Self {
        let table = if classes <= Self::MOST { vec![0; classes * (classes + 1)] } else { Vec::new() };
        Self { classes, places: Vec::new(), table, numbers: HashMap::with_hasher(FixedState::default()) }
    }

    fn of(&mut self, place: (u32, u32)) -> usize {
        let next = u32::try_from(self.places.len()).unwrap_or(u32::MAX - 1);
        let slot = match self.table.get_mut(place.0 as usize * (self.classes + 1) + place.1 as usize) {
            Some(slot) => slot,
            None => self.numbers.entry(place).or_default(),
        };
        if *slot == 0 {
            *slot = next + 1;
            self.places.push(place);
        }
        *slot as usize - 1
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of ones")]
fn whole(count: f64) -> u64 {
    count as u64
}
