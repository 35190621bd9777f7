//! The environment fingerprint: what a figure was measured on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Host, limits and build. Unknown is `None`, never a guess.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Operating system and distribution, as the system names itself.
    pub os: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// CPU model.
    pub cpu_model: Option<String>,
    /// Logical processors that this process may use.
    pub cores_usable: Option<u32>,
    /// Logical processors of the host.
    pub cores_online: Option<u32>,
    /// Instruction-set extensions that matter to inference, sorted.
    pub cpu_flags: Vec<String>,
    /// Frequency governor; `None` where the host has no frequency control.
    pub governor: Option<String>,
    /// NUMA nodes.
    pub numa_nodes: Option<u32>,
    /// Memory of the host, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory limit of the control group, bytes; `None` without a limit.
    pub cgroup_memory_limit_bytes: Option<u64>,
    /// CPU limit of the control group, cores; `None` without a limit.
    pub cgroup_cpu_limit: Option<f64>,
    /// Hypervisor or container, as far as it shows.
    pub virtualization: Option<String>,
    /// Storage that holds the results: file system and device.
    pub storage: Option<String>,
    /// Graphics processors.
    pub gpus: Vec<Gpu>,
    /// Why the list of graphics processors is empty, when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpus_reason: Option<String>,
    /// This program.
    pub build: Build,
    /// SHA-256 over the fields that make two hosts the same, in hexadecimal; runs with another digest do not compare.
    pub digest: String,
}

/// A graphics processor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gpu {
    /// Name of the device.
    pub name: String,
    /// Its memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Driver version.
    pub driver: Option<String>,
}

/// The program that measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Version.
    pub version: String,
    /// Commit, with `-dirty` when the tree had changes; `None` when built outside a repository.
    pub commit: Option<String>,
    /// `release` or `debug`: figures of a debug build are worth nothing.
    pub profile: String,
    /// Target triple.
    pub target: String,
}
