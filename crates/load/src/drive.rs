//! Driving a load: sessions released on reactors until a limit, then the drain.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, channel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use weighbridge_engine::{Engine, Follow, Sampling};
use weighbridge_types::metric::Cell;
use weighbridge_types::request::RequestRow;
use weighbridge_types::time::{Clock, Stamp};
use weighbridge_workload::Traffic;

use crate::outbox::Outbox;
use crate::pacer::{Due, Pacer, Pacing, Starts};
use crate::probe::Probe;
use crate::retry::RetryPolicy;
use crate::session::{Counts, Lane, Plan, Played};
use crate::supply::Supply;

/// Sessions kept ready beyond those in flight.
const AHEAD: usize = 256;

/// Due sessions that may wait for a reactor.
const DUE_QUEUE: usize = 4096;

/// How often rows are taken where they are gathered in memory, so that none has to wait.
const GATHER_INTERVAL: Duration = Duration::from_millis(100);

/// Pause of a place whose request found no way to the server. Without one, a place that cannot connect would try
/// thousands of times a second and take the processor from those that can.
const UNREACHED_PAUSE: Duration = Duration::from_millis(100);

/// When sessions start.
pub enum Pace {
    /// So many sessions at a time, each followed by the next.
    Closed {
        /// Sessions in flight.
        concurrency: usize,
    },
    /// Sessions start at planned instants, whatever is in flight: those that the traffic names, else these.
    Open {
        /// Offsets from the start of the load, never falling.
        starts: Starts,
        /// Most sessions in flight; others wait, and are late. `None` sets no bound.
        most: Option<usize>,
    },
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { concurrency } => f.debug_struct("Closed").field("concurrency", concurrency).finish(),
            Self::Open { most, .. } => f.debug_struct("Open").field("most", most).finish_non_exhaustive(),
        }
    }
}

/// When a load ends, and what becomes of single requests.
#[derive(Clone, Copy, Debug)]
pub struct DriveLimits {
    /// Sessions at most; `None` leaves it to the traffic and the duration.
    pub sessions: Option<u64>,
    /// No session is released that starts later than this; `None` leaves it to the count.
    pub duration: Option<Duration>,
    /// Longest time of one request.
    pub request_timeout: Duration,
    /// Longest time that requests in flight get to end after the last release; then they are cancelled.
    pub drain: Duration,
    /// A release later than this after its plan marks the request as disturbed by the client.
    pub lag_limit: Duration,
    /// Pause of a place in closed loop after a session that failed.
    pub failure_pause: Duration,
    /// A request later than this is dropped; `None` sends it late.
    pub drop_after: Option<Duration>,
}

impl Default for DriveLimits {
    fn default() -> Self {
        Self {
            sessions: None,
            duration: None,
            request_timeout: Duration::from_secs(600),
            drain: Duration::from_secs(60),
            lag_limit: Duration::from_millis(5),
            failure_pause: Duration::ZERO,
            drop_after: None,
        }
    }
}

/// A load, ready to be driven.
#[derive(Debug)]
pub struct Drive {
    /// Where the rows belong.
    pub cell: Cell,
    /// What is asked.
    pub traffic: Arc<dyn Traffic>,
    /// Number of the first session.
    pub first: u64,
    /// Sessions at the start that are warm-up.
    pub warmup_sessions: u64,
    /// When sessions start.
    pub pace: Pace,
    /// A stream of requests beside it; it needs a duration.
    pub probe: Option<Probe>,
    /// When it ends.
    pub limits: DriveLimits,
    /// When a failed request is tried again.
    pub retry: RetryPolicy,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Whether engines that can go on after an end-of-sequence token are asked to.
    pub ignore_eos: bool,
    /// Whether rows keep the generated text.
    pub keep_text: bool,
    /// How planned instants are met.
    pub pacing: Pacing,
    /// The run's clock.
    pub clock: Clock,
    /// Ends the load at once; requests in flight become cancelled rows.
    pub cancel: CancellationToken,
}

/// Why a load released no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriveEnd {
    /// The duration, the count or the traffic was used up.
    Done,
    /// It was cancelled.
    Cancelled,
}

/// What is known of a load besides its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveReport {
    /// Why it ended.
    pub end: DriveEnd,
    /// When it began.
    pub begin: Stamp,
    /// When nothing was in flight any more.
    pub over: Stamp,
    /// Requests released.
    pub released: u64,
    /// Rows that had to wait because their keeper was behind.
    pub row_waits: u64,
    /// Sessions that were not ready when they were due.
    pub starved: u64,
    /// Number of the first session that was not released.
    pub next: u64,
}

