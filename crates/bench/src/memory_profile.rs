//! Memory after each of many equal loads: what a search for leaks rests on.
//!
//! A cycle is a fixed number of requests, the wait until all have ended, a quiet moment, and the least of a few readings. Without
//! a subject a cycle is only time. What the meter keeps is allocated and touched before, so that its own growth does not look
//! like the engine's.

mod reader;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weighbridge_engine::{Collector, Engine, Follow, GenerateRequest, SubjectError};
use weighbridge_telemetry::Heap;
use weighbridge_types::memory_profile::{MemoryEntry, MemoryGrowth, MemoryProfileSettings, MemorySeries, Trim, Trims};
use weighbridge_types::record::EngineDescription;
use weighbridge_types::request::Outcome;
use weighbridge_types::time::{Clock, Stamp};

use crate::prompts::{Prepared, Prompts};
use crate::settings::Lengths;
use crate::subject::Subject;
pub use reader::MemoryReader;
use reader::Reading;

/// So many failures, and no success before them, show that the subject cannot be asked.
const HOPELESS: u64 = 10;

/// Readings of which the least is the floor. One alone may fall on a moment at which a buffer is alive.
const READINGS: u32 = 5;

/// Time between readings after a load.
const READING_GAP: Duration = Duration::from_millis(5);

/// What one profile does.
#[derive(Debug)]
pub struct MemoryProfileRun {
    /// What is asked; `None` only watches.
    pub subject: Option<Subject>,
    /// Cycles, requests and lengths.
    pub settings: MemoryProfileSettings,
    /// Longest time of a request.
    pub request_limit: Duration,
    /// Reads the memory.
    pub reader: MemoryReader,
    /// Whether the allocator of this process is told to give back what it keeps, after each load and before the reading.
    pub trim: bool,
    /// Clock of the run.
    pub clock: Clock,
    /// Ends the profile after the request under way; what was read by then is kept.
    pub cancel: CancellationToken,
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryReadings {
    /// What answered; `None` where memory was only watched.
    pub engine: Option<EngineDescription>,
    /// Memory before the first cycle, bytes.
    pub start_bytes: u64,
    /// Each whole cycle.
    pub entries: Vec<MemoryEntry>,
    /// Whole series, one value for each cycle.
    pub series: MemorySeries,
    /// What trims gave back, where they were asked for.
    pub trims: Option<Trims>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl MemoryReadings {
    /// Requests per hour while a load ran, waits left out; `None` where nothing was asked.
    #[must_use]
    pub fn requests_per_hour(&self) -> Option<f64> {
        let seconds: f64 = self.entries.iter().filter_map(|entry| entry.load_s).sum();
        let requests = self.entries.last()?.requests;
        (seconds > 0.0 && requests > 0).then(|| requests as f64 / seconds * 3_600.0)
    }

    /// How far memory went, held against growth that a reader is warned of. Where it was allocated is for others to say.
    #[must_use]
    pub fn growth(&self, warn_bytes: u64) -> MemoryGrowth {
        let grown = |entry: &MemoryEntry| entry.floor_bytes.cast_signed() - self.start_bytes.cast_signed();
        let is_beyond = |entry: &&MemoryEntry| grown(entry) > warn_bytes.cast_signed();
        MemoryGrowth {
            grown_bytes: self.entries.last().map_or(0, grown),
            peak_bytes: self.entries.iter().map(|entry| entry.floor_bytes).max().unwrap_or(self.start_bytes),
            warn_bytes,
            warned_in_cycle: self.entries.iter().find(is_beyond).map(|entry| entry.cycle),
            sites: None,
            sites_reason: None,
        }
    }
}

/// A profile that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MemoryProfileError {
    /// What is to be asked could not be loaded.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// Memory cannot be read.
    #[error("read the memory of {whose}: {problem}")]
    Unreadable {
        /// Whose.
        whose: String,
        /// Why.
        problem: &'static str,
    },
    /// Nothing succeeds.
    #[error("measure `{model}`: no request succeeded, the last failed with: {message}")]
    Hopeless {
        /// The reference.
        model: String,
        /// What was said last.
        message: String,
    },
}

impl MemoryProfileError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Subject(error) => error.hint.clone(),
            Self::Unreadable { .. } => "name a process or a control group that runs now, on Linux".to_owned(),
            Self::Hopeless { .. } => "try the model with `weighbridge bench --quick` first".to_owned(),
        }
    }
}

