//! The run: every document, chunk and item goes through the stages and ends in one counted state.

mod batch;
mod draft;
mod error;
mod examine;
mod finish;
mod journal;
mod model;
mod report;
mod runner;
mod settle;
mod source;
mod state;
mod times;
mod work;

pub use draft::SpanRecord;
pub use error::PipelineError;
pub use journal::Journal;
pub use model::{Ask, EngineModel, Model, ModelFailure, Reply};
pub use report::{REPORT_VERSION, RunReport};
pub use runner::{Pipeline, Progress, RunOptions, Watch};
pub use source::{Source, SourceDocument};
pub use state::{State, StateCounts};
pub use times::{Stage, StageRow, StageTimes};
pub use work::{Calls, ChunkResult, chunk_key, work_chunk};