/// A load under way.
#[derive(Debug)]
pub struct Driving {
    clock: Clock,
    begin: Stamp,
    counts: Arc<Counts>,
    outbox: Arc<Outbox>,
    supply: Arc<Supply>,
    tracker: TaskTracker,
    cancel: CancellationToken,
}

impl Drive {
    /// Starts the load on reactors, one engine for each.
    ///
    /// # Errors
    /// When the system refuses a thread.
    ///
    /// # Panics
    /// Without an engine, or with another number of engines than of reactors.
    pub fn start(mut self, engines: &[Arc<dyn Engine>], reactors: &[Handle]) -> std::io::Result<Driving> {
        assert!(!engines.is_empty() && engines.len() == reactors.len(), "each reactor needs an engine of its own");
        let depth = match &self.pace {
            Pace::Closed { concurrency } => (*concurrency).min(1 << 14) + AHEAD,
            Pace::Open { .. } => 4 * AHEAD,
        };
        let end = self.limits.sessions.map(|count| self.first + count);
        let supply = Arc::new(Supply::start(Arc::clone(&self.traffic), self.first, end, depth)?);
        let begin = self.clock.now();
        let until = self.limits.duration.map(|duration| begin.after(duration));
        let plan = Arc::new(self.plan(engines, until));
        let (counts, outbox) = (Arc::new(Counts::default()), Arc::new(Outbox::default()));
        let lanes: Vec<Arc<Lane>> = engines
            .iter()
            .map(|engine| Lane {
                engine: Arc::clone(engine),
                plan: Arc::clone(&plan),
                counts: Arc::clone(&counts),
                outbox: Arc::clone(&outbox),
            })
            .map(Arc::new)
            .collect();
        let tracker = TaskTracker::new();
        let cancel = self.cancel.clone();
        let driving =
            Driving { clock: self.clock, begin, counts, outbox, supply: Arc::clone(&supply), tracker, cancel };
        let (limits, probe) = (self.limits, self.probe.take());
        let release = Release { clock: self.clock, pacing: self.pacing, cancel: self.cancel.clone() };
        if let Some(probe) = probe {
            probe.release(&driving, &lanes, reactors, until, &release)?;
        }
        match self.pace {
            Pace::Closed { concurrency } => driving.release_closed(concurrency, &lanes, reactors, until),
            Pace::Open { starts, most } => {
                Open { supply, lanes: &lanes, starts, most }.release(&driving, reactors, until, &release)?;
            }
        }
        driving.tracker.close();
        driving.watch_drain(limits, until, plan.follow.cancel.clone(), &reactors[0]);
        Ok(driving)
    }

    fn plan(&self, engines: &[Arc<dyn Engine>], until: Option<Stamp>) -> Plan {
        Plan {
            clock: self.clock,
            cell: self.cell.clone(),
            follow: Follow { clock: self.clock, limit: self.limits.request_timeout, cancel: self.cancel.child_token() },
            retry: self.retry,
            sampling: self.sampling.clone(),
            ignore_eos: self.ignore_eos && engines.iter().all(|engine| engine.capabilities().ignore_eos),
            keep_text: self.keep_text,
            measured_from: self.first + self.warmup_sessions,
            until,
            lag_limit: self.limits.lag_limit,
            drop_after: self.limits.drop_after,
            failure_pause: self.limits.failure_pause,
        }
    }
}

/// What every release of sessions needs.
pub(crate) struct Release {
    pub(crate) clock: Clock,
    pub(crate) pacing: Pacing,
    pub(crate) cancel: CancellationToken,
}

/// Sessions that start at planned instants.
pub(crate) struct Open<'a> {
    pub(crate) supply: Arc<Supply>,
    pub(crate) lanes: &'a [Arc<Lane>],
    pub(crate) starts: Starts,
    /// Most in flight.
    pub(crate) most: Option<usize>,
}

impl Open<'_> {
    pub(crate) fn release(
        self,
        driving: &Driving,
        reactors: &[Handle],
        until: Option<Stamp>,
        release: &Release,
    ) -> std::io::Result<()> {
        let permits = self.most.map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))));
        let mut queues = Vec::new();
        for (lane, reactor) in self.lanes.iter().zip(reactors) {
            let (queue, due) = channel(DUE_QUEUE);
            queues.push(queue);
            let place = open_lane(Arc::clone(lane), due, permits.clone(), driving.tracker.clone());
            driving.tracker.spawn_on(place, reactor);
        }
        let pacer = Pacer {
            clock: release.clock,
            begin: driving.begin,
            until,
            supply: self.supply,
            starts: self.starts,
            reactors: queues,
            cancel: release.cancel.clone(),
        };
        match release.pacing {
            Pacing::Thread => {
                std::thread::Builder::new().name("pacer".to_owned()).spawn(move || pacer.run_thread())?;
            }
            Pacing::Timer => drop(driving.tracker.spawn_on(pacer.run_timer(), &reactors[0])),
        }
        Ok(())
    }
}

