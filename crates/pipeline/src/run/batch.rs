//! Documents that are worked on together: prepared one after the other, their chunks worked on by several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use weighbridge_types::time::Clock;

use super::draft::{Draft, Ground, drafts};
use super::model::{Model, ModelFailure};
use super::times::{Stage, StageTimes};
use super::work::{ChunkResult, by_patterns, work_chunk};
use crate::preprocess::Prepared;
use crate::settings::{Fallback, Settings};

/// A chunk that is to be worked on.
pub(super) struct Job {
    /// Number of the document in the run.
    pub document: usize,
    /// Place of the document in the batch.
    pub place: usize,
    pub chunk: usize,
    pub text: String,
    pub headings: Vec<String>,
    pub key: String,
    /// The result, where the journal had it.
    pub known: Option<ChunkResult>,
}

/// What came of a job.
pub(super) struct Done {
    pub job: usize,
    pub outcome: Result<ChunkResult, ModelFailure>,
    pub drafts: Vec<Draft>,
    /// Whether it was paid for now, and belongs into the journal.
    pub is_new: bool,
    /// A call that failed though the chunk was worked on.
    pub failure: Option<ModelFailure>,
    pub times: StageTimes,
}

/// What workers share.
pub(super) struct Workers<'a> {
    pub settings: &'a Settings,
    pub model: Option<&'a dyn Model>,
    pub clock: Clock,
    pub concurrency: usize,
    pub stop: &'a AtomicBool,
}

impl Workers<'_> {
    /// Works on all jobs, and hands each result over as it comes. Ends early when it is told to stop, or when `take`
    /// fails; results that were paid for by then are handed over as long as `take` does not fail.
    pub(super) fn work<E>(
        &self,
        jobs: &[Job],
        prepared: &[Option<Prepared>],
        mut take: impl FnMut(Done) -> Result<(), E>,
    ) -> Result<(), E> {
        let next = AtomicUsize::new(0);
        let gave_up = AtomicBool::new(false);
        let failed: Mutex<Option<E>> = Mutex::new(None);
        let count = self.concurrency.clamp(1, jobs.len().max(1));
        let (sender, receiver) = sync_channel::<Done>(count);
        std::thread::scope(|scope| {
            for _ in 0..count {
                let (sender, next, gave_up) = (sender.clone(), &next, &gave_up);
                scope.spawn(move || {
                    while !gave_up.load(Ordering::Relaxed) && !self.stop.load(Ordering::Relaxed) {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(at) else { return };
                        let Some(prepared) = prepared.get(job.place).and_then(Option::as_ref) else { continue };
                        if sender.send(self.job(at, job, prepared)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            for done in receiver {
                if gave_up.load(Ordering::Relaxed) {
                    continue;
                }
                if let Err(error) = take(done) {
                    gave_up.store(true, Ordering::Relaxed);
                    if let Ok(mut failed) = failed.lock() {
                        *failed = Some(error);
                    }
                }
            }
        });
        match failed.into_inner() {
            Ok(Some(error)) => Err(error),
            _ => Ok(()),
        }
    }

    fn job(&self, at: usize, job: &Job, prepared: &Prepared) -> Done {
        let mut times = StageTimes::default();
        let mut failure = None;
        let mut is_new = job.known.is_none();
        let outcome = match &job.known {
            Some(known) => Ok(known.clone()),
            None => work_chunk(&job.text, &job.headings, self.settings, self.model, self.clock, &mut times),
        };
        let outcome = match outcome {
            Err(problem) if self.settings.model.fallback == Fallback::Patterns => {
                // It is not kept: the next run asks again.
                is_new = false;
                failure = Some(problem);
                let mut result = by_patterns(&job.text, &job.headings, self.settings, self.clock, &mut times);
                result.degraded = Some("patterns_after_model_failure".to_owned());
                Ok(result)
            }
            outcome => outcome,
        };
        let begin = self.clock.now();
        let language = prepared.measured.language.code.as_deref();
        let ground = Ground { document: job.document, cleaned: &prepared.cleaned, language, settings: self.settings };
        let made = outcome
            .as_ref()
            .ok()
            .map(|result| drafts(&ground, &prepared.chunks[job.chunk], &job.text, &job.headings, result));
        times.add(Stage::Conversations, "grounding", self.clock.now() - begin);
        Done { job: at, drafts: made.unwrap_or_default(), is_new: is_new && outcome.is_ok(), outcome, failure, times }
    }
}
