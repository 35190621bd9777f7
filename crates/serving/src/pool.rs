//! Models in memory: loaded once however many ask, lent, and unloaded when others need the room.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::{Notify, broadcast, watch};
use weighbridge_engine::{BoxFuture, Engine};
use weighbridge_types::time::{Clock, Stamp};
use weighbridge_types::units::millis;

use crate::admission::{Loading, Plan, Resident, plan};
use crate::error::{LoadError, LoadErrorKind, ServeError};
use crate::settings::{LoadWhen, ModelSettings, PoolSettings, Strategy};

/// Events that a slow listener may be behind; then it misses the oldest.
const EVENTS_KEPT: usize = 256;

/// How long the first in line waits before a model that is always in use has to yield: requests for it then wait until it is gone.
const YIELDS_AFTER: Duration = Duration::from_secs(1);

/// After so much time without a use, a model counts for half as often used. Ten minutes: a coffee break.
const HALF_LIFE: Duration = Duration::from_secs(600);

/// Makes one model, by whoever knows its kind.
///
/// The pool calls it whenever the model has to be loaded: never twice at the same time, and again after it was unloaded.
pub trait Loader: Send + Sync {
    /// Bytes that the model will take, as far as they are known before it is loaded, such as the size of its file.
    fn expected_bytes(&self) -> u64 {
        0
    }

    /// Loads it.
    ///
    /// # Errors
    /// [`LoadError`] with what kind of failure it is.
    fn load(&self) -> BoxFuture<'static, Result<Arc<dyn Engine>, LoadError>>;

    /// Bytes that a loaded model takes now, by its own account; what was expected of one that keeps none.
    fn footprint(&self, engine: &dyn Engine) -> u64 {
        engine.memory().map_or_else(
            || self.expected_bytes(),
            |memory| {
                memory.weights_mapped + memory.weights_heap + memory.kv_held + memory.kv_idle + memory.scratch_held
            },
        )
    }
}

/// Why a model was unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnloadReason {
    /// Another model needed the room.
    Room,
    /// Nobody used it for so long.
    Idle,
    /// The host ran short of memory.
    Pressure,
    /// Somebody said so.
    Asked,
    /// It took more than was left.
    OverBudget,
}

/// Something that happened to a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum PoolEvent {
    /// It is in memory.
    Loaded {
        /// Its name.
        model: String,
        /// How long it took.
        load_ms: f64,
        /// Bytes that it takes.
        bytes: u64,
    },
    /// It is gone from memory.
    Unloaded {
        /// Its name.
        model: String,
        /// Why.
        reason: UnloadReason,
        /// Bytes that it took.
        bytes: u64,
    },
    /// It could not be loaded.
    LoadFailed {
        /// Its name.
        model: String,
        /// Why.
        problem: String,
    },
}

/// How loading ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoadReport {
    /// Time from the reference to an engine that is ready; zero where it was loaded already.
    pub load_time: Duration,
    /// Bytes that it takes.
    pub bytes: u64,
    /// Whether it was loaded already.
    pub was_loaded: bool,
}

/// How long it took to change from one model to another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SwitchReport {
    /// To unload the first.
    pub unload_time: Duration,
    /// To load the second.
    pub load_time: Duration,
}

/// Whether a model is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Residence {
    /// It is not.
    Unloaded,
    /// It is being loaded.
    Loading,
    /// It is.
    Loaded,
    /// It will be unloaded when its last request has ended.
    Draining,
}

/// A model as it stands now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelState {
    /// Its name.
    pub name: String,
    /// Other names.
    pub aliases: Vec<String>,
    /// Its tier.
    pub tier: Option<String>,
    /// Whether it computes elsewhere.
    pub is_remote: bool,
    /// Whether it is in memory.
    pub residence: Residence,
    /// Bytes that it takes now; 0 where it is not loaded or remote.
    pub bytes: u64,
    /// Requests that have it now.
    pub in_flight: usize,
    /// Requests that had it since the start.
    pub uses: u64,
    /// Loads since the start.
    pub loads: u64,
    /// Time of the last load, milliseconds; `None` before the first.
    pub load_ms: Option<f64>,
    /// Whether it stays loaded.
    pub pinned: bool,
    /// Its priority.
    pub priority: i32,
    /// Seconds since it was last used; `None` where it was not.
    pub idle_seconds: Option<f64>,
    /// What the last load failed with, if it did.
    pub problem: Option<String>,
}

