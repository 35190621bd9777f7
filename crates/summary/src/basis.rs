//! What a summary rests on besides the rows.

use weighbridge_stats::{Confidence, Resampling};
use weighbridge_types::metric::{Flag, Metric};
use weighbridge_types::record::EngineDescription;

/// Fewer values than this mark a mean as resting on a low sample: its interval is then wide and its shape unknown.
pub const MIN_COUNT: u64 = 10;

/// Confidence of every two-sided interval in a record.
pub(crate) const CONFIDENCE: Confidence = Confidence::P95;

/// The seed of resampling, and the doubts that hold for every figure of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Seed of every bootstrap: the record's.
    pub seed: u64,
    /// Flags that every figure carries.
    pub flags: Vec<Flag>,
}

impl Basis {
    /// The basis of a record: its seed, and the flags that follow from what was weighed.
    #[must_use]
    pub fn new(seed: u64, engine: &EngineDescription) -> Self {
        let scripted = engine.scripted.then_some(Flag::Scripted);
        let synthetic = engine.synthetic_weights.then_some(Flag::SyntheticWeights);
        Self { seed, flags: scripted.into_iter().chain(synthetic).collect() }
    }

    pub(crate) fn resampling(&self) -> Resampling {
        Resampling::new(self.seed)
    }

    /// Adds the flags of the run, in a fixed order.
    pub(crate) fn mark(&self, metric: &mut Metric) {
        metric.flags.extend(&self.flags);
        metric.flags.sort_unstable();
        metric.flags.dedup();
    }
}
