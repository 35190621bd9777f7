//! The contract between what weighs and what is weighed.
//!
//! An [`Engine`] answers a [`GenerateRequest`] with a stream of [`EngineEvent`]s, each stamped on the run's clock
//! by whoever saw it first. The [`Collector`] folds those events into a
//! [`Timeline`](weighbridge_types::request::Timeline) and an outcome, so that every meter sees requests of every
//! engine in the same form. The [`scripted`] engine follows a known timeline: it is the ground truth for every meter.
//!
//! What engines in process have in common lies here as well: [`sampling`] chooses tokens from logits, [`text`] assembles text
//! from tokens, [`answer`] makes events of both; [`constraint`] holds texts to a JSON schema; [`prompt`] reads what
//! is asked; [`tools`] offers tools and reads calls of them; [`pieces`] are the bytes of tokens; [`stage`] marks threads for profiles; [`device`] says which device is taken, and how much of its memory.
//!
//! The contract is a trait object with boxed streams and futures. That costs an allocation per request, which is
//! nothing beside a model's work, and keeps engines out of everybody's type parameters.

pub mod answer;
mod batch;
mod class_names;
mod collect;
pub mod constraint;
mod contract;
pub mod device;
mod error;
mod event;
mod factory;
mod follow;
pub mod logits;
pub mod pieces;
pub mod prompt;
mod request;
pub mod sampling;
pub mod scripted;
pub mod stage;
pub mod text;
mod tokenizer;
pub mod tools;

pub use batch::{AdaptiveBatch, BatchLimits, Exhausted, MemorySource};
pub use class_names::ClassNames;
pub use collect::{Collected, Collector, collect};
pub use contract::{BoxFuture, Capabilities, Engine, EventStream, MemoryReport};
pub use error::EngineError;
pub use event::{EngineEvent, EventKind, Frame, FrameDetail, Likely, RequestFailure};
pub use factory::{EngineFactory, SubjectError};
pub use follow::{Behavior, CancelAfter, Follow};
pub use request::{
    Classified, ClassifyRequest, EmbedRequest, Embedded, GenerateRequest, Message, Prompt, Role, Sampling,
    SamplingError, ScoreRequest, ScoredContinuation,
};
pub use tokenizer::{Tokenizer, TokenizerError};