/// The models of a service.
pub struct ModelPool {
    shared: Arc<Shared>,
}

struct Shared {
    table: Mutex<Table>,
    /// Told when a model came, went, or was given back.
    changed: Notify,
    settings: PoolSettings,
    clock: Clock,
    events: broadcast::Sender<PoolEvent>,
}

struct Table {
    slots: Vec<Slot>,
    /// Those who wait for room, the first in line first: nobody overtakes.
    line: VecDeque<u64>,
    next_ticket: u64,
    is_closed: bool,
}

struct Slot {
    settings: ModelSettings,
    loader: Arc<dyn Loader>,
    residence: State,
    in_flight: usize,
    last_used: Option<Stamp>,
    uses: u64,
    loads: u64,
    load_time: Option<Duration>,
    /// Bytes that it took when it was loaded last.
    measured: Option<u64>,
    /// Uses, halved with time, as of `last_used`.
    heat: f64,
    problem: Option<String>,
}

enum State {
    Absent,
    Loading { reserved: u64, outcome: watch::Receiver<Option<Result<(), ServeError>>> },
    Ready { engine: Arc<dyn Engine>, lending: Lending },
}

/// Whether a loaded model is lent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lending {
    Open,
    /// It is about to be unloaded, as somebody asked.
    Closed,
    /// It is always in use, and somebody waits for its room.
    Paused {
        until: Stamp,
    },
}

/// A place in the line of those who wait for room.
struct Ticket {
    shared: Arc<Shared>,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.table().line.retain(|number| *number != self.number);
        self.shared.changed.notify_waiters();
    }
}

/// A model that is lent. It stays in memory until the lease is dropped.
pub struct Lease {
    shared: Arc<Shared>,
    index: usize,
    name: String,
    /// `None` while the model loads, and while the lease is dropped.
    engine: Option<Arc<dyn Engine>>,
}

impl Lease {
    /// The model.
    #[must_use]
    pub fn engine(&self) -> &Arc<dyn Engine> {
        match &self.engine {
            Some(engine) => engine,
            None => unreachable!("a lease is handed out with its engine"),
        }
    }

    /// Its name in the table.
    #[must_use]
    pub fn model(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("model", &self.name).finish_non_exhaustive()
    }
}

impl Lease {
    /// Takes the engine of a model that was loaded meanwhile; whether it is there.
    fn fill(&mut self) -> bool {
        if let State::Ready { engine, .. } = &self.shared.table().slots[self.index].residence {
            self.engine = Some(Arc::clone(engine));
        }
        self.engine.is_some()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Before the count: who unloads then has the last one.
        self.engine = None;
        let mut table = self.shared.table();
        let slot = &mut table.slots[self.index];
        slot.in_flight -= 1;
        slot.last_used = Some(self.shared.clock.now());
        drop(table);
        self.shared.changed.notify_waiters();
    }
}

/// What the table says to somebody who wants a model.
enum Found {
    Lent(Lease),
    /// The lease holds the model as soon as it is loaded, so that nobody unloads it before its first use.
    Loading(Lease, watch::Receiver<Option<Result<(), ServeError>>>),
    /// Unload these first.
    Evict(Vec<(String, u64, Arc<dyn Engine>)>),
    Wait,
    /// Load it; the table says so to others already.
    Load {
        loader: Arc<dyn Loader>,
        outcome: watch::Sender<Option<Result<(), ServeError>>>,
    },
}

