//! Lets in as many requests as are computed at once; the others wait in turns of their keys, within a bound.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::oneshot;
use weighbridge_types::time::{Clock, Stamp};

use crate::error::ServeError;

/// Weight of the last request in the mean of how long requests hold a place.
const MEMORY: f64 = 0.1;

/// Shortest wait that a refusal asks for: less is a busy loop.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// Longest wait that a refusal asks for: beyond it nobody knows.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How many are let in, and how many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateSettings {
    /// Requests that are computed at once; at least 1.
    pub running: usize,
    /// Requests that wait at most.
    pub waiting: usize,
    /// Longest wait.
    pub patience: Duration,
}

/// A gate as it stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GateState {
    /// Requests that were let in and are not finished.
    pub running: usize,
    /// Requests that wait.
    pub waiting: usize,
    /// Places that there are; fewer while memory is short.
    pub places: usize,
    /// Requests that were refused because too many waited.
    pub refused: u64,
    /// Requests that waited too long.
    pub late: u64,
}

/// A gate of one model.
pub struct Gate {
    shared: Arc<Shared>,
}

struct Shared {
    settings: GateSettings,
    clock: Clock,
    inner: Mutex<Inner>,
}

struct Inner {
    places: usize,
    running: usize,
    waiting: usize,
    /// Keys that wait, each with its requests in order; the next turn is the first one's.
    turns: VecDeque<(String, VecDeque<oneshot::Sender<()>>)>,
    /// Requests in `turns`, with those whose caller went away.
    entries: usize,
    /// Mean time that a place is held, seconds.
    held: f64,
    refused: u64,
    late: u64,
}

/// A place. It is free again when this is dropped.
pub struct Pass {
    shared: Arc<Shared>,
    since: Stamp,
}

/// A place that is waited for.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    /// `None` once the place was taken over.
    receiver: Option<oneshot::Receiver<()>>,
}

impl Gate {
    /// An empty gate.
    ///
    /// # Panics
    /// When it would let nobody in.
    #[must_use]
    pub fn new(settings: GateSettings, clock: Clock) -> Self {
        assert!(settings.running > 0, "a gate lets somebody in");
        let inner = Inner {
            places: settings.running,
            running: 0,
            waiting: 0,
            turns: VecDeque::new(),
            entries: 0,
            held: 0.0,
            refused: 0,
            late: 0,
        };
        Self { shared: Arc::new(Shared { settings, clock, inner: Mutex::new(inner) }) }
    }

    /// Waits for a place. Keys take turns, however many requests each has waiting.
    ///
    /// # Errors
    /// [`ServeError::QueueFull`] at once where too many wait, [`ServeError::Late`] after the patience.
    pub async fn enter(&self, key: &str) -> Result<Pass, ServeError> {
        let receiver = {
            let mut inner = self.shared.inner();
            if inner.running < inner.places && inner.waiting == 0 {
                inner.running += 1;
                return Ok(self.shared.pass());
            }
            if inner.waiting >= self.shared.settings.waiting {
                inner.refused += 1;
                return Err(ServeError::QueueFull { waiting: inner.waiting, retry_after: inner.next_place() });
            }
            inner.queue(key, self.shared.settings.waiting)
        };
        let mut waiting = Waiting { shared: &self.shared, receiver: Some(receiver) };
        let patience = self.shared.settings.patience;
        let arrived = match &mut waiting.receiver {
            Some(receiver) => tokio::time::timeout(patience, receiver).await,
            None => unreachable!("it was made with one"),
        };
        match arrived {
            Ok(Ok(())) => {
                waiting.receiver = None;
                Ok(self.shared.pass())
            }
            Ok(Err(_)) => Err(ServeError::Draining),
            Err(_) => {
                self.shared.inner().late += 1;
                Err(ServeError::Late { phase: "begin the request", limit: patience })
            }
        }
    }

