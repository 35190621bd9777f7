//! The thread that computes: one call of llama.cpp after another, each with the next token of every running generation and
//! pieces of prompts.

use std::any::Any;
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};

use llama_cpp_2::context::LlamaContext;
use llama_cpp_2::context::params::LlamaContextParams;
use llama_cpp_2::llama_batch::LlamaBatch;
use llama_cpp_2::token::LlamaToken;
use weighbridge_engine::EngineError;
use weighbridge_engine::answer::Progress;

use crate::model;
use crate::request::{Job, Preparation, Sequence};
use crate::score::ScoreJob;

/// Tokens of one call at most, llama.cpp's own usual number.
pub(crate) const BATCH: usize = 512;

/// Generations that run at once; more wait in the queue.
const SEQUENCES: i32 = 64;

/// llama.cpp's number of the texts that are scored.
pub(crate) const SCORED: i32 = SEQUENCES;

/// Work for the thread.
#[derive(Debug)]
pub(crate) enum Command {
    Generate(Box<Job>),
    Score(ScoreJob),
}

/// What the thread starts with.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) preparation: Preparation,
    pub(crate) threads: usize,
    /// Places of keys and values.
    pub(crate) cells: u32,
    /// Whether the engine is gone.
    pub(crate) stop: Arc<AtomicBool>,
}

/// The thread's own.
pub(crate) struct Worker<'a> {
    pub(crate) preparation: &'a Preparation,
    pub(crate) context: LlamaContext<'a>,
    pub(crate) batch: LlamaBatch<'a>,
    stop: &'a AtomicBool,
    commands: Receiver<Command>,
    /// Generations for which there is no place yet: those of the lowest priority number first, among them the oldest.
    waiting: VecDeque<Job>,
    /// Texts that wait for places of keys and values.
    scores: VecDeque<ScoreJob>,
    sequences: Vec<Sequence>,
    /// Numbers that no generation has.
    ids: Vec<i32>,
    /// Places of keys and values that no generation has.
    pub(crate) free: usize,
    logits: Vec<f32>,
}

