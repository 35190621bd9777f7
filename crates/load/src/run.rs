//! A load run: its loads one after the other, each with its figures, and what follows from them.

mod answers;
pub(crate) mod conclude;
mod keep;
mod rounds;
mod until;
mod victim;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_engine::{Engine, Sampling};
use weighbridge_summary::{Basis, LoadFigures, LoadPlan};
use weighbridge_telemetry::{Sampler, SamplerSettings, SystemRoot, Watched};
use weighbridge_types::environment::Environment;
use weighbridge_types::event::{Pulse, RunEvent};
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{EngineDescription, Phase, PhaseResult, Record, Status, Tally, TargetResult};
use weighbridge_types::time::Clock;
use weighbridge_workload::{Arrivals, Traffic};

use crate::capacity;
use crate::drive::{Drive, DriveReport, Driving, Pace};
use crate::error::LoadError;
use crate::figures;
use crate::fresh;
use crate::health::Health;
use crate::journal::Journal;
use crate::keeper::Keeper;
use crate::ledger::Recount;
use crate::note;
use crate::observe::Observers;
use crate::pacer::{Pacing, Starts};
use crate::profile::HostProfile;
use crate::search::{Axis, Capacity, Search, SearchLimits};
use crate::settings::{LoadSettings, SearchSettings, Shape, Warmup};
use crate::setup::{Setup, Target};
use crate::soak::{Overheard, Watch};
use crate::validity;
use crate::watching::Watching;

/// Makes the traffic for an engine, whose tokenizer it may need. Called once per run.
pub type TrafficFactory = Arc<dyn Fn(&Arc<dyn Engine>) -> Result<Arc<dyn Traffic>, LoadError> + Send + Sync>;

/// How often rows are taken from the reactors. Short enough that few wait, long enough that it costs nothing.
const TAKE_INTERVAL: Duration = Duration::from_millis(20);

/// The engine that answers over connections, as it describes itself.
const HTTP: &str = "http";

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
    /// What this client's figures are worth on this host, if it was calibrated.
    pub calibration: Option<HostProfile>,
    /// Who counts the tokens of the answers again, once the run is over; `None` leaves it to the tokenizer of an engine in
    /// this process. It needs the text of the answers.
    pub recount: Option<Recount>,
    /// What is watched of the server.
    pub watching: Watching,
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
    pub(crate) shape: Shape,
    pub(crate) cell: Cell,
    pub(crate) report: DriveReport,
    pub(crate) tally: Tally,
    /// Measured requests that the client disturbed, as the log tells when it is read.
    pub(crate) disturbed: u64,
    /// Where its lines begin in the log.
    pub(crate) from: u64,
    pub(crate) stop: Option<Stop>,
}

/// A load with what follows from it.
struct Made {
    loaded: Loaded,
    metrics: Vec<Metric>,
    verdicts: Vec<TargetResult>,
}

/// Figures, and the part of the log that they were read from.
struct Read {
    from: u64,
    to: u64,
    figures: LoadFigures,
    watched: Watched,
}

