//! Telemetry: what the machine is, what processes, devices and servers tell of themselves while a run goes on, and
//! whether the client itself was fit to measure.
//!
//! It knows nothing of runs, phases or records. Of the host it answers [`fingerprint`] (what is measured on),
//! [`Sampler`] (a series at a fixed rate, with its own cost), [`Probe`] (one sample), [`PeakMeter`] (the kernel's
//! high-water mark), [`MemoryParts`] (what memory consists of), [`free_memory`] (what may still be taken), [`memory_pressure`] (how short it is) and
//! [`calibration_kernel`] (how fast this host reads memory). Beside a load it runs
//! [`server::Scraper`] (a server's own metrics), [`GpuSampler`] and [`HostEnergySampler`] (devices and energy),
//! [`TreeSampler`] (a server's processes), [`GroupProbe`] (a control group) and [`health::HealthMonitor`] (the client). Functions named `…_metrics` turn
//! what was gathered into figures over a [`Window`].
//!
//! Every file under `/proc` and `/sys` is read through a [`SystemRoot`], so that tests use a folder of their own. The
//! readers are a few lines each instead of a crate that knows one root; the price is that only Linux is read. A file
//! that is absent or odd gives `None`, never a guess and never a panic.

mod bounded;
pub mod cache;
mod calibration;
mod cgroup;
mod cost;
mod cpu;
mod energy;
mod figures;
mod fingerprint;
mod free_memory;
mod gpu;
mod gpu_device;
mod gpu_plan;
mod gpu_sampler;
mod gpu_setup;
mod gpu_summary;
pub mod health;
mod memory_parts;
mod memory_pressure;
mod mounts;
mod peak;
mod probe;
mod process;
pub mod profile;
pub mod prometheus;
mod rapl;
mod root;
mod sampler;
pub mod server;
mod thermal;
mod ticker;
mod tree;
mod virtualization;
mod watch;

pub use bounded::{Bounded, BoundsError, Window};
pub use calibration::{Calibration, calibration_kernel};
pub use cgroup::{GroupMemory, GroupProbe};
pub use cost::{Price, Tokens, cost_metrics};
pub use energy::{Energy, EnergyScope, energy_metrics, gpu_energy, host_energy, integral};
pub use fingerprint::fingerprint;
pub use free_memory::{HostMemory, free_memory, host_memory};
pub use gpu::{GpuRoom, gpu_memory};
pub use gpu_device::{GpuSource, NvmlSource};
pub use gpu_plan::{GpuAction, gpu_plan};
pub use gpu_sampler::{GpuReport, GpuSampler, GpuSettings};
pub use gpu_setup::{GpuCheck, GpuMemory, GpuSetup, GpuState};
pub use gpu_summary::gpu_metrics;
pub use memory_parts::{Heap, MemoryParts};
pub use memory_pressure::{MemoryPressure, memory_pressure};
pub use peak::{PeakMeter, PeakScope, peak_rss};
pub use probe::{Probe, Pss, sample_now};
pub use rapl::{HostEnergyMeter, HostEnergyReport, HostEnergySampler};
pub use root::SystemRoot;
pub use sampler::{Sampler, SamplerReport, SamplerSettings};
pub use thermal::host_temperature;
pub use ticker::{SamplerCost, thread_cpu};
pub use tree::{TreeProbe, TreeReport, TreeSampler, TreeTarget, tree_metrics};
pub use watch::{WatchSettings, Watched, hits_by_usage};

/// Telemetry that could not be started.
#[derive(Debug, thiserror::Error)]
#[error("start the {what} thread: {source}")]
pub struct TelemetryError {
    /// What the thread was for.
    pub(crate) what: &'static str,
    /// Why the system refused.
    pub(crate) source: std::io::Error,
}

impl TelemetryError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "raise the limit of processes (`ulimit -u`) or of the container's pids"
    }
}