impl ModelPool {
    /// A pool of these models, none of which is loaded.
    ///
    /// # Panics
    /// When two models have one name or alias: the edge checks its settings.
    #[must_use]
    pub fn new(settings: PoolSettings, models: Vec<(ModelSettings, Arc<dyn Loader>)>, clock: Clock) -> Self {
        let mut names: Vec<&str> = models
            .iter()
            .flat_map(|(model, _)| std::iter::once(&model.name).chain(&model.aliases).map(String::as_str))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert!(names.len() == count, "every name and alias names one model");
        let slots = models.into_iter().map(|(settings, loader)| Slot::new(settings, loader)).collect();
        let (events, _) = broadcast::channel(EVENTS_KEPT);
        let table = Mutex::new(Table { slots, line: VecDeque::new(), next_ticket: 0, is_closed: false });
        Self { shared: Arc::new(Shared { table, changed: Notify::new(), settings, clock, events }) }
    }

    /// The name in the table of a model that is asked for by name, alias or tier.
    ///
    /// # Errors
    /// [`ServeError::UnknownModel`] with the names that there are.
    pub fn resolve(&self, name: &str) -> Result<String, ServeError> {
        let table = self.shared.table();
        table.find(name).map(|index| table.slots[index].settings.name.clone())
    }

    /// Lends a model, and loads it first where it is not loaded. Who gives up waiting does not stop the load.
    ///
    /// # Errors
    /// When there is no such model, it does not fit, or cannot be loaded.
    pub async fn lease(&self, name: &str) -> Result<Lease, ServeError> {
        self.take(name, LoadWhen::Lazy).await
    }

    /// Loads a model and keeps it until others need the room.
    ///
    /// # Errors
    /// As [`lease`](Self::lease).
    pub async fn load(&self, name: &str) -> Result<LoadReport, ServeError> {
        let was_loaded = self.state(name)?.residence == Residence::Loaded;
        let lease = self.take(name, LoadWhen::OnDemand).await?;
        let table = self.shared.table();
        let slot = &table.slots[lease.index];
        let load_time = slot.load_time.filter(|_| !was_loaded).unwrap_or_default();
        let report = LoadReport { load_time, bytes: slot.bytes(), was_loaded };
        // The lease locks the table when it goes.
        drop(table);
        Ok(report)
    }

    /// Loads several models, one after the other, and says of each how it went: one that fails does not keep the others
    /// from being loaded.
    pub async fn load_all(&self, names: &[String]) -> Vec<(String, Result<LoadReport, ServeError>)> {
        let mut reports = Vec::with_capacity(names.len());
        for name in names {
            reports.push((name.clone(), self.load(name).await));
        }
        reports
    }

    /// Loads what is to be there from the start: the eager ones, and with the strategy `eager` all that fit.
    pub async fn load_eager(&self) -> Vec<(String, Result<LoadReport, ServeError>)> {
        let all = self.shared.settings.strategy == Strategy::Eager;
        let wanted = |settings: &ModelSettings| match settings.load {
            LoadWhen::Eager => true,
            LoadWhen::Lazy => all || settings.is_remote,
            LoadWhen::OnDemand => false,
        };
        let names: Vec<String> = {
            let table = self.shared.table();
            let slots = table.slots.iter().filter(|slot| wanted(&slot.settings));
            slots.map(|slot| slot.settings.name.clone()).collect()
        };
        self.load_all(&names).await
    }

    /// Unloads a model once its last request has ended; requests for it that come meanwhile wait and load it anew. Whether
    /// it was loaded.
    ///
    /// # Errors
    /// When there is no such model, or it was in use for longer than `patience`; then it stays.
    pub async fn unload(&self, name: &str, patience: Duration) -> Result<bool, ServeError> {
        let deadline = self.shared.clock.now().after(patience);
        loop {
            let changed = self.shared.changed.notified();
            let gone = {
                let mut table = self.shared.table();
                let index = table.find(name)?;
                let slot = &mut table.slots[index];
                match &mut slot.residence {
                    State::Absent => return Ok(false),
                    State::Loading { .. } => None,
                    State::Ready { lending, .. } if slot.in_flight > 0 => {
                        *lending = Lending::Closed;
                        None
                    }
                    State::Ready { .. } => slot.take_out(),
                }
            };
            if let Some(gone) = gone {
                self.shared.discard(vec![gone], UnloadReason::Asked).await;
                return Ok(true);
            }
            if tokio::time::timeout_at(self.shared.clock.instant(deadline), changed).await.is_err() {
                let mut table = self.shared.table();
                let index = table.find(name)?;
                if let State::Ready { lending, .. } = &mut table.slots[index].residence {
                    *lending = Lending::Open;
                }
                drop(table);
                self.shared.changed.notify_waiters();
                return Err(ServeError::Late { phase: "unload a model that is in use", limit: patience });
            }
        }
    }