/// One place of a closed loop: a session after the other.
async fn closed_place(lane: Arc<Lane>, supply: Arc<Supply>, clock: Clock, until: Option<Stamp>) {
    while !lane.plan.follow.cancel.is_cancelled() {
        let now = clock.now();
        if until.is_some_and(|until| now >= until) {
            break;
        }
        let Some(session) = supply.next() else { break };
        // In closed loop the plan is to release when a place is free, which is now.
        let pause = match lane.play(clock.now(), session).await {
            Played::Well | Played::Cut => continue,
            Played::Badly => lane.plan.failure_pause,
            Played::Unreached => lane.plan.failure_pause.max(UNREACHED_PAUSE),
        };
        if pause.is_zero() {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = lane.plan.follow.cancel.cancelled() => break,
        }
    }
}

/// Takes due sessions and plays each in a task of its own.
async fn open_lane(lane: Arc<Lane>, mut due: Receiver<Due>, permits: Option<Arc<Semaphore>>, tracker: TaskTracker) {
    while let Some(Due { planned, session }) = due.recv().await {
        let permit = match &permits {
            // Never closed; and if it were, there would be no bound to keep.
            Some(permits) => Arc::clone(permits).acquire_owned().await.ok(),
            None => None,
        };
        let lane = Arc::clone(&lane);
        tracker.spawn(async move {
            let _ = lane.play(planned, session).await;
            drop(permit);
        });
    }
}

impl Driving {
    /// Begins so many places of a closed loop.
    fn release_closed(&self, concurrency: usize, lanes: &[Arc<Lane>], reactors: &[Handle], until: Option<Stamp>) {
        for place in 0..concurrency {
            let reactor = place % lanes.len();
            let (lane, supply) = (Arc::clone(&lanes[reactor]), Arc::clone(&self.supply));
            self.tracker.spawn_on(closed_place(lane, supply, self.clock, until), &reactors[reactor]);
        }
    }

    /// Cancels what is in flight when the drain has lasted too long.
    fn watch_drain(&self, limits: DriveLimits, until: Option<Stamp>, requests: CancellationToken, on: &Handle) {
        let (clock, tracker) = (self.clock, self.tracker.clone());
        let Some(until) = until else { return };
        on.spawn(async move {
            let deadline = tokio::time::sleep_until(clock.instant(until.after(limits.drain)));
            tokio::select! {
                () = tracker.wait() => {}
                () = deadline => requests.cancel(),
            }
        });
    }

    /// When the load began.
    #[must_use]
    pub fn begin(&self) -> Stamp {
        self.begin
    }

    /// Requests released so far.
    #[must_use]
    pub fn released(&self) -> u64 {
        self.counts.released.load(Ordering::Relaxed)
    }

    /// Requests in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.counts.in_flight.load(Ordering::Relaxed)
    }

    /// Rows of requests that have ended, in the order of their end; `room` is used for those to come.
    #[must_use]
    pub fn take_rows(&self, room: Vec<RequestRow>) -> Vec<RequestRow> {
        self.outbox.take(room)
    }

    /// Waits until nothing is in flight and nothing more will be released.
    pub async fn wait(&self) {
        self.tracker.wait().await;
    }

    /// Waits for the end and gathers every row in memory: for loads that are short.
    pub async fn gather(&self) -> Vec<RequestRow> {
        let mut rows = Vec::new();
        loop {
            let is_over = tokio::time::timeout(GATHER_INTERVAL, self.wait()).await.is_ok();
            rows.append(&mut self.take_rows(Vec::new()));
            if is_over {
                return rows;
            }
        }
    }

    /// What is known now that it is over.
    #[must_use]
    pub fn report(&self) -> DriveReport {
        DriveReport {
            end: if self.cancel.is_cancelled() { DriveEnd::Cancelled } else { DriveEnd::Done },
            begin: self.begin,
            over: self.clock.now(),
            released: self.released(),
            row_waits: self.outbox.waits(),
            starved: self.supply.starved(),
            next: self.supply.position(),
        }
    }
}
