//! A stream from its first event to its record.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weighbridge_engine::Engine;
use weighbridge_telemetry::{Sampler, SamplerSettings, SystemRoot, host_temperature};
use weighbridge_types::definition as d;
use weighbridge_types::event::{RunEvent, Sink};
use weighbridge_types::fresh::Fresh;
use weighbridge_types::metric::{Cell, Flag, Metric, Statistic};
use weighbridge_types::record::{EngineDescription, Phase, Record, Status};
use weighbridge_types::stream::Pane;
use weighbridge_types::time::{Clock, Stamp, WallTime};

use super::asker::Asker;
use super::desk::Desk;
use super::error::StreamError;
use super::figures;
use super::lane::{Lane, Shared};
use super::ledger::{Ledger, Sliding};
use super::play::{Events, play};
use super::queue::Queue;
use super::settings::{Pace, Shed, StreamSettings};
use super::targets::Target;
use crate::error::EvalError;
use crate::runner::Identity;

/// What kind of run this is.
pub const KIND: &str = "stream";
/// Time between two looks at what was closed.
const LOOK: Duration = Duration::from_millis(200);
/// Time between two checkpoints of the record, at least, and as many times as long as one took.
const CHECKPOINT_PAUSE: Duration = Duration::from_secs(1);
const CHECKPOINT_SHARE: u32 = 20;
/// Time between two samples of this process.
const SAMPLE_PAUSE: Duration = Duration::from_millis(250);

/// A stream that is ready to start.
pub struct StreamRun {
    /// How.
    pub settings: StreamSettings,
    /// What happens.
    pub events: Box<dyn Events>,
    /// Who answers, one for each route.
    pub engines: Vec<Arc<dyn Engine>>,
    /// How the run is called.
    pub identity: Identity,
    /// Where every verdict is written, where they are kept.
    pub verdicts: Option<PathBuf>,
    /// The run's clock.
    pub clock: Clock,
    /// Ends the run; what is recorded stays valid.
    pub cancel: CancellationToken,
}

impl std::fmt::Debug for StreamRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamRun").field("settings", &self.settings).finish_non_exhaustive()
    }
}

struct Runner<'a> {
    shared: Arc<Shared>,
    targets: Vec<Target>,
    journal: &'a mut dyn Sink,
    each: &'a mut (dyn FnMut(&Pane) + Send),
    sampler: Sampler,
    ledger: Ledger,
    sliding: Sliding,
    record: Record,
    begin: Stamp,
    next_checkpoint: Stamp,
    next_progress: Stamp,
}

impl StreamRun {
    /// Plays every event and completes the record. `each` is given every window as it closes, as a stretch as long as the
    /// window.
    ///
    /// # Errors
    /// When the events are wrong, a model cannot tell attacks from the rest, or what happens cannot be kept. What was kept
    /// stays valid.
    pub async fn run(self, journal: &mut dyn Sink, each: &mut (dyn FnMut(&Pane) + Send)) -> Result<Record, EvalError> {
        let settings = Arc::new(self.settings.checked()?);
        let targets = Target::all(&settings)?;
        let shed = if settings.pace == Pace::Fastest { Shed::Block } else { settings.shed };
        let mut lanes = Vec::new();
        for (route, engine) in settings.routes.iter().zip(&self.engines) {
            let asker = Asker::new(engine.clone(), settings.clone(), self.clock, self.cancel.clone());
            if let Some(classes) = asker.without_benign() {
                return Err(StreamError::NoBenign { model: route.model.clone(), classes }.into());
            }
            lanes.push(Lane { route: route.clone(), asker, queue: Queue::new(settings.queue, shed) });
        }
        let verdicts = self.verdicts.as_ref().map(|path| {
            let made = File::create(path).map(|file| Mutex::new(BufWriter::new(file)));
            made.map_err(|source| StreamError::Verdicts { path: path.clone(), source })
        });
        let sampling = SamplerSettings { interval: SAMPLE_PAUSE, pss_interval: None, ..SamplerSettings::default() };
        let sampler = Sampler::start(&SystemRoot::host(), self.clock, sampling)
            .map_err(|error| StreamError::Thread(error.to_string()))?;
        let record = Fresh {
            run_id: self.identity.run_id,
            kind: KIND.to_owned(),
            label: self.identity.label,
            settings: serde_json::json!({ "stream": *settings }),
            seed: settings.seed.unsigned_abs(),
            engine: describe(&settings, &self.engines),
            environment: self.identity.environment,
        };
        let mut record = record.record(Phase::Stream);
        record.phases.iter_mut().for_each(|phase| phase.notes = notes(&settings));
        let shared = Arc::new(Shared {
            desk: Mutex::new(Desk::new(&settings)),
            lanes,
            clock: self.clock,
            cancel: self.cancel,
            begun: OnceLock::new(),
            verdicts: verdicts.transpose()?,
            problem: Mutex::new(None),
            unwritten: Mutex::new(None),
            settings,
        });
        let begin = self.clock.now();
        let mut runner = Runner {
            sliding: Sliding::new(shared.settings.window_s),
            targets,
            journal,
            each,
            sampler,
            ledger: Ledger::default(),
            record,
            begin,
            next_checkpoint: begin.after(CHECKPOINT_PAUSE),
            next_progress: begin,
            shared,
        };
        runner.journal.checkpoint(&runner.record)?;
        runner.journal.event(&RunEvent::PhaseStarted { phase: Phase::Stream, attempt: 1 })?;
        let driven = runner.drive(self.events).await;
        // Whatever went wrong, nothing goes on behind it.
        if driven.is_err() {
            runner.shared.cancel.cancel();
        }
        let record = runner.conclude(driven.as_ref().err(), self.verdicts)?;
        driven?;
        Ok(record)
    }
}

