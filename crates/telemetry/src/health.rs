//! Whether the client was fit to measure: watched by itself, beside the load, without changing the host.

mod limits;
mod monitor;
mod network;
mod reactor;
mod summary;
mod threads;
mod watch;

pub use limits::HealthLimits;
pub use monitor::{HealthEvents, HealthMonitor, HealthReport, HealthSettings};
pub use reactor::{Lag, ReactorProbe};
pub use summary::health_metrics;
pub use watch::HealthWatch;
