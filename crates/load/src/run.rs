//! A load run: the loads of its settings one after the other, each with its figures.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_engine::{Engine, EngineFactory, Sampling, SubjectError};
use weighbridge_telemetry::{Sampler, SamplerSettings, SystemRoot};
use weighbridge_types::environment::Environment;
use weighbridge_types::event::{Pulse, RunEvent};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{EngineDescription, Phase, PhaseResult, Record, SCHEMA_VERSION, Status, Tally};
use weighbridge_types::request::{Outcome, RequestRow};
use weighbridge_types::time::{Clock, Stamp, WallTime};
use weighbridge_workload::Traffic;

use crate::drive::{Drive, DriveReport, Driving, Pace};
use crate::error::LoadError;
use crate::figures;
use crate::journal::Journal;
use crate::pacer::{Pacing, Starts};
use crate::reactor::Reactors;
use crate::settings::{LoadSettings, Shape, Warmup};

/// Makes the traffic for an engine, whose tokenizer it may need. Called once per run.
pub type TrafficFactory = Arc<dyn Fn(&Arc<dyn Engine>) -> Result<Arc<dyn Traffic>, LoadError> + Send + Sync>;

/// How often rows are taken from the reactors. Short enough that few wait, long enough that it costs nothing.
const TAKE_INTERVAL: Duration = Duration::from_millis(20);

/// How often watchers are told.
const PULSE_INTERVAL: Duration = Duration::from_millis(200);

/// So many failures in a row, and no success before them, show that the target cannot be measured.
const HOPELESS: u64 = 20;

/// What names a run, from whoever makes its folder.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Name of the run: the folder's name.
    pub run_id: String,
    /// What kind of run: `load`.
    pub kind: String,
    /// The user's label.
    pub label: String,
    /// What it is measured on.
    pub environment: Environment,
}

/// What is loaded.
#[derive(Clone)]
pub struct Target {
    /// The reference as the user wrote it, without secrets.
    pub model_ref: String,
    /// Loads it.
    pub load: EngineFactory,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("model_ref", &self.model_ref).finish_non_exhaustive()
    }
}

/// A target on its reactors, ready for loads.
pub(crate) struct Bench {
    pub(crate) reactors: Reactors,
    pub(crate) engines: Vec<Arc<dyn Engine>>,
    pub(crate) description: EngineDescription,
}

impl Bench {
    /// Makes the target's engine on each reactor; a model in this process is made once and shared.
    pub(crate) async fn set_up(target: &Target, reactor_count: u32) -> Result<Self, LoadError> {
        let reactors = Reactors::start(reactor_count as usize)?;
        let mut engines: Vec<Arc<dyn Engine>> = Vec::new();
        for handle in reactors.handles() {
            let shared = engines.first().filter(|engine| engine.capabilities().in_process).cloned();
            let engine = match shared {
                Some(engine) => engine,
                None => handle.spawn((target.load)()).await.unwrap_or_else(|error| {
                    let problem = format!("load the target: {error}");
                    Err(SubjectError { problem, hint: "report this as a bug".to_owned() })
                })?,
            };
            engines.push(engine);
        }
        let description = EngineDescription { model_ref: target.model_ref.clone(), ..engines[0].describe() };
        Ok(Self { reactors, engines, description })
    }
}

/// One load run, ready to start.
pub struct LoadRun {
    /// What to do.
    pub settings: LoadSettings,
    /// What to load.
    pub target: Target,
    /// What to ask.
    pub traffic: TrafficFactory,
    /// How the run is called, and where it runs.
    pub identity: Identity,
    /// Where the system's files are.
    pub root: SystemRoot,
    /// The run's clock.
    pub clock: Clock,
    /// Ends the run: requests in flight are cancelled, and what is recorded stays valid.
    pub cancel: CancellationToken,
}

impl fmt::Debug for LoadRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadRun")
            .field("settings", &self.settings)
            .field("target", &self.target)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// Why a load, or its run, ended before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The user wants it.
    Interrupted,
    /// Nothing succeeds; with what was said last.
    Hopeless(String),
}

/// What one load left, besides the lines of the log.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) report: DriveReport,
    pub(crate) tally: Tally,
    /// Where its lines begin in the log.
    pub(crate) from: u64,
    pub(crate) stop: Option<Stop>,
}

