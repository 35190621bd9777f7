//! A campaign: the phases in order, the record as it grows, and how it continues.

use std::fmt;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use weighbridge_summary::{Basis, summarize, tally};
use weighbridge_telemetry::{Sampler, SamplerReport, SamplerSettings, SystemRoot};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::environment::Environment;
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::metric::{Cell, Flag, Metric, Statistic};
use weighbridge_types::record::{Phase, PhaseResult, Record, SCHEMA_VERSION, Status, Tally};
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::time::{Clock, WallTime};

use crate::context::{Context, Output, Surroundings};
use crate::driver::Stop;
use crate::error::BenchError;
use crate::estimate::estimate;
use crate::load::Loaded;
use crate::settings::BenchSettings;
use crate::subject::Subject;
use crate::targets::Targets;
use crate::{findings, phases, projection};

/// Note of a phase that the user did not ask for.
const LEFT_OUT: &str = "left out on request";

/// A host that loses more than this share of its CPU time to others disturbs every figure of the phase.
const DISTURBED: f64 = 0.05;

/// Writes a report of a record somewhere and says what it saw, or what is wrong: the "report works" check.
pub type RecordCheck = Arc<dyn Fn(&Record) -> Result<String, String> + Send + Sync>;

/// What names a run, from whoever makes its folder.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Name of the run: the folder's name.
    pub run_id: String,
    /// The user's label.
    pub label: String,
    /// What it is measured on.
    pub environment: Environment,
}

/// An earlier record to continue from.
#[derive(Clone, Debug)]
pub struct Previous {
    /// The record. Its complete phases are kept.
    pub record: Record,
    /// Phases to run again although they are complete.
    pub rerun: Vec<Phase>,
}

/// One weigh-in, ready to run.
pub struct Campaign {
    /// What to do.
    pub settings: BenchSettings,
    /// What to weigh.
    pub subject: Subject,
    /// How the run is called, and where it runs.
    pub identity: Identity,
    /// What to judge it by.
    pub targets: Targets,
    /// Where the system's files are.
    pub root: SystemRoot,
    /// The run's clock.
    pub clock: Clock,
    /// Stops the run: requests in flight are cancelled, and what is recorded stays valid.
    pub cancel: CancellationToken,
    /// How often the process and the host are sampled; `None` never.
    pub sampling: Option<SamplerSettings>,
    /// Checks a record the way the report will read it.
    pub check_record: Option<RecordCheck>,
}

impl fmt::Debug for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Campaign")
            .field("settings", &self.settings)
            .field("subject", &self.subject)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

impl Campaign {
    /// Runs the phases that are asked for and not complete yet, and returns the record.
    ///
    /// The record is handed to the sink at the start, before and after each phase, and at the end. A run that is
    /// cancelled, or whose target answers nothing, still returns its record; its status says so.
    ///
    /// # Errors
    /// When a setting is out of range, the subject cannot be loaded, the earlier record is of something else, or the sink
    /// fails.
    pub async fn run(self, previous: Option<Previous>, sink: &mut dyn Sink) -> Result<Record, BenchError> {
        let settings = self.settings.clone().checked()?;
        let loaded = Loaded::load(&self.subject.load, &self.subject.model_ref, &self.root, self.clock).await?;
        let rerun = previous.as_ref().map(|previous| previous.rerun.clone()).unwrap_or_default();
        let mut record = match previous {
            Some(previous) => self.continued(previous.record, &settings, &loaded)?,
            None => self.fresh(&settings, &loaded)?,
        };
        sink.checkpoint(&record)?;
        for phase in settings.phases_in_order() {
            if is_done(&record, phase) && !rerun.contains(&phase) {
                continue;
            }
            if self.cancel.is_cancelled() {
                break;
            }
            let is_hopeless = self.phase(phase, &settings, &loaded, &mut record, sink).await?;
            if is_hopeless {
                break;
            }
        }
        record.status = self.final_status(&record, &settings);
        touch(&mut record);
        sink.checkpoint(&record)?;
        Ok(record)
    }

