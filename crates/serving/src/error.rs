//! Why a model cannot be had.

use std::time::Duration;

/// What kept a model from being loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// There was not enough memory: it may fit once others are gone.
    Memory,
    /// The file is damaged, absent or of an unknown kind: trying again changes nothing.
    Broken,
    /// A server that did not answer.
    Unreachable,
}

/// A model that could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct LoadError {
    /// What kind of failure it is.
    pub kind: LoadErrorKind,
    /// What failed, with the reference.
    pub problem: String,
    /// What to do about it.
    pub hint: String,
}

/// Why a request is not served. The message follows "failed to".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// No model has this name or alias.
    #[error("find the model `{name}`")]
    UnknownModel {
        /// The name as asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// It can never fit.
    #[error("load `{model}`: it takes {need} bytes, {}", beyond(*budget, *left))]
    TooLarge {
        /// The model.
        model: String,
        /// Bytes that it takes.
        need: u64,
        /// The budget.
        budget: u64,
        /// What is left of the budget beside the models that are never unloaded.
        left: u64,
    },
    /// The limit is reached, and the strategy is to refuse rather than to unload.
    #[error("load `{model}`: the limit is reached, and the strategy `circuit` unloads nothing")]
    AtLimit {
        /// The model.
        model: String,
    },
    /// Every model that could make room was in use for too long.
    #[error("load `{model}`: no room within {} s, since the models that could go were in use", waited.as_secs_f64())]
    NoRoom {
        /// The model.
        model: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It could not be loaded.
    #[error("load `{model}`: {error}")]
    Load {
        /// The model.
        model: String,
        /// Why.
        error: LoadError,
    },
    /// As many wait already as may.
    #[error("queue the request: {waiting} wait already")]
    QueueFull {
        /// Requests that wait.
        waiting: usize,
        /// When a place may be free.
        retry_after: Duration,
    },
    /// The key has asked more than its rate allows.
    #[error("serve the key `{key}` so often: its rate is used up")]
    RateLimited {
        /// Name of the key.
        key: String,
        /// When the next request will be let in.
        retry_after: Duration,
    },
    /// A time limit passed.
    #[error("{phase} within {} s", limit.as_secs_f64())]
    Late {
        /// What took too long, such as `begin the request`.
        phase: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// The breaker of what would serve is open.
    #[error("ask `{upstream}`: it failed too often, and is left alone")]
    Open {
        /// What is left alone.
        upstream: String,
        /// When it is tried again.
        retry_after: Duration,
    },
    /// The service ends.
    #[error("serve the request: the service is shutting down")]
    Draining,
}

/// What of a budget is left for a model.
fn beyond(budget: u64, left: u64) -> String {
    match budget - left.min(budget) {
        0 => format!("more than the budget of {budget} bytes"),
        taken => format!("and of the budget of {budget} bytes models that stay take {taken}"),
    }
}

impl ServeError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::UnknownModel { known, .. } => format!("ask for one of {}", known.join(", ")),
            Self::TooLarge { .. } => "raise the memory budget, unpin a model, or take a smaller one".to_owned(),
            Self::AtLimit { .. } => "unload a model first, or take another strategy".to_owned(),
            Self::NoRoom { .. } => "try again, or raise the memory budget".to_owned(),
            Self::Load { error, .. } => error.hint.clone(),
            Self::QueueFull { .. } | Self::RateLimited { .. } | Self::Open { .. } => {
                "wait as long as the answer says, then try again".to_owned()
            }
            Self::Late { .. } => "try again, or raise the limit".to_owned(),
            Self::Draining => "ask another instance".to_owned(),
        }
    }

    /// How long to wait before another try; `None` where waiting does not help or nobody knows.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::QueueFull { retry_after, .. }
            | Self::RateLimited { retry_after, .. }
            | Self::Open { retry_after, .. } => Some(*retry_after),
            Self::UnknownModel { .. }
            | Self::TooLarge { .. }
            | Self::AtLimit { .. }
            | Self::NoRoom { .. }
            | Self::Load { .. }
            | Self::Late { .. }
            | Self::Draining => None,
        }
    }
}
