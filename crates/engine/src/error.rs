//! What an engine can refuse.

/// An engine that cannot do what was asked. Failures of a single generation are events, not errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine has no such operation.
    #[error("{operation} with the `{engine}` engine: it cannot")]
    Unsupported {
        /// What was asked.
        operation: &'static str,
        /// Name of the engine.
        engine: String,
    },
    /// The request does not fit the context.
    #[error("fit {needed} tokens into a context of {context} tokens")]
    ContextOverflow {
        /// Prompt tokens and output tokens asked for.
        needed: u64,
        /// The context length.
        context: u32,
    },
    /// A value of the request is out of range.
    #[error("accept the request: {problem}")]
    InvalidRequest {
        /// Which value, and its range.
        problem: String,
    },
    /// The other side failed.
    #[error("{problem}")]
    Failed {
        /// What happened, without secrets.
        problem: String,
    },
}

impl EngineError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unsupported { .. } => "leave this part out with `--phases`, or weigh a model that runs in process",
            Self::ContextOverflow { .. } => "shorten the prompt or the output, or take a model with a longer context",
            Self::InvalidRequest { .. } => "correct the value",
            Self::Failed { .. } => "see what the engine said",
        }
    }
}
