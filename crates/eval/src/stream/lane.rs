//! The way of an event from its queue to a verdict.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weighbridge_types::time::{Clock, Stamp};

use super::asker::{Asker, Said};
use super::desk::{Desk, Lost, Ticket};
use super::event::Incoming;
use super::queue::Queue;
use super::settings::{Route, StreamSettings};
use crate::predictions::Problem;

/// Time between two looks whether an outage is over.
const LOOK: Duration = Duration::from_millis(5);
/// Shortest time between probes of a model in this process, and of another.
const PROBE_NEAR: Duration = Duration::from_millis(20);
const PROBE_FAR: Duration = Duration::from_secs(1);
/// Time between probes where events are not bound to the clock.
const PROBE_UNBOUND: Duration = Duration::from_millis(100);
/// Probes of a model that may wait for an answer.
const MOST_PROBES: usize = 1_000;

/// A model with its queue.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) route: Route,
    pub(super) asker: Asker,
    pub(super) queue: Queue<Job>,
}

/// One question about an event.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) event: Arc<Pending>,
    pub(super) text: String,
}

/// An event that some models still have to answer.
#[derive(Debug)]
pub(super) struct Pending {
    ticket: Ticket,
    due: Stamp,
    left: AtomicUsize,
    is_answered: AtomicBool,
    is_alert: AtomicBool,
    is_shed: AtomicBool,
    /// What is written of it, where verdicts are kept.
    row: Option<Mutex<VerdictRow>>,
}

/// One line of the file of verdicts, in the columns that `eval score` reads.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct VerdictRow {
    id: String,
    timestamp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prediction: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    alert: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
}

impl Pending {
    pub(super) fn new(ticket: Ticket, due: Stamp, models: usize, row: Option<VerdictRow>) -> Self {
        Self {
            ticket,
            due,
            left: AtomicUsize::new(models),
            is_answered: AtomicBool::new(false),
            is_alert: AtomicBool::new(false),
            is_shed: AtomicBool::new(false),
            row: row.map(Mutex::new),
        }
    }
}

impl VerdictRow {
    pub(super) fn of(event: &Incoming<'_>, time_s: f64) -> Self {
        Self {
            id: event.id.map_or_else(|| event.line.to_string(), str::to_owned),
            timestamp: time_s,
            source: event.source.map(str::to_owned),
            target: event.label.map(str::to_owned),
            ..Self::default()
        }
    }

    /// The event has no verdict. The class of the failure is one that files of predictions know.
    pub(super) fn lose(&mut self, lost: Lost) {
        self.problem = Some(Problem::ServerError.name());
        self.why = Some(match lost {
            Lost::Shed => "shed",
            Lost::Failed => "failed",
            Lost::Unrouted => "unrouted",
        });
    }
}

/// What threads and tasks of a stream share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) settings: Arc<StreamSettings>,
    pub(super) desk: Mutex<Desk>,
    pub(super) lanes: Vec<Lane>,
    pub(super) clock: Clock,
    pub(super) cancel: CancellationToken,
    /// When the first event arrived, and its time stamp.
    pub(super) begun: OnceLock<(Stamp, f64)>,
    pub(super) verdicts: Option<Mutex<BufWriter<File>>>,
    /// The first thing that went wrong with a model, and with the file of verdicts.
    pub(super) problem: Mutex<Option<String>>,
    pub(super) unwritten: Mutex<Option<std::io::Error>>,
}

/// How one model's part of an event ended.
enum End {
    Said(Said),
    Failed,
    Shed,
}

impl Shared {
    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds of the events' time since the first one, where it is bound to the clock.
    fn offset_s(&self) -> Option<f64> {
        let (start, _) = self.begun.get()?;
        Some((self.clock.now() - *start).as_secs_f64() / self.settings.wall_per_second()?)
    }

    fn is_down(&self, lane: usize) -> bool {
        let Some(at_s) = self.offset_s() else { return false };
        let name = &self.lanes[lane].route.name;
        self.settings.outages.iter().any(|outage| outage.holds(name, at_s))
    }