    /// Unloads one model and loads another, timed.
    ///
    /// # Errors
    /// As [`unload`](Self::unload) and [`load`](Self::load).
    pub async fn switch(&self, from: &str, to: &str, patience: Duration) -> Result<SwitchReport, ServeError> {
        let start = self.shared.clock.now();
        self.unload(from, patience).await?;
        let unloaded = self.shared.clock.now();
        self.load(to).await?;
        Ok(SwitchReport { unload_time: unloaded - start, load_time: self.shared.clock.now() - unloaded })
    }

    /// Unloads what was not used for longer than it may be idle; how many.
    pub async fn sweep(&self) -> usize {
        let now = self.shared.clock.now();
        let gone: Vec<_> = {
            let mut table = self.shared.table();
            let idle = table.slots.iter_mut().filter(|slot| slot.is_idle(now));
            idle.filter_map(Slot::take_out).collect()
        };
        let count = gone.len();
        self.shared.discard(gone, UnloadReason::Idle).await;
        count
    }

    /// Unloads the one model that would go first, since the host is short of memory; bytes that it took, `None` where none
    /// can go.
    pub async fn relieve(&self) -> Option<u64> {
        let gone = {
            let mut table = self.shared.table();
            let residents = table.residents(self.shared.clock.now());
            // A model of one byte beside a budget of what there is: the first that goes.
            let all: u64 = residents.iter().map(|resident| resident.bytes).sum();
            let strategy = match self.shared.settings.strategy {
                Strategy::Circuit => Strategy::Lazy,
                strategy => strategy,
            };
            let settings =
                PoolSettings { memory_budget: Some(all), max_models: None, strategy, ..self.shared.settings };
            match plan(1, &settings, &residents, Loading::default()) {
                Plan::Evict(indices) => indices.first().and_then(|&index| table.slots[index].take_out()),
                Plan::Wait | Plan::Refuse | Plan::Never { .. } => None,
            }
        }?;
        let bytes = gone.1;
        self.shared.discard(vec![gone], UnloadReason::Pressure).await;
        Some(bytes)
    }

    /// Every model as it stands.
    #[must_use]
    pub fn states(&self) -> Vec<ModelState> {
        let now = self.shared.clock.now();
        self.shared.table().slots.iter().map(|slot| slot.state(now)).collect()
    }

    /// One model as it stands.
    ///
    /// # Errors
    /// [`ServeError::UnknownModel`].
    pub fn state(&self, name: &str) -> Result<ModelState, ServeError> {
        let table = self.shared.table();
        let index = table.find(name)?;
        Ok(table.slots[index].state(self.shared.clock.now()))
    }

    /// The engine of a model that is loaded, without lending it: for what it says of itself.
    ///
    /// # Errors
    /// [`ServeError::UnknownModel`].
    pub fn peek(&self, name: &str) -> Result<Option<Arc<dyn Engine>>, ServeError> {
        let table = self.shared.table();
        let index = table.find(name)?;
        Ok(match &table.slots[index].residence {
            State::Ready { engine, .. } => Some(Arc::clone(engine)),
            State::Absent | State::Loading { .. } => None,
        })
    }

    /// What the pool is bound by.
    #[must_use]
    pub fn settings(&self) -> PoolSettings {
        self.shared.settings
    }

