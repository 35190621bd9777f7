//! Engines side by side on one model: who serves it fastest, how sure that is, and whom to fall back to.

mod standing;

use tokio_util::sync::CancellationToken;
use weighbridge_engine::EngineFactory;
use weighbridge_summary::{Basis, summarize, tally};
use weighbridge_telemetry::SystemRoot;
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::record::{Phase, PhaseResult, Record, SCHEMA_VERSION, Status};
use weighbridge_types::request::RequestRow;
use weighbridge_types::time::{Clock, WallTime};

use crate::campaign::{Identity, pending};
use crate::context::{Context, Output, Surroundings};
use crate::driver::{Load, Stop};
use crate::error::BenchError;
use crate::load::Loaded;
use crate::phases;
use crate::prompts::Prompts;
use crate::settings::{BenchSettings, Lengths};
use crate::subject::Subject;

pub use standing::{Comparison, Measured, Standing};

/// The kind of these runs.
pub const KIND: &str = "engines";

/// The setting that tells whose row it is.
pub(crate) const ENGINE: &str = "engine";

/// An engine that may take part.
#[derive(Clone)]
pub struct Candidate {
    /// Name in the result.
    pub name: String,
    /// The reference that it runs, without secrets.
    pub model_ref: String,
    /// Loads it; or why it cannot take part.
    pub load: Result<EngineFactory, String>,
}

/// A comparison, ready to run.
pub struct EnginesRun {
    /// Lengths, levels, requests of a round and rounds ([`BenchSettings::runs`]).
    pub settings: BenchSettings,
    /// Who takes part; the first that can be loaded is what the others are set against.
    pub candidates: Vec<Candidate>,
    /// Differences up to this share count as none.
    pub threshold: f64,
    /// How the run is called, and where it runs.
    pub identity: Identity,
    /// Where the system's files are.
    pub root: SystemRoot,
    /// The run's clock.
    pub clock: Clock,
    /// Stops the run.
    pub cancel: CancellationToken,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let absent = self.load.as_ref().err();
        f.debug_struct("Candidate").field("name", &self.name).field("absent", &absent).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for EnginesRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
        f.debug_struct("EnginesRun")
            .field("settings", &self.settings)
            .field("candidates", &names)
            .finish_non_exhaustive()
    }
}

/// An engine that takes part.
struct Ready {
    name: String,
    loaded: Loaded,
}

impl EnginesRun {
    /// Loads all engines, drives them in turns, in another order each round and with the same prompts, and sets them against
    /// the first.
    ///
    /// # Errors
    /// When a setting is out of range, no engine can be loaded, or the sink fails.
    pub async fn run(self, sink: &mut dyn Sink) -> Result<(Record, Comparison), BenchError> {
        let settings = self.settings.clone().checked()?;
        let (mut ready, mut absent, mut first_error) = (Vec::new(), Vec::new(), None);
        for candidate in &self.candidates {
            let loaded = match &candidate.load {
                Ok(load) => Loaded::load(load, &candidate.model_ref, &self.root, self.clock).await,
                Err(why) => {
                    absent.push((candidate.name.clone(), why.clone()));
                    continue;
                }
            };
            match loaded {
                Ok(loaded) => ready.push(Ready { name: candidate.name.clone(), loaded }),
                Err(error) => {
                    absent.push((candidate.name.clone(), error.to_string()));
                    first_error.get_or_insert(error);
                }
            }
        }
        let Some(first) = ready.first() else {
            return Err(match first_error {
                Some(error) => error.into(),
                None => BenchError::NoEngine { reasons: absent },
            });
        };
        let mut record = self.fresh(&settings, first)?;
        let mut rows = Vec::new();
        sink.checkpoint(&record)?;
        for (number, phase) in [Phase::Latency, Phase::Throughput].into_iter().enumerate() {
            let stopped = self.phase((number, phase), &settings, &ready, &mut record, &mut rows, sink).await?;
            if stopped {
                break;
            }
        }
        let names = ready.iter().map(|ready| ready.name.clone()).collect();
        let comparison = Comparison::new(names, absent, &rows, self.threshold, settings.seed);
        record.status = match (self.cancel.is_cancelled(), rows.iter().any(|row| row.outcome.is_success())) {
            (true, _) => Status::Interrupted,
            (false, true) => Status::Complete,
            (false, false) => Status::Failed,
        };
        if let Some(phase) = record.phases.first_mut() {
            phase.notes.extend(comparison.notes());
        }
        record.updated_at = WallTime::now().to_string();
        sink.checkpoint(&record)?;
        Ok((record, comparison))
    }

