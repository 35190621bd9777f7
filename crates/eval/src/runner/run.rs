//! An evaluation from its plan to its record.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use weighbridge_cache::Cache;
use weighbridge_engine::Engine;
use weighbridge_types::environment::Environment;
use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::exhibit::Exhibit;
use weighbridge_types::fresh::Fresh;
use weighbridge_types::metric::{Cell, Flag};
use weighbridge_types::record::{Phase, Record, Status};
use weighbridge_types::sample::{SampleOutcome, SampleRow, SampleScore};
use weighbridge_types::time::{Clock, Stamp, WallTime};

use super::ask::{Asked, Asker};
use super::book::{Book, Tokens};
use super::energy::Energy;
use super::figures;
use super::kept::KeptAnswers;
use super::plan::{Plan, Planned, outcome_of};
use super::settings::EvalSettings;
use super::shown::{Labels, Shown, labels};
use crate::error::EvalError;
use crate::task::Sample;
use crate::task::score::FilterScores;

/// How far a document may be ahead of the first one without an answer, in multiples of the documents in flight: it
/// bounds what waits for its place.
const WINDOW: usize = 64;

/// Time between two checkpoints of the record, at least; what they cost stretches it.
const CHECKPOINT_PAUSE: Duration = Duration::from_secs(1);

/// As many times as long as a checkpoint took, none follows it: figures of many documents take their time.
const CHECKPOINT_SHARE: u32 = 20;

/// Digits of a document's digest in a row.
const DOCUMENT_DIGITS: usize = 16;

/// The name of the filter that takes answers as they are.
pub(crate) const NO_FILTER: &str = "none";

/// Documents between two words of progress.
const PROGRESS_EVERY: u64 = 50;

/// Where rows are kept, and read back.
pub trait Journal: Sink {
    /// Takes an answered document, once for each repeat; nothing but a log asks for it.
    ///
    /// # Errors
    /// As [`Sink::event`].
    fn sample(&mut self, row: Box<SampleRow>) -> Result<(), SinkError> {
        self.event(&RunEvent::Sample(row))
    }

    /// Hands every row of the log on, in the order of writing.
    ///
    /// # Errors
    /// When the log cannot be read.
    fn rows(&mut self, each: &mut dyn FnMut(SampleRow)) -> Result<(), SinkError>;
}

/// What names a run.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Name of the run: the folder's name.
    pub run_id: String,
    /// The user's label.
    pub label: String,
    /// What it is measured on.
    pub environment: Environment,
}

/// An evaluation that is ready to start.
pub struct EvalRun {
    /// How.
    pub settings: EvalSettings,
    /// What is asked.
    pub plan: Plan,
    /// Who is asked.
    pub engine: Arc<dyn Engine>,
    /// How the run is called.
    pub identity: Identity,
    /// The record of an earlier part of the run, when it goes on.
    pub previous: Option<Record>,
    /// Answers that need not be asked for again.
    pub cache: Option<Cache>,
    /// The run's clock.
    pub clock: Clock,
    /// Ends the run; what is recorded stays valid.
    pub cancel: CancellationToken,
}

impl fmt::Debug for EvalRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvalRun")
            .field("settings", &self.settings)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// What an evaluation left.
#[derive(Debug)]
pub struct Evaluated {
    /// The record.
    pub record: Record,
    /// What was asked, for exports.
    pub plan: Plan,
    /// What a report shows of each task.
    pub exhibits: Vec<Exhibit>,
}

/// A document that came back.
struct Done {
    job: usize,
    place: usize,
    sample: Sample,
    rows: Vec<SampleRow>,
    scores: Vec<FilterScores>,
    labels: Option<Labels>,
    outcome: SampleOutcome,
    latency_ms: Option<f64>,
}

struct Runner<'a> {
    settings: Arc<EvalSettings>,
    plan: Arc<Plan>,
    asker: Asker,
    energy: Energy,
    book: Book,
    shown: Vec<Shown>,
    journal: &'a mut dyn Journal,
    cancel: CancellationToken,
    clock: Clock,
    record: Record,
    begin: Stamp,
    next_checkpoint: Stamp,
    /// Seconds of earlier parts of the run.
    before_s: f64,
    failures_in_a_row: u32,
    gave_up: Option<String>,
    done: u64,
}