    /// What happens from now on. A listener that is far behind misses the oldest.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<PoolEvent> {
        self.shared.events.subscribe()
    }

    /// Lends and loads nothing any more.
    pub fn close(&self) {
        self.shared.table().is_closed = true;
        self.shared.changed.notify_waiters();
    }

    async fn take(&self, name: &str, asked_by: LoadWhen) -> Result<Lease, ServeError> {
        let start = self.shared.clock.now();
        let deadline = start.after(self.shared.settings.room_timeout);
        let mut ticket = None;
        loop {
            // Before the table is read, so that no change between the two is missed.
            let changed = self.shared.changed.notified();
            let waited = self.shared.clock.now() - start;
            match self.shared.find(name, asked_by, &mut ticket, waited >= YIELDS_AFTER)? {
                Found::Lent(lease) => return Ok(lease),
                Found::Loading(mut lease, mut outcome) => {
                    let told = outcome.wait_for(Option::is_some).await;
                    if let Ok(told) = told
                        && let Some(Err(error)) = &*told
                    {
                        return Err(error.clone());
                    }
                    if lease.fill() {
                        return Ok(lease);
                    }
                }
                Found::Evict(gone) => self.shared.discard(gone, UnloadReason::Room).await,
                Found::Wait if waited >= self.shared.settings.room_timeout => {
                    return Err(ServeError::NoRoom { model: name.to_owned(), waited });
                }
                Found::Wait => {
                    let look_again = self.shared.clock.now().after(YIELDS_AFTER).min(deadline);
                    drop(tokio::time::timeout_at(self.shared.clock.instant(look_again), changed).await);
                }
                Found::Load { loader, outcome } => {
                    let (shared, name) = (Arc::clone(&self.shared), name.to_owned());
                    // On a task of its own: who gives up waiting leaves it to the others.
                    tokio::spawn(async move { shared.load(&name, &loader, &outcome).await });
                }
            }
        }
    }
}