impl Runner<'_> {
    async fn drive(&mut self, mut events: Box<dyn Events>) -> Result<(), EvalError> {
        let shared = self.shared.clone();
        let mut workers = JoinSet::new();
        let mut probes = JoinSet::new();
        for (number, lane) in shared.lanes.iter().enumerate() {
            for _ in 0..lane.asker.workers() {
                workers.spawn(shared.clone().work(number));
            }
            probes.spawn(shared.clone().probe(number));
        }
        let on_thread = shared.clone();
        let mut player = tokio::task::spawn_blocking(move || play(&on_thread, events.as_mut()));
        let mut ticks = tokio::time::interval(LOOK);
        let mut is_ending = false;
        let played = loop {
            tokio::select! {
                played = &mut player => break played,
                () = shared.cancel.cancelled(), if !is_ending => {
                    is_ending = true;
                    self.give_up_waiting();
                }
                _ = ticks.tick() => self.gather(false)?,
            }
        };
        shared.lanes.iter().for_each(|lane| lane.queue.close());
        if shared.cancel.is_cancelled() {
            self.give_up_waiting();
        }
        loop {
            tokio::select! {
                joined = workers.join_next() => match joined {
                    None => break,
                    Some(Ok(())) => {}
                    Some(Err(error)) => return Err(StreamError::Thread(error.to_string()).into()),
                },
                () = shared.cancel.cancelled(), if !is_ending => {
                    is_ending = true;
                    self.give_up_waiting();
                }
                _ = ticks.tick() => self.gather(false)?,
            }
        }
        probes.abort_all();
        while probes.join_next().await.is_some() {}
        self.gather(true)?;
        played.map_err(|error| StreamError::Thread(error.to_string()))??;
        Ok(())
    }

    /// The user gave up: what waits has no verdict.
    fn give_up_waiting(&self) {
        for (number, lane) in self.shared.lanes.iter().enumerate() {
            lane.queue.close();
            self.shared.give_up(number, lane.queue.drain());
        }
    }

    /// Keeps what was closed.
    fn gather(&mut self, is_end: bool) -> Result<(), EvalError> {
        let (panes, incidents, waiting) = {
            let mut desk = self.shared.desk();
            desk.close(is_end);
            let (panes, incidents) = desk.take_closed();
            (panes, incidents, desk.pending())
        };
        for pane in panes {
            self.ledger.pane(&pane);
            let window = self.sliding.slide(&pane);
            (self.each)(&window);
            self.journal.event(&RunEvent::Pane(Box::new(pane)))?;
        }
        for incident in incidents {
            self.ledger.incident(incident.clone());
            self.journal.event(&RunEvent::Incident(incident))?;
        }
        for sample in self.sampler.drain() {
            self.ledger.sample(&sample);
            self.journal.event(&RunEvent::Resource { phase: Phase::Stream, sample })?;
        }
        let now = self.shared.clock.now();
        if now >= self.next_progress {
            self.next_progress = now.after(LOOK);
            let done = self.ledger.events();
            let what = format!("{waiting} events wait, or are in a stretch that is open");
            self.journal.event(&RunEvent::Progress { phase: Phase::Stream, what, done, total: done + waiting })?;
        }
        if now >= self.next_checkpoint && !is_end {
            self.fill_record(Status::Running);
            self.journal.checkpoint(&self.record)?;
            let end = self.shared.clock.now();
            self.next_checkpoint = end.after(CHECKPOINT_PAUSE.max(CHECKPOINT_SHARE * (end - now)));
        }
        Ok(())
    }

    fn conclude(&mut self, error: Option<&EvalError>, verdicts: Option<PathBuf>) -> Result<Record, EvalError> {
        let unwritten = self.close_verdicts();
        let mut notes = notes(&self.shared.settings);
        let problem = self.shared.problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
        notes.extend(problem.map(|problem| format!("a model failed; the first time: {problem}")));
        let failed = error.map(ToString::to_string).or_else(|| unwritten.as_ref().map(ToString::to_string));
        let status = match &failed {
            Some(_) => Status::Failed,
            None if self.shared.cancel.is_cancelled() => Status::Interrupted,
            None => Status::Complete,
        };
        notes.extend(failed.map(|problem| format!("stopped: {problem}")));
        if status == Status::Interrupted {
            notes.push("interrupted: events that waited then count as shed".to_owned());
        }
        self.fill_record(status);
        self.record.metrics.push(temperature());
        self.record.targets = self.targets.iter().map(|target| target.judge(&self.record)).collect();
        self.record.phases.iter_mut().for_each(|phase| phase.notes.clone_from(&notes));
        self.journal.checkpoint(&self.record)?;
        if let Some(phase) = self.record.phases.first() {
            let finished =
                RunEvent::PhaseFinished { result: Box::new(phase.clone()), metrics: self.record.metrics.clone() };
            self.journal.event(&finished)?;
        }
        match unwritten.zip(verdicts) {
            Some((source, path)) => Err(StreamError::Verdicts { path, source }.into()),
            None => Ok(self.record.clone()),
        }
    }

    /// Writes what is left of the verdicts; gives the first thing that went wrong with them.
    fn close_verdicts(&self) -> Option<std::io::Error> {
        let flushed =
            self.shared.verdicts.as_ref().map(|file| file.lock().unwrap_or_else(PoisonError::into_inner).flush());
        let earlier = self.shared.unwritten.lock().unwrap_or_else(PoisonError::into_inner).take();
        earlier.or_else(|| flushed.and_then(Result::err))
    }

    fn fill_record(&mut self, status: Status) {
        let seconds = (self.shared.clock.now() - self.begin).as_secs_f64();
        let settings = &self.shared.settings;
        let record = &mut self.record;
        record.updated_at = WallTime::now().to_string();
        record.status = status;
        record.duration_s = seconds;
        let has_model = !settings.routes.is_empty();
        record.metrics = figures::stream_metrics(&self.ledger, seconds, settings.analyst_capacity, has_model);
        record.metrics.extend(figures::process_metrics(&self.ledger));
        if record.engine.scripted {
            record.metrics.iter_mut().for_each(|metric| metric.flags.push(Flag::Scripted));
        }
        if let Some(phase) = record.phases.first_mut() {
            phase.status = status;
            phase.duration_s = Some(seconds);
            phase.tally = figures::tally(&self.ledger);
            phase.key_metric = figures::key_metric(&record.metrics);
        }
    }
}

