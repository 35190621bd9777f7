//! The front of a server: levels behind a single flight for each key.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;
use weighbridge_types::time::Clock;

use crate::error::CacheError;
use crate::key::Key;
use crate::level::{Kept, LevelReport};
use crate::levels::{Keep, Levels, Source};
use crate::near::{Near, NearHit};
use crate::remote::Lease;
use crate::tag::Tag;

/// Answers that are on their way to lower levels at once; whoever has one more waits before it is given out. Blocking threads are
/// some hundreds, and others need them as well.
const WRITES: usize = 64;
/// How often another process that computes an answer is asked for it: at first, and at most.
const ASK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// Why an answer could not be computed; every caller that waited for it gets the same.
pub type Failure = Arc<dyn Error + Send + Sync>;

type Compute<'a> = Pin<Box<dyn Future<Output = Result<Bytes, Failure>> + Send + 'a>>;
/// What a flight brings; `None` while it is under way.
type Landed = Option<Result<Bytes, Failure>>;

/// How processes that share a server wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswersSettings {
    /// How long a process may compute an answer before others take its turn.
    pub lease: Duration,
    /// How long an answer that another process computes is waited for, before it is computed here as well.
    pub lease_wait: Duration,
}

impl Default for AnswersSettings {
    fn default() -> Self {
        Self { lease: Duration::from_secs(60), lease_wait: Duration::from_secs(10) }
    }
}

/// What the answers were of use for.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct AnswersReport {
    /// The levels, memory first.
    pub levels: Vec<LevelReport>,
    /// Computations that succeeded.
    pub computed: u64,
    /// Computations that failed; nothing of them is kept.
    pub failed: u64,
    /// Callers that got what another one found or computed.
    pub joined: u64,
    /// Answers that came from another process while this one waited for it.
    pub waited: u64,
    /// Times that the wait for another process ended without an answer.
    pub wait_timeouts: u64,
    /// Answers on their way to lower levels.
    pub writing: u64,
}

/// Answers for many tasks. Clones are the same answers.
#[derive(Debug, Clone)]
pub struct Answers {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    levels: Arc<Levels>,
    settings: AnswersSettings,
    clock: Clock,
    flights: Mutex<HashMap<(Key, Tag), watch::Receiver<Landed>>>,
    writes: Arc<Semaphore>,
    /// What leases of this process are told by: the process, when it began, and a number.
    name: String,
    lease_count: AtomicU64,
    computed: AtomicU64,
    failed: AtomicU64,
    joined: AtomicU64,
    waited: AtomicU64,
    wait_timeouts: AtomicU64,
}