impl fmt::Debug for ModelPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModelPool").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        // A panic while the lock was held cannot leave the table torn: each slot changes in one step.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(
        self: &Arc<Self>,
        name: &str,
        asked_by: LoadWhen,
        ticket: &mut Option<Ticket>,
        is_starved: bool,
    ) -> Result<Found, ServeError> {
        let now = self.clock.now();
        let mut table = self.table();
        if table.is_closed {
            return Err(ServeError::Draining);
        }
        let index = table.find(name)?;
        let slot = &mut table.slots[index];
        match &slot.residence {
            State::Ready { lending: Lending::Closed, .. } => return Ok(Found::Wait),
            State::Ready { lending: Lending::Paused { until }, .. } if now < *until => return Ok(Found::Wait),
            State::Ready { engine, .. } => {
                let engine = Some(Arc::clone(engine));
                return Ok(Found::Lent(self.lend(slot, index, engine)));
            }
            State::Loading { outcome, .. } => {
                let outcome = outcome.clone();
                return Ok(Found::Loading(self.lend(slot, index, None), outcome));
            }
            State::Absent => {}
        }
        if slot.settings.load == LoadWhen::OnDemand && asked_by != LoadWhen::OnDemand {
            let error = LoadError {
                kind: LoadErrorKind::Broken,
                problem: "it is loaded only on demand".to_owned(),
                hint: "load it first, `POST /api/v1/models/NAME/load`".to_owned(),
            };
            return Err(ServeError::Load { model: slot.settings.name.clone(), error });
        }
        self.admit(&mut table, index, ticket, is_starved)
    }

    fn lend(self: &Arc<Self>, slot: &mut Slot, index: usize, engine: Option<Arc<dyn Engine>>) -> Lease {
        slot.lend(self.clock.now());
        Lease { shared: Arc::clone(self), index, name: slot.settings.name.clone(), engine }
    }

    /// Whether a model may be loaded now, and what goes for it. Who cannot at once gets a place in line.
    fn admit(
        self: &Arc<Self>,
        table: &mut Table,
        index: usize,
        ticket: &mut Option<Ticket>,
        is_starved: bool,
    ) -> Result<Found, ServeError> {
        let now = self.clock.now();
        let need = table.slots[index].need();
        let model = || table.slots[index].settings.name.clone();
        let plan = match table.slots[index].settings.is_remote {
            true => Plan::Evict(Vec::new()),
            false => plan(need, &self.settings, &table.residents(now), table.loading()),
        };
        match plan {
            Plan::Refuse => return Err(ServeError::AtLimit { model: model() }),
            Plan::Never { left } => {
                let budget = self.settings.memory_budget.unwrap_or(left);
                return Err(ServeError::TooLarge { model: model(), need, budget, left });
            }
            Plan::Evict(gone) if gone.is_empty() && table.is_first(ticket.as_ref()) => {
                // The ticket itself goes later: its end locks the table.
                if let Some(ticket) = ticket {
                    table.line.retain(|number| *number != ticket.number);
                }
            }
            plan => {
                if ticket.is_none() {
                    let number = table.next_ticket;
                    table.next_ticket += 1;
                    table.line.push_back(number);
                    *ticket = Some(Ticket { shared: Arc::clone(self), number });
                }
                return Ok(match plan {
                    Plan::Evict(gone) if table.is_first(ticket.as_ref()) => {
                        Found::Evict(gone.into_iter().filter_map(|index| table.slots[index].take_out()).collect())
                    }
                    Plan::Wait if is_starved && table.is_first(ticket.as_ref()) => {
                        table.pause_one(now);
                        Found::Wait
                    }
                    _ => Found::Wait,
                });
            }
        }
        let (sender, outcome) = watch::channel(None);
        table.slots[index].residence = State::Loading { reserved: need, outcome };
        Ok(Found::Load { loader: Arc::clone(&table.slots[index].loader), outcome: sender })
    }

    async fn load(
        self: &Arc<Self>,
        name: &str,
        loader: &Arc<dyn Loader>,
        outcome: &watch::Sender<Option<Result<(), ServeError>>>,
    ) {
        // A loader that panics must not leave the model loading for ever.
        let guard = Unfinished { shared: Arc::clone(self), name };
        let start = self.clock.now();
        let mut loaded = loader.load().await;
        if let Err(LoadError { kind: LoadErrorKind::Memory, .. }) = &loaded
            && self.make_room_again().await
        {
            loaded = loader.load().await;
        }
        let load_time = self.clock.now() - start;
        let result = match loaded {
            Ok(engine) => self.settle(name, loader, engine, load_time).await,
            Err(error) => Err(self.give_up(name, error)),
        };
        drop(guard);
        drop(outcome.send(Some(result)));
        self.changed.notify_waiters();
    }

    /// Unloads everything that can go, since a load ran out of memory; whether anything went.
    async fn make_room_again(&self) -> bool {
        let gone: Vec<_> = {
            let mut table = self.table();
            let free = table.slots.iter_mut().filter(|slot| !slot.settings.pinned && !slot.settings.is_remote);
            free.filter(|slot| slot.in_flight == 0).filter_map(Slot::take_out).collect()
        };
        let any = !gone.is_empty();
        self.discard(gone, UnloadReason::Room).await;
        any
    }

    /// Puts a model that was loaded into the table, if what it takes leaves the budget kept.
    async fn settle(
        &self,
        name: &str,
        loader: &Arc<dyn Loader>,
        engine: Arc<dyn Engine>,
        load_time: Duration,
    ) -> Result<(), ServeError> {
        let bytes = loader.footprint(&*engine);
        let (over, gone) = {
            let mut table = self.table();
            let Ok(index) = table.find(name) else { return Ok(()) };
            let is_remote = table.slots[index].settings.is_remote;
            table.slots[index].measured = Some(bytes);
            // Its own reservation must not count beside what it takes.
            table.slots[index].residence = State::Absent;
            let need = table.slots[index].need();
            match plan(need, &self.settings, &table.residents(self.clock.now()), table.loading()) {
                Plan::Evict(gone) => {
                    let gone = gone.into_iter().filter_map(|index| table.slots[index].take_out()).collect();
                    table.slots[index].settle(engine, load_time);
                    (None, gone)
                }
                _ if is_remote => {
                    table.slots[index].settle(engine, load_time);
                    (None, Vec::new())
                }
                Plan::Wait | Plan::Refuse | Plan::Never { .. } => {
                    let budget = self.settings.memory_budget.unwrap_or(u64::MAX);
                    let taken: u64 = table.residents(self.clock.now()).iter().map(|resident| resident.bytes).sum();
                    let model = table.slots[index].settings.name.clone();
                    let left = budget.saturating_sub(taken);
                    let error = ServeError::TooLarge { model: model.clone(), need, budget, left };
                    table.slots[index].problem = Some(error.to_string());
                    (Some(error), vec![(model, bytes, engine)])
                }
            }
        };
        match over {
            Some(error) => {
                self.discard(gone, UnloadReason::OverBudget).await;
                Err(error)
            }
            None => {
                self.discard(gone, UnloadReason::Room).await;
                self.tell(PoolEvent::Loaded { model: name.to_owned(), load_ms: millis(load_time), bytes });
                Ok(())
            }
        }
    }

    fn give_up(&self, name: &str, error: LoadError) -> ServeError {
        let mut table = self.table();
        if let Ok(index) = table.find(name) {
            table.slots[index].residence = State::Absent;
            table.slots[index].problem = Some(error.problem.clone());
        }
        drop(table);
        self.tell(PoolEvent::LoadFailed { model: name.to_owned(), problem: error.problem.clone() });
        ServeError::Load { model: name.to_owned(), error }
    }

    /// Frees engines that were taken out of the table. On a thread that may wait: an engine ends its own threads.
    async fn discard(&self, gone: Vec<(String, u64, Arc<dyn Engine>)>, reason: UnloadReason) {
        for (model, bytes, engine) in gone {
            // It fails only when the runtime ends, and then the engine is gone as well.
            drop(tokio::task::spawn_blocking(move || drop(engine)).await);
            self.tell(PoolEvent::Unloaded { model, reason, bytes });
        }
        self.changed.notify_waiters();
    }

    fn tell(&self, event: PoolEvent) {
        // Nobody has to listen.
        drop(self.events.send(event));
    }
}