    /// Runs one phase. Whether the target is beyond hope comes back.
    async fn phase(
        &self,
        phase: Phase,
        settings: &BenchSettings,
        loaded: &Loaded,
        record: &mut Record,
        sink: &mut dyn Sink,
    ) -> Result<bool, BenchError> {
        let attempt = record.phase(phase).map_or(0, |result| result.attempt) + 1;
        let mut result = PhaseResult {
            status: Status::Running,
            attempt,
            started_at: Some(WallTime::now().to_string()),
            estimated_s: estimate(phase, settings, record),
            ..pending(phase)
        };
        replace(record, result.clone());
        touch(record);
        sink.checkpoint(record)?;
        sink.event(&RunEvent::PhaseStarted { phase, attempt })?;

        let start = self.clock.now();
        let around = Surroundings {
            settings,
            subject: &self.subject,
            loaded,
            record,
            check_record: self.check_record.as_ref(),
            root: &self.root,
            clock: self.clock,
            cancel: &self.cancel,
        };
        let mut context = Context::new(phase, &around, sink);
        let (output, mut metrics) = self.measure(&mut context, loaded).await?;
        let seconds = (self.clock.now() - start).as_secs_f64();
        metrics.push(Metric::measured(&define::PHASE_TIME, Statistic::Value, &Cell::of(phase), seconds, 1));

        result.status = match (&output.stop, &output.skipped) {
            (Some(Stop::Interrupted), _) => Status::Interrupted,
            (Some(Stop::Hopeless(_)), _) => Status::Failed,
            (None, Some(_)) => Status::Skipped,
            (None, None) => Status::Complete,
        };
        let hopeless = match &output.stop {
            Some(Stop::Hopeless(why)) => Some(format!("no request succeeded: {why}")),
            _ => None,
        };
        result.duration_s = Some(seconds);
        result.tally = tally(&output.rows.requests);
        result.key_metric = phases::key_metric(phase, &metrics);
        result.checks = output.checks;
        result.notes = hopeless.iter().cloned().chain(output.skipped).chain(output.notes).collect();
        record.metrics.retain(|metric| metric.cell.get("phase") != Some(phase.name()));
        record.metrics.extend(metrics.iter().cloned());
        replace(record, result.clone());
        self.conclude(record);
        touch(record);
        // Kept first, told then: whoever hears that a phase is done may rely on it.
        sink.checkpoint(record)?;
        sink.event(&RunEvent::PhaseFinished { result: Box::new(result), metrics })?;
        Ok(hopeless.is_some())
    }

    /// All repetitions of a phase, and their figures.
    async fn measure(&self, context: &mut Context<'_>, loaded: &Loaded) -> Result<(Output, Vec<Metric>), SinkError> {
        let phase = context.phase;
        // The sampler's own buffer would show in a phase that watches memory grow; that phase samples for itself.
        let settings = self.sampling.filter(|_| phase != Phase::Memory);
        let sampler = settings.map(|settings| Sampler::start(&self.root, self.clock, settings));
        let mut output = Output::default();
        for run in 1..=context.settings.runs {
            context.run = run;
            phases::run(context, &mut output).await?;
            if output.stop.is_some() || output.skipped.is_some() {
                break;
            }
        }
        let report = match sampler {
            None => SamplerReport::default(),
            Some(Ok(sampler)) => sampler.stop(),
            Some(Err(error)) => {
                output.notes.push(error.to_string());
                SamplerReport::default()
            }
        };
        for sample in &report.samples {
            context.emit(&RunEvent::Resource { phase, sample: *sample })?;
        }
        let own: Vec<ResourceSample> = output.rows.samples.iter().map(|(_, sample)| *sample).collect();
        let samples = if phase == Phase::Memory { &own } else { &report.samples };
        let mut basis = Basis::new(context.settings.seed, &loaded.description);
        let steal = mean_steal(samples);
        if steal.is_some_and(|share| share > DISTURBED) {
            basis.flags.push(Flag::Disturbed);
        }
        let mut metrics = summarize(&output.rows, &basis);
        phases::conclude(context, &metrics, &mut output);
        metrics.append(&mut output.metrics);
        metrics.extend(host_metrics(phase, samples, steal, &report));
        for metric in
            metrics.iter_mut().filter(|metric| metric.provenance != weighbridge_types::metric::Provenance::Unavailable)
        {
            metric.flags.extend(&basis.flags);
            metric.flags.sort_unstable();
            metric.flags.dedup();
        }
        Ok((output, metrics))
    }

    /// What follows from the figures of all phases.
    fn conclude(&self, record: &mut Record) {
        projection::project(record);
        record.duration_s = record.phases.iter().filter_map(|phase| phase.duration_s).sum();
        record.targets = self.targets.judge(record);
        record.findings = findings::derive(record);
    }

    fn fresh(&self, settings: &BenchSettings, loaded: &Loaded) -> Result<Record, BenchError> {
        let now = WallTime::now().to_string();
        let mut record = Record {
            schema_version: SCHEMA_VERSION.to_string(),
            run_id: self.identity.run_id.clone(),
            kind: "bench".to_owned(),
            label: self.identity.label.clone(),
            created_at: now.clone(),
            updated_at: now,
            status: Status::Running,
            settings: serde_json::to_value(settings)?,
            seed: settings.seed,
            engine: loaded.description.clone(),
            environment: self.identity.environment.clone(),
            calibration: None,
            phases: Vec::new(),
            duration_s: 0.0,
            metrics: Vec::new(),
            targets: Vec::new(),
            findings: Vec::new(),
        };
        record.phases = Phase::WEIGH_IN.map(|phase| not_run(phase, settings)).to_vec();
        Ok(record)
    }

