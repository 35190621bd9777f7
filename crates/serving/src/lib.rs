//! The model service: which models are in memory, who may ask them, and what happens when something fails.
//!
//! A [`ModelPool`] loads models when they are asked for, holds them within a budget of memory, and lends them: a
//! [`Lease`] keeps its model from being unloaded. A [`Gate`] lets in as many requests as a model computes at once; the
//! others wait in turns of their keys, within a bound. [`Buckets`] hold each key to its rate, a [`Breaker`] keeps requests
//! away from what has failed, a [`Balancer`] chooses among servers that are alike, a [`RetryBudget`] bounds what is asked
//! again. [`FaultLog`] remembers what failed, by class.
//!
//! This room knows engines by their contract alone: not where models come from, not HTTP. Time comes from a
//! [`Clock`](weighbridge_types::time::Clock), so that every rule is tested without waiting. The price is one lock around
//! the table of models, which is held for look-ups and never while a model loads.

mod admission;
mod balancer;
mod breaker;
mod buckets;
mod error;
mod faults;
mod gate;
mod pool;
mod retry;
mod settings;

pub use balancer::{Balancer, Chosen, PeerSettings, PeerState};
pub use breaker::{Breaker, BreakerSettings, BreakerState, Permit};
pub use buckets::{Buckets, Rate};
pub use error::{LoadError, LoadErrorKind, ServeError};
pub use faults::{Fault, FaultClass, FaultCount, FaultLog};
pub use gate::{Gate, GateSettings, GateState, Pass};
pub use pool::{Lease, LoadReport, Loader, ModelPool, ModelState, PoolEvent, Residence, SwitchReport, UnloadReason};
pub use retry::{RetryBudget, backoff};
pub use settings::{LoadWhen, ModelSettings, PoolSettings, Strategy};
