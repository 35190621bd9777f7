//! Which runs were measured while this process was sampled.
//!
//! Like the sampler itself, of which there is one in a process, the list belongs to the process: whoever measures does not know
//! whether somebody samples.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::stacks::{Profile, ProfiledRun};

/// Runs that are kept; a process measures few while it is sampled.
const MOST_RUNS: usize = 256;

/// Names of runs, and when their clocks began, nanoseconds of the monotonic clock.
static RUNS: Mutex<Vec<(String, u64)>> = Mutex::new(Vec::new());

/// Notes that the clock of a run begins now. Profiles that are taken meanwhile name the run, so that their samples can be held
/// against its requests.
pub fn note_run(run_id: &str) {
    let Some(now) = monotonic() else { return };
    let mut runs = RUNS.lock().unwrap_or_else(PoisonError::into_inner);
    if runs.len() == MOST_RUNS {
        runs.remove(0);
    }
    runs.push((run_id.to_owned(), now));
}

/// Adds to a profile the runs that began since it did.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn add_runs(profile: &mut Profile, began: u64) {
    for (run_id, at) in RUNS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if let Some(origin) = at.checked_sub(began) {
            profile.add_run(ProfiledRun { run_id: run_id.clone(), origin: Duration::from_nanos(origin) });
        }
    }
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
fn monotonic() -> Option<u64> {
    Some(super::cpu::memory::now())
}

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn monotonic() -> Option<u64> {
    None
}