/// Puts a model back to unloaded, should its loader panic.
struct Unfinished<'a> {
    shared: Arc<Shared>,
    name: &'a str,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        if let Ok(index) = table.find(self.name)
            && let State::Loading { .. } = table.slots[index].residence
        {
            table.slots[index].residence = State::Absent;
            table.slots[index].problem = Some("its loader panicked".to_owned());
        }
    }
}

impl Table {
    fn find(&self, name: &str) -> Result<usize, ServeError> {
        let named = |slot: &Slot| slot.settings.name == name || slot.settings.aliases.iter().any(|alias| alias == name);
        let of_tier = |slot: &Slot| slot.settings.tier.as_deref() == Some(name);
        let found = self.slots.iter().position(named).or_else(|| self.slots.iter().position(of_tier));
        found.ok_or_else(|| ServeError::UnknownModel {
            name: name.to_owned(),
            known: self.slots.iter().map(|slot| slot.settings.name.clone()).collect(),
        })
    }

    /// Whether nobody is before this one in line.
    fn is_first(&self, ticket: Option<&Ticket>) -> bool {
        self.line.front().is_none_or(|first| ticket.is_some_and(|ticket| ticket.number == *first))
    }

    /// Lends a model that is always in use no more for a while, so that it can go.
    fn pause_one(&mut self, now: Stamp) {
        let is_paused = |slot: &Slot| matches!(slot.residence, State::Ready { lending: Lending::Paused { until }, .. } if now < until);
        if self.slots.iter().any(is_paused) {
            return;
        }
        let free = self.slots.iter_mut().filter(|slot| !slot.settings.pinned && !slot.settings.is_remote);
        let used = free.filter(|slot| slot.in_flight > 0 && matches!(slot.residence, State::Ready { .. }));
        if let Some(slot) = used.min_by_key(|slot| (slot.settings.priority, slot.in_flight))
            && let State::Ready { lending, .. } = &mut slot.residence
            && *lending != Lending::Closed
        {
            // Longer than the pause between two looks, so that it holds until it is empty.
            *lending = Lending::Paused { until: now.after(3 * YIELDS_AFTER) };
        }
    }

    fn residents(&self, now: Stamp) -> Vec<Resident> {
        let all = self.slots.iter().enumerate().filter(|(_, slot)| !slot.settings.is_remote);
        let ready = all.filter(|(_, slot)| matches!(slot.residence, State::Ready { .. }));
        ready
            .map(|(index, slot)| Resident {
                index,
                bytes: slot.bytes(),
                is_used: slot.in_flight > 0,
                pinned: slot.settings.pinned,
                priority: slot.settings.priority,
                last_used: slot.last_used.unwrap_or_default(),
                worth: slot.worth(now),
            })
            .collect()
    }

