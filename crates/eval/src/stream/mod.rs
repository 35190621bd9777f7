//! Streams of security events, as a desk gets them: played by their time stamps or at a rate, through one or several models
//! with bounded queues, and judged by what a desk needs to know.
//!
//! [`Events`] hands events over in order; a thread releases each at its time. Every route has a queue and workers. The desk
//! counts what became of each event by stretches of the events' own time ([`Pane`](weighbridge_types::stream::Pane)), which
//! close when nothing can change them; they are what a log keeps. The ledger adds them up, while a stream runs and again
//! when its record is checked ([`Recount`]), and figures are made of it.

mod asker;
mod desk;
mod error;
mod event;
mod figures;
mod lane;
mod ledger;
mod play;
mod queue;
mod recount;
mod run;
mod scenario;
mod settings;
mod sums;
mod targets;

pub use error::StreamError;
pub use event::{EventFile, Incoming, TimeUnit};
pub use play::Events;
pub use recount::Recount;
pub use run::{KIND, StreamRun};
pub use scenario::Scenario;
pub use settings::{BENIGN, Outage, Pace, Route, Shed, StreamSettings};
pub use targets::{SCENARIO_PROFILE, Target};
