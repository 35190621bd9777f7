//! The thread that computes for one model.

use tokio::sync::{mpsc, oneshot};
use weighbridge_engine::{AdaptiveBatch, BatchLimits, EngineError};
use weighbridge_types::time::Clock;

use crate::error::OnnxError;

/// Texts that are computed together at most; fewer where that is faster. The batch fills while the one before runs; nothing waits for it to fill.
pub(crate) const BATCH: usize = 64;

/// Requests that wait at most; further ones wait for a place.
pub(crate) const QUEUE_LIMIT: usize = 256;

/// Texts of one request, made ready by whoever asks.
#[derive(Debug)]
struct Job<Text, Answer> {
    texts: Vec<Text>,
    answer: oneshot::Sender<Result<Vec<Answer>, EngineError>>,
}

/// Where texts are handed in. Dropping it ends the thread after the batch that runs.
#[derive(Debug)]
pub(crate) struct Desk<Text, Answer> {
    jobs: mpsc::Sender<Job<Text, Answer>>,
}

impl<Text: Send + 'static, Answer: Send + 'static> Desk<Text, Answer> {
    /// Starts the thread. `compute` gives one answer for each text.
    pub(crate) fn start(
        name: &str,
        compute: impl Fn(Vec<Text>) -> Result<Vec<Answer>, OnnxError> + Send + 'static,
    ) -> Result<Self, OnnxError> {
        let (jobs, queue) = mpsc::channel(QUEUE_LIMIT);
        spawn(name, move || work(&compute, queue))?;
        Ok(Self { jobs })
    }

    /// Waits for the answers to at most [`BATCH`] texts.
    pub(crate) async fn ask(&self, texts: Vec<Text>) -> Result<Vec<Answer>, EngineError> {
        let ended = || EngineError::Failed { problem: "reach the model: its thread has ended".to_owned() };
        let (answer, answers) = oneshot::channel();
        self.jobs.send(Job { texts, answer }).await.map_err(|_| ended())?;
        answers.await.map_err(|_| ended())?
    }
}

/// Starts the thread of a model of this name.
pub(crate) fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), OnnxError> {
    let thread = std::thread::Builder::new().name("onnx".to_owned());
    let failed =
        |error| OnnxError::Run { name: name.to_owned(), problem: format!("no thread could be started: {error}") };
    thread.spawn(work).map(drop).map_err(failed)
}

/// Works until the engine is gone.
fn work<Text, Answer>(
    compute: &impl Fn(Vec<Text>) -> Result<Vec<Answer>, OnnxError>,
    mut jobs: mpsc::Receiver<Job<Text, Answer>>,
) {
    let limits = BatchLimits { most: BATCH, unknown: BATCH, ..BatchLimits::default() };
    let (mut sizes, clock) = (AdaptiveBatch::new(limits), Clock::start());
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        let mut count = batch[0].texts.len();
        let most = sizes.size(BATCH, None);
        while count < most
            && let Ok(job) = jobs.try_recv()
        {
            count += job.texts.len();
            batch.push(job);
        }
        let start = clock.now();
        serve(compute, batch, count);
        sizes.note(count, clock.now() - start);
    }
}

/// Computes what lies together and hands each request its part. Who has gone meanwhile gets none.
fn serve<Text, Answer>(
    compute: &impl Fn(Vec<Text>) -> Result<Vec<Answer>, OnnxError>,
    batch: Vec<Job<Text, Answer>>,
    count: usize,
) {
    let mut texts = Vec::with_capacity(count);
    let mut waiting = Vec::with_capacity(batch.len());
    for job in batch {
        waiting.push((job.texts.len(), job.answer));
        texts.extend(job.texts);
    }
    let result = compute(texts).map_err(|error| EngineError::Failed { problem: error.to_string() });
    let mut answers = result.map(Vec::into_iter);
    for (count, answer) in waiting {
        let part = match &mut answers {
            Ok(rest) => Ok(rest.take(count).collect()),
            Err(error) => Err(error.clone()),
        };
        drop(answer.send(part));
    }
}