    fn loading(&self) -> Loading {
        let local = self.slots.iter().filter(|slot| !slot.settings.is_remote);
        local.fold(Loading::default(), |sum, slot| match slot.residence {
            State::Loading { reserved, .. } => Loading { bytes: sum.bytes + reserved, count: sum.count + 1 },
            State::Absent | State::Ready { .. } => sum,
        })
    }
}

impl Slot {
    fn new(settings: ModelSettings, loader: Arc<dyn Loader>) -> Self {
        Self {
            settings,
            loader,
            residence: State::Absent,
            in_flight: 0,
            last_used: None,
            uses: 0,
            loads: 0,
            load_time: None,
            measured: None,
            heat: 0.0,
            problem: None,
        }
    }

    /// Bytes that it will take: what was measured, or else the larger of what is declared and expected.
    fn need(&self) -> u64 {
        self.measured.unwrap_or_else(|| self.loader.expected_bytes()).max(self.settings.declared_bytes)
    }

    /// Bytes that it takes now. Caches grow as it is used.
    fn bytes(&self) -> u64 {
        match &self.residence {
            State::Ready { .. } if self.settings.is_remote => 0,
            State::Ready { engine, .. } => {
                self.loader.footprint(&**engine).max(self.measured.unwrap_or(0)).max(self.settings.declared_bytes)
            }
            State::Absent | State::Loading { .. } => 0,
        }
    }

    fn lend(&mut self, now: Stamp) {
        self.heat = self.heat_at(now) + 1.0;
        self.in_flight += 1;
        self.uses += 1;
        self.last_used = Some(now);
    }

    fn heat_at(&self, now: Stamp) -> f64 {
        let idle = self.last_used.map_or(Duration::ZERO, |last| now - last);
        self.heat * (-idle.as_secs_f64() / HALF_LIFE.as_secs_f64()).exp2()
    }

    #[expect(clippy::cast_precision_loss, reason = "a rank needs no exact bytes")]
    fn worth(&self, now: Stamp) -> f64 {
        let load_seconds = self.load_time.unwrap_or_default().as_secs_f64();
        self.heat_at(now) * load_seconds / self.bytes().max(1) as f64
    }

    fn settle(&mut self, engine: Arc<dyn Engine>, load_time: Duration) {
        self.residence = State::Ready { engine, lending: Lending::Open };
        self.load_time = Some(load_time);
        self.loads += 1;
        self.problem = None;
    }

    fn is_idle(&self, now: Stamp) -> bool {
        let Some(ttl) = self.settings.idle_ttl.filter(|_| !self.settings.pinned && !self.settings.is_remote) else {
            return false;
        };
        self.in_flight == 0 && self.last_used.is_some_and(|last| now - last >= ttl)
    }

    /// Takes the engine out, with its name and the bytes that it takes.
    fn take_out(&mut self) -> Option<(String, u64, Arc<dyn Engine>)> {
        let bytes = self.bytes();
        match std::mem::replace(&mut self.residence, State::Absent) {
            State::Ready { engine, .. } => Some((self.settings.name.clone(), bytes, engine)),
            other => {
                self.residence = other;
                None
            }
        }
    }

    fn state(&self, now: Stamp) -> ModelState {
        ModelState {
            name: self.settings.name.clone(),
            aliases: self.settings.aliases.clone(),
            tier: self.settings.tier.clone(),
            is_remote: self.settings.is_remote,
            residence: match self.residence {
                State::Absent => Residence::Unloaded,
                State::Loading { .. } => Residence::Loading,
                State::Ready { lending: Lending::Closed, .. } => Residence::Draining,
                State::Ready { .. } => Residence::Loaded,
            },
            bytes: self.bytes(),
            in_flight: self.in_flight,
            uses: self.uses,
            loads: self.loads,
            load_ms: self.load_time.map(millis),
            pinned: self.settings.pinned,
            priority: self.settings.priority,
            idle_seconds: self.last_used.map(|last| (now - last).as_secs_f64()),
            problem: self.problem.clone(),
        }
    }
}
