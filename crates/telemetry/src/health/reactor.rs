//! How late a reactor runs what is ready.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use weighbridge_types::time::{Clock, Stamp};

/// Most time between stamping a ping and having sent it; a usual one takes some microseconds. Beyond, the monitor's
/// own thread was held up, before the ping was sent or after, and the lag counts from when it was surely sent: what is
/// then measured is the least that the reactor was late.
const SENDING_LIMIT: Duration = Duration::from_micros(100);

/// One measured lag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    /// When the task was woken.
    pub from: Stamp,
    /// When it ran.
    pub to: Stamp,
}

impl Lag {
    /// How late it ran.
    #[must_use]
    pub fn length(self) -> Duration {
        self.to - self.from
    }
}

/// Measures one reactor: a task on it is woken from the monitor's thread, and stamps when it runs. What delays it
/// would delay an arriving frame as much.
///
/// A sleeping task would be simpler, but tokio's timers are rounded up to the millisecond, which is more than a
/// healthy reactor's lag. [`serve`](Self::serve) must be spawned on the reactor; a clone goes to the monitor.
#[derive(Clone, Debug)]
pub struct ReactorProbe {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    wake: Notify,
    /// Nanoseconds + 1 of the open ping; 0 for none.
    posted: AtomicU64,
    /// Nanoseconds + 1 of its answer; 0 for none yet.
    answered: AtomicU64,
    is_served: AtomicBool,
}

impl ReactorProbe {
    /// A probe on the run's clock.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                clock,
                wake: Notify::new(),
                posted: AtomicU64::new(0),
                answered: AtomicU64::new(0),
                is_served: AtomicBool::new(false),
            }),
        }
    }

    /// Answers pings until it is dropped. Spawn it on the reactor under test and abort it at the end.
    pub async fn serve(self) {
        let served = Served(&self.shared);
        served.0.is_served.store(true, Ordering::Release);
        loop {
            served.0.wake.notified().await;
            if served.0.posted.load(Ordering::Acquire) != 0 {
                served.0.answered.store(after(served.0.clock.now()), Ordering::Release);
            }
        }
    }

    /// Takes the answer to the last ping, if there is one, and sends the next. Called by the monitor alone; a ping
    /// that is still open stays so.
    pub fn ping(&self) -> Option<Lag> {
        let shared = &self.shared;
        let (posted, answered) = (shared.posted.load(Ordering::Acquire), shared.answered.load(Ordering::Acquire));
        if !shared.is_served.load(Ordering::Acquire) || posted != 0 && answered == 0 {
            return None;
        }
        // Before the next ping is posted nobody answers, so that the two stores cannot be torn apart.
        shared.posted.store(0, Ordering::Release);
        shared.answered.store(0, Ordering::Release);
        let now = shared.clock.now();
        shared.posted.store(after(now), Ordering::Release);
        shared.wake.notify_one();
        let sent = shared.clock.now();
        if sent - now > SENDING_LIMIT {
            // The reactor looks only whether it is 0.
            shared.posted.store(after(sent), Ordering::Release);
        }
        let from = before(posted)?;
        Some(Lag { from, to: before(answered)?.max(from) })
    }

    /// Since when a ping has no answer.
    #[must_use]
    pub fn open_since(&self) -> Option<Stamp> {
        let shared = &self.shared;
        let is_open = shared.is_served.load(Ordering::Acquire) && shared.answered.load(Ordering::Acquire) == 0;
        before(shared.posted.load(Ordering::Acquire)).filter(|_| is_open)
    }
}

struct Served<'a>(&'a Shared);

impl Drop for Served<'_> {
    fn drop(&mut self) {
        self.0.is_served.store(false, Ordering::Release);
    }
}

fn after(stamp: Stamp) -> u64 {
    stamp.as_nanos().saturating_add(1)
}

fn before(nanos: u64) -> Option<Stamp> {
    nanos.checked_sub(1).map(Stamp::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pass(time: u64) {
        tokio::time::advance(Duration::from_millis(time)).await;
    }

    /// Runs every task that is ready.
    async fn settle() {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_lag_is_from_waking_to_running() {
        let probe = ReactorProbe::new(Clock::start());
        assert_eq!((probe.ping(), probe.open_since()), (None, None));
        let task = tokio::spawn(probe.clone().serve());
        settle().await;
        let at = |millis: u64| Stamp::from_nanos(millis * 1_000_000);
        assert_eq!(probe.ping(), None);
        assert_eq!(probe.open_since(), Some(at(0)));
        settle().await;
        assert_eq!(probe.open_since(), None);
        pass(10).await;
        assert_eq!(probe.ping(), Some(Lag { from: at(0), to: at(0) }));
        // The reactor is busy for 30 ms: advancing does not run the probe's task first.
        let busy = tokio::spawn(pass(30));
        assert_eq!((probe.ping(), probe.open_since()), (None, Some(at(10))));
        busy.await.unwrap();
        settle().await;
        let lag = probe.ping().unwrap();
        assert_eq!(lag.from, at(10));
        assert!(lag.length() <= Duration::from_millis(30));
        task.abort();
        settle().await;
        assert_eq!((probe.ping(), probe.open_since()), (None, None));
    }

    #[test]
    fn a_blocked_reactor_shows_its_lag() {
        let clock = Clock::start();
        let probe = ReactorProbe::new(clock);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            tokio::spawn(probe.clone().serve());
            settle().await;
            assert_eq!(probe.ping(), None);
            let sent = clock.now();
            while clock.now() - sent < Duration::from_millis(2) {
                std::hint::spin_loop();
            }
            settle().await;
            assert!(probe.ping().unwrap().length() >= Duration::from_millis(2));
        });
    }
}
