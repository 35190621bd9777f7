//! Threads that stay on cores of their own.

use std::io::{Error, ErrorKind, Result};

/// A core for each thread of an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cores(Vec<usize>);

impl Cores {
    /// The first cores that this process may use, one for each thread.
    ///
    /// # Errors
    /// Where there are fewer cores than threads, or the system has no such choice.
    pub fn for_threads(threads: usize) -> Result<Self> {
        let cores = usable()?;
        if cores.len() < threads {
            let problem = format!("{threads} threads want a core each, and this process may use {}", cores.len());
            return Err(Error::new(ErrorKind::InvalidInput, problem));
        }
        Ok(Self(cores[..threads].to_vec()))
    }

    /// Keeps the calling thread on its core.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn pin(&self, thread: usize) -> Result<()> {
        pin_to(self.0[thread])
    }
}

#[cfg(target_os = "linux")]
fn usable() -> Result<Vec<usize>> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

#[cfg(target_os = "linux")]
fn pin_to(core: usize) -> Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(not(target_os = "linux"))]
fn usable() -> Result<Vec<usize>> {
    Err(Error::new(ErrorKind::Unsupported, "this system does not let a thread choose its core"))
}

#[cfg(not(target_os = "linux"))]
fn pin_to(_core: usize) -> Result<()> {
    usable().map(drop)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_is_put() {
        let cores = Cores::for_threads(1).unwrap();
        let own = std::thread::spawn(move || {
            cores.pin(0).unwrap();
            (usable().unwrap(), cores.0)
        });
        let (found, wanted) = own.join().unwrap();
        assert_eq!(found, wanted);
        let error = Cores::for_threads(100_000).unwrap_err();
        assert!(error.to_string().starts_with("100000 threads want a core each, and this process may use "), "{error}");
    }
}