impl EvalRun {
    /// Asks every document that has no answer yet, and completes the record.
    ///
    /// # Errors
    /// When a document does not fit its task, or rows cannot be kept. What was kept stays valid.
    pub async fn run(self, journal: &mut dyn Journal) -> Result<Evaluated, EvalError> {
        self.plan.check_classes(&self.engine.classes())?;
        let record = self.first_record()?;
        let before_s = self.previous.as_ref().map_or(0.0, |record| record.duration_s);
        let plan = Arc::new(self.plan);
        let settings = Arc::new(self.settings);
        let form = settings.form;
        let kept = self.cache.map(|cache| Arc::new(KeptAnswers::new(cache, &self.engine.describe(), form)));
        let energy = Energy::start(self.engine.capabilities(), self.clock);
        let asker = Asker {
            engine: self.engine,
            settings: settings.clone(),
            clock: self.clock,
            cancel: self.cancel.clone(),
            kept,
        };
        let mut runner = Runner {
            energy,
            book: Book::new(&plan),
            shown: plan.tasks.iter().map(|_| Shown::of_tasks(plan.tasks.len())).collect(),
            begin: self.clock.now(),
            next_checkpoint: self.clock.now().after(CHECKPOINT_PAUSE),
            failures_in_a_row: 0,
            gave_up: None,
            done: 0,
            cancel: self.cancel,
            clock: self.clock,
            settings,
            plan,
            asker,
            journal,
            record,
            before_s,
        };
        let has_rows = if self.previous.is_some() {
            runner.take_back()?
        } else {
            runner.journal.checkpoint(&runner.record)?;
            false
        };
        // A kill right after the first checkpoint leaves a log that does not even say that the phase began.
        if !has_rows {
            runner.journal.event(&RunEvent::PhaseStarted { phase: Phase::Evaluate, attempt: 1 })?;
        }
        let driven = runner.drive().await;
        let record = runner.conclude(driven.as_ref().err())?;
        driven?;
        let Runner { plan, asker, shown, book, .. } = runner;
        let shown = plan.tasks.iter().zip(shown).zip(&book.tasks);
        let exhibits = shown.map(|((planned, shown), book)| shown.finish(&planned.task.config.task, book)).collect();
        drop(asker);
        let plan = Arc::into_inner(plan).unwrap_or_default();
        Ok(Evaluated { record, plan, exhibits })
    }

    /// The settings, with what came out of them: the number of documents in flight of each task, and what groups add up.
    fn resolved_settings(&self) -> Result<serde_json::Value, EvalError> {
        let mut settings = serde_json::to_value(&self.settings)?;
        let size = |planned: &Planned| {
            let config = &planned.task.config;
            (config.task.clone(), self.settings.batch_size(config).into())
        };
        if let Some(entries) = settings.as_object_mut() {
            entries.insert("groups".to_owned(), serde_json::to_value(&self.plan.groups)?);
            entries.insert(
                "batch_sizes".to_owned(),
                self.plan.tasks.iter().map(size).collect::<serde_json::Map<_, _>>().into(),
            );
        }
        Ok(settings)
    }

    fn first_record(&self) -> Result<Record, EvalError> {
        if let Some(previous) = &self.previous {
            return Ok(previous.clone());
        }
        let fresh = Fresh {
            run_id: self.identity.run_id.clone(),
            kind: "eval".to_owned(),
            label: self.identity.label.clone(),
            settings: self.resolved_settings()?,
            seed: self.settings.seed.unsigned_abs(),
            engine: self.engine.describe(),
            environment: self.identity.environment.clone(),
        };
        let mut record = fresh.record(Phase::Evaluate);
        if let Some(phase) = record.phases.first_mut() {
            phase.notes = figures::notes(&self.plan);
        }
        Ok(record)
    }
}