impl Answers {
    /// Answers from levels; `clock` times computations.
    #[must_use]
    pub fn new(levels: Levels, settings: AnswersSettings, clock: Clock) -> Self {
        let (_, wall) = clock.now_beside_wall();
        let zero = || AtomicU64::new(0);
        let inner = Inner {
            levels: Arc::new(levels),
            settings,
            clock,
            flights: Mutex::default(),
            writes: Arc::new(Semaphore::new(WRITES)),
            name: format!("{}-{}", std::process::id(), wall.as_nanos()),
            lease_count: zero(),
            computed: zero(),
            failed: zero(),
            joined: zero(),
            waited: zero(),
            wait_timeouts: zero(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The levels, for callers that may block.
    #[must_use]
    pub fn levels(&self) -> &Arc<Levels> {
        &self.inner.levels
    }

    /// The answer under a key, if it is known. What lies in memory comes without another thread.
    pub async fn get(&self, key: Key, tag: Tag) -> Option<(Bytes, Source)> {
        if let Some(value) = self.inner.levels.get_memory(&key, tag) {
            return Some((value, Source::Memory));
        }
        self.inner.get_lower(key, tag).await
    }

    /// Keeps an answer in all levels; afterwards a folder that acknowledges has it.
    pub async fn put(&self, key: Key, value: Bytes, keep: Keep) {
        let levels = self.inner.levels.clone();
        if levels.has_lower() {
            // It ends early only with the runtime.
            let _ = spawn_blocking(move || levels.put(key, value, keep)).await;
        } else {
            levels.put(key, value, keep);
        }
    }

    /// The answer under a key, found or computed.
    ///
    /// Callers that miss the same key at the same time wait for one of them, who looks into the lower levels and then computes;
    /// if that one goes away, the next takes its turn. Where levels have a server, processes take turns as well, for a bounded
    /// time. An answer is given out once it is in memory, and written below afterwards.
    ///
    /// # Errors
    /// What the computation gives, to all who waited for it; it is not kept.
    pub async fn get_or_compute(
        &self,
        key: Key,
        keep: Keep,
        compute: impl Future<Output = Result<Bytes, Failure>> + Send,
    ) -> Result<(Bytes, Source), Failure> {
        match self.inner.levels.get_memory(&key, keep.tag) {
            Some(value) => Ok((value, Source::Memory)),
            None => self.inner.find_or_compute(key, keep, Box::pin(compute)).await,
        }
    }

    /// The answer to a text that is near, where one is known and still kept. Whoever gives it out says that it is that of another text.
    pub async fn get_near(&self, near: &Near, scope: Key, text: &str, tag: Tag) -> Option<(Bytes, NearHit)> {
        let hit = near.find(scope, text)?;
        let (value, _) = self.get(hit.key, tag).await?;
        Some((value, hit))
    }

    /// Brings answers from lower levels into memory; how many there were.
    pub async fn warm(&self, keys: Vec<Key>, tag: Tag) -> u64 {
        let levels = self.inner.levels.clone();
        spawn_blocking(move || levels.warm(keys, tag)).await.unwrap_or(0)
    }

    /// What the answers were of use for.
    #[must_use]
    pub fn report(&self) -> AnswersReport {
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        AnswersReport {
            levels: self.inner.levels.reports(),
            computed: number(&self.inner.computed),
            failed: number(&self.inner.failed),
            joined: number(&self.inner.joined),
            waited: number(&self.inner.waited),
            wait_timeouts: number(&self.inner.wait_timeouts),
            writing: (WRITES - self.inner.writes.available_permits()) as u64,
        }
    }

    /// Waits until all answers are in the lower levels, and has those written.
    ///
    /// # Errors
    /// The first thing that went wrong; what was lost is in the report.
    pub async fn flush(&self) -> Result<(), CacheError> {
        // All permits together: nothing is on its way. They are few, and the semaphore is never closed.
        let all = self.inner.writes.acquire_many(u32::try_from(WRITES).unwrap_or(u32::MAX)).await;
        let levels = self.inner.levels.clone();
        let flushed = spawn_blocking(move || levels.flush()).await.unwrap_or(Ok(()));
        drop(all);
        flushed
    }
}

impl Inner {
    async fn find_or_compute(
        self: &Arc<Self>,
        key: Key,
        keep: Keep,
        compute: Compute<'_>,
    ) -> Result<(Bytes, Source), Failure> {
        loop {
            let mut flight = match self.board((key, keep.tag)) {
                Seat::Pilot(pilot) => return self.fly(pilot, key, keep, compute).await,
                Seat::Passenger(flight) => flight,
            };
            // Ends without a result when the pilot went away; somebody has to fly then.
            let landed = match flight.wait_for(Option::is_some).await {
                Ok(landed) => landed.clone(),
                Err(_) => None,
            };
            if let Some(landed) = landed {
                self.joined.fetch_add(1, Ordering::Relaxed);
                return landed.map(|value| (value, Source::Joined));
            }
        }
    }

    fn board(self: &Arc<Self>, name: (Key, Tag)) -> Seat {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(&name) {
            return Seat::Passenger(flight.clone());
        }
        let (landing, flight) = watch::channel(None);
        flights.insert(name, flight);
        Seat::Pilot(Pilot { inner: self.clone(), name, landing })
    }

    async fn fly(
        self: &Arc<Self>,
        pilot: Pilot,
        key: Key,
        keep: Keep,
        compute: Compute<'_>,
    ) -> Result<(Bytes, Source), Failure> {
        // Somebody may have landed between the look into memory and this flight.
        if let Some(value) = self.levels.peek_memory(&key, keep.tag) {
            pilot.land(Ok(value.clone()));
            return Ok((value, Source::Memory));
        }
        let turn = match self.get_lower(key, keep.tag).await {
            Some((value, source)) => Turn::Found(value, source),
            None if self.levels.has_server() => self.take_turns(key, keep.tag).await,
            None => Turn::Ours(None),
        };
        let lease = match turn {
            Turn::Found(value, source) => {
                pilot.land(Ok(value.clone()));
                return Ok((value, source));
            }
            Turn::Ours(lease) => lease,
            // Waited for long enough.
            Turn::Others => None,
        };
        let started = self.clock.now();
        let computed = compute.await;
        let value = match computed {
            Ok(value) => value,
            Err(failure) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                pilot.land(Err(failure.clone()));
                return Err(failure);
            }
        };
        self.computed.fetch_add(1, Ordering::Relaxed);
        let cost = keep.cost.or(Some(self.clock.now() - started));
        let kept = self.levels.kept(value.clone(), Keep { cost, ..keep });
        self.levels.put_memory(key, kept.clone());
        pilot.land(Ok(value.clone()));
        if self.levels.has_lower()
            && let Ok(permit) = self.writes.clone().acquire_owned().await
        {
            let levels = self.levels.clone();
            spawn_blocking(move || write(&levels, key, &kept, permit, lease));
        }
        Ok((value, Source::Computed))
    }

    async fn get_lower(&self, key: Key, tag: Tag) -> Option<(Bytes, Source)> {
        if !self.levels.has_lower() {
            return None;
        }
        let levels = self.levels.clone();
        spawn_blocking(move || levels.get_lower(&key, tag)).await.ok()?
    }

    /// Waits while another process computes the answer: what it found, or the right to compute it here.
    async fn take_turns(&self, key: Key, tag: Tag) -> Turn {
        let token = format!("{}-{}", self.name, self.lease_count.fetch_add(1, Ordering::Relaxed));
        let (until, mut pause) = (self.clock.now().after(self.settings.lease_wait), ASK.0);
        let mut turn = self.ask_for_turn(key, tag, &token).await;
        while matches!(turn, Turn::Others) {
            if self.clock.now() >= until {
                self.wait_timeouts.fetch_add(1, Ordering::Relaxed);
                break;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(ASK.1);
            turn = self.ask_for_turn(key, tag, &token).await;
            if matches!(turn, Turn::Found(..)) {
                self.waited.fetch_add(1, Ordering::Relaxed);
            }
        }
        turn
    }

    async fn ask_for_turn(&self, key: Key, tag: Tag, token: &str) -> Turn {
        let (levels, token, ttl) = (self.levels.clone(), token.to_owned(), self.settings.lease);
        let turn = spawn_blocking(move || {
            let lease = levels.try_lease(&key, &token, ttl);
            let held = (lease == Lease::Ours).then(|| HeldLease { levels: levels.clone(), key, token: Some(token) });
            if lease == Lease::Unknown {
                return Turn::Ours(None);
            }
            // Whoever had the right before may have answered since the lower levels were asked.
            match levels.get_server(&key, tag) {
                Some((value, source)) => {
                    if let Some(held) = held {
                        held.release();
                    }
                    Turn::Found(value, source)
                }
                None if held.is_some() => Turn::Ours(held),
                None => Turn::Others,
            }
        });
        // It fails only with the runtime.
        turn.await.unwrap_or(Turn::Ours(None))
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<(Key, Tag), watch::Receiver<Landed>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose turn it is among processes.
enum Turn {
    Found(Bytes, Source),
    Ours(Option<HeldLease>),
    Others,
}

enum Seat {
    Pilot(Pilot),
    Passenger(watch::Receiver<Landed>),
}

/// Whoever finds or computes an answer. When it goes away without one, passengers see the channel close.
struct Pilot {
    inner: Arc<Inner>,
    name: (Key, Tag),
    landing: watch::Sender<Landed>,
}

impl Pilot {
    fn land(self, result: Result<Bytes, Failure>) {
        self.landing.send_replace(Some(result));
    }
}

impl Drop for Pilot {
    fn drop(&mut self) {
        self.inner.flights().remove(&self.name);
    }
}

/// The right to compute an answer, which is given back whatever happens.
struct HeldLease {
    levels: Arc<Levels>,
    key: Key,
    /// `None` once it was given back.
    token: Option<String>,
}

impl HeldLease {
    /// Gives it back; it blocks.
    fn release(mut self) {
        if let Some(token) = self.token.take() {
            self.levels.release(&self.key, &token);
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        // A caller that went away, or a computation that failed: this is a task, which must not block.
        if let (Some(token), Ok(runtime)) = (self.token.take(), tokio::runtime::Handle::try_current()) {
            let (levels, key) = (self.levels.clone(), self.key);
            runtime.spawn_blocking(move || levels.release(&key, &token));
        }
    }
}

/// Puts an answer into the lower levels, and only then lets other processes ask for it.
fn write(levels: &Levels, key: Key, kept: &Kept, permit: OwnedSemaphorePermit, lease: Option<HeldLease>) {
    levels.put_lower(key, kept);
    if let Some(lease) = lease {
        lease.release();
    }
    drop(permit);
}
