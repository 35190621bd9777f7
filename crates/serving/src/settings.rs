//! What a user decides about models and their memory.

use std::time::Duration;

use serde::Serialize;

/// When a model is loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadWhen {
    /// When the service starts.
    Eager,
    /// With the first request for it.
    #[default]
    Lazy,
    /// Only when an administrator says so; a request for it is refused until then.
    OnDemand,
}

/// What is done at the limit of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// All models are loaded at the start, as far as they fit; later the one used longest ago goes.
    Eager,
    /// Models are loaded as they are asked for; the one used longest ago goes.
    #[default]
    Lazy,
    /// The one goes whose absence would cost least: seldom used, quickly loaded, large.
    Adaptive,
    /// Nothing goes: what does not fit is refused.
    Circuit,
}

/// What a user decides about one model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelSettings {
    /// The name that requests use.
    pub name: String,
    /// Other names for it.
    pub aliases: Vec<String>,
    /// The class of tasks that it is for; requests may name it instead of a model. The first model of a tier serves it.
    pub tier: Option<String>,
    /// When it is loaded.
    pub load: LoadWhen,
    /// Bytes that it is said to take; 0 where nothing is said, and then measured when it loads.
    pub declared_bytes: u64,
    /// Whether it stays loaded once it is.
    pub pinned: bool,
    /// Models of lower priority are unloaded first. 0 is usual.
    pub priority: i32,
    /// How long it stays loaded without being used; `None` keeps it while there is room.
    pub idle_ttl: Option<Duration>,
    /// Whether it computes elsewhere, so that it takes no memory here and counts for no limit.
    pub is_remote: bool,
    /// The model that answers in its place while it cannot: a smaller one, or one nearer by; `None` lets requests fail.
    pub fallback: Option<String>,
}

impl ModelSettings {
    /// A model in this process, loaded when it is asked for.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            aliases: Vec::new(),
            tier: None,
            load: LoadWhen::default(),
            declared_bytes: 0,
            pinned: false,
            priority: 0,
            idle_ttl: None,
            is_remote: false,
            fallback: None,
        }
    }
}

/// What a user decides about all models together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    /// Bytes that models in this process may take together; `None` sets no limit.
    pub memory_budget: Option<u64>,
    /// Models in this process at most; `None` sets no limit.
    pub max_models: Option<usize>,
    /// What is done at the limit.
    pub strategy: Strategy,
    /// Longest wait for room while all that could go is in use.
    pub room_timeout: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self { memory_budget: None, max_models: None, strategy: Strategy::Lazy, room_timeout: Duration::from_secs(30) }
    }
}
