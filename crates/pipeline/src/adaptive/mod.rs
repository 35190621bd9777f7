//! Choices that follow from the documents and the memory: pure functions, so that a run's decisions can be replayed.

mod batches;
mod choose;
mod complexity;

pub use batches::{AdaptiveBatching, BatchClass, Batching, SizeClass, StageWorkers, WorkerPlan, Workers};
pub use choose::{Choice, ChoiceMode, ModelSelection, SelectionError};
pub use complexity::{Complexity, complexity};