/// A run under way.
struct Runner<'a> {
    run: &'a LoadRun,
    settings: LoadSettings,
    plan: LoadPlan,
    setup: Setup,
    traffic: Arc<dyn Traffic>,
    health: Health,
    sampler: Option<Sampler>,
    /// Until they are stopped.
    observers: Option<Observers>,
    /// Number of the next session, so that no load asks what another has asked.
    next: u64,
    /// Loads made so far.
    made: u32,
    /// What is known of a soak while it runs.
    watch: Option<Watch>,
    /// The figures of the last load.
    read: Option<Read>,
    /// What a search found.
    capacity: Option<(Axis, Capacity)>,
    journal: &'a mut dyn Journal,
    record: Record,
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
        let plan = figures::plan(&settings)?;
        let setup = Setup::new(&self.target, settings.reactors).await?;
        let traffic = (self.traffic)(&setup.engines[0])?;
        let record = self.fresh(&settings, &plan, &setup.description)?;
        journal.checkpoint(&record)?;
        journal.event(&RunEvent::PhaseStarted { phase: Phase::Load, attempt: 1 })?;
        let health = Health::start(&setup, &self.root, self.clock);
        let (start, sampler) =
            (self.clock.now(), Sampler::start(&self.root, self.clock, SamplerSettings::default()).ok());
        let observers = Observers::start(&self.watching, &self.root, self.clock, settings.expected_length());
        let mut runner = Runner {
            run: &self,
            settings,
            plan,
            setup,
            traffic,
            health,
            sampler,
            observers: Some(observers),
            next: 0,
            made: 0,
            watch: self.settings.checkpoint_s.map(|s| Watch::new(Duration::from_secs_f64(s), start)),
            read: None,
            capacity: None,
            journal,
            record,
        };
        let from = runner.journal.mark()?;
        match (runner.settings.search, runner.plan.answers, runner.plan.until.clone()) {
            (Some(search), _, _) => runner.search(search).await?,
            (None, Some(answers), _) => runner.make_checked(&answers, from).await?,
            (None, None, Some(until)) => runner.make_until(&until.wanted, from).await?,
            (None, None, None) => runner.make_loads(from).await?,
        }
        runner.stop_observers().await?;
        runner.conclude(start, from)
    }

    /// The calibration, where it says something of an engine: it is of connections.
    fn calibration_of(&self, engine: &EngineDescription) -> Option<&HostProfile> {
        self.calibration.as_ref().filter(|_| engine.engine == HTTP)
    }

    fn fresh(&self, settings: &LoadSettings, plan: &LoadPlan, engine: &EngineDescription) -> Result<Record, LoadError> {
        let mut stored = serde_json::to_value(settings)?;
        stored["plan"] = serde_json::to_value(plan)?;
        let calibration = self.calibration_of(engine).map(|profile| note::beforehand(profile, settings));
        Ok(fresh::record(&self.identity, stored, settings.seed, engine.clone(), calibration))
    }
}