impl MemoryProfileRun {
    /// Runs all cycles; `told` hears of each that is done.
    ///
    /// # Errors
    /// [`MemoryProfileError`]. A process that ends while it is watched ends the profile with a note.
    pub async fn run(self, told: &mut dyn FnMut(&MemoryEntry)) -> Result<MemoryReadings, MemoryProfileError> {
        let load = match &self.subject {
            Some(subject) => Some(self.load(subject).await?),
            None => None,
        };
        let engine = load.as_ref().map(|load| load.description.clone());
        let mut ledger = Ledger::new(&self.settings);
        let start = self.clock.now();
        let mut notes = Vec::new();
        let before = self.floor(READING_GAP).await.ok_or_else(|| self.reader.unreadable())?;
        let (mut requests, mut failures, mut last) = (0, 0, before.floor_bytes);
        for cycle in 1..=self.settings.cycles {
            let done = match &load {
                Some(load) => load.cycle(&self).await,
                None => Done::default(),
            };
            if self.cancel.is_cancelled() {
                notes.push(format!("interrupted in cycle {cycle}, which is left out"));
                break;
            }
            requests += done.ended;
            failures += done.failed;
            if let Some(message) = done.message.filter(|_| failures == requests && requests >= HOPELESS) {
                let model = self.subject.as_ref().map(|subject| subject.model_ref.clone()).unwrap_or_default();
                return Err(MemoryProfileError::Hopeless { model, message });
            }
            let (trim, reading) = self.rest(load.is_some()).await;
            let Some(reading) = reading else {
                notes.push(format!("{} ended in cycle {cycle}", self.reader.whose()));
                break;
            };
            let entry = MemoryEntry {
                cycle,
                requests,
                failed: done.failed,
                at_s: (self.clock.now() - start).as_secs_f64(),
                load_s: done.time.map(|time| time.as_secs_f64()),
                floor_bytes: reading.floor_bytes,
                memory_delta: reading.floor_bytes.cast_signed() - last.cast_signed(),
                trim,
            };
            last = reading.floor_bytes;
            ledger.keep(entry, reading);
            told(&entry);
        }
        if failures > 0 {
            notes.push(format!("{failures} of {requests} requests failed"));
        }
        let (entries, series) = ledger.close();
        let trims = self.trim.then(|| trims(&entries));
        Ok(MemoryReadings { engine, start_bytes: before.floor_bytes, entries, series, trims, notes })
    }

    async fn load(&self, subject: &Subject) -> Result<Load, MemoryProfileError> {
        let engine = (subject.load)().await?;
        let description = EngineDescription { model_ref: subject.model_ref.clone(), ..engine.describe() };
        let lengths = Lengths::new(self.settings.input_tokens, self.settings.output_tokens);
        let count = u32::try_from(self.settings.requests).unwrap_or(u32::MAX);
        let prompts = Prompts::new(&engine, [self.settings.seed, 0, 0, 0]).prepare(lengths, 0, count);
        let concurrency = usize::try_from(self.settings.concurrency).unwrap_or(usize::MAX).max(1);
        Ok(Load { engine, description, prompts, concurrency })
    }

    /// Memory at rest: after the quiet wait of a load and the trim that was asked for, or over the time of a cycle that only
    /// watches.
    async fn rest(&self, is_loaded: bool) -> (Option<Trim>, Option<Reading>) {
        let wait = Duration::from_secs_f64(self.settings.wait_s);
        if !is_loaded {
            return (None, self.floor(wait / READINGS).await);
        }
        self.pause(wait).await;
        let trim = if self.trim { self.give_back() } else { None };
        (trim, self.floor(READING_GAP).await)
    }

    /// Has the allocator give back what it keeps; `None` where it cannot, or memory cannot be read.
    fn give_back(&self) -> Option<Trim> {
        let before_bytes = self.reader.read(self.clock.now())?.floor_bytes;
        Heap::trim().ok()?;
        let after_bytes = self.reader.read(self.clock.now())?.floor_bytes;
        Some(Trim { before_bytes, after_bytes })
    }

