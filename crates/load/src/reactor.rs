//! Reactors: threads that each run one event loop, on which requests are sent and read.

use std::io;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// One event loop on a thread of its own.
#[derive(Debug)]
pub struct Reactor {
    handle: Handle,
    /// Where the system tells of the thread, below `/proc`; empty where it does not.
    place: PathBuf,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// The reactors of a run. Dropping them ends what still runs on them.
#[derive(Debug)]
pub struct Reactors(Vec<Reactor>);

impl Reactor {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (handle, stop) = (runtime.handle().clone(), CancellationToken::new());
        let stopped = stop.clone();
        let (place, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name(format!("reactor-{number}")).spawn(move || {
            // The receiver waits for exactly this.
            let _ = place.send(std::fs::read_link("/proc/thread-self").unwrap_or_default());
            runtime.block_on(stopped.cancelled());
            // Work that a cancelled request left behind does not hold the run up.
            runtime.shutdown_background();
        })?;
        let place = told.recv().unwrap_or_default();
        Ok(Self { handle, place, stop, thread: Some(thread) })
    }

    /// CPU time of the thread since it started, as the scheduler counts it; `None` where the system does not tell.
    fn cpu(&self) -> Option<Duration> {
        let text = std::fs::read_to_string(Path::new("/proc").join(&self.place).join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
    }

    /// Where tasks are spawned.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Reactors {
    /// Starts reactors, at least one.
    ///
    /// # Errors
    /// When the system refuses a thread or an event queue.
    pub fn start(count: usize) -> io::Result<Self> {
        (0..count.max(1)).map(Reactor::start).collect::<io::Result<Vec<_>>>().map(Self)
    }

    /// As many as pay: one event loop carries tens of thousands of streams, and the server, or the model in process,
    /// needs cores too. Two where there are two cores: a system call that sends a request takes some 40 µs, and two
    /// requests that are due at once would be sent one after the other.
    #[must_use]
    pub fn usual_count() -> usize {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        (cores / 4).clamp(cores.min(2), 8)
    }

    /// CPU time of all reactors since they started; `None` where the system does not tell it per thread.
    #[must_use]
    pub fn cpu(&self) -> Option<Duration> {
        self.0.iter().map(Reactor::cpu).sum()
    }

    /// The handles, in order.
    #[must_use]
    pub fn handles(&self) -> Vec<Handle> {
        self.0.iter().map(|reactor| reactor.handle.clone()).collect()
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}