fn temperature() -> Metric {
    let cell = Cell::of(Phase::Stream);
    match host_temperature(&SystemRoot::host()) {
        Some(degrees) => {
            let mut metric = Metric::measured(&d::HOST_TEMPERATURE, Statistic::Value, &cell, degrees, 1);
            metric.interval_reason = Some("one reading".to_owned());
            metric
        }
        None => {
            let reason = "the host has no thermal sensor that can be read";
            Metric::unavailable(&d::HOST_TEMPERATURE, Statistic::Value, &cell, reason)
        }
    }
}

/// What a reader must know of the way in which the events were played.
fn notes(settings: &StreamSettings) -> Vec<String> {
    let mut notes = Vec::new();
    match settings.pace {
        Pace::Speed(speed) if (speed - 1.0).abs() > 1e-9 => notes.push(format!(
            "played {speed} times as fast as the events happened: times to a verdict are of the clock, everything else is \
             of the time stamps"
        )),
        Pace::Fastest if !settings.routes.is_empty() => notes.push(
            "played as fast as the models answer: a time to a verdict begins when the event was read".to_owned(),
        ),
        Pace::Rate(rate) => notes.push(format!("released at random times, {rate} a second on average")),
        Pace::Fastest | Pace::Speed(_) => {}
    }
    if settings.all_alerts {
        notes.push("every event counts as an alert".to_owned());
    }
    notes.extend(settings.outages.iter().map(|outage| {
        let route = outage.route.as_deref().unwrap_or("every model");
        let (start_s, length_s) = (outage.start_s.round(), outage.length_s.round());
        format!("injected outage of {route}: {start_s} s after the first event, for {length_s} s")
    }));
    notes
}

/// The model where there is one; several are named together.
fn describe(settings: &StreamSettings, engines: &[Arc<dyn Engine>]) -> EngineDescription {
    let described: Vec<EngineDescription> = engines.iter().map(|engine| engine.describe()).collect();
    match &described[..] {
        [] => EngineDescription {
            engine: "predictions".to_owned(),
            model_ref: settings.events.clone(),
            model: settings.events.clone(),
            device: "none".to_owned(),
            ..EngineDescription::default()
        },
        [one] => one.clone(),
        [first, ..] => {
            let join = |of: fn(&EngineDescription) -> &String| {
                described.iter().map(of).cloned().collect::<Vec<String>>().join(", ")
            };
            let is_of_one_device = described.iter().all(|other| other.device == first.device);
            EngineDescription {
                engine: join(|of| &of.engine),
                model_ref: join(|of| &of.model_ref),
                model: join(|of| &of.model),
                device: if is_of_one_device { first.device.clone() } else { join(|of| &of.device) },
                scripted: described.iter().any(|of| of.scripted),
                synthetic_weights: described.iter().any(|of| of.synthetic_weights),
                ..EngineDescription::default()
            }
        }
    }
}