impl Runner<'_> {
    /// Enters what an earlier part of the run kept; whether that was anything.
    fn take_back(&mut self) -> Result<bool, EvalError> {
        let (plan, settings) = (self.plan.clone(), self.settings.clone());
        let mut taken = Taken {
            plan: &plan,
            settings: &settings,
            book: &mut self.book,
            shown: &mut self.shown,
            pending: HashMap::new(),
            problem: None,
        };
        let mut has_rows = false;
        self.journal.rows(&mut |row| {
            has_rows = true;
            taken.row(row);
        })?;
        taken.problem.map_or(Ok(has_rows), Err)
    }

    /// Keeps documents in flight until all are done, the user gives up, or nothing succeeds any more.
    async fn drive(&mut self) -> Result<(), EvalError> {
        let total = self.plan.documents();
        let sizes: Vec<usize> =
            self.plan.tasks.iter().map(|planned| self.settings.batch_size(&planned.task.config)).collect();
        let window = sizes.iter().max().map_or(WINDOW, |size| size.saturating_mul(WINDOW));
        let mut running = JoinSet::new();
        let (mut next, mut open) = (0, BTreeSet::new());
        self.done = self.book.tasks.iter().map(super::book::TaskBook::asked).sum();
        loop {
            // The next document's task says how many may be in flight, those of the task before it included.
            while let Some((place, doc_id)) = self.plan.job(next)
                && running.len() < sizes[place]
                && open.first().is_none_or(|&first| next < first + window)
                && !self.cancel.is_cancelled()
                && self.gave_up.is_none()
            {
                let job = next;
                next += 1;
                if self.book.tasks[place].is_done(doc_id) {
                    continue;
                }
                open.insert(job);
                running.spawn(one(self.asker.clone(), self.plan.clone(), job, place, doc_id));
            }
            let Some(joined) = running.join_next().await else {
                return Ok(());
            };
            // All that came back, before others take their place: with a fast model they come faster than one by one.
            for joined in std::iter::once(joined).chain(std::iter::from_fn(|| running.try_join_next())) {
                let done = joined.map_err(|error| {
                    let problem = format!("a document's work stopped: {error}");
                    EvalError::Engine(weighbridge_engine::EngineError::Failed { problem })
                })??;
                if let Some(done) = done {
                    open.remove(&done.job);
                    self.keep(done, total)?;
                }
            }
        }
    }

    fn keep(&mut self, done: Done, total: usize) -> Result<(), EvalError> {
        let failed = done.outcome.may_be_asked_again();
        self.failures_in_a_row = if failed { self.failures_in_a_row + 1 } else { 0 };
        if failed && self.failures_in_a_row >= self.settings.give_up_after {
            let problem = done.rows.first().and_then(|row| row.problem.clone()).unwrap_or_default();
            self.gave_up = Some(problem);
        }
        let plan = self.plan.clone();
        let planned = &plan.tasks[done.place];
        let filters: Vec<&str> = planned.task.filters.iter().map(|filter| filter.name.as_str()).collect();
        self.shown[done.place].take(done.labels, &done.sample, &done.rows, &done.scores, done.outcome);
        self.book.tasks[done.place].enter_tokens(Tokens::of(&done.rows));
        for row in done.rows {
            self.journal.sample(Box::new(row))?;
        }
        self.book.tasks[done.place].enter(done.sample.doc_id, done.outcome, &done.scores, &filters);
        self.book.tasks[done.place].enter_latency(done.outcome, done.latency_ms);
        self.done += 1;
        if self.done.is_multiple_of(PROGRESS_EVERY) || self.done >= total as u64 {
            let what = planned.task.config.task.clone();
            let progress = RunEvent::Progress { phase: Phase::Evaluate, what, done: self.done, total: total as u64 };
            self.journal.event(&progress)?;
        }
        let now = self.clock.now();
        if now >= self.next_checkpoint {
            self.energy.look();
            self.fill_record(Status::Running);
            self.journal.checkpoint(&self.record)?;
            let end = self.clock.now();
            self.next_checkpoint = end.after(CHECKPOINT_PAUSE.max(CHECKPOINT_SHARE * (end - now)));
        }
        Ok(())
    }

    /// Completes the record in the way that the run ended.
    fn conclude(&mut self, error: Option<&EvalError>) -> Result<Record, EvalError> {
        let note = match (&self.gave_up, error) {
            (_, Some(error)) => Some(format!("stopped: {error}")),
            (Some(problem), None) => Some(format!(
                "stopped after {} documents without an answer in a row; the last one: {problem}",
                self.failures_in_a_row
            )),
            (None, None) => None,
        };
        let status = match note {
            Some(_) => Status::Failed,
            None if self.cancel.is_cancelled() => Status::Interrupted,
            None => Status::Complete,
        };
        self.fill_record(status);
        self.record.metrics.extend(self.energy.stop(&self.book));
        if let (Some(note), Some(phase)) = (note, self.record.phases.first_mut()) {
            phase.notes.push(note);
        }
        let record = self.record.clone();
        self.journal.checkpoint(&record)?;
        let finished = RunEvent::PhaseFinished {
            result: Box::new(record.phases.first().cloned().ok_or_else(no_phase)?),
            metrics: record.metrics.clone(),
        };
        self.journal.event(&finished)?;
        Ok(record)
    }

    fn fill_record(&mut self, status: Status) {
        let seconds = self.before_s + (self.clock.now() - self.begin).as_secs_f64();
        self.record.updated_at = WallTime::now().to_string();
        self.record.status = status;
        self.record.duration_s = seconds;
        self.record.metrics = figures::metrics(&self.plan, &self.book, seconds, self.settings.prices);
        if self.record.engine.scripted {
            self.record.metrics.iter_mut().for_each(|metric| metric.flags.push(Flag::Scripted));
        }
        if self.record.engine.synthetic_weights {
            self.record.metrics.iter_mut().for_each(|metric| metric.flags.push(Flag::SyntheticWeights));
        }
        if let Some(phase) = self.record.phases.first_mut() {
            phase.status = status;
            phase.duration_s = Some(seconds);
            phase.tally = figures::tally(&self.book);
            phase.key_metric = figures::key_metric(&self.record.metrics);
            phase.notes = figures::notes(&self.plan);
            phase.notes.extend(self.asker.kept.as_ref().and_then(|kept| kept.problem()));
        }
    }
}

