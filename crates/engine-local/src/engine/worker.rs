//! The thread that computes for one model.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

use weighbridge_engine::EngineError;
use weighbridge_engine::answer::Progress;
use weighbridge_engine::stage::Stage;
use weighbridge_types::time::{Clock, Stamp};

use super::pace::Pace;
use super::request::{Job, Preparation, Sequence};
use super::score::ScoreJob;
use crate::graph::{Model, PrefixCache, Scratch, Span};
use crate::kernels::Compute;

/// Generations that run at once; more wait in the queue.
const SEQUENCES_AT_ONCE: usize = 256;

/// Steps without want of memory after which one more generation may run.
const STEPS_TO_RECOVER: u32 = 32;

/// How long a generation that is alone waits for memory that others hold.
const PATIENCE: Duration = Duration::from_secs(1);

/// Time between two looks at memory that is wanting.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Work for the thread.
#[derive(Debug)]
pub(super) enum Command {
    Generate(Box<Job>),
    Score(ScoreJob),
}

/// What the engine and its worker both see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Bytes of the buffers between layers.
    pub(super) scratch: AtomicU64,
    /// Whether the engine is gone.
    pub(super) stop: AtomicBool,
}

/// The worker's own.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) model: Model,
    pub(super) compute: Compute,
    pub(super) scratch: Scratch,
    pub(super) preparation: Preparation,
    pub(super) prefixes: PrefixCache,
    pub(super) pace: Pace,
    pub(super) clock: Clock,
    pub(super) shared: Arc<Shared>,
    pub(super) commands: Receiver<Command>,
    /// Requests for which there is no place yet, in the order of [`Worker::sequences`].
    pub(super) waiting: VecDeque<Job>,
    /// Those of the lowest priority number first, and among them the oldest.
    pub(super) sequences: Vec<Sequence>,
    /// How many of them may run: halved when memory was wanting.
    pub(super) at_once: usize,
    /// Steps since memory was wanting or one more was let in.
    pub(super) calm_steps: u32,
    /// Since when the oldest has found no memory.
    pub(super) starved_since: Option<Stamp>,
}

