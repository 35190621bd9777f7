//! The five-phase weigh-in.
//!
//! A [`Campaign`] takes resolved [`BenchSettings`], a [`Subject`] (how to load what is weighed) and a
//! [`Sink`](weighbridge_types::event::Sink), and runs the phases in order: validate, latency, memory, throughput,
//! quality. It knows nothing of files, flags or terminals; which engine it drives is the caller's choice.
//!
//! Each phase drives the engine in closed loop with prompts made before anything is timed, hands the rows to the sink
//! when nothing is in flight, and lets [`weighbridge_summary`] turn them into figures. [`Targets`] and findings are then
//! decided from the figures alone. A phase that is complete is kept when a campaign continues from an earlier record.
//!
//! [`memory_profile`] reads memory after each of many equal loads, for whoever judges leaks.
//!
//! The price of handing rows over only at quiet moments: a run that is killed loses the rows of the cell under way. Its
//! phase is run again anyway.

pub mod accel;
mod campaign;
mod context;
mod driver;
pub mod engines;
mod error;
mod estimate;
mod findings;
mod load;
pub mod memory_profile;
pub mod performance;
mod phases;
mod projection;
mod prompts;
pub mod reference;
mod settings;
mod subject;
mod targets;
mod targets_file;

pub use campaign::{Campaign, Identity, Previous, RecordCheck};
pub use error::BenchError;
pub use settings::{BenchSettings, Budgets, Lengths, Mode, SettingsError};
pub use subject::{Subject, Variant};
pub use targets::{Gate, Target, Targets, gate};
pub use targets_file::TargetsError;
pub use weighbridge_summary::{Bound, Limit};