fn no_phase() -> EvalError {
    EvalError::Changed { what: "the phases of the record".to_owned() }
}

/// Asks one document and scores what came; `None` when the user gives up.
async fn one(
    asker: Asker,
    plan: Arc<Plan>,
    job: usize,
    place: usize,
    doc_id: usize,
) -> Result<Option<Done>, EvalError> {
    let planned = &plan.tasks[place];
    let sample = planned.task.sample(doc_id)?;
    let mut rows = Vec::new();
    let repeats = if planned.mode == super::plan::Mode::Generate { planned.task.config.repeats } else { 1 };
    for repeat in 0..repeats {
        let Some(asked) = asker.ask(planned, &sample, repeat).await else {
            return Ok(None);
        };
        rows.push(row_of(planned, &sample, &asker.settings, repeat, asked));
    }
    let (scores, outcome) = judge(planned, &sample, &mut rows);
    let latency_ms = latency_of(&rows);
    let labels = labels(planned, &sample, &rows, &scores);
    Ok(Some(Done { job, place, sample, rows, scores, labels, outcome, latency_ms }))
}

fn row_of(planned: &Planned, sample: &Sample, settings: &EvalSettings, repeat: u32, asked: Asked) -> SampleRow {
    let (outcome, problem) = match asked.failure {
        Some((outcome, problem)) => (outcome, Some(problem)),
        None => (SampleOutcome::Answered, None),
    };
    SampleRow {
        cell: Cell::of(Phase::Evaluate).with("task", &planned.task.config.task),
        id: planned.sample_id(sample, settings, repeat),
        doc_id: sample.doc_id as u64,
        document: Some(sample.doc_hash()[..DOCUMENT_DIGITS].to_owned()),
        repeat,
        answers: asked.answers,
        outcome,
        scores: BTreeMap::new(),
        problem,
        latency_ms: Some(asked.latency.as_secs_f64() * 1e3),
        cached: asked.cached,
        input_tokens: asked.input_tokens,
        output_tokens: asked.output_tokens,
    }
}