    /// The earlier record, made ready to continue; refused when it is of something else.
    fn continued(&self, mut record: Record, settings: &BenchSettings, loaded: &Loaded) -> Result<Record, BenchError> {
        let earlier: BenchSettings = serde_json::from_value(record.settings.clone())?;
        let (now, then) = (&loaded.description, &record.engine);
        let unknown = |digest: &Option<String>| digest.clone().unwrap_or_else(|| "unknown".to_owned());
        let pairs = [
            ("schema", record.schema_version.clone(), SCHEMA_VERSION.to_string()),
            ("model", then.model_ref.clone(), now.model_ref.clone()),
            ("model digest", unknown(&then.model_digest), unknown(&now.model_digest)),
            ("host", record.environment.digest.clone(), self.identity.environment.digest.clone()),
        ];
        let other = pairs.into_iter().map(|(what, then, now)| (what.to_owned(), then, now));
        let other = other.chain(settings_of(&earlier, settings)?).find(|(_, previous, now)| previous != now);
        if let Some((what, previous, now)) = other {
            return Err(BenchError::Mismatch { run: record.run_id, what, previous, now });
        }
        let phases: Vec<Phase> = Phase::WEIGH_IN
            .into_iter()
            .filter(|phase| earlier.phases.contains(phase) || settings.phases.contains(phase))
            .collect();
        record.settings = serde_json::to_value(BenchSettings { phases, ..settings.clone() })?;
        record.status = Status::Running;
        Ok(record)
    }

    fn final_status(&self, record: &Record, settings: &BenchSettings) -> Status {
        let has = |status| record.phases.iter().any(|phase| phase.status == status);
        let is_open = settings.phases.iter().any(|phase| !is_done(record, *phase));
        if has(Status::Failed) {
            Status::Failed
        } else if has(Status::Interrupted) || (is_open && self.cancel.is_cancelled()) {
            Status::Interrupted
        } else {
            Status::Complete
        }
    }
}

/// The settings that decide what is measured, by name: as recorded and as asked now.
fn settings_of(
    earlier: &BenchSettings,
    now: &BenchSettings,
) -> Result<Vec<(String, String, String)>, serde_json::Error> {
    let earlier = serde_json::to_value(earlier.same_measurement())?;
    let now = serde_json::to_value(now.same_measurement())?;
    let names = now.as_object().into_iter().flatten();
    Ok(names.map(|(name, value)| (format!("setting {name}"), earlier[name].to_string(), value.to_string())).collect())
}

/// Whether a phase needs no run: it is complete, or the engine cannot do it.
fn is_done(record: &Record, phase: Phase) -> bool {
    record.phase(phase).is_some_and(|result| match result.status {
        Status::Complete => true,
        Status::Skipped => result.attempt > 0,
        Status::Pending | Status::Running | Status::Interrupted | Status::Failed => false,
    })
}

pub(crate) const fn pending(phase: Phase) -> PhaseResult {
    PhaseResult {
        phase,
        status: Status::Pending,
        attempt: 0,
        started_at: None,
        duration_s: None,
        estimated_s: None,
        key_metric: None,
        tally: Tally { scheduled: 0, succeeded: 0, failed: 0, cancelled: 0, dropped: 0, in_flight: 0 },
        checks: Vec::new(),
        notes: Vec::new(),
    }
}

fn not_run(phase: Phase, settings: &BenchSettings) -> PhaseResult {
    if settings.phases.contains(&phase) {
        return pending(phase);
    }
    PhaseResult { status: Status::Skipped, notes: vec![LEFT_OUT.to_owned()], ..pending(phase) }
}

fn replace(record: &mut Record, result: PhaseResult) {
    if let Some(place) = record.phases.iter_mut().find(|place| place.phase == result.phase) {
        *place = result;
    }
}

fn touch(record: &mut Record) {
    record.updated_at = WallTime::now().to_string();
}

fn mean_steal(samples: &[ResourceSample]) -> Option<f64> {
    let shares: Vec<f64> = samples.iter().filter_map(|sample| sample.steal_share).collect();
    (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64)
}

/// What the process and its host did during a phase, and what watching them cost.
fn host_metrics(phase: Phase, samples: &[ResourceSample], steal: Option<f64>, report: &SamplerReport) -> Vec<Metric> {
    const UNREAD: &str = "the host was not sampled in this phase";
    let cell = Cell::of(phase);
    let metric = |definition: &Definition, value: Option<f64>, n: usize| match value {
        Some(value) => Metric::measured(definition, Statistic::Value, &cell, value, n as u64),
        None => Metric::unavailable(definition, Statistic::Value, &cell, UNREAD),
    };
    let cpu = samples.first().zip(samples.last()).and_then(|(first, last)| {
        let seconds = (last.at - first.at).as_secs_f64();
        (seconds > 0.0).then_some((last.cpu_seconds? - first.cpu_seconds?) / seconds)
    });
    vec![
        metric(&define::CPU_USED, cpu, samples.len()),
        metric(&define::STEAL, steal.map(|share| 100.0 * share), samples.len()),
        metric(&define::SAMPLER_COST, report.cost.percent(), report.samples.len()),
    ]
}
