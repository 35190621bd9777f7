//! The health of the client itself while it measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::request::ClientFault;
use crate::time::Stamp;

/// A time in which the client was not fit to measure: requests that lived in it are in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthBreach {
    /// What was wrong.
    pub fault: ClientFault,
    /// Since when.
    pub from: Stamp,
    /// Until when.
    pub to: Stamp,
    /// The worst value in that time, in the unit of the limit: milliseconds for a lag, else a share.
    pub value: f64,
    /// The limit that it broke.
    pub limit: f64,
}

/// Something of the client's surroundings that a reader should know, though it faults no single request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthAlarmKind {
    /// The wall clock was set, milliseconds. Stamps are monotonic; kernel receive stamps are not.
    ClockStep,
    /// Open file descriptors are near the limit, share.
    OpenFiles,
    /// TCP segments were sent again, share.
    Retransmits,
    /// The process waited for pages from storage, faults per second.
    MajorFaults,
}

/// An alarm with its time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthAlarm {
    /// What was seen.
    pub kind: HealthAlarmKind,
    /// Since when.
    pub from: Stamp,
    /// Until when.
    pub to: Stamp,
    /// The value, in the unit that the kind tells.
    pub value: f64,
    /// The limit that it broke.
    pub limit: f64,
}

/// What the client used over one period. `None` means that the platform does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HealthSample {
    /// Start of the period.
    pub from: Stamp,
    /// Its end.
    pub to: Stamp,
    /// Share of the period that the busiest reactor thread ran, 0 to 1.
    pub reactor_busy: Option<f64>,
    /// Share of the period that the reactor thread which waited most was ready and not run, 0 to 1.
    pub run_queue_wait: Option<f64>,
    /// Times per second that reactor threads were taken off a core while ready.
    pub involuntary_switches: Option<f64>,
    /// Cores that the process used.
    pub process_cpu: Option<f64>,
    /// Share of the host's CPU time that the hypervisor took, 0 to 1.
    pub steal_share: Option<f64>,
    /// Share of the host's CPU time in use, all processes, 0 to 1.
    pub host_cpu_share: Option<f64>,
    /// Tasks of the host that run or are ready, at the end of the period.
    pub runnable: Option<u64>,
    /// Page faults of the process that needed IO.
    pub major_faults: Option<u64>,
    /// Open file descriptors over the limit of the process, 0 to 1, at the end of the period.
    pub open_files_share: Option<f64>,
    /// How much the wall clock moved against the monotonic one, milliseconds, with its sign.
    pub clock_step_ms: Option<f64>,
    /// TCP segments sent in the network namespace.
    pub segments_sent: Option<u64>,
    /// TCP segments sent again.
    pub segments_again: Option<u64>,
    /// TCP segments received in error, failed connection attempts, overflown listen queues.
    pub network_errors: Option<u64>,
}
