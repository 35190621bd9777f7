//! What a server and its devices said of themselves, at one moment: the stored form of scraped and read telemetry.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Stamp;

/// The kind of server, as the names of its own metrics show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerKind {
    /// vLLM, `vllm:…`.
    Vllm,
    /// Text Generation Inference, `tgi_…`.
    Tgi,
    /// SGLang, `sglang:…`.
    Sglang,
    /// llama-server of llama.cpp, `llamacpp:…`.
    LlamaServer,
    /// TensorRT-LLM's own server, `trtllm_…`.
    TensorRtLlm,
    /// Triton with the TensorRT-LLM backend, `nv_trt_llm_…`.
    Triton,
}

impl ServerKind {
    /// The name used in files and texts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vllm => "vllm",
            Self::Tgi => "tgi",
            Self::Sglang => "sglang",
            Self::LlamaServer => "llama_server",
            Self::TensorRtLlm => "tensorrt_llm",
            Self::Triton => "triton",
        }
    }
}

/// A quantity that a server tells as one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerQuantity {
    /// Requests that the engine works on (gauge).
    Running,
    /// Requests that wait for a place (gauge).
    Waiting,
    /// Share of the KV cache in use, 0 to 1 (gauge).
    KvUsage,
    /// Prompt tokens taken in since the server's start (counter).
    PromptTokens,
    /// Tokens generated since the server's start (counter).
    GenerationTokens,
    /// Prompt tokens looked up in the prefix cache since the server's start (counter).
    PrefixQueries,
    /// Prompt tokens found in the prefix cache since the server's start (counter).
    PrefixHits,
    /// Requests pushed out of the running batch since the server's start (counter).
    Preemptions,
    /// Requests ended well since the server's start (counter).
    Finished,
    /// When the server's process started, seconds since 1970 (gauge).
    ProcessStart,
    /// Resident memory of the server's process, bytes (gauge).
    ResidentBytes,
    /// Open file descriptors of the server's process (gauge).
    OpenFiles,
}

impl ServerQuantity {
    /// Whether it only grows while the server lives.
    #[must_use]
    pub const fn is_counter(self) -> bool {
        match self {
            Self::PromptTokens
            | Self::GenerationTokens
            | Self::PrefixQueries
            | Self::PrefixHits
            | Self::Preemptions
            | Self::Finished => true,
            Self::Running
            | Self::Waiting
            | Self::KvUsage
            | Self::ProcessStart
            | Self::ResidentBytes
            | Self::OpenFiles => false,
        }
    }
}

/// A distribution that a server tells as a histogram, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerDistribution {
    /// Arrival at the server to its first token.
    Ttft,
    /// Gap between output tokens.
    Itl,
    /// Mean time per output token of a request.
    Tpot,
    /// Arrival at the server to the end.
    E2e,
    /// Time spent waiting for a place.
    QueueTime,
}

/// A histogram since the server's start. The counts are of each bucket alone, not cumulative.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistogramSnapshot {
    /// Upper bounds of the buckets, rising; the last bucket has none and is not listed.
    pub bounds: Vec<f64>,
    /// Values in each bucket; one more than bounds.
    pub counts: Vec<u64>,
    /// Sum of all values; `None` where the server does not tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum: Option<f64>,
}

impl HistogramSnapshot {
    /// Values in all buckets.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }
}

/// One answer of a server's metrics endpoint. What the server does not tell is absent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSample {
    /// When the answer had come.
    pub at: Stamp,
    /// When it was asked for; the server's values are of a moment between the two.
    pub asked: Stamp,
    /// The kind of server.
    pub server: ServerKind,
    /// Single numbers, summed over the engines of the server where they add up.
    pub values: BTreeMap<ServerQuantity, f64>,
    /// Distributions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub distributions: BTreeMap<ServerDistribution, HistogramSnapshot>,
}