impl Worker {
    /// Works until the engine is gone.
    pub(super) fn run(mut self) {
        self.at_once = SEQUENCES_AT_ONCE;
        while self.take_commands() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.step())) {
                self.fail_all(&describe(&*panic));
            }
            self.prefixes.settle();
            self.shared.scratch.store(self.scratch.bytes(), Ordering::Relaxed);
        }
        self.fail_all("the engine was stopped");
    }

    /// Takes what came, and waits when there is nothing to do. Returns whether to go on.
    fn take_commands(&mut self) -> bool {
        if self.sequences.is_empty() && self.waiting.is_empty() {
            match self.commands.recv() {
                Ok(command) => self.take(command),
                Err(_) => return false,
            }
        }
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.take(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        self.waiting.retain(|job| !job.events.is_closed() && !job.events.is_late());
        while self.sequences.len() < SEQUENCES_AT_ONCE
            && let Some(job) = self.waiting.pop_front()
        {
            self.begin(job);
        }
        !self.shared.stop.load(Ordering::Relaxed)
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Generate(job) => {
                let priority = job.request.priority;
                let place = self.waiting.partition_point(|waiting| waiting.request.priority <= priority);
                self.waiting.insert(place, *job);
            }
            Command::Score(job) => {
                let scored = guarded(|| self.score(&job.request));
                // Nobody may be waiting any more.
                drop(job.answer.send(scored));
            }
        }
    }

    fn begin(&mut self, job: Job) {
        let events = job.events.clone();
        match guarded(|| self.preparation.begin(job)) {
            Ok(sequence) => {
                let place = self.sequences.partition_point(|running| running.priority <= sequence.priority);
                self.sequences.insert(place, sequence);
            }
            Err(error) => events.refuse(&error),
        }
    }

    /// One pass over the weights: the next token of every generation whose prompt is read, and pieces of prompts.
    fn step(&mut self) {
        self.end(|sequence| sequence.answer.events().is_closed() || sequence.answer.events().is_late());
        let plan = self.plan();
        let rows: usize = plan.iter().sum();
        if rows == 0 {
            return;
        }
        let start = self.clock.now();
        let (mut spans, mut ends, mut end) = (Vec::new(), Vec::new(), 0);
        let planned = self.sequences.iter_mut().zip(&plan).filter(|(_, tokens)| **tokens > 0);
        for (sequence, &tokens) in planned {
            end += tokens;
            if tokens == sequence.pending() {
                ends.push(end - 1);
            }
            let (slot, tokens) = sequence.next_piece(tokens);
            spans.push(Span { slot, tokens });
        }
        let decoded = spans.iter().filter(|span| span.tokens.len() == 1).count();
        let stage = match (decoded, spans.len() - decoded) {
            (0, _) => Stage::Prefill,
            (_, 0) => Stage::Decode,
            _ => Stage::PrefillAndDecode,
        };
        let stage = stage.enter();
        self.model.forward(&mut self.compute, &mut self.scratch, &mut spans);
        let logits = self.model.logits(&mut self.compute, &mut self.scratch, &ends);
        drop(stage);
        self.pace.note(decoded, rows - decoded, self.clock.now() - start);
        let mut logits = logits.chunks_exact_mut(self.preparation.config.vocab);
        let mut ended = Vec::new();
        for (number, sequence) in self.sequences.iter_mut().enumerate() {
            // A generation that was left out of this pass, or whose prompt goes on, has no row of logits.
            if plan.get(number).is_none_or(|&tokens| tokens == 0) || sequence.pending() > 0 {
                continue;
            }
            if sequence.is_reading() {
                let (tokens, slot) = sequence.cached();
                self.prefixes.keep(tokens, slot);
            }
            let Some(logits) = logits.next() else { break };
            if sequence.answer.accept(logits, &*self.preparation.reader.tokenizer) == Progress::Ended {
                ended.push(number);
            }
        }
        let mut number = 0;
        self.end(|_| {
            number += 1;
            ended.contains(&(number - 1))
        });
    }

    /// Ends generations at once: their blocks are free, or kept for prompts that begin alike.
    fn end(&mut self, mut is_over: impl FnMut(&Sequence) -> bool) {
        let prefixes = &mut self.prefixes;
        self.sequences.retain_mut(|sequence| {
            let is_over = is_over(sequence);
            if is_over {
                sequence.give_up(prefixes);
            }
            !is_over
        });
    }

    /// How many tokens of each generation, oldest first, the next pass computes; room for them is made.
    fn plan(&mut self) -> Vec<usize> {
        let running = self.at_once.min(self.sequences.len());
        for sequence in self.sequences[..running].iter_mut().filter(|sequence| sequence.slot.is_empty()) {
            sequence.find_beginning(&mut self.prefixes);
        }
        let mut pending: Vec<usize> = self.sequences[..running].iter().map(Sequence::pending).collect();
        // Prompts of less urgent requests wait until the more urgent ones are read.
        let reads = |(_, pending): &(&Sequence, &usize)| **pending > 1;
        if let Some((urgent, _)) = self.sequences.iter().zip(&pending).find(reads) {
            let urgent = urgent.priority;
            let later = self.sequences.iter().zip(&mut pending).filter(|(sequence, _)| sequence.priority > urgent);
            later.filter(|(_, pending)| **pending > 1).for_each(|(_, pending)| *pending = 0);
        }
        let mut plan = self.pace.plan(&pending);
        let mut number = 0;
        while number < plan.len() {
            if self.make_room(number, plan[number]) {
                self.starved_since = None;
                number += 1;
                continue;
            }
            // The youngest that holds memory gives it back and is read again later.
            let holds = |&younger: &usize| self.sequences[younger].slot.holds_memory();
            match (number + 1..self.sequences.len()).rev().find(holds) {
                Some(youngest) => {
                    self.sequences[youngest].give_up(&mut self.prefixes);
                    plan.truncate(youngest);
                }
                None => plan.truncate(number),
            }
            if plan.is_empty() {
                self.wait_for_memory();
                return plan;
            }
            self.at_once = (plan.len() / 2).max(number + 1);
            self.calm_steps = 0;
        }
        self.calm_steps += 1;
        if self.calm_steps >= STEPS_TO_RECOVER {
            self.at_once = (self.at_once + 1).min(SEQUENCES_AT_ONCE);
            self.calm_steps = 0;
        }
        plan
    }

    /// Takes memory for more tokens of a generation; whether there is any.
    fn make_room(&mut self, number: usize, tokens: usize) -> bool {
        let blocks = self.sequences[number].slot.blocks_for(tokens) as u64;
        if blocks == 0 {
            return true;
        }
        let bytes = blocks * self.preparation.block_bytes();
        if self.preparation.kv_limit.is_some_and(|limit| !self.prefixes.make_room(bytes, limit)) {
            return false;
        }
        if !self.is_free(bytes) {
            // What is kept for later goes first.
            self.prefixes.make_room(bytes, self.preparation.kv.allocated());
            if !self.is_free(bytes) {
                return false;
            }
        }
        self.sequences[number].slot.reserve(tokens).is_ok()
    }

    fn is_free(&self, bytes: u64) -> bool {
        let free = self.preparation.memory.as_ref().and_then(|memory| memory.free());
        free.is_none_or(|free| bytes <= free)
    }

    /// Nobody else holds memory and there is none for the oldest: others may give some back soon. If not, it is ended.
    fn wait_for_memory(&mut self) {
        let now = self.clock.now();
        if now - *self.starved_since.get_or_insert(now) < PATIENCE {
            return std::thread::sleep(LOOK_AGAIN);
        }
        self.starved_since = None;
        let mut oldest = self.sequences.remove(0);
        let needed = self.preparation.block_bytes();
        let problem = format!("find memory for its next token: `{needed}` more bytes for keys and values are not free");
        oldest.answer.events().fail(EngineError::Failed { problem }.to_string());
        oldest.give_up(&mut self.prefixes);
    }

    fn fail_all(&mut self, message: &str) {
        let events = self.sequences.drain(..).map(|sequence| sequence.answer.into_events());
        events.chain(self.waiting.drain(..).map(|job| job.events)).for_each(|events| events.fail(message.to_owned()));
    }
}

/// Turns a panic into an error, so that one bad request does not end the thread.
fn guarded<T>(work: impl FnOnce() -> Result<T, EngineError>) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(EngineError::Failed { problem: describe(&*panic) }))
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a bug in the local engine: {}", text.unwrap_or("no message"))
}
