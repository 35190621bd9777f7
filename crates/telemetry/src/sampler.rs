//! A series of samples at a fixed rate, taken by a thread of its own.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use weighbridge_types::resource::ResourceSample;
use weighbridge_types::time::{Clock, Stamp};

use crate::TelemetryError;
use crate::probe::{Probe, Pss};
use crate::process::parse_stat;
use crate::root::SystemRoot;

/// How often to sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplerSettings {
    /// Time between samples.
    pub interval: Duration,
    /// Least time between samples that read the proportional set size; `None` never reads it.
    pub pss_interval: Option<Duration>,
    /// Most samples held between two calls of [`Sampler::drain`]; more are dropped and counted.
    pub capacity: usize,
}

impl Default for SamplerSettings {
    /// Ten samples a second show a peak of a single request; one PSS a second, because the kernel walks every
    /// mapping for it. The capacity is 20 minutes.
    fn default() -> Self {
        Self { interval: Duration::from_millis(100), pss_interval: Some(Duration::from_secs(1)), capacity: 12_000 }
    }
}

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

/// What a sampler leaves when it is stopped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SamplerReport {
    /// Samples not drained before, in order of time.
    pub samples: Vec<ResourceSample>,
    /// Samples lost to a full buffer.
    pub dropped: u64,
    /// What sampling cost.
    pub cost: SamplerCost,
}

/// Samples this process and its host until it is stopped or dropped.
#[derive(Debug)]
pub struct Sampler {
    shared: Arc<Mutex<Shared>>,
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    samples: VecDeque<ResourceSample>,
    capacity: usize,
    dropped: u64,
    cost: SamplerCost,
}

impl Sampler {
    /// Starts to sample at once, on the run's clock.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(root: &SystemRoot, clock: Clock, settings: SamplerSettings) -> Result<Self, TelemetryError> {
        let shared = Arc::new(Mutex::new(Shared {
            samples: VecDeque::with_capacity(settings.capacity),
            capacity: settings.capacity,
            dropped: 0,
            cost: SamplerCost::default(),
        }));
        let (stop, stopped) = sync_channel(1);
        let worker = Worker { root: root.clone(), clock, settings, shared: Arc::clone(&shared) };
        let thread = thread::Builder::new().name("sampler".to_owned()).spawn(move || worker.run(&stopped));
        let thread = thread.map_err(|source| TelemetryError { what: "sampler", source })?;
        Ok(Self { shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Takes the samples gathered since the last call, in order of time.
    #[must_use]
    pub fn drain(&self) -> Vec<ResourceSample> {
        lock(&self.shared).samples.drain(..).collect()
    }

    /// What sampling has cost so far.
    #[must_use]
    pub fn cost(&self) -> SamplerCost {
        lock(&self.shared).cost
    }

    /// Takes a last sample, stops, and hands over what is left.
    #[must_use]
    pub fn stop(mut self) -> SamplerReport {
        self.join();
        let mut shared = lock(&self.shared);
        SamplerReport { samples: shared.samples.drain(..).collect(), dropped: shared.dropped, cost: shared.cost }
    }

    fn join(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed by its hook; the samples so far are valid.
            let _ = thread.join();
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.join();
    }
}

/// A panic while the lock was held leaves whole samples only, so a poisoned lock is as good as any.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Worker {
    root: SystemRoot,
    clock: Clock,
    settings: SamplerSettings,
    shared: Arc<Mutex<Shared>>,
}

impl Worker {
    fn run(&self, stopped: &Receiver<()>) {
        let mut probe = Probe::new(&self.root);
        let start = self.clock.now();
        let mut next = start;
        let mut next_pss = self.settings.pss_interval.map(|_| start);
        loop {
            let now = self.clock.now();
            let pss = if next_pss.is_some_and(|due| now >= due) { Pss::Read } else { Pss::Skip };
            if pss == Pss::Read {
                next_pss = self.settings.pss_interval.map(|interval| now.after(interval));
            }
            self.keep(probe.sample(now, pss), start);
            next = next_tick(next, self.clock.now(), self.settings.interval);
            if stopped.recv_timeout(next - self.clock.now()) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        let last = self.clock.now();
        self.keep(probe.sample(last, Pss::Skip), start);
    }

    fn keep(&self, sample: ResourceSample, start: Stamp) {
        let cost = SamplerCost { cpu: thread_cpu(&self.root), wall: self.clock.now() - start };
        let mut shared = lock(&self.shared);
        shared.cost = cost;
        if shared.samples.len() < shared.capacity {
            shared.samples.push_back(sample);
        } else {
            shared.dropped += 1;
        }
    }
}

/// The next tick on the grid after `now`: missed ticks are left out, so that a stall is not followed by a burst.
fn next_tick(last: Stamp, now: Stamp, interval: Duration) -> Stamp {
    let step = interval.as_nanos().max(1);
    let missed = (now - last).as_nanos() / step;
    let ahead = u64::try_from((missed + 1) * step).unwrap_or(u64::MAX);
    last.after(Duration::from_nanos(ahead))
}

/// CPU time of the calling thread: nanoseconds from `schedstat` where the kernel keeps it, else ticks of 10 ms.
fn thread_cpu(root: &SystemRoot) -> Option<Duration> {
    let exact = root.read("/proc/thread-self/schedstat");
    if let Some(nanos) = exact.and_then(|text| text.split_whitespace().next()?.parse().ok()) {
        return Some(Duration::from_nanos(nanos));
    }
    Some(Duration::from_secs_f64(parse_stat(&root.read("/proc/thread-self/stat")?)?.cpu_seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    fn settings(capacity: usize) -> SamplerSettings {
        SamplerSettings { interval: Duration::from_micros(200), pss_interval: None, capacity }
    }

    #[test]
    fn samples_come_in_order_and_drain_once() {
        let (_folder, root) = fake::root(&[("/proc/self/status", "VmRSS: 4 kB\n")]);
        let sampler = Sampler::start(&root, Clock::start(), settings(10_000)).unwrap();
        let mut samples = Vec::new();
        while samples.len() < 5 {
            samples.extend(sampler.drain());
        }
        samples.extend(sampler.stop().samples);
        assert!(samples.len() >= 6);
        assert!(samples.is_sorted_by(|a, b| a.at < b.at));
        assert!(samples.iter().all(|sample| sample.rss_bytes == Some(4096)));
    }

    #[test]
    fn a_full_buffer_is_counted() {
        let (_folder, root) = fake::root(&[]);
        let sampler = Sampler::start(&root, Clock::start(), settings(1)).unwrap();
        let report = sampler.stop();
        assert_eq!(report.samples.len(), 1);
        assert!(report.dropped >= 1);
        assert_eq!(report.cost.cpu, None);
        assert_eq!(report.cost.percent(), None);
    }

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
