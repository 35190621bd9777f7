//! What equal sides differ by on this host.

use std::collections::BTreeMap;

use weighbridge_stats::Resampling;
use weighbridge_stats::runs::noise_floor;
use weighbridge_types::record::{Record, Status};

use crate::alike::same_subject;
use crate::cells::{Figures, Key, figures};

/// Runs from which a floor can be learned at least.
const FEWEST: usize = 10;

/// Share of comparisons of equal sides that stay below the floor.
const PROBABILITY: f64 = 0.95;

/// Runs that nothing but chance tells apart.
#[derive(Debug, Default)]
pub struct Noise<'a> {
    runs: usize,
    figures: BTreeMap<Key, Figures<'a>>,
}

impl<'a> Noise<'a> {
    /// Learns from those of the `known` runs that weighed the same as `like`, in the same way. Fewer than ten, or fewer than
    /// two sides of `side` runs need, teach nothing.
    #[must_use]
    pub fn learn(like: &Record, known: &'a [Record], side: usize) -> Self {
        let is_usable = |run: &&Record| run.status == Status::Complete && same_subject(like, run);
        let runs: Vec<&Record> = known.iter().filter(is_usable).collect();
        if runs.len() < FEWEST.max(2 * side) {
            return Self::default();
        }
        Self { runs: runs.len(), figures: figures(runs) }
    }

    /// How many runs there are.
    #[must_use]
    pub const fn runs(&self) -> usize {
        self.runs
    }

    /// The share by which sides of these many runs differ at most in 95 of 100 comparisons although they are equal. `None`
    /// where too few runs are known to tell, or the metric has no ratio.
    #[must_use]
    pub fn floor(&self, key: &Key, sides: (usize, usize), resampling: Resampling) -> Option<f64> {
        let values = self.figures.get(key)?.values(self.runs)?;
        noise_floor(&values, sides, PROBABILITY, resampling).ok().map(|ratio| ratio - 1.0)
    }
}
