//! What a process and its host used, at one moment.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Stamp;

/// One sample of the process and the host. `None` means that the platform does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceSample {
    /// When it was taken.
    pub at: Stamp,
    /// Resident set size, bytes.
    pub rss_bytes: Option<u64>,
    /// Resident anonymous memory, bytes: without mapped files.
    pub anonymous_bytes: Option<u64>,
    /// Proportional set size, bytes; read at a lower rate than the rest, because it is dear.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pss_bytes: Option<u64>,
    /// Memory charged to the control group, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_bytes: Option<u64>,
    /// CPU seconds of the process since its start, user and system.
    pub cpu_seconds: Option<f64>,
    /// Share of the host's CPU time stolen by the hypervisor since the last sample, 0 to 1.
    pub steal_share: Option<f64>,
    /// Share of the host's CPU time in use since the last sample, 0 to 1, all processes.
    pub host_cpu_share: Option<f64>,
    /// Page faults served without IO since the process started.
    pub minor_faults: Option<u64>,
    /// Page faults that needed IO since the process started.
    pub major_faults: Option<u64>,
    /// Bytes that the process caused to be read from storage.
    pub read_bytes: Option<u64>,
    /// Bytes that the process caused to be written to storage.
    pub written_bytes: Option<u64>,
}
