//! The load laboratory: how fast is a server at a load, how much does it carry within an objective, and can that be
//! believed?
//!
//! A [`Drive`] releases the sessions of a [`Traffic`](weighbridge_workload::Traffic) on one or several reactors, each a
//! thread with an event loop of its own, and hands over one row per request. Schedules are absolute: a start that was
//! missed is late, never moved. Nothing but stamps is taken while a request runs.
//!
//! It does not know what an endpoint's protocol looks like, nor how figures are computed or shown.

mod answers;
mod cache;
mod calibrate;
mod capacity;
mod cold_record;
mod cold_start;
mod drive;
mod error;
mod figures;
mod fresh;
mod health;
mod journal;
mod keeper;
mod ledger;
mod note;
mod observe;
mod outbox;
mod pacer;
mod probe;
mod profile;
mod reactor;
mod recover;
mod retry;
mod reuse;
mod run;
mod search;
mod seen;
mod sent;
mod session;
mod settings;
mod setup;
mod soak;
mod supply;
mod timeouts;
mod validity;
mod victim;
mod watching;

pub use answers::AnswerSettings;
pub use cache::CacheSettings;
pub use calibrate::{CalibrationSettings, calibrate};
pub use cold_record::ColdStartRun;
pub use cold_start::ColdStartSettings;
pub use drive::{Drive, DriveEnd, DriveLimits, DriveReport, Driving, Pace};
pub use error::LoadError;
pub use journal::Journal;
pub use ledger::Recount;
pub use pacer::{Pacing, Starts};
pub use probe::Probe;
pub use profile::{Cost, ErrorFigures, Graded, HostProfile, Lag, ProfileError, Truth, newest_profile, write_profile};
pub use reactor::{Reactor, Reactors};
pub use recover::recover;
pub use retry::RetryPolicy;
pub use reuse::{ReuseFigure, ReuseFigures, Reused, reuse_figures};
pub use run::{Identity, LoadRun, TrafficFactory};
pub use search::{Axis, Capacity, Judgement, Search, SearchLimits};
pub use settings::{LoadSettings, SearchSettings, Shape, Warmup};
pub use setup::Target;
pub use timeouts::Timeouts;
pub use validity::{futile_reason, invalid_reason};
pub use victim::Victim;
pub use watching::{Place, Watching};