    /// The reading with the least memory of a few, each after a gap; `None` where memory cannot be read any more.
    async fn floor(&self, gap: Duration) -> Option<Reading> {
        let mut least: Option<Reading> = None;
        for _ in 0..READINGS {
            self.pause(gap).await;
            let reading = self.reader.read(self.clock.now())?;
            least = Some(least.filter(|least| least.floor_bytes <= reading.floor_bytes).unwrap_or(reading));
        }
        least
    }

    async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.cancel.cancelled() => {}
        }
    }
}

/// What all trims gave back. Memory that others of this process took meanwhile takes nothing from it.
fn trims(entries: &[MemoryEntry]) -> Trims {
    if let Err(reason) = Heap::trim() {
        return Trims { given_back_bytes: None, reason: Some(reason.to_owned()) };
    }
    let given_back = |trim: Trim| trim.before_bytes.saturating_sub(trim.after_bytes);
    let sum = entries.iter().filter_map(|entry| entry.trim).map(given_back).sum();
    Trims { given_back_bytes: Some(sum), reason: None }
}

/// The load of a cycle, always the same.
struct Load {
    engine: Arc<dyn Engine>,
    description: EngineDescription,
    prompts: Vec<Prepared>,
    concurrency: usize,
}

/// What a load came to.
#[derive(Default)]
struct Done {
    ended: u64,
    failed: u64,
    /// What the last failure said.
    message: Option<String>,
    time: Option<Duration>,
}

impl Load {
    /// Releases all requests, so many in flight, and waits until each has ended.
    async fn cycle(&self, run: &MemoryProfileRun) -> Done {
        let start = run.clock.now();
        let mut done = Done::default();
        let mut waiting = self.prompts.iter();
        let mut in_flight = JoinSet::new();
        loop {
            while in_flight.len() < self.concurrency && !run.cancel.is_cancelled() {
                let Some(request) = waiting.next() else { break };
                in_flight.spawn(self.release(run, request));
            }
            let Some(outcome) = in_flight.join_next().await else { break };
            // A panic of an engine's stream is a bug, and is passed on as one.
            let outcome = outcome.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            done.ended += 1;
            if let Outcome::Failed { message, .. } = outcome {
                done.failed += 1;
                done.message = Some(message);
            }
        }
        done.time = Some(run.clock.now() - start);
        done
    }

    fn release(&self, run: &MemoryProfileRun, request: &Prepared) -> impl Future<Output = Outcome> + Send + use<> {
        let now: Stamp = run.clock.now();
        let generate = GenerateRequest {
            ignore_eos: self.engine.capabilities().ignore_eos,
            ..GenerateRequest::new(request.prompt.clone(), request.output_tokens, run.clock)
        };
        let follow = Follow { clock: run.clock, limit: run.request_limit, cancel: run.cancel.clone() };
        let collector = Collector::new(now, now, request.output_tokens);
        let events = self.engine.generate(generate);
        async move { follow.until_end(events, collector, now).await.outcome }
    }
}

/// Entries and series in room that was allocated, and touched, before the first cycle.
struct Ledger {
    entries: Vec<MemoryEntry>,
    series: MemorySeries,
    used: usize,
}

impl Ledger {
    fn new(settings: &MemoryProfileSettings) -> Self {
        let cycles = usize::try_from(settings.cycles).unwrap_or_default();
        let never = MemoryEntry {
            cycle: u64::MAX,
            requests: u64::MAX,
            failed: u64::MAX,
            at_s: f64::MAX,
            load_s: Some(f64::MAX),
            floor_bytes: u64::MAX,
            memory_delta: i64::MAX,
            trim: Some(Trim { before_bytes: u64::MAX, after_bytes: u64::MAX }),
        };
        let room = || vec![Some(u64::MAX); cycles];
        Self { entries: vec![never; cycles], series: MemorySeries { rss_bytes: room(), heap_bytes: room() }, used: 0 }
    }

    fn keep(&mut self, entry: MemoryEntry, reading: Reading) {
        self.entries[self.used] = entry;
        self.series.rss_bytes[self.used] = reading.rss_bytes;
        self.series.heap_bytes[self.used] = reading.heap_bytes;
        self.used += 1;
    }

    fn close(mut self) -> (Vec<MemoryEntry>, MemorySeries) {
        self.entries.truncate(self.used);
        self.series.rss_bytes.truncate(self.used);
        self.series.heap_bytes.truncate(self.used);
        (self.entries, self.series)
    }
}
