//! The thread that computes for one classifier.

use tokio::sync::{mpsc, oneshot};
use weighbridge_engine::{Classified, EngineError};

use crate::classifier::Classifier;

/// Texts that are computed together at most. The batch fills while the one before runs; nothing waits for it to fill.
pub(crate) const BATCH: usize = 64;

/// Requests that wait at most; further ones wait for a place.
pub(crate) const QUEUE_LIMIT: usize = 256;

/// Texts of one request, as rows.
#[derive(Debug)]
pub(crate) struct Job {
    /// `[texts, buckets]` row-major.
    pub(crate) rows: Vec<f32>,
    pub(crate) count: usize,
    pub(crate) answer: oneshot::Sender<Result<Vec<Classified>, EngineError>>,
}

/// Works until the engine is gone.
pub(crate) fn work(classifier: &Classifier, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        let mut count = batch[0].count;
        while count < BATCH
            && let Ok(job) = jobs.try_recv()
        {
            count += job.count;
            batch.push(job);
        }
        compute(classifier, batch);
    }
}

/// Computes what lies together and hands each request its part. Who has gone meanwhile gets none.
fn compute(classifier: &Classifier, batch: Vec<Job>) {
    let mut rows = Vec::with_capacity(batch.iter().map(|job| job.rows.len()).sum());
    let mut waiting = Vec::with_capacity(batch.len());
    for job in batch {
        rows.extend(job.rows);
        waiting.push((job.count, job.answer));
    }
    let result = classifier.run(rows).map_err(|error| EngineError::Failed { problem: error.to_string() });
    let mut classified = result.map(Vec::into_iter);
    for (count, answer) in waiting {
        let part = match &mut classified {
            Ok(rest) => Ok(rest.take(count).collect()),
            Err(error) => Err(error.clone()),
        };
        drop(answer.send(part));
    }
}