/// Why a graphics processor runs below its highest clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThrottleReason {
    /// Nothing runs.
    Idle,
    /// The clocks are set by a user.
    Setting,
    /// The power limit, in software.
    PowerCap,
    /// Hardware slowdown: heat, power brake, or a change of state.
    HardwareSlowdown,
    /// Another device of the same group is slowed down.
    SyncBoost,
    /// Heat, in software.
    ThermalSoftware,
    /// Heat, in hardware.
    ThermalHardware,
    /// The power supply asks for less.
    PowerBrake,
}

impl ThrottleReason {
    /// Whether it slows down work that is there to be done, against the user's wish.
    #[must_use]
    pub const fn slows_work(self) -> bool {
        match self {
            Self::Idle | Self::Setting => false,
            Self::PowerCap
            | Self::HardwareSlowdown
            | Self::SyncBoost
            | Self::ThermalSoftware
            | Self::ThermalHardware
            | Self::PowerBrake => true,
        }
    }
}

/// One reading of one graphics processor. `None` means that device or driver does not say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuSample {
    /// When it was taken.
    pub at: Stamp,
    /// Number of the device, as the driver or the exporter counts.
    pub index: u32,
    /// Share of the last driver period in which a kernel ran, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilization: Option<f64>,
    /// Device memory in use, bytes, all processes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// Power draw of the board, watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_watts: Option<f64>,
    /// Energy since the driver was loaded, joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_joules: Option<f64>,
    /// Temperature of the chip, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_celsius: Option<f64>,
    /// Clock of the multiprocessors, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sm_clock_mhz: Option<f64>,
    /// Clock of the memory, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_clock_mhz: Option<f64>,
    /// Why the clocks are low, sorted; `None` where unknown, empty where nothing holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Vec<ThrottleReason>>,
    /// Number of the last error that the driver reported (XID); 0 without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xid: Option<u64>,
}

/// Energy of the host's processors since the meter was started, counter wraps taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostEnergySample {
    /// When it was taken.
    pub at: Stamp,
    /// Joules of all processor packages.
    pub package_joules: f64,
    /// Joules of the memory, where the host tells them apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_joules: Option<f64>,
}

/// One sample of a process with all its descendants. `None` means that the platform does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProcessTreeSample {
    /// When it was taken.
    pub at: Stamp,
    /// Processes in the tree; 0 when the first one is gone.
    pub processes: u32,
    /// Threads of all of them.
    pub threads: Option<u64>,
    /// Sum of the resident set sizes, bytes; pages shared between processes count in each.
    pub rss_bytes: Option<u64>,
    /// Sum of the resident anonymous memory, bytes.
    pub anonymous_bytes: Option<u64>,
    /// Sum of the proportional set sizes, bytes: shared pages count once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pss_bytes: Option<u64>,
    /// Open file descriptors of all of them; `None` where they may not be read.
    pub open_files: Option<u64>,
    /// CPU seconds of the processes alive now, user and system.
    pub cpu_seconds: Option<f64>,
    /// Memory charged to the control group that was named, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cgroup_bytes: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_read_back_as_written() {
        let sample = ServerSample {
            at: Stamp::from_nanos(9),
            asked: Stamp::from_nanos(5),
            server: ServerKind::LlamaServer,
            values: BTreeMap::from([(ServerQuantity::Running, 2.0), (ServerQuantity::KvUsage, 0.25)]),
            distributions: BTreeMap::from([(
                ServerDistribution::Ttft,
                HistogramSnapshot { bounds: vec![0.1], counts: vec![3, 1], sum: Some(0.5) },
            )]),
        };
        let text = serde_json::to_string(&sample).unwrap();
        assert!(text.contains(r#""server":"llama_server","values":{"running":2.0,"kv_usage":0.25}"#), "{text}");
        assert_eq!(serde_json::from_str::<ServerSample>(&text).unwrap(), sample);
    }

    #[test]
    fn what_a_device_does_not_say_is_not_written() {
        let text = serde_json::to_string(&GpuSample { xid: Some(0), ..GpuSample::default() }).unwrap();
        assert_eq!(text, r#"{"at":0,"index":0,"xid":0}"#);
        assert_eq!(serde_json::from_str::<GpuSample>(&text).unwrap().throttle, None);
    }
}
