//! A thread that does something at a fixed rate and keeps what comes of it: the frame of every sampler.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use weighbridge_types::time::{Clock, Stamp};

use crate::TelemetryError;
use crate::process::parse_stat;
use crate::root::SystemRoot;

/// What sampling cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SamplerCost {
    /// CPU time of the sampling thread; `None` where the system does not tell it per thread.
    pub cpu: Option<Duration>,
    /// Time sampled.
    pub wall: Duration,
}

impl SamplerCost {
    /// `100 × CPU seconds of the sampler / wall seconds sampled` (metric `sampler_cost`).
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        let wall = self.wall.as_secs_f64();
        self.cpu.filter(|_| wall > 0.0).map(|cpu| 100.0 * cpu.as_secs_f64() / wall)
    }
}

/// How a ticker runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    /// Name of the thread.
    pub(crate) name: &'static str,
    /// Time between ticks.
    pub(crate) interval: Duration,
    /// Most results held between two calls of `drain`.
    pub(crate) capacity: usize,
}

/// One tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) at: Stamp,
    /// The one after the ticker was told to stop.
    pub(crate) is_last: bool,
}

/// What a ticker leaves.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Leftover<T> {
    pub(crate) kept: Vec<T>,
    pub(crate) dropped: u64,
    pub(crate) cost: SamplerCost,
}

/// Calls a function at a fixed rate until it is stopped or dropped.
#[derive(Debug)]
pub(crate) struct Ticker<T> {
    shared: Arc<Mutex<Shared<T>>>,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared<T> {
    kept: VecDeque<T>,
    capacity: usize,
    dropped: u64,
    cost: SamplerCost,
}

impl<T: Send + 'static> Ticker<T> {
    /// Starts at once. Each tick may leave any number of results.
    pub(crate) fn start<I: IntoIterator<Item = T>>(
        root: &SystemRoot,
        clock: Clock,
        rhythm: Rhythm,
        tick: impl FnMut(Tick) -> I + Send + 'static,
    ) -> Result<Self, TelemetryError> {
        let shared = Arc::new(Mutex::new(Shared {
            kept: VecDeque::new(),
            capacity: rhythm.capacity,
            dropped: 0,
            cost: SamplerCost::default(),
        }));
        let (stop, stopped) = sync_channel(1);
        let worker = Worker { root: root.clone(), clock, interval: rhythm.interval, shared: Arc::clone(&shared) };
        let thread = thread::Builder::new().name(rhythm.name.to_owned()).spawn(move || worker.run(&stopped, tick));
        let thread = thread.map_err(|source| TelemetryError { what: rhythm.name, source })?;
        Ok(Self { shared, stop: Some(stop), thread: Some(thread) })
    }
}

impl<T> Ticker<T> {
    /// Takes the results since the last call, in order of time.
    pub(crate) fn drain(&self) -> Vec<T> {
        lock(&self.shared).kept.drain(..).collect()
    }

    /// What it has cost so far.
    pub(crate) fn cost(&self) -> SamplerCost {
        lock(&self.shared).cost
    }

    /// Ticks a last time, stops, and hands over what is left.
    pub(crate) fn stop(mut self) -> Leftover<T> {
        self.join();
        let mut shared = lock(&self.shared);
        Leftover { kept: shared.kept.drain(..).collect(), dropped: shared.dropped, cost: shared.cost }
    }

    fn join(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed by its hook; the results so far are valid.
            let _ = thread.join();
        }
    }
}

impl<T> Drop for Ticker<T> {
    fn drop(&mut self) {
        self.join();
    }
}

/// A panic while the lock was held leaves whole values only, so a poisoned lock is as good as any.
pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker<T> {
    root: SystemRoot,
    clock: Clock,
    interval: Duration,
    shared: Arc<Mutex<Shared<T>>>,
}

impl<T> Worker<T> {
    fn run<I: IntoIterator<Item = T>>(&self, stopped: &Receiver<()>, mut tick: impl FnMut(Tick) -> I) {
        let start = self.clock.now();
        let mut next = start;
        loop {
            let results: Vec<T> = tick(Tick { at: self.clock.now(), is_last: false }).into_iter().collect();
            // Reading the cost costs as much as a small tick, so that a tick without a result leaves it out.
            if !results.is_empty() {
                self.keep(results, start);
            }
            next = next_tick(next, self.clock.now(), self.interval);
            if stopped.recv_timeout(next - self.clock.now()) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        self.keep(tick(Tick { at: self.clock.now(), is_last: true }).into_iter().collect(), start);
    }

    fn keep(&self, results: Vec<T>, start: Stamp) {
        let cost = SamplerCost { cpu: thread_cpu(&self.root), wall: self.clock.now() - start };
        let mut shared = lock(&self.shared);
        shared.cost = cost;
        for result in results {
            if shared.kept.len() < shared.capacity {
                shared.kept.push_back(result);
            } else {
                shared.dropped += 1;
            }
        }
    }
}

/// The next tick on the grid after `now`: missed ticks are left out, so that a stall is not followed by a burst.
pub(crate) fn next_tick(last: Stamp, now: Stamp, interval: Duration) -> Stamp {
    let step = interval.as_nanos().max(1);
    let missed = (now - last).as_nanos() / step;
    let ahead = u64::try_from((missed + 1) * step).unwrap_or(u64::MAX);
    last.after(Duration::from_nanos(ahead))
}

/// CPU time of the calling thread: nanoseconds from `schedstat` where the kernel keeps it, else ticks of 10 ms.
#[must_use]
pub fn thread_cpu(root: &SystemRoot) -> Option<Duration> {
    let exact = root.read("/proc/thread-self/schedstat");
    if let Some(nanos) = exact.and_then(|text| text.split_whitespace().next()?.parse().ok()) {
        return Some(Duration::from_nanos(nanos));
    }
    Some(Duration::from_secs_f64(parse_stat(&root.read("/proc/thread-self/stat")?)?.cpu_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_ticks_are_left_out() {
        let check = |last, now, expected| {
            let next = next_tick(Stamp::from_nanos(last), Stamp::from_nanos(now), Duration::from_nanos(100));
            assert_eq!(next, Stamp::from_nanos(expected));
        };
        check(0, 10, 100);
        check(0, 100, 200);
        check(100, 555, 600);
    }

    #[test]
    fn the_cost_is_a_share_of_the_wall_time() {
        let cost = SamplerCost { cpu: Some(Duration::from_millis(2)), wall: Duration::from_secs(1) };
        assert!((cost.percent().unwrap() - 0.2).abs() < 1e-12);
        assert_eq!(SamplerCost { cpu: Some(Duration::ZERO), wall: Duration::ZERO }.percent(), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_host_tells_the_threads_own_time() {
        assert!(thread_cpu(&SystemRoot::host()).is_some());
    }
}
