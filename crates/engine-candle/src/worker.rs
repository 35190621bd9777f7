//! The thread that computes for one model.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

use candle_core::{DType, Device, Tensor};
use weighbridge_engine::answer::{Answer, Events, Progress};
use weighbridge_engine::device::{DeviceKind, LANES, Lanes, MemoryGuard};
use weighbridge_engine::prompt::PromptReader;
use weighbridge_engine::{EngineError, GenerateRequest};

use crate::devices::CandleDevices;
use crate::model::{Model, panic_text};

/// Tokens of a prompt that are read in one round: attention takes memory for each pair of a token here and one before it, and
/// the streams of other lanes wait meanwhile.
const PROMPT_PIECE: usize = 512;

/// A generation as it was asked for.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) request: GenerateRequest,
    pub(crate) events: Events,
}

/// The worker's own.
#[derive(Debug)]
pub(crate) struct Worker {
    /// A copy that has read nothing; `None` where the lanes' own are cleared.
    pub(crate) pristine: Option<Model>,
    pub(crate) lanes: Lanes<Lane>,
    pub(crate) prompts: PromptReader,
    pub(crate) kind: DeviceKind,
    pub(crate) device: Device,
    pub(crate) devices: Arc<CandleDevices>,
    pub(crate) guard: MemoryGuard,
    /// Bytes of keys and values per token.
    pub(crate) kv_bytes: u64,
    /// Whether the engine is gone.
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) jobs: Receiver<Box<Job>>,
    /// Requests for which no lane is free: those of the lowest priority number first, and among them the oldest.
    pub(crate) waiting: VecDeque<Job>,
}

/// A place for one sequence.
#[derive(Debug)]
pub(crate) struct Lane {
    model: Model,
    running: Option<Sequence>,
}

/// A running generation.
#[derive(Debug)]
struct Sequence {
    answer: Answer,
    /// Tokens that the model has read.
    read: usize,
}

/// What a lane's part of a round came to.
enum Computed {
    /// More of the prompt is to be read.
    Part,
    /// Logits of the next token.
    Logits(Tensor),
    Failed(String),
}

impl Lane {
    /// One lane, or [`LANES`] of them where models can share their weights.
    pub(crate) fn several(model: Model, pristine: Option<&Model>, device: &Device) -> Vec<Self> {
        let others = (1..LANES).filter_map(|_| pristine.and_then(|pristine| pristine.share(device)));
        std::iter::once(model).chain(others).map(|model| Self { model, running: None }).collect()
    }

    /// Begins the next token, or the next piece of the prompt.
    fn begin(&mut self, device: &Device) -> Option<Computed> {
        let Self { model, running } = self;
        let sequence = running.as_mut()?;
        let tokens = sequence.answer.tokens();
        let end = tokens.len().min(sequence.read + PROMPT_PIECE);
        let piece = &tokens[sequence.read..end];
        let forward = catch_unwind(AssertUnwindSafe(|| model.forward(piece, sequence.read, device)));
        let is_last = end == tokens.len();
        sequence.read = end;
        Some(match forward {
            Ok(Ok(logits)) if is_last => Computed::Logits(logits),
            Ok(Ok(_)) => Computed::Part,
            Ok(Err(error)) => Computed::Failed(error.to_string()),
            Err(panic) => Computed::Failed(panic_text(&*panic)),
        })
    }

    /// Takes what came of it. Returns whether the generation goes on.
    fn take(&mut self, computed: Computed, prompts: &PromptReader) -> Progress {
        let Some(sequence) = &mut self.running else { return Progress::Ended };
        let fail = |sequence: &Sequence, problem: String| {
            sequence.answer.events().fail(problem);
            Progress::Ended
        };
        match computed {
            Computed::Part => Progress::Running,
            Computed::Logits(logits) => match values(&logits) {
                Ok(mut logits) => sequence.answer.accept(&mut logits, &*prompts.tokenizer),
                Err(error) => fail(sequence, error.to_string()),
            },
            Computed::Failed(problem) => fail(sequence, problem),
        }
    }

