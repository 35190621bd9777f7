//! Samples where the processor is in this process.
//!
//! The kernel's profiling timer sends a signal to a thread whenever the process has used so much processor time; the handler
//! walks the frame pointers of that thread and leaves addresses in a buffer, and a thread of its own empties the buffer.
//! Names are looked up when sampling has ended.
//!
//! Stacks are walked by frame pointers and by nothing else: unwinding by tables takes locks and memory within the handler,
//! which has killed servers. The price is that every part must be built with frame pointers; of a function without them
//! its caller is missing.

mod buffer;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod signal;
mod walk;

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod signal {
    //! Where the sampler does not work.

    use super::{CpuError, buffer::Buffer};

    pub(super) fn start(_: &'static Buffer, _: std::time::Duration) -> Result<(), CpuError> {
        Err(CpuError::Unsupported)
    }

    pub(super) fn stop() {}
}

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use weighbridge_engine::stage::Stage;

use super::stacks::Profile;
use super::symbols::Symbols;
use buffer::{Buffer, RawStack};

/// Samples in a second of processor time. Not 100, so that work that is done a hundred times a second is met at all its
/// parts.
pub const HERTZ: u32 = 99;

/// Time between two looks into the buffer.
const LOOK: Duration = Duration::from_millis(50);

/// Samples that are kept: five hours of one busy processor, 32 MB. What comes later is counted as lost.
const MOST_SAMPLES: usize = 2_000_000;

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
    stop: Arc<AtomicBool>,
    collector: Option<JoinHandle<Gathered>>,
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
        let period = Duration::from_secs(1) / hertz.max(1);
        let started = Self::start_alone(period);
        if started.is_err() {
            IS_RUNNING.store(false, Ordering::SeqCst);
        }
        started
    }

    fn start_alone(period: Duration) -> Result<Self, CpuError> {
        static BUFFER: OnceLock<Buffer> = OnceLock::new();
        let buffer = BUFFER.get_or_init(Buffer::new);
        buffer.clear();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("profiler".to_owned());
        let collector = thread.spawn(move || gather(buffer, &asked));
        let collector = collector.map_err(|source| CpuError::Refused { call: "clone", source })?;
        let profiler = Self { period, stop, collector: Some(collector) };
        match signal::start(buffer, period) {
            Ok(()) => Ok(profiler),
            Err(error) => {
                profiler.end();
                Err(error)
            }
        }
    }

    /// Ends sampling and looks up the names of what was seen.
    #[must_use]
    pub fn stop(mut self) -> Profile {
        let gathered = self.end_sampling();
        let mut profile = named(&gathered, self.period);
        profile.add_lost(gathered.lost);
        profile
    }

    fn end(mut self) {
        drop(self.end_sampling());
    }

    fn end_sampling(&mut self) -> Gathered {
        let Some(collector) = self.collector.take() else { return Gathered::default() };
        signal::stop();
        self.stop.store(true, Ordering::SeqCst);
        collector.thread().unpark();
        // The collector does not panic; if it did, there is nothing to show.
        let gathered = collector.join().unwrap_or_default();
        IS_RUNNING.store(false, Ordering::SeqCst);
        gathered
    }
}

impl Drop for CpuProfiler {
    fn drop(&mut self) {
        drop(self.end_sampling());
    }
}

/// What was seen, as addresses.
#[derive(Debug, Default)]
struct Gathered {
    stacks: Vec<RawStack>,
    /// Place of the stack, and when it was seen.
    samples: Vec<(u32, Duration)>,
    lost: u64,
}

fn gather(buffer: &Buffer, stop: &AtomicBool) -> Gathered {
    let mut gathered = Gathered::default();
    let mut places: HashMap<RawStack, u32> = HashMap::new();
    loop {
        let is_last = stop.load(Ordering::SeqCst);
        buffer.drain(|stack, at| {
            let next = u32::try_from(gathered.stacks.len()).unwrap_or(u32::MAX);
            if gathered.samples.len() >= MOST_SAMPLES {
                gathered.lost += 1;
                return;
            }
            let place = *places.entry(stack).or_insert_with_key(|stack| {
                gathered.stacks.push(stack.clone());
                next
            });
            gathered.samples.push((place, at));
        });
        if is_last {
            gathered.lost += buffer.lost();
            return gathered;
        }
        std::thread::park_timeout(LOOK);
    }
}

fn named(gathered: &Gathered, period: Duration) -> Profile {
    let mut symbols = Symbols::of_process(None);
    // The innermost address is where the processor was; those above are where calls return to, one past the call.
    let calls =
        |stack: &RawStack| stack.addresses.iter().enumerate().map(|(place, &at)| at - u64::from(place > 0)).collect();
    let stacks: Vec<Vec<u64>> = gathered.stacks.iter().map(calls).collect();
    let names = symbols.names(&stacks.iter().flatten().copied().collect::<BTreeSet<u64>>());
    let mut profile = Profile::new(Some(period));
    let mut frames: Vec<&str> = Vec::new();
    for &(place, at) in &gathered.samples {
        let (stack, calls) = (&gathered.stacks[place as usize], &stacks[place as usize]);
        frames.clear();
        frames.push(&stack.thread);
        frames.extend(Stage::of_number(stack.stage).name());
        frames.extend(calls.iter().rev().map(|call| &*names[call]));
        profile.add(frames.iter().copied(), at, 1);
    }
    profile
}

#[cfg(test)]
mod tests;
