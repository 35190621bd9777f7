//! Sessions made ahead of time, off the timing path.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};

use weighbridge_workload::{Session, Traffic};

/// A session and its number.
pub(crate) type Numbered = (u64, Session);

/// Hands sessions out in their order.
#[derive(Debug)]
pub(crate) struct Supply {
    shared: Arc<Shared>,
    maker: Thread,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    traffic: Arc<dyn Traffic>,
    ready: Mutex<VecDeque<Numbered>>,
    /// Number of the next session to make; locked while one is being made, so that none is made twice or passed over.
    next: Mutex<u64>,
    /// Number after the last session; `None` leaves the end to the traffic.
    end: Option<u64>,
    /// Sessions to keep ready.
    depth: usize,
    stop: AtomicBool,
    exhausted: AtomicBool,
    starved: AtomicU64,
}

impl Supply {
    /// Starts to make the sessions of these numbers, `depth` ahead.
    pub(crate) fn start(
        traffic: Arc<dyn Traffic>,
        first: u64,
        end: Option<u64>,
        depth: usize,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            traffic,
            ready: Mutex::new(VecDeque::with_capacity(depth)),
            next: Mutex::new(first),
            end,
            depth: depth.max(2),
            stop: AtomicBool::new(false),
            exhausted: AtomicBool::new(false),
            starved: AtomicU64::new(0),
        });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("supply".to_owned()).spawn(move || worker.run())?;
        Ok(Self { shared, maker: thread.thread().clone(), thread: Some(thread) })
    }

    /// The next session. Made on the spot when none is ready, which is counted.
    pub(crate) fn next(&self) -> Option<Numbered> {
        if let Some(session) = self.ready() {
            return Some(session);
        }
        // The maker may be at it: wait for it rather than make one out of order.
        let mut next = lock(&self.shared.next);
        if let Some(session) = self.ready() {
            return Some(session);
        }
        if !self.shared.exhausted.load(Ordering::Acquire) {
            self.shared.starved.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.make(&mut next)
    }

    fn ready(&self) -> Option<Numbered> {
        let mut ready = lock(&self.shared.ready);
        let session = ready.pop_front();
        // Once per refill, not once per session.
        if ready.len() == self.shared.depth / 2 {
            self.maker.unpark();
        }
        session
    }

    /// Number of the next session to be made, or handed out once none is ready.
    pub(crate) fn position(&self) -> u64 {
        let made = *lock(&self.shared.next);
        made - lock(&self.shared.ready).len() as u64
    }

    /// How often a session was not ready when it was wanted.
    pub(crate) fn starved(&self) -> u64 {
        self.shared.starved.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn run(&self) {
        while !self.stop.load(Ordering::Acquire) && !self.exhausted.load(Ordering::Acquire) {
            if lock(&self.ready).len() >= self.depth {
                // Bounded, in case the wake came between the look and the sleep.
                std::thread::park_timeout(std::time::Duration::from_millis(20));
                continue;
            }
            let mut next = lock(&self.next);
            if let Some(session) = self.make(&mut next) {
                // Under the lock of `next`, so that the order holds.
                lock(&self.ready).push_back(session);
            }
        }
    }

    fn make(&self, next: &mut u64) -> Option<Numbered> {
        let is_within = self.end.is_none_or(|end| *next < end);
        let Some(session) = is_within.then(|| self.traffic.session(*next)).flatten() else {
            self.exhausted.store(true, Ordering::Release);
            return None;
        };
        *next += 1;
        Some((*next - 1, session))
    }
}

impl Drop for Supply {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.maker.unpark();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use weighbridge_engine::Prompt;
    use weighbridge_workload::PlannedTurn;

    use super::*;

    #[derive(Debug)]
    struct Count(u64);

    impl Traffic for Count {
        fn session(&self, index: u64) -> Option<Session> {
            let turn = || PlannedTurn::new(Prompt::Text(index.to_string()), None, 1);
            (index < self.0).then(|| Session::single(turn()))
        }
    }

    #[test]
    fn sessions_come_in_order_to_many_takers_and_end() {
        let supply = Supply::start(Arc::new(Count(u64::MAX)), 3, Some(5000), 8).unwrap();
        let taken: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| std::iter::from_fn(|| supply.next()).map(|(number, _)| number).collect::<Vec<_>>())
                })
                .collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).collect()
        });
        for own in &taken {
            assert!(own.is_sorted());
        }
        let mut all = taken.concat();
        all.sort_unstable();
        assert_eq!(all, (3..5000).collect::<Vec<_>>());
        assert!(supply.next().is_none());
    }
}