impl LoadRun {
    /// Makes every load and returns the record.
    ///
    /// The record is handed to the journal at the start, after each load, and at the end. A run that is cancelled, or
    /// whose target answers nothing, still returns its record; its status says so.
    ///
    /// # Errors
    /// When a setting is out of range, the target cannot be loaded, or the journal fails.
    pub async fn run(self, journal: &mut dyn Journal) -> Result<Record, LoadError> {
        let settings = self.settings.clone().checked()?;
        let bench = Bench::set_up(&self.target, settings.reactors).await?;
        let traffic = (self.traffic)(&bench.engines[0])?;
        let mut record = self.fresh(&settings, &bench.description)?;
        journal.checkpoint(&record)?;
        journal.event(&RunEvent::PhaseStarted { phase: Phase::Load, attempt: 1 })?;
        let start = self.clock.now();
        let sampler = Sampler::start(&self.root, self.clock, SamplerSettings::default());
        let mut next = 0;
        let count = settings.shapes.len();
        for (index, shape) in settings.shapes.iter().enumerate() {
            let place = (u32::try_from(index + 1).unwrap_or(u32::MAX), u32::try_from(count).unwrap_or(u32::MAX));
            let (key, value) = shape.setting();
            let cell = Cell::of(Phase::Load).with(key, value);
            let loaded = self.load(&settings, &bench, &traffic, shape, &cell, next, place, journal).await?;
            next = loaded.report.next;
            let metrics = figures::of_load(journal, &loaded, &settings, &bench.description)?;
            record.metrics.extend(metrics);
            add(&mut record.phases[0].tally, loaded.tally);
            journal.checkpoint(&record)?;
            if let Some(stop) = loaded.stop {
                conclude_early(&mut record, &stop);
                break;
            }
        }
        if let Ok(sampler) = sampler {
            for sample in sampler.stop().samples {
                journal.event(&RunEvent::Resource { phase: Phase::Load, sample })?;
            }
        }
        self.conclude(&mut record, start);
        journal.checkpoint(&record)?;
        let (result, metrics) = (Box::new(record.phases[0].clone()), record.metrics.clone());
        journal.event(&RunEvent::PhaseFinished { result, metrics })?;
        Ok(record)
    }

    #[expect(clippy::too_many_arguments, reason = "to be grouped with the search's needs")]
    async fn load(
        &self,
        settings: &LoadSettings,
        bench: &Bench,
        traffic: &Arc<dyn Traffic>,
        shape: &Shape,
        cell: &Cell,
        first: u64,
        place: (u32, u32),
        journal: &mut dyn Journal,
    ) -> Result<Loaded, LoadError> {
        let from = journal.mark()?;
        let cancel = self.cancel.child_token();
        let drive = Drive {
            cell: cell.clone(),
            traffic: Arc::clone(traffic),
            first,
            warmup_sessions: match settings.warmup {
                Warmup::Sessions(count) => count,
                Warmup::Auto | Warmup::Seconds(_) => 0,
            },
            pace: pace(shape, settings)?,
            limits: settings.limits(),
            retry: settings.retry(),
            sampling: Sampling { temperature: settings.temperature, seed: settings.seed, ..Sampling::default() },
            ignore_eos: settings.ignore_eos,
            keep_text: settings.keep_text,
            pacing: Pacing::Thread,
            clock: self.clock,
            cancel: cancel.clone(),
        };
        let driving = drive.start(&bench.engines, &bench.reactors.handles())?;
        let mut keeper = Keeper::new(shape, settings, &driving, place);
        let mut take = tokio::time::interval(TAKE_INTERVAL);
        take.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_over = tokio::select! {
                () = driving.wait() => true,
                _ = take.tick() => false,
            };
            keeper.keep(&driving, self.clock.now(), journal)?;
            if keeper.is_hopeless() {
                cancel.cancel();
            }
            if is_over {
                break;
            }
        }
        let stop = match (&keeper.hopeless, self.cancel.is_cancelled()) {
            (_, true) => Some(Stop::Interrupted),
            (Some(why), _) => Some(Stop::Hopeless(why.clone())),
            (None, false) => None,
        };
        Ok(Loaded { report: driving.report(), tally: keeper.tally, from, stop })
    }

    fn fresh(&self, settings: &LoadSettings, engine: &EngineDescription) -> Result<Record, LoadError> {
        let now = WallTime::now().to_string();
        let load = PhaseResult {
            phase: Phase::Load,
            status: Status::Running,
            attempt: 1,
            started_at: Some(now.clone()),
            duration_s: None,
            estimated_s: None,
            key_metric: None,
            tally: Tally::default(),
            checks: Vec::new(),
            notes: Vec::new(),
        };
        Ok(Record {
            schema_version: SCHEMA_VERSION.to_string(),
            run_id: self.identity.run_id.clone(),
            kind: self.identity.kind.clone(),
            label: self.identity.label.clone(),
            created_at: now.clone(),
            updated_at: now,
            status: Status::Running,
            settings: serde_json::to_value(settings)?,
            seed: settings.seed,
            engine: engine.clone(),
            environment: self.identity.environment.clone(),
            calibration_id: None,
            phases: vec![load],
            duration_s: 0.0,
            metrics: Vec::new(),
            targets: Vec::new(),
            findings: Vec::new(),
        })
    }

    fn conclude(&self, record: &mut Record, start: Stamp) {
        let seconds = (self.clock.now() - start).as_secs_f64();
        record.duration_s = seconds;
        record.updated_at = WallTime::now().to_string();
        let load = &mut record.phases[0];
        load.duration_s = Some(seconds);
        if load.status == Status::Running {
            load.status = Status::Complete;
        }
        record.status = load.status;
    }
}