    /// Every round of one phase. Whether the run was stopped comes back.
    async fn phase(
        &self,
        (number, phase): (usize, Phase),
        settings: &BenchSettings,
        ready: &[Ready],
        record: &mut Record,
        all: &mut Vec<RequestRow>,
        sink: &mut dyn Sink,
    ) -> Result<bool, BenchError> {
        let start = self.clock.now();
        let started_at = Some(WallTime::now().to_string());
        record.phases[number] = PhaseResult { status: Status::Running, attempt: 1, started_at, ..pending(phase) };
        sink.checkpoint(record)?;
        sink.event(&RunEvent::PhaseStarted { phase, attempt: 1 })?;
        let mut output = Output::default();
        {
            let subject = self.subject(ready);
            let around = Surroundings {
                settings,
                subject: &subject,
                loaded: &ready[0].loaded,
                record,
                check_record: None,
                root: &self.root,
                clock: self.clock,
                cancel: &self.cancel,
            };
            let mut context = Context::new(phase, &around, sink);
            for round in 1..=settings.runs {
                context.run = round;
                self.round(&mut context, ready, &mut output).await?;
                if output.stop.is_some() {
                    break;
                }
            }
        }
        let metrics = summarize(&output.rows, &Basis::new(settings.seed, &record.engine));
        let result = &mut record.phases[number];
        result.status = if output.stop.is_some() { Status::Interrupted } else { Status::Complete };
        result.duration_s = Some((self.clock.now() - start).as_secs_f64());
        result.tally = tally(&output.rows.requests);
        result.key_metric = phases::key_metric(phase, &metrics);
        result.notes = output.notes;
        let result = Box::new(result.clone());
        record.duration_s += result.duration_s.unwrap_or(0.0);
        record.metrics.extend(metrics.iter().cloned());
        sink.checkpoint(record)?;
        sink.event(&RunEvent::PhaseFinished { result, metrics })?;
        all.append(&mut output.rows.requests);
        Ok(output.stop.is_some())
    }

    /// Each engine once, in an order that differs from round to round.
    async fn round(&self, context: &mut Context<'_>, ready: &[Ready], output: &mut Output) -> Result<(), SinkError> {
        let round = context.run;
        let mut order: Vec<usize> = (0..ready.len()).collect();
        // Each engine comes early and late, before and after each of the others.
        let first = (context.run / 2) as usize % ready.len();
        order.rotate_left(first);
        if context.run % 2 == 1 {
            order.reverse();
        }
        for number in order {
            for load in self.loads(context, ready, &ready[number].name) {
                let driven = context.drive_engine(ready[number].loaded.engine.as_ref(), load).await?;
                output.rows.requests.extend(driven.rows);
                match driven.stop {
                    // An engine that answers nothing is a result; the others go on.
                    Some(Stop::Hopeless(why)) => {
                        output
                            .notes
                            .push(format!("{} in round {round}: no request succeeded: {why}", ready[number].name));
                    }
                    Some(Stop::Interrupted) => {
                        output.stop = Some(Stop::Interrupted);
                        return Ok(());
                    }
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// What an engine is asked in a round. All engines get the same texts: those of the first that knows tokens.
    fn loads(&self, context: &Context<'_>, ready: &[Ready], name: &str) -> Vec<Load> {
        let settings = context.settings;
        let counts = ready.iter().find(|ready| ready.loaded.engine.tokenizer().is_some()).unwrap_or(&ready[0]);
        let prompts = |part: u64| {
            let salt = [settings.seed, context.phase as u64, u64::from(context.run), part];
            Prompts::new(&counts.loaded.engine, salt)
        };
        let cell = context.cell().with(ENGINE, name);
        let of_latency = |(part, lengths): (u64, Lengths)| {
            let prompts: Prompts = prompts(part);
            Load {
                cell: cell.clone().with("input_tokens", lengths.input).with("output_tokens", lengths.output),
                what: format!("{name}, {lengths} tokens, round {}", context.run),
                warmups: prompts.prepare(lengths, 0, settings.warmups.min(1)),
                requests: prompts.prepare(lengths, 1, settings.latency_requests),
                concurrency: 1,
                budget: context.budget(),
                least: 1,
            }
        };
        let of_throughput = |(part, level): (u64, u32)| {
            let prompts: Prompts = prompts(part);
            Load {
                cell: cell.clone().with("concurrency", level),
                what: format!("{name}, {level} in flight, round {}", context.run),
                warmups: Vec::new(),
                requests: prompts.prepare(settings.throughput_lengths, 0, settings.throughput_requests.max(level)),
                concurrency: level as usize,
                budget: context.budget(),
                least: level as usize,
            }
        };
        match context.phase {
            Phase::Latency => (0..).zip(settings.lengths.iter().copied()).map(of_latency).collect(),
            _ => (0..).zip(settings.concurrency.iter().copied()).map(of_throughput).collect(),
        }
    }

    fn subject(&self, ready: &[Ready]) -> Subject {
        let first = self.candidates.iter().find(|candidate| candidate.name == ready[0].name);
        let load = first.and_then(|candidate| candidate.load.clone().ok()).expect("who is ready was loaded");
        Subject { model_ref: ready[0].loaded.description.model_ref.clone(), load, variants: Vec::new() }
    }

    fn fresh(&self, settings: &BenchSettings, first: &Ready) -> Result<Record, BenchError> {
        let now = WallTime::now().to_string();
        let mut stored = serde_json::to_value(settings)?;
        let names = self.candidates.iter().map(|candidate| format!("{} = {}", candidate.name, candidate.model_ref));
        stored["engines"] = names.collect();
        stored["threshold"] = self.threshold.into();
        Ok(Record {
            schema_version: SCHEMA_VERSION.to_string(),
            run_id: self.identity.run_id.clone(),
            kind: KIND.to_owned(),
            label: self.identity.label.clone(),
            created_at: now.clone(),
            updated_at: now,
            status: Status::Running,
            settings: stored,
            seed: settings.seed,
            engine: first.loaded.description.clone(),
            environment: self.identity.environment.clone(),
            calibration: None,
            phases: vec![pending(Phase::Latency), pending(Phase::Throughput)],
            duration_s: 0.0,
            metrics: Vec::new(),
            targets: Vec::new(),
            findings: Vec::new(),
        })
    }
}
