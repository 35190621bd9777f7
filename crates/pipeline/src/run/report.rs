//! What a run took: times, rates and verdicts. Unlike the card, it differs from run to run.

use serde::{Deserialize, Serialize};

use super::state::StateCounts;
use super::times::{Stage, StageRow};
use super::work::Calls;
use crate::targets::TargetVerdict;

/// Version of the form of [`RunReport`].
pub const REPORT_VERSION: u32 = 1;

/// What a run took, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// Version of this form.
    pub version: u32,
    /// The model; `None` for patterns alone.
    pub model: Option<String>,
    /// Chunks that were worked on at once.
    pub concurrency: usize,
    /// From the start to the last file, s.
    pub wall_seconds: f64,
    /// Documents that came in, per hour; `None` where no time passed. Always read it with the figures beside it.
    pub documents_per_hour: Option<f64>,
    /// Pages of the documents that were used.
    pub pages: u64,
    /// Tokens of the documents that were used.
    pub tokens: u64,
    /// Whether they are an estimate.
    pub tokens_estimated: bool,
    /// What became of the documents.
    pub documents: StateCounts,
    /// What became of the chunks.
    pub chunks: StateCounts,
    /// What became of the items.
    pub items: StateCounts,
    /// Failed among admitted documents; `None` without documents.
    pub error_rate: Option<f64>,
    /// Mean score of the kept items.
    pub quality_mean: Option<f64>,
    /// Its 95 % interval.
    pub quality_interval: Option<(f64, f64)>,
    /// Standard deviation of the scores.
    pub quality_deviation: Option<f64>,
    /// Chunks whose result was in the journal already.
    pub chunks_resumed: u64,
    /// Calls of this run, failed ones among them.
    pub calls: Calls,
    /// Six rows, in order.
    pub stages: Vec<StageRow>,
    /// The stage that took most of the workers' time, and its slowest step.
    pub bottleneck: Option<(Stage, String)>,
    /// Where the figures are; what the edge measures is filled in by it.
    pub verdicts: Vec<TargetVerdict>,
}