    /// Ends its generation, if it has one.
    fn end(&mut self, pristine: Option<&Model>, device: &Device) -> Option<Events> {
        let sequence = self.running.take()?;
        match pristine.and_then(|pristine| pristine.share(device)) {
            Some(fresh) => self.model = fresh,
            None => self.model.clear(),
        }
        Some(sequence.answer.into_events())
    }
}

/// Logits in this process's memory, one for each token of the vocabulary.
fn values(logits: &Tensor) -> candle_core::Result<Vec<f32>> {
    logits.squeeze(0)?.to_dtype(DType::F32)?.to_vec1()
}

impl Worker {
    /// Works until the engine is gone.
    pub(crate) fn run(mut self) {
        while self.take_jobs() {
            if let Err(problem) = self.round() {
                self.fail_all(&problem);
            }
        }
        self.fail_all("the engine was stopped");
    }

    /// Takes what came, and waits when there is nothing to do. Returns whether to go on.
    fn take_jobs(&mut self) -> bool {
        if self.waiting.is_empty() && self.lanes.iter().all(|lane| lane.running.is_none()) {
            match self.jobs.recv() {
                Ok(job) => self.queue(*job),
                Err(_) => return false,
            }
        }
        loop {
            match self.jobs.try_recv() {
                Ok(job) => self.queue(*job),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        self.waiting.retain(|job| !job.events.is_closed() && !job.events.is_late());
        while !self.waiting.is_empty() && self.lanes.iter().any(|lane| lane.running.is_none()) {
            if let Some(job) = self.waiting.pop_front() {
                self.begin(job);
            }
        }
        !self.stop.load(Ordering::Relaxed)
    }

    fn queue(&mut self, job: Job) {
        let priority = job.request.priority;
        let place = self.waiting.partition_point(|waiting| waiting.request.priority <= priority);
        self.waiting.insert(place, job);
    }

    fn begin(&mut self, job: Job) {
        let events = job.events.clone();
        match self.prepare(job) {
            Ok(sequence) => {
                if let Some(lane) = self.lanes.take_turn(|lane| lane.running.is_none()) {
                    lane.running = Some(sequence);
                }
            }
            Err(error) => events.fail(error.to_string()),
        }
    }

    /// Checks a request.
    fn prepare(&self, job: Job) -> Result<Sequence, EngineError> {
        let Job { request, events } = job;
        request.check()?;
        request.check_toolless("candle")?;
        let tokens = self.prompts.tokens(&request.prompt, None)?;
        let max_tokens = usize::try_from(request.max_tokens).unwrap_or(usize::MAX);
        let length = tokens.len().saturating_add(max_tokens);
        self.prompts.check_fits(length)?;
        let bytes = self.kv_bytes.saturating_mul(length as u64);
        let admitted = self.guard.admit(self.kind, bytes, &*self.devices);
        admitted.map_err(|error| EngineError::Failed { problem: error.to_string() })?;
        Ok(Sequence { answer: Answer::new(request, tokens, events), read: 0 })
    }

    /// One token of every generation whose prompt is read, and a piece of the prompts of the others.
    fn round(&mut self) -> Result<(), String> {
        let Self { lanes, device, prompts, pristine, .. } = self;
        for lane in lanes.iter_mut() {
            let is_over = |sequence: &Sequence| {
                let events = sequence.answer.events();
                events.is_closed() || events.is_late()
            };
            if lane.running.as_ref().is_some_and(is_over) {
                drop(lane.end(pristine.as_ref(), device));
            }
        }
        let compute = || {
            lanes.round(
                |lane| lane.begin(device),
                || device.synchronize().map_err(|error| error.to_string()),
                |lane, computed| {
                    if lane.take(computed, prompts) == Progress::Ended {
                        drop(lane.end(pristine.as_ref(), device));
                    }
                },
            )
        };
        // Candle keeps threads that are awake between the operations of a pass.
        device.with_context(compute)
    }

    fn fail_all(&mut self, message: &str) {
        let Self { lanes, device, pristine, waiting, .. } = self;
        let running = lanes.iter_mut().filter_map(|lane| lane.end(pristine.as_ref(), device));
        let events: Vec<Events> = running.chain(waiting.drain(..).map(|job| job.events)).collect();
        events.into_iter().for_each(|events| events.fail(message.to_owned()));
    }
}