impl Runner<'_> {
    /// Searches for the largest load within the objective.
    async fn search(&mut self, settings: SearchSettings) -> Result<(), LoadError> {
        let SearchSettings { axis, start, most, precision, loads } = settings;
        let mut search = Search::new(axis, SearchLimits { start, most, precision, loads });
        while let Some(size) = search.next() {
            let made = self.make(capacity::shape(axis, size), u32::try_from(loads).unwrap_or(u32::MAX)).await?;
            if made.loaded.stop == Some(Stop::Interrupted) {
                break;
            }
            let limit = self.settings.disturbed_limit;
            search.take(size, capacity::judge(&made.loaded, &made.metrics, &made.verdicts, limit));
        }
        self.capacity = Some((axis, search.capacity()));
        Ok(())
    }

    /// Makes a load with its figures.
    async fn make(&mut self, shape: Shape, count: u32) -> Result<Made, LoadError> {
        let mut loaded = self.load(shape, count, None).await?;
        // What the checkpoints told is told again, from the log.
        if self.watch.is_some() {
            self.record.phases[0].tally = Tally::default();
            self.record.metrics.clear();
        }
        self.next = loaded.report.next;
        let basis = self.basis();
        let (figures, watched) = figures::read(self.journal, loaded.from, &self.plan, &basis)?;
        loaded.disturbed = figures.disturbed;
        let verdicts = self.plan.slo.judge(&figures.metrics, &loaded.cell, self.plan.good_share);
        self.record.metrics.extend(figures.metrics.iter().cloned());
        self.record.targets.extend(verdicts.iter().cloned());
        add(&mut self.record.phases[0].tally, loaded.tally);
        if let Some(stop) = &loaded.stop {
            // A search goes on below a load that nothing survives.
            if *stop == Stop::Interrupted || self.settings.search.is_none() {
                end_early(&mut self.record.phases[0], stop);
            }
        }
        self.journal.checkpoint(&self.record)?;
        let metrics = figures.metrics.clone();
        self.read = Some(Read { from: loaded.from, to: self.journal.mark()?, figures, watched });
        Ok(Made { loaded, metrics, verdicts })
    }

    fn basis(&self) -> Basis {
        Basis::new(self.settings.seed, &self.setup.description)
    }

    /// Puts one load on the target and keeps its rows; `round` is which repetition it is.
    async fn load(&mut self, shape: Shape, count: u32, round: Option<u32>) -> Result<Loaded, LoadError> {
        self.made += 1;
        let cell = rounds::row_cell(&shape, round);
        let drive = self.drive(&shape, &cell, round)?;
        self.play(shape, drive, count, round).await
    }

    /// Drives a load to its end.
    async fn play(&mut self, shape: Shape, drive: Drive, count: u32, round: Option<u32>) -> Result<Loaded, LoadError> {
        let from = self.journal.mark()?;
        let (cell, cancel) = (drive.cell.clone(), drive.cancel.clone());
        let driving = drive.start(&self.setup.engines, &self.setup.reactors.handles())?;
        let mut keeper = Keeper::new(self.pulse(&shape, round, &driving, count));
        let mut take = tokio::time::interval(TAKE_INTERVAL);
        take.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut hopeless = None;
        loop {
            tokio::select! {
                () = driving.wait() => break,
                _ = take.tick() => {}
            }
            let mut watched = Overheard { journal: &mut *self.journal, watch: self.watch.as_mut() };
            keeper.keep(&driving, self.run.clock.now(), &mut watched)?;
            self.keep_breaches()?;
            self.keep_samples()?;
            self.checkpoint_if_due()?;
            if let (None, Some(why)) = (&hopeless, keeper.hopeless()) {
                hopeless = Some(why.to_owned());
                cancel.cancel();
            }
        }
        // The last rows are kept before the wait for the last faults.
        let mut watched = Overheard { journal: &mut *self.journal, watch: self.watch.as_mut() };
        keeper.keep_rows(&driving, &mut watched)?;
        self.health.settle(self.run.clock.now()).await;
        self.keep_breaches()?;
        self.keep_samples()?;
        let hopeless = hopeless.or_else(|| keeper.futile().map(str::to_owned));
        let stop = match self.run.cancel.is_cancelled() {
            true => Some(Stop::Interrupted),
            false => hopeless.map(Stop::Hopeless),
        };
        Ok(Loaded { shape, cell, report: driving.report(), tally: keeper.tally, disturbed: 0, from, stop })
    }

    fn drive(&self, shape: &Shape, cell: &Cell, round: Option<u32>) -> Result<Drive, LoadError> {
        let settings = &self.settings;
        let warmup_sessions = match settings.warmup {
            Warmup::Sessions(count) => count,
            Warmup::Auto | Warmup::Seconds(_) => 0,
        };
        Ok(Drive {
            cell: cell.clone(),
            traffic: Arc::clone(&self.traffic),
            first: self.next,
            warmup_sessions,
            pace: pace(shape, settings, round)?,
            probe: self.probe(cell)?,
            limits: settings.limits(),
            retry: settings.retry(),
            sampling: Sampling { temperature: settings.temperature, seed: settings.seed, ..Sampling::default() },
            ignore_eos: settings.ignore_eos,
            keep_text: settings.keep_text,
            pacing: Pacing::Thread,
            clock: self.run.clock,
            cancel: self.run.cancel.child_token(),
        })
    }

    fn pulse(&self, shape: &Shape, round: Option<u32>, driving: &Driving, count: u32) -> Pulse {
        let (key, value) = shape.setting();
        let repetition = round.map(|round| format!(", run {round}")).unwrap_or_default();
        let begin = driving.begin();
        Pulse {
            what: format!("{key} {value}{repetition}"),
            number: self.made,
            count: count.max(self.made),
            begin,
            at: begin,
            until: self.settings.duration_s.map(|seconds| begin.after(Duration::from_secs_f64(seconds))),
            sessions: self.settings.sessions,
            released: 0,
            in_flight: 0,
        }
    }
}

/// How sessions of a load start. Each repetition has arrivals of its own, so that the interval between runs knows how
/// much the figures hang on them.
fn pace(shape: &Shape, settings: &LoadSettings, round: Option<u32>) -> Result<Pace, LoadError> {
    let seed = settings.seed.wrapping_add(u64::from(round.unwrap_or(1).saturating_sub(1)));
    let most = settings.most_in_flight.map(|most| most as usize);
    Ok(match shape {
        Shape::Concurrency(concurrency) => Pace::Closed { concurrency: *concurrency as usize },
        Shape::Trace => Pace::Open { starts: Box::new(std::iter::empty()), most },
        Shape::Arrivals(arrivals) => Pace::Open { starts: starts(arrivals, seed)?, most },
    })
}

/// The starts that arrivals in words ask for.
pub(crate) fn starts(arrivals: &str, seed: u64) -> Result<Starts, LoadError> {
    let arrivals: Arrivals = arrivals.parse()?;
    Ok(Box::new(arrivals.times(seed)))
}

fn end_early(load: &mut PhaseResult, stop: &Stop) {
    match stop {
        Stop::Interrupted => load.status = Status::Interrupted,
        Stop::Hopeless(why) => {
            load.status = Status::Failed;
            load.notes.push(validity::futile_note(why));
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