/// How sessions of a load start.
fn pace(shape: &Shape, settings: &LoadSettings) -> Result<Pace, LoadError> {
    let most = settings.most_in_flight.map(|most| most as usize);
    Ok(match shape {
        Shape::Concurrency(concurrency) => Pace::Closed { concurrency: *concurrency as usize },
        Shape::Trace => Pace::Open { starts: Box::new(std::iter::empty()), most },
        Shape::Arrivals(arrivals) => Pace::Open { starts: starts(arrivals, settings.seed)?, most },
    })
}

/// The starts that arrivals in words ask for.
pub(crate) fn starts(arrivals: &str, _seed: u64) -> Result<Starts, LoadError> {
    let rate: f64 = arrivals.rsplit(':').next().and_then(|rate| rate.parse().ok()).unwrap_or(1.0);
    Ok(Box::new((0_u64..).map(move |number| Duration::from_secs_f64(number as f64 / rate))))
}

fn conclude_early(record: &mut Record, stop: &Stop) {
    let load = &mut record.phases[0];
    match stop {
        Stop::Interrupted => load.status = Status::Interrupted,
        Stop::Hopeless(why) => {
            load.status = Status::Failed;
            load.notes.push(format!("no request succeeded: {why}"));
        }
    }
}

fn add(sum: &mut Tally, tally: Tally) {
    sum.scheduled += tally.scheduled;
    sum.succeeded += tally.succeeded;
    sum.failed += tally.failed;
    sum.cancelled += tally.cancelled;
    sum.dropped += tally.dropped;
}

/// Takes rows from the reactors and keeps them, between two ticks and never while one is timed.
struct Keeper {
    pulse: Pulse,
    last_pulse: Option<Stamp>,
    room: Vec<RequestRow>,
    tally: Tally,
    ended: u64,
    any_success: bool,
    hopeless: Option<String>,
}

impl Keeper {
    fn new(shape: &Shape, settings: &LoadSettings, driving: &Driving, (number, count): (u32, u32)) -> Self {
        let (key, value) = shape.setting();
        let begin = driving.begin();
        let pulse = Pulse {
            what: format!("{key} {value}"),
            number,
            count,
            begin,
            at: begin,
            until: settings.duration_s.map(|seconds| begin.after(Duration::from_secs_f64(seconds))),
            sessions: settings.sessions,
            released: 0,
            in_flight: 0,
        };
        Self {
            pulse,
            last_pulse: None,
            room: Vec::new(),
            tally: Tally::default(),
            ended: 0,
            any_success: false,
            hopeless: None,
        }
    }

    fn keep(&mut self, driving: &Driving, now: Stamp, journal: &mut dyn Journal) -> Result<(), LoadError> {
        let rows = driving.take_rows(std::mem::take(&mut self.room));
        for row in &rows {
            self.count(row);
            journal.event(&RunEvent::Request(Box::new(row.clone())))?;
        }
        self.room = rows;
        self.room.clear();
        if self.last_pulse.is_none_or(|last| now - last >= PULSE_INTERVAL) {
            self.last_pulse = Some(now);
            self.pulse.at = now;
            self.pulse.released = driving.released();
            self.pulse.in_flight = driving.in_flight() as u64;
            journal.event(&RunEvent::Pulse(self.pulse.clone()))?;
        }
        Ok(())
    }

    fn count(&mut self, row: &RequestRow) {
        self.ended += 1;
        self.any_success |= row.outcome.is_success();
        if !self.any_success
            && self.ended >= HOPELESS
            && let Outcome::Failed { message, .. } = &row.outcome
        {
            self.hopeless.get_or_insert_with(|| message.clone());
        }
        if row.warmup {
            return;
        }
        self.tally.scheduled += 1;
        match row.outcome {
            Outcome::Succeeded { .. } => self.tally.succeeded += 1,
            Outcome::Failed { .. } => self.tally.failed += 1,
            Outcome::Cancelled => self.tally.cancelled += 1,
            Outcome::Dropped => self.tally.dropped += 1,
        }
    }

    fn is_hopeless(&self) -> bool {
        self.hopeless.is_some() && !self.any_success
    }
}
