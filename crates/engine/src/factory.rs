//! How an engine is made, by whoever knows its kind.

use std::sync::Arc;

use crate::contract::{BoxFuture, Engine};

/// Makes an engine. An endpoint's connections belong to the runtime on which it is made.
pub type EngineFactory = Arc<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Engine>, SubjectError>> + Send + Sync>;

/// Something that could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SubjectError {
    /// What failed, with the reference.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}
