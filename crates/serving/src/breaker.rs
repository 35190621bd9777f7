//! Keeps requests away from what failed too often, and tries it again now and then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use weighbridge_types::time::{Clock, Stamp};

/// When a breaker opens and closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Failures within the window that open it.
    pub failures: usize,
    /// How far back failures count.
    pub window: Duration,
    /// How long it stays open at first; each time that the probes fail doubles it.
    pub recovery: Duration,
    /// How long it stays open at most.
    pub longest_recovery: Duration,
    /// Requests that try it at the same time while it is half open.
    pub probes: usize,
    /// Successes of probes that close it.
    pub successes: usize,
}

impl Default for BreakerSettings {
    /// 5 failures within 300 s; open for 60 s, at most 600 s; 3 probes, of which 3 must succeed.
    fn default() -> Self {
        Self {
            failures: 5,
            window: Duration::from_secs(300),
            recovery: Duration::from_secs(60),
            longest_recovery: Duration::from_secs(600),
            probes: 3,
            successes: 3,
        }
    }
}

/// Whether requests pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakerState {
    /// All do.
    Closed,
    /// A few do, to try.
    HalfOpen,
    /// None does.
    Open,
}

/// A breaker of one upstream.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    clock: Clock,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Stamps of failures, the oldest first.
    failures: VecDeque<Stamp>,
    recovery: Duration,
    opened: u64,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed,
    Open { until: Stamp },
    HalfOpen { running: usize, succeeded: usize },
}

/// Leave to ask. Dropping it without a word counts as neither success nor failure: the caller went away.
#[derive(Debug)]
pub struct Permit {
    breaker: Arc<Breaker>,
    is_probe: bool,
    is_told: bool,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: BreakerSettings, clock: Clock) -> Arc<Self> {
        let inner = Inner { state: State::Closed, failures: VecDeque::new(), recovery: settings.recovery, opened: 0 };
        Arc::new(Self { settings, clock, inner: Mutex::new(inner) })
    }

    /// Leave to ask.
    ///
    /// # Errors
    /// The time until it is worth asking again.
    pub fn enter(self: &Arc<Self>) -> Result<Permit, Duration> {
        let now = self.clock.now();
        let mut inner = self.inner();
        inner.wake(now);
        let is_probe = match &mut inner.state {
            State::Closed => false,
            State::Open { until } => return Err(*until - now),
            State::HalfOpen { running, .. } if *running >= self.settings.probes => return Err(Duration::from_secs(1)),
            State::HalfOpen { running, .. } => {
                *running += 1;
                true
            }
        };
        Ok(Permit { breaker: Arc::clone(self), is_probe, is_told: false })
    }

    /// Whether requests pass now.
    #[must_use]
    pub fn state(&self) -> BreakerState {
        let mut inner = self.inner();
        inner.wake(self.clock.now());
        match inner.state {
            State::Closed => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// How often it opened.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.inner().opened
    }

    /// An answer ended too early, after it had begun: a failure like others, though its permit was told of a success.
    pub fn cut(&self) {
        self.failed(false);
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot leave it torn: the state changes in one step.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn succeeded(&self, is_probe: bool) {
        let mut inner = self.inner();
        if let State::HalfOpen { running, succeeded } = &mut inner.state
            && is_probe
        {
            *running = running.saturating_sub(1);
            *succeeded += 1;
            if *succeeded >= self.settings.successes {
                inner.state = State::Closed;
                inner.failures.clear();
                inner.recovery = self.settings.recovery;
            }
        }
    }

    fn failed(&self, is_probe: bool) {
        let now = self.clock.now();
        let mut inner = self.inner();
        match inner.state {
            State::HalfOpen { .. } if is_probe => {
                inner.recovery = (inner.recovery * 2).min(self.settings.longest_recovery);
                inner.open(now);
            }
            State::Closed => {
                inner.failures.push_back(now);
                while inner.failures.front().is_some_and(|&at| now - at > self.settings.window) {
                    inner.failures.pop_front();
                }
                if inner.failures.len() >= self.settings.failures {
                    inner.open(now);
                }
            }
            // Asked before it opened.
            State::Open { .. } | State::HalfOpen { .. } => {}
        }
    }

    fn left(&self) {
        if let State::HalfOpen { running, .. } = &mut self.inner().state {
            *running = running.saturating_sub(1);
        }
    }
}

impl Inner {
    fn open(&mut self, now: Stamp) {
        self.state = State::Open { until: now.after(self.recovery) };
        self.failures.clear();
        self.opened += 1;
    }

    fn wake(&mut self, now: Stamp) {
        if let State::Open { until } = self.state
            && now >= until
        {
            self.state = State::HalfOpen { running: 0, succeeded: 0 };
        }
    }
}

impl Permit {
    /// What was asked answered.
    pub fn succeeded(mut self) {
        self.is_told = true;
        self.breaker.succeeded(self.is_probe);
    }

    /// What was asked failed, by its own fault.
    pub fn failed(mut self) {
        self.is_told = true;
        self.breaker.failed(self.is_probe);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe && !self.is_told {
            self.breaker.left();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Arc<Breaker>, times: usize) {
        for _ in 0..times {
            breaker.enter().unwrap().failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn five_failures_open_it_and_three_probes_close_it() {
        let breaker = Breaker::new(BreakerSettings::default(), Clock::start());
        fail(&breaker, 4);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1);
        assert_eq!(breaker.enter().unwrap_err(), Duration::from_secs(60));
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        let probes: Vec<_> = (0..3).map(|_| breaker.enter().unwrap()).collect();
        assert!(breaker.enter().is_err(), "a fourth probe at the same time");
        probes.into_iter().for_each(Permit::succeeded);
        assert_eq!((breaker.state(), breaker.opened()), (BreakerState::Closed, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_probe_doubles_the_wait_up_to_ten_minutes() {
        let breaker = Breaker::new(BreakerSettings::default(), Clock::start());
        fail(&breaker, 5);
        for seconds in [60, 120, 240, 480, 600, 600] {
            assert_eq!(breaker.enter().unwrap_err(), Duration::from_secs(seconds));
            tokio::time::advance(Duration::from_secs(seconds)).await;
            fail(&breaker, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn old_failures_are_forgotten_and_a_probe_that_left_gives_its_place_back() {
        let breaker = Breaker::new(BreakerSettings::default(), Clock::start());
        fail(&breaker, 4);
        tokio::time::advance(Duration::from_secs(301)).await;
        fail(&breaker, 4);
        assert_eq!(breaker.state(), BreakerState::Closed);
        fail(&breaker, 1);
        tokio::time::advance(Duration::from_secs(60)).await;
        for _ in 0..10 {
            drop(breaker.enter().unwrap());
        }
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
    }
}
