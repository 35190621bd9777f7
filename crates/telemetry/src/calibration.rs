//! The calibration kernel: how fast all usable cores together read memory.

use std::hint::black_box;
use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::Duration;

use weighbridge_types::time::{Clock, Stamp};

use crate::root::SystemRoot;
use crate::{TelemetryError, cgroup, cpu, process};

/// Passes over the buffer. The best one counts: a neighbor can only slow a pass down.
const PASSES: usize = 8;
/// Taken where the host does not tell its cache: above the L3 share of any core sold so far, below what hurts.
const DEFAULT_CACHE: u64 = 32 << 20;
/// Bounds of the buffer: large enough that thread starts do not show, small enough for any machine.
const BUFFER: std::ops::RangeInclusive<u64> = (64 << 20)..=(2 << 30);

/// What the calibration kernel found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    /// Bytes read per second by all threads together, in the best pass.
    pub bytes_per_second: f64,
    /// Bytes of the buffer, all threads together.
    pub buffer_bytes: u64,
    /// Threads that read.
    pub threads: u32,
    /// Whether the buffer is at least twice the last-level cache; if not, the figure is of cache in part.
    pub beyond_cache: bool,
}

impl Calibration {
    /// The rate in GB/s (10⁹ bytes), the unit of the metric `calibration_rate`.
    #[must_use]
    pub fn gigabytes_per_second(&self) -> f64 {
        self.bytes_per_second / 1e9
    }
}

/// Sums a buffer beyond the last-level cache with every usable core and takes the best of several passes.
///
/// It takes about a fifth of a second, most of it to fill the buffer. Each thread fills the part that it reads, so
/// that the part lies in memory near it.
///
/// # Errors
/// When the system refuses even one thread.
pub fn calibration_kernel(root: &SystemRoot, clock: &Clock) -> Result<Calibration, TelemetryError> {
    let cache = cpu::last_level_cache(root).unwrap_or(DEFAULT_CACHE);
    let wanted_threads = cpu::cores_usable(root).unwrap_or(1).max(1);
    let words = usize::try_from(buffer_bytes(root, cache) / u64::from(wanted_threads) / 8).unwrap_or(0).max(1);
    let runs = read_with_threads(wanted_threads, words, clock)?;
    let threads = u32::try_from(runs.len()).unwrap_or(u32::MAX);
    let buffer_bytes = u64::from(threads) * words as u64 * 8;
    let seconds = best_pass(&runs).max(Duration::from_nanos(1)).as_secs_f64();
    Ok(Calibration {
        bytes_per_second: buffer_bytes as f64 / seconds,
        buffer_bytes,
        threads,
        beyond_cache: buffer_bytes >= 2 * cache,
    })
}

/// Four times the cache, so that what stays in it from the last pass matters little; at most a quarter of the memory.
fn buffer_bytes(root: &SystemRoot, cache: u64) -> u64 {
    let meminfo = root.read("/proc/meminfo").unwrap_or_default();
    let limits = [process::kib_field(&meminfo, "MemAvailable"), cgroup::memory_limit(root)];
    let quarter = limits.into_iter().flatten().min().map_or(u64::MAX, |bytes| bytes / 4);
    cache.saturating_mul(4).clamp(*BUFFER.start(), *BUFFER.end()).min(quarter)
}

/// Start and end of each pass of one thread.
type Passes = [(Stamp, Stamp); PASSES];

fn read_with_threads(wanted: u32, words: usize, clock: &Clock) -> Result<Vec<Passes>, TelemetryError> {
    // The barrier is made last, for as many threads as the system granted.
    let barrier = OnceLock::new();
    thread::scope(|scope| {
        let mut handles = Vec::new();
        let mut refusal = None;
        for _ in 0..wanted {
            let builder = thread::Builder::new().name("calibration".to_owned());
            match builder.spawn_scoped(scope, || read_passes(words, barrier.wait(), clock)) {
                Ok(handle) => handles.push(handle),
                Err(source) => refusal = Some(source),
            }
        }
        barrier.get_or_init(|| Barrier::new(handles.len()));
        match refusal {
            Some(source) if handles.is_empty() => Err(TelemetryError { what: "calibration", source }),
            _ => Ok(handles.into_iter().flat_map(thread::ScopedJoinHandle::join).collect()),
        }
    })
}

fn read_passes(words: usize, barrier: &Barrier, clock: &Clock) -> Passes {
    let buffer = vec![1_u64; words];
    std::array::from_fn(|_| {
        barrier.wait();
        let start = clock.now();
        black_box(sum(black_box(&buffer)));
        (start, clock.now())
    })
}

/// Eight independent sums, so that memory is the limit and not the adder.
fn sum(buffer: &[u64]) -> u64 {
    let mut sums = [0_u64; 8];
    let chunks = buffer.chunks_exact(8);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (sum, word) in sums.iter_mut().zip(chunk) {
            *sum = sum.wrapping_add(*word);
        }
    }
    sums.iter().chain(rest).fold(0, |total, word| total.wrapping_add(*word))
}

/// The shortest pass, from its first thread's start to its last thread's end.
fn best_pass(runs: &[Passes]) -> Duration {
    let span = |pass: usize| {
        let start = runs.iter().map(|run| run[pass].0).min().unwrap_or_default();
        let end = runs.iter().map(|run| run[pass].1).max().unwrap_or_default();
        end - start
    };
    (0..PASSES).map(span).min().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::fake;

    #[test]
    fn sums_count_every_word() {
        let check = |length: usize| assert_eq!(sum(&vec![3; length]), 3 * length as u64);
        [0, 1, 7, 8, 9, 1000].into_iter().for_each(check);
    }

    #[test]
    fn the_best_pass_spans_all_threads() {
        let stamp = Stamp::from_nanos;
        let mut first = [(stamp(0), stamp(100)); PASSES];
        let mut second = [(stamp(5), stamp(120)); PASSES];
        first[3] = (stamp(1000), stamp(1050));
        second[3] = (stamp(1010), stamp(1080));
        assert_eq!(best_pass(&[first, second]), Duration::from_nanos(80));
    }

    #[test]
    fn the_buffer_stays_within_the_memory() {
        let check = |available: &str, cache, expected| {
            let (_folder, root) = fake::root(&[("/proc/meminfo", available)]);
            assert_eq!(buffer_bytes(&root, cache), expected);
        };
        check("MemAvailable: 16777216 kB\n", 32 << 20, 128 << 20);
        check("MemAvailable: 16777216 kB\n", 1 << 20, 64 << 20);
        check("MemAvailable: 16777216 kB\n", 4 << 30, 2 << 30);
        check("MemAvailable: 131072 kB\n", 32 << 20, 32 << 20);
        check("", 32 << 20, 128 << 20);
    }

    #[test]
    fn a_small_machine_is_told_apart() {
        let (_folder, root) = fake::root(&[
            ("/proc/meminfo", "MemAvailable: 16384 kB\n"),
            ("/proc/self/status", "Cpus_allowed_list: 0-1\n"),
        ]);
        let found = calibration_kernel(&root, &Clock::start()).unwrap();
        assert_eq!((found.threads, found.buffer_bytes, found.beyond_cache), (2, 4 << 20, false));
        assert!(found.gigabytes_per_second() > 0.0);
    }
}
