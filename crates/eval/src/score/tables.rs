//! Tables of truth and answer, and how they are resampled.

use weighbridge_stats::classify::resample::{count_bootstrap, unit_bootstrap};
use weighbridge_stats::{Method, Resampling};

use super::collect::{Columns, answer};
use super::figure::Scope;

/// Sample visits that resampling may cost at most, about two seconds; fewer resamples are made of longer files.
const MOST_VISITS: u64 = 400_000_000;

/// How resamples of `units` visits each are bounded. `None` where even the fewest would cost too much.
pub(crate) fn bounded(resampling: Resampling, visits: u64) -> Option<Resampling> {
    let affordable = u32::try_from(MOST_VISITS / visits.max(1)).unwrap_or(u32::MAX);
    (affordable >= Resampling::MIN_COUNT).then(|| resampling.with_count(resampling.count().min(affordable)))
}

/// Truth and answer of the samples of one form. Cells are `[truth, answer]`, row-major; the last of `classes + 1` columns
/// holds answers that are no label.
#[derive(Debug)]
pub(super) struct Table<'a> {
    columns: &'a Columns,
    scope: Scope,
    pub(super) classes: usize,
    /// Position in reports of each label's number.
    rank: Vec<u32>,
    pub(super) cells: Vec<f64>,
    pub(super) samples: u64,
}

impl<'a> Table<'a> {
    pub(super) fn new(columns: &'a Columns, scope: Scope, order: &[u32]) -> Self {
        let mut rank = vec![0; order.len()];
        for (position, &code) in (0..).zip(order) {
            rank[code as usize] = position;
        }
        let classes = order.len();
        let mut table = Self { columns, scope, classes, rank, cells: vec![0.0; classes * (classes + 1)], samples: 0 };
        let mut cells = std::mem::take(&mut table.cells);
        let mut samples = 0;
        table.each(|index, cell| {
            cells[cell] += columns.weights.get(index).copied().unwrap_or(1.0);
            samples += 1;
        });
        table.cells = cells;
        table.samples = samples;
        table
    }

    /// Calls `visit` with the position and the cell of each sample.
    fn each(&self, mut visit: impl FnMut(usize, usize)) {
        let width = self.classes + 1;
        for (index, (&truth, &answer)) in self.columns.truth.iter().zip(&self.columns.answers).enumerate() {
            let column = match self.rank.get(answer as usize) {
                Some(&rank) => rank as usize,
                None => {
                    let is_answered = answer::problem(answer).is_some_and(|problem| problem.is_answered());
                    if self.scope == Scope::AnsweredOnly && !is_answered {
                        continue;
                    }
                    self.classes
                }
            };
            visit(index, self.rank[truth as usize] as usize * width + column);
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
            let counts: Vec<u64> = self.cells.iter().map(|&count| whole(count)).collect();
            let filled = counts.iter().filter(|&&count| count > 0).count();
            // A binomial draw costs about as much as ten visits; the scores cost one per cell.
            let cost = 10 * filled as u64 + self.cells.len() as u64;
            let resampling = bounded(resampling, cost)?;
            return Some((count_bootstrap(&counts, resampling, statistics, compute), Method::CountBootstrap));
        }
        self.resample_units(bounded(resampling, self.samples + self.cells.len() as u64)?, statistics, compute)
    }

    fn resample_units(
        &self,
        resampling: Resampling,
        statistics: usize,
        mut compute: impl FnMut(&[f64], &mut [f64]),
    ) -> Option<(Vec<Vec<f64>>, Method)> {
        let mut items: Vec<(u32, u32, f64)> = Vec::new();
        let clusters = &self.columns.clusters;
        self.each(|index, cell| {
            let unit = clusters.get(index).copied().unwrap_or_else(|| u32::try_from(items.len()).unwrap_or(u32::MAX));
            let weight = self.columns.weights.get(index).copied().unwrap_or(1.0);
            items.push((unit, u32::try_from(cell).unwrap_or(u32::MAX), weight));
        });
        let mut cells = vec![0.0; self.cells.len()];
        let replicates = unit_bootstrap(self.units(), resampling, statistics, |drawn, out| {
            cells.fill(0.0);
            for &(unit, cell, weight) in &items {
                cells[cell as usize] += weight * drawn[unit as usize];
            }
            compute(&cells, out);
        });
        let method = if clusters.is_empty() { Method::Bootstrap } else { Method::ClusterBootstrap };
        Some((replicates, method))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of ones")]
fn whole(count: f64) -> u64 {
    count as u64
}
