//! The thread that computes for one model.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

use weighbridge_engine::EngineError;

use super::request::{Job, Preparation, Progress, Sequence};
use super::score::ScoreJob;
use crate::graph::{Model, Scratch, Span};
use crate::kernels::Compute;

/// Prompt tokens that one step reads: enough to keep the cores busy, few enough that others wait for a fraction of a
/// second at most on a model of this size class.
const PROMPT_PIECE: usize = 256;

/// Generations that run at once; more wait in the queue.
const SEQUENCES_AT_ONCE: usize = 256;

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
    pub(super) shared: Arc<Shared>,
    pub(super) commands: Receiver<Command>,
    /// Oldest first.
    pub(super) sequences: Vec<Sequence>,
}

impl Worker {
    /// Works until the engine is gone.
    pub(super) fn run(mut self) {
        while self.take_commands() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.step())) {
                self.fail_all(&describe(&*panic));
            }
            self.shared.scratch.store(self.scratch.bytes(), Ordering::Relaxed);
        }
        self.fail_all("the engine was stopped");
    }

    /// Takes what came, and waits when there is nothing to do. Returns whether to go on.
    fn take_commands(&mut self) -> bool {
        if self.sequences.is_empty() {
            match self.commands.recv() {
                Ok(command) => self.take(command),
                Err(_) => return false,
            }
        }
        while self.sequences.len() < SEQUENCES_AT_ONCE {
            match self.commands.try_recv() {
                Ok(command) => self.take(command),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        !self.shared.stop.load(Ordering::Relaxed)
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Generate(job) => {
                let events = job.events.clone();
                match guarded(|| self.preparation.begin(*job)) {
                    Ok(sequence) => self.sequences.push(sequence),
                    Err(error) => events.fail(error.to_string()),
                }
            }
            Command::Score(job) => {
                let scored = guarded(|| self.score(&job.request));
                // Nobody may be waiting any more.
                drop(job.answer.send(scored));
            }
        }
    }

    /// Reads a piece of a prompt, then gives every sequence whose prompt is read one token.
    fn step(&mut self) {
        self.sequences.retain(|sequence| !sequence.events.is_closed());
        self.read_prompt();
        self.decode();
    }

    fn read_prompt(&mut self) {
        let Some(place) = self.sequences.iter().position(Sequence::is_reading) else { return };
        let sequence = &mut self.sequences[place];
        let (slot, tokens) = sequence.next_piece(PROMPT_PIECE);
        let rows = tokens.len();
        self.model.forward(&mut self.compute, &mut self.scratch, &mut [Span { slot, tokens }]);
        if sequence.is_reading() {
            return;
        }
        let logits = self.model.logits(&mut self.compute, &mut self.scratch, rows - 1..rows);
        if sequence.accept(logits, &*self.preparation.tokenizer) == Progress::Ended {
            self.sequences.remove(place);
        }
    }

    fn decode(&mut self) {
        let mut spans = Vec::new();
        for sequence in self.sequences.iter_mut().filter(|sequence| !sequence.is_reading()) {
            let (slot, tokens) = sequence.next_piece(1);
            spans.push(Span { slot, tokens });
        }
        let rows = spans.len();
        if rows == 0 {
            return;
        }
        self.model.forward(&mut self.compute, &mut self.scratch, &mut spans);
        let logits = self.model.logits(&mut self.compute, &mut self.scratch, 0..rows);
        let mut rows = logits.chunks_exact_mut(self.preparation.config.vocab);
        let tokenizer = &*self.preparation.tokenizer;
        self.sequences.retain_mut(|sequence| {
            // A prompt that is still being read had no row in this pass.
            if sequence.is_reading() {
                return true;
            }
            rows.next().is_none_or(|logits| sequence.accept(logits, tokenizer) == Progress::Running)
        });
    }

    fn fail_all(&mut self, message: &str) {
        for sequence in self.sequences.drain(..) {
            sequence.events.fail(message.to_owned());
        }
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