/// The repeats of a document are asked one after the other. `None` where an answer came from the cache: nobody waited.
pub(super) fn latency_of<'a>(rows: impl IntoIterator<Item = &'a SampleRow>) -> Option<f64> {
    rows.into_iter().map(|row| row.latency_ms.filter(|_| !row.cached)).sum()
}

/// Scores rows and enters what became of the document.
fn judge(planned: &Planned, sample: &Sample, rows: &mut [SampleRow]) -> (Vec<FilterScores>, SampleOutcome) {
    let failed = rows.iter().find(|row| row.answers.is_empty()).map(|row| row.outcome);
    let (scores, outcome) = match (failed, planned.score(sample, rows)) {
        (Some(outcome), _) => (planned.task.missed(sample), outcome),
        (None, Ok(scores)) => {
            let outcome = outcome_of(&scores, rows);
            rows.iter_mut().for_each(|row| row.outcome = outcome);
            (scores, outcome)
        }
        // A filter that needs too many steps on this answer has not understood it.
        (None, Err(problem)) => {
            for row in rows.iter_mut() {
                row.outcome = SampleOutcome::Unparsable;
                row.problem = Some(problem.clone());
            }
            (planned.task.missed(sample), SampleOutcome::Unparsable)
        }
    };
    if let Some(last) = rows.last_mut() {
        last.scores = scores_of(planned, &scores);
    }
    (scores, outcome)
}

/// Scores under the names that a row has for them. What is no number cannot be kept, and does not count as a score.
fn scores_of(planned: &Planned, scores: &[FilterScores]) -> BTreeMap<String, SampleScore> {
    let mut named = BTreeMap::new();
    for (filter, scores) in planned.task.filters.iter().zip(scores) {
        for (metric, score) in &scores.scores {
            let name = if filter.name == NO_FILTER { metric.clone() } else { format!("{metric},{}", filter.name) };
            named.extend(SampleScore::try_from(*score).ok().map(|score| (name, score)));
        }
    }
    named
}

/// Entering the rows of a log.
struct Taken<'a> {
    plan: &'a Plan,
    settings: &'a EvalSettings,
    book: &'a mut Book,
    shown: &'a mut [Shown],
    /// Rows of documents whose other repeats are still to come.
    pending: HashMap<(usize, u64), Vec<SampleRow>>,
    problem: Option<EvalError>,
}

impl Taken<'_> {
    fn row(&mut self, row: SampleRow) {
        if self.problem.is_none()
            && let Err(error) = self.try_row(row)
        {
            self.problem = Some(error);
        }
    }

    fn try_row(&mut self, row: SampleRow) -> Result<(), EvalError> {
        let task = row.cell.get("task").unwrap_or_default();
        let changed = |what: String| EvalError::Changed { what };
        let place = self.plan.tasks.iter().position(|planned| planned.task.config.task == task);
        let place = place.ok_or_else(|| changed(format!("the task `{task}`")))?;
        let planned = &self.plan.tasks[place];
        let repeats = if planned.mode == super::plan::Mode::Generate { planned.task.config.repeats } else { 1 };
        let (doc_id, key) = (usize::try_from(row.doc_id).unwrap_or(usize::MAX), (place, row.doc_id));
        let mut rows = self.pending.remove(&key).filter(|_| row.repeat > 0).unwrap_or_default();
        rows.push(row);
        if rows.len() < repeats as usize {
            self.pending.insert(key, rows);
            return Ok(());
        }
        let sample = planned.task.sample(doc_id)?;
        let is_same = |row: &SampleRow| row.id == planned.sample_id(&sample, self.settings, row.repeat);
        if !rows.iter().all(is_same) {
            return Err(changed(format!("document {doc_id} of the task `{}`", planned.task.config.task)));
        }
        let (scores, outcome) = judge(planned, &sample, &mut rows);
        let filters: Vec<&str> = planned.task.filters.iter().map(|filter| filter.name.as_str()).collect();
        self.book.tasks[place].enter(doc_id, outcome, &scores, &filters);
        self.book.tasks[place].enter_latency(outcome, latency_of(&rows));
        self.book.tasks[place].enter_tokens(Tokens::of(&rows));
        self.shown[place].take(labels(planned, &sample, &rows, &scores), &sample, &rows, &scores, outcome);
        Ok(())
    }
}