    /// Answers what comes until the queue ends.
    pub(super) async fn work(self: Arc<Self>, number: usize) {
        let lane = &self.lanes[number];
        while let Some(mut jobs) = lane.queue.take(lane.asker.batch()).await {
            while self.is_down(number) && !self.cancel.is_cancelled() {
                tokio::time::sleep(LOOK).await;
            }
            if self.cancel.is_cancelled() {
                self.end(number, jobs.into_iter().map(|job| (job.event, End::Shed)).collect());
                continue;
            }
            let texts = jobs.iter_mut().map(|job| std::mem::take(&mut job.text)).collect();
            let said = tokio::select! {
                said = lane.asker.ask(texts) => said,
                () = self.cancel.cancelled() => {
                    self.end(number, jobs.into_iter().map(|job| (job.event, End::Shed)).collect());
                    continue;
                }
            };
            let events = jobs.into_iter().map(|job| job.event);
            let ended = match said {
                Ok(said) => events.zip(said.into_iter().map(End::Said)).collect(),
                Err(problem) => {
                    self.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(problem);
                    events.map(|event| (event, End::Failed)).collect()
                }
            };
            self.end(number, ended);
        }
    }

    /// Asks a model again and again whether it answers.
    pub(super) async fn probe(self: Arc<Self>, number: usize) {
        let shortest = if self.lanes[number].asker.is_near() { PROBE_NEAR } else { PROBE_FAR };
        let pause = match self.settings.wall_per_second() {
            Some(wall) => Duration::from_secs_f64((self.settings.probe_s * wall).min(3_600.0)).max(shortest),
            None => shortest.max(PROBE_UNBOUND),
        };
        let mut ticks = tokio::time::interval(pause);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        // A probe that takes long holds no other up: then there would be fewer probes of good times, or of bad ones.
        let mut probes = JoinSet::new();
        loop {
            ticks.tick().await;
            while probes.try_join_next().is_some() {}
            if self.begun.get().is_none() {
                continue;
            }
            if self.is_down(number) {
                self.desk().probed(number, false);
            } else if probes.len() < MOST_PROBES {
                let shared = self.clone();
                probes.spawn(async move {
                    let passed = shared.lanes[number].asker.probe().await;
                    shared.desk().probed(number, passed);
                });
            }
        }
    }

    /// Enters jobs that a full queue or the end of the run gave up.
    pub(super) fn give_up(&self, lane: usize, jobs: impl IntoIterator<Item = Job>) {
        let ended: Vec<_> = jobs.into_iter().map(|job| (job.event, End::Shed)).collect();
        if !ended.is_empty() {
            self.end(lane, ended);
        }
    }

    fn end(&self, lane: usize, ended: Vec<(Arc<Pending>, End)>) {
        let now = self.clock.now();
        let mut rows = Vec::new();
        let mut desk = self.desk();
        for (event, end) in ended {
            match end {
                End::Said(said) => {
                    desk.predicted(&event.ticket, lane);
                    event.is_answered.store(true, Ordering::Release);
                    if said.is_alert {
                        event.is_alert.store(true, Ordering::Release);
                    }
                    event.keep(said);
                }
                End::Shed => event.is_shed.store(true, Ordering::Release),
                End::Failed => {}
            }
            if event.left.fetch_sub(1, Ordering::AcqRel) > 1 {
                continue;
            }
            let latency = now - event.due;
            let is_answered = event.is_answered.load(Ordering::Acquire);
            let is_alert = event.is_alert.load(Ordering::Acquire);
            let lost = if event.is_shed.load(Ordering::Acquire) { Lost::Shed } else { Lost::Failed };
            if is_answered {
                desk.answered(&event.ticket, is_alert, Some(latency));
            } else {
                desk.lost(&event.ticket, lost);
            }
            rows.extend(event.row(is_answered.then_some(latency), is_alert, lost));
        }
        drop(desk);
        rows.iter().for_each(|row| self.write(row));
    }

    /// Writes a line of the file of verdicts.
    pub(super) fn write(&self, row: &VerdictRow) {
        let Some(file) = &self.verdicts else { return };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_writer(&mut *file, row).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|()| file.write_all(b"\n")) {
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            self.cancel.cancel();
        }
    }
}

impl Pending {
    /// Keeps what is written of the event: the word of the model that is surest of an attack.
    fn keep(&self, said: Said) {
        let Some(row) = &self.row else { return };
        let mut row = row.lock().unwrap_or_else(PoisonError::into_inner);
        let is_surer = match (row.score, said.score) {
            (Some(known), Some(score)) => score > known,
            _ => said.is_alert || row.prediction.is_none(),
        };
        if is_surer {
            row.prediction = Some(said.label);
            row.score = said.score;
        }
    }

    fn row(&self, latency: Option<Duration>, is_alert: bool, lost: Lost) -> Option<VerdictRow> {
        let mut row = self.row.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner).clone();
        row.alert = is_alert;
        row.latency_ms = latency.map(|latency| latency.as_secs_f64() * 1e3);
        if latency.is_none() {
            row.lose(lost);
        }
        Some(row)
    }
}
