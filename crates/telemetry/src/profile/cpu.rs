//! Samples where the processor is in this process.
//!
//! The kernel's profiling timer sends a signal to a thread whenever the process has used so much processor time; the handler
//! walks the frame pointers of that thread and leaves addresses in a buffer, and a thread of its own empties the buffer.
//! Names are looked up when sampling has ended.
//!
//! Stacks are walked by frame pointers and by nothing else: unwinding by tables takes locks and memory within the handler,
//! which has killed servers. The price is that every part must be built with frame pointers; of a function without them
//! its caller is missing.

pub(super) mod buffer;
pub(super) mod gather;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) mod memory;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod signal;
pub(super) mod walk;

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod signal {
    //! Where the sampler does not work.

    use super::{CpuError, buffer::Buffer};

    pub(super) fn start(_: &'static Buffer, _: std::time::Duration) -> Result<(), CpuError> {
        Err(CpuError::Unsupported)
    }

    pub(super) fn stop() {}

    pub(super) fn add_runs(_: &mut super::Profile) {}
}

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::stacks::{Period, Profile};
use buffer::Buffer;
use gather::{Collector, Gathered};

/// Samples in a second of processor time. Not 100, so that work that is done a hundred times a second is met at all its
/// parts.
pub const HERTZ: u32 = 99;

/// There is one timer in a process, and so one sampler at a time.
static IS_RUNNING: AtomicBool = AtomicBool::new(false);

/// Sampling that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CpuError {
    /// Another sampler is running.
    #[error("sample this process: it is being sampled already")]
    Busy,
    /// Something else uses the signal.
    #[error("sample this process: the signal `SIGPROF` is used by another part of it")]
    SignalTaken,
    /// Not Linux on x86-64 or ARM64.
    #[error("sample this process: that works on Linux with x86-64 or ARM64 only")]
    Unsupported,
    /// The kernel refused a call.
    #[error("sample this process: `{call}` was refused: {source}")]
    Refused {
        /// The system call.
        call: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl CpuError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Busy => "one profile at a time: wait until the other has ended",
            Self::SignalTaken => "end the other profiler of this process",
            Self::Unsupported => "leave the profile out, or take the profiler of your system",
            Self::Refused { .. } => {
                "a container may forbid it: allow `setitimer` and `process_vm_readv`, or run `weighbridge profile --pid` outside"
            }
        }
    }
}

/// Samples this process until it is stopped or dropped.
#[derive(Debug)]
pub struct CpuProfiler {
    period: Duration,
    collector: Option<Collector>,
}

impl CpuProfiler {
    /// Starts to sample all threads, `hertz` times in a second of processor time. Nothing is sampled while nothing computes.
    ///
    /// # Errors
    /// When another sampler runs, the system has none, or it forbids one.
    pub fn start(hertz: u32) -> Result<Self, CpuError> {
        if IS_RUNNING.swap(true, Ordering::SeqCst) {
            return Err(CpuError::Busy);
        }
        // What has begun ends when it is dropped, also where the next step is refused.
        let mut profiler = Self { period: Duration::from_secs(1) / hertz.max(1), collector: None };
        static BUFFER: OnceLock<Buffer> = OnceLock::new();
        let buffer = BUFFER.get_or_init(Buffer::new);
        profiler.collector = Some(Collector::start(buffer)?);
        signal::start(buffer, profiler.period)?;
        Ok(profiler)
    }

    /// Ends sampling and looks up the names of what was seen.
    #[must_use]
    pub fn stop(mut self) -> Profile {
        let mut profile = self.end().profile(Period::Processor(self.period));
        signal::add_runs(&mut profile);
        profile
    }

    fn end(&mut self) -> Gathered {
        signal::stop();
        self.collector.take().map(Collector::stop).unwrap_or_default()
    }
}

impl Drop for CpuProfiler {
    fn drop(&mut self) {
        drop(self.end());
        IS_RUNNING.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests;