    /// Changes how many are let in at once, at least 1; those inside stay.
    pub fn resize(&self, places: usize) {
        let mut inner = self.shared.inner();
        inner.places = places.max(1);
        inner.hand_over();
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> GateSettings {
        self.shared.settings
    }

    /// The gate as it stands.
    #[must_use]
    pub fn state(&self) -> GateState {
        let inner = self.shared.inner();
        GateState {
            running: inner.running,
            waiting: inner.waiting,
            places: inner.places,
            refused: inner.refused,
            late: inner.late,
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("settings", &self.shared.settings).field("state", &self.state()).finish()
    }
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic while the lock was held cannot leave it torn: counts and queue change together without a call out.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pass(self: &Arc<Self>) -> Pass {
        Pass { shared: Arc::clone(self), since: self.clock.now() }
    }
}

impl Inner {
    fn queue(&mut self, key: &str, most: usize) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        // Those who went away leave their entry; many of them would be memory without end.
        if self.entries > 2 * most + 16 {
            self.turns.iter_mut().for_each(|(_, waiting)| waiting.retain(|sender| !sender.is_closed()));
            self.turns.retain(|(_, waiting)| !waiting.is_empty());
            self.entries = self.turns.iter().map(|(_, waiting)| waiting.len()).sum();
        }
        match self.turns.iter_mut().find(|(name, _)| name == key) {
            Some((_, waiting)) => waiting.push_back(sender),
            None => self.turns.push_back((key.to_owned(), VecDeque::from([sender]))),
        }
        self.entries += 1;
        self.waiting += 1;
        receiver
    }

    /// Gives free places to those whose turn it is.
    fn hand_over(&mut self) {
        while self.running < self.places {
            let Some((key, mut waiting)) = self.turns.pop_front() else { return };
            let next = waiting.pop_front();
            self.entries -= usize::from(next.is_some());
            if !waiting.is_empty() {
                self.turns.push_back((key, waiting));
            }
            if next.is_some_and(|sender| sender.send(()).is_ok()) {
                self.running += 1;
            }
        }
    }

    /// When a place may be free for one more.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
    fn next_place(&self) -> Duration {
        let rounds = (self.waiting + 1) as f64 / self.places as f64;
        Duration::from_secs_f64((rounds * self.held).min(LONGEST_WAIT.as_secs_f64())).max(SHORTEST_WAIT)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let held = (self.shared.clock.now() - self.since).as_secs_f64();
        let mut inner = self.shared.inner();
        inner.held = if inner.held > 0.0 { inner.held + MEMORY * (held - inner.held) } else { held };
        inner.running -= 1;
        inner.hand_over();
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").finish_non_exhaustive()
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut inner = self.shared.inner();
        inner.waiting -= 1;
        if let Some(mut receiver) = self.receiver.take() {
            receiver.close();
            // The place came in the moment in which the caller left.
            if receiver.try_recv().is_ok() {
                inner.running -= 1;
                inner.hand_over();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use futures_util::future::join_all;

    use super::*;

    fn gate(running: usize, waiting: usize) -> Gate {
        Gate::new(GateSettings { running, waiting, patience: Duration::from_secs(10) }, Clock::start())
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_run_so_many_wait_and_the_rest_is_refused() {
        let gate = gate(2, 3);
        let passes = [gate.enter("a").await.unwrap(), gate.enter("a").await.unwrap()];
        let waiting: Vec<_> = (0..3).map(|_| Box::pin(gate.enter("a"))).collect();
        let mut waiting = waiting;
        assert!(waiting.iter_mut().all(|one| one.now_or_never().is_none()));
        let refused = gate.enter("a").await.unwrap_err();
        assert!(matches!(refused, ServeError::QueueFull { waiting: 3, .. }), "{refused:?}");
        tokio::time::advance(Duration::from_secs(2)).await;
        drop(passes);
        assert_eq!((gate.state().running, gate.state().refused), (2, 1));
        let refused = {
            let _more = gate.enter("b").now_or_never();
            gate.shared.inner().next_place()
        };
        assert!(refused >= Duration::from_secs(2), "{refused:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn keys_take_turns_however_many_requests_each_has() {
        let gate = gate(1, 100);
        let first = gate.enter("loud").await.unwrap();
        let order = Mutex::new(Vec::new());
        let ask = |key: &'static str| {
            let (gate, order) = (&gate, &order);
            async move {
                let pass = gate.enter(key).await.unwrap();
                order.lock().unwrap().push(key);
                drop(pass);
            }
        };
        let mut all: Vec<_> = (0..5).map(|_| ask("loud").boxed_local()).collect();
        all.push(ask("quiet").boxed_local());
        let mut joined = pin!(join_all(all));
        assert!(joined.as_mut().now_or_never().is_none());
        drop(first);
        joined.await;
        assert_eq!(*order.lock().unwrap(), ["loud", "quiet", "loud", "loud", "loud", "loud"]);
        assert_eq!((gate.state().running, gate.state().waiting), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_gives_the_place_on_and_who_waits_too_long_is_told() {
        let gate = gate(1, 10);
        let first = gate.enter("a").await.unwrap();
        let mut leaving = Box::pin(gate.enter("a"));
        let mut staying = Box::pin(gate.enter("b"));
        assert!(leaving.as_mut().now_or_never().is_none() && staying.as_mut().now_or_never().is_none());
        drop(first);
        // The place was handed to the first, which never looks.
        drop(leaving);
        let pass = staying.await.unwrap();
        let late = gate.enter("c").await.unwrap_err();
        assert!(matches!(late, ServeError::Late { .. }));
        drop(pass);
        assert_eq!((gate.state().running, gate.state().waiting, gate.state().late), (0, 0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn entries_of_those_who_left_do_not_pile_up() {
        let gate = gate(1, 4);
        let _first = gate.enter("a").await.unwrap();
        for _ in 0..1_000 {
            assert!(gate.enter("a").now_or_never().is_none());
        }
        assert!(gate.shared.inner().entries <= 25);
        assert_eq!(gate.state().waiting, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn fewer_places_let_fewer_in_and_more_let_in_those_who_wait() {
        let gate = gate(4, 10);
        gate.resize(1);
        let pass = gate.enter("a").await.unwrap();
        let mut second = Box::pin(gate.enter("a"));
        assert!(second.as_mut().now_or_never().is_none());
        gate.resize(2);
        let second = second.await.unwrap();
        drop((pass, second));
        assert_eq!(gate.state().running, 0);
    }
}
