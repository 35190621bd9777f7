//! Empties the buffer while samples come, and names them when they have come.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use weighbridge_engine::stage::Stage;

use super::CpuError;
use super::buffer::{Buffer, RawStack};
use crate::profile::stacks::{Period, Profile};
use crate::profile::symbols::Symbols;

/// Time between two looks into the buffer.
const LOOK: Duration = Duration::from_millis(50);

/// Samples that are kept: five hours of one busy processor, 32 MB. What comes later is counted as lost.
const MOST_SAMPLES: usize = 2_000_000;

/// The thread that empties a buffer.
#[derive(Debug)]
pub(in crate::profile) struct Collector {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Gathered>,
}

impl Collector {
    /// Forgets what is in the buffer and starts.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(in crate::profile) fn start(buffer: &'static Buffer) -> Result<Self, CpuError> {
        buffer.clear();
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("profiler".to_owned()).spawn(move || gather(buffer, &asked));
        let thread = thread.map_err(|source| CpuError::Refused { call: "clone", source })?;
        Ok(Self { stop, thread })
    }

    /// Takes what is left in the buffer, and ends.
    pub(in crate::profile) fn stop(self) -> Gathered {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
        // The thread does not panic; if it did, there is nothing to show.
        self.thread.join().unwrap_or_default()
    }
}

/// What was seen, as addresses.
#[derive(Debug, Default)]
pub(in crate::profile) struct Gathered {
    stacks: Vec<RawStack>,
    /// Place of the stack, when it was seen, and for how many samples it stands.
    samples: Vec<(u32, Duration, u64)>,
    lost: u64,
}

impl Gathered {
    /// Looks up the names.
    pub(in crate::profile) fn profile(&self, period: Period) -> Profile {
        let mut symbols = Symbols::of_process(None);
        // The innermost address is where the processor was; those above are where calls return to, one past the call.
        let call = |(place, at): (usize, &u64)| at.saturating_sub(u64::from(place > 0));
        let stacks: Vec<Vec<u64>> =
            self.stacks.iter().map(|stack| stack.addresses.iter().enumerate().map(call).collect()).collect();
        let names = symbols.names(&stacks.iter().flatten().copied().collect::<BTreeSet<u64>>());
        let mut profile = Profile::new(Some(period));
        let mut frames: Vec<&str> = Vec::new();
        for &(place, at, count) in &self.samples {
            let (stack, calls) = (&self.stacks[place as usize], &stacks[place as usize]);
            frames.clear();
            frames.push(&stack.thread);
            frames.extend(Stage::of_number(stack.stage).name());
            frames.extend(calls.iter().rev().map(|call| &*names[call]));
            profile.add(frames.iter().copied(), at, count);
        }
        profile.add_lost(self.lost);
        profile
    }
}

fn gather(buffer: &Buffer, stop: &AtomicBool) -> Gathered {
    let mut gathered = Gathered::default();
    let mut places: HashMap<RawStack, u32> = HashMap::new();
    loop {
        let is_last = stop.load(Ordering::SeqCst);
        buffer.drain(|stack, at, count| {
            let next = u32::try_from(gathered.stacks.len()).unwrap_or(u32::MAX);
            if gathered.samples.len() >= MOST_SAMPLES {
                gathered.lost += count;
                return;
            }
            let place = *places.entry(stack).or_insert_with_key(|stack| {
                gathered.stacks.push(stack.clone());
                next
            });
            gathered.samples.push((place, at, count));
        });
        if is_last {
            gathered.lost += buffer.lost();
            return gathered;
        }
        std::thread::park_timeout(LOOK);
    }
}