impl Worker<'_> {
    /// Prepares llama.cpp, tells how that went, and works until the engine is gone.
    pub(crate) fn start(plan: Plan, commands: Receiver<Command>, ready: &SyncSender<Result<(), String>>) {
        let threads = i32::try_from(plan.threads).unwrap_or(i32::MAX);
        let batch = u32::try_from(BATCH).unwrap_or(u32::MAX);
        let parameters = LlamaContextParams::default()
            .with_n_ctx(NonZeroU32::new(plan.cells))
            .with_n_batch(batch)
            .with_n_ubatch(batch)
            .with_n_seq_max(SEQUENCES.unsigned_abs() + 1)
            // All generations share the places, so that a long one may have what short ones leave.
            .with_kv_unified(true)
            .with_n_threads(threads)
            .with_n_threads_batch(threads);
        let context = model::backend().map_err(|error| error.to_string()).and_then(|backend| {
            plan.preparation.model.new_context(backend, parameters).map_err(|error| error.to_string())
        });
        let context = match context {
            Ok(context) => context,
            Err(problem) => return drop(ready.send(Err(problem))),
        };
        drop(ready.send(Ok(())));
        let worker = Worker {
            preparation: &plan.preparation,
            context,
            batch: LlamaBatch::new(BATCH, 1),
            stop: &plan.stop,
            commands,
            waiting: VecDeque::new(),
            scores: VecDeque::new(),
            sequences: Vec::new(),
            ids: (0..SEQUENCES).rev().collect(),
            free: plan.cells as usize,
            logits: Vec::new(),
        };
        worker.run();
    }

    fn run(mut self) {
        while self.take_commands() {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.step())) {
                self.fail_running(&describe(&*panic));
            }
        }
        self.fail_running("the engine was stopped");
        self.waiting.drain(..).for_each(|job| job.events.fail("the engine was stopped".to_owned()));
    }

    /// Takes what came, and waits when there is nothing to do. Returns whether to go on.
    fn take_commands(&mut self) -> bool {
        if self.sequences.is_empty() && self.waiting.is_empty() && self.scores.is_empty() {
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
        !self.stop.load(Ordering::Relaxed)
    }

    fn take(&mut self, command: Command) {
        match command {
            Command::Generate(job) => {
                let priority = job.request.priority;
                let place = self.waiting.partition_point(|waiting| waiting.request.priority <= priority);
                self.waiting.insert(place, *job);
            }
            Command::Score(job) => self.scores.push_back(job),
        }
    }

    /// One call of llama.cpp, and what comes before it: texts to be scored, and generations that find a place.
    fn step(&mut self) {
        self.end(Sequence::is_over);
        self.waiting.retain(|job| !job.events.is_closed() && !job.events.is_late());
        self.score_waiting();
        self.begin_waiting();
        let ends = self.fill_batch();
        if self.batch.n_tokens() == 0 {
            return;
        }
        if let Err(error) = self.context.decode(&mut self.batch) {
            return self.fail_running(&format!("compute the next tokens in llama.cpp: {error}"));
        }
        let mut ended = Vec::new();
        for (number, row) in ends {
            self.logits.clear();
            self.logits.extend_from_slice(self.context.get_logits_ith(row));
            let sequence = &mut self.sequences[number];
            if sequence.answer.accept(&mut self.logits, &*self.preparation.tokenizer) == Progress::Ended {
                ended.push(sequence.id);
            }
        }
        self.end(|sequence| ended.contains(&sequence.id));
    }

    /// Scores texts for which there are places of keys and values; the others wait until generations end.
    fn score_waiting(&mut self) {
        while self.free >= self.preparation.context as usize || self.sequences.is_empty() {
            let Some(job) = self.scores.pop_front() else { break };
            let scored = self.score(&job.request);
            // Nobody may be waiting any more.
            drop(job.answer.send(scored));
        }
    }

    /// Begins generations, in their order, while there are places for all of their tokens.
    fn begin_waiting(&mut self) {
        while self.scores.is_empty()
            && let Some(id) = self.ids.pop()
        {
            let Some(Job { request, events }) = self.waiting.pop_front() else { return self.ids.push(id) };
            // Whether it fits is known with its tokens; until then it may be put back.
            let kept = request.clone();
            match self.preparation.begin(request, events.clone(), id) {
                Ok(sequence) if sequence.cells <= self.free => {
                    self.free -= sequence.cells;
                    let place = self.sequences.partition_point(|running| running.priority <= sequence.priority);
                    self.sequences.insert(place, sequence);
                }
                Ok(_) => {
                    self.ids.push(id);
                    self.waiting.push_front(Job { request: kept, events });
                    return;
                }
                Err(error) => {
                    self.ids.push(id);
                    events.fail(error.to_string());
                }
            }
        }
    }

    /// Puts one token of every generation that goes on into the batch, then pieces of prompts as far as there is room.
    /// Returns the generations that get a next token, with their rows.
    fn fill_batch(&mut self) -> Vec<(usize, i32)> {
        self.batch.clear();
        let mut ends = Vec::new();
        for decodes in [true, false] {
            for (number, sequence) in self.sequences.iter_mut().enumerate() {
                let room = BATCH - usize::try_from(self.batch.n_tokens()).unwrap_or(BATCH);
                let pending = sequence.pending();
                let count = pending.min(room);
                if (pending == 1) != decodes || count == 0 {
                    continue;
                }
                let piece = &sequence.answer.tokens()[sequence.read..sequence.read + count];
                if add(&mut self.batch, piece, sequence.read, sequence.id, |place| {
                    count == pending && place + 1 == count
                }) {
                    sequence.read += count;
                    if count == pending {
                        ends.push((number, self.batch.n_tokens() - 1));
                    }
                }
            }
        }
        ends
    }

    /// Ends generations: their places are free at once.
    fn end(&mut self, mut is_over: impl FnMut(&Sequence) -> bool) {
        let (context, ids, free) = (&mut self.context, &mut self.ids, &mut self.free);
        self.sequences.retain(|sequence| {
            let is_over = is_over(sequence);
            if is_over {
                // Removing a whole sequence cannot fail.
                drop(context.kv_cache_seq_rm(sequence.id, None, None));
                ids.push(sequence.id);
                *free += sequence.cells;
            }
            !is_over
        });
    }

    fn fail_running(&mut self, message: &str) {
        self.sequences.iter().for_each(|sequence| sequence.answer.events().fail(message.to_owned()));
        self.end(|_| true);
    }
}

/// Adds tokens of a sequence from a position on; `wants` tells of which places the logits are needed. False where there is
/// no room, which callers make sure of.
pub(crate) fn add(
    batch: &mut LlamaBatch<'_>,
    tokens: &[u32],
    position: usize,
    id: i32,
    wants: impl Fn(usize) -> bool,
) -> bool {
    tokens.iter().enumerate().all(|(place, &token)| {
        let (Ok(token), Ok(position)) = (i32::try_from(token), i32::try_from(position + place)) else { return false };
        batch.add(LlamaToken::new(token), position, &[id], wants(place)).is_ok()
    })
}

fn describe(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let problem = format!("a bug in the llama.cpp engine: {}", text.unwrap_or("no message"));
    EngineError::Failed { problem }.to_string()
}
