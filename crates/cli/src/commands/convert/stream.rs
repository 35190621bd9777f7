//! Documents that are converted by some processes at once and come out in their order, a few of them ahead of who takes them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use weighbridge_convert::{Converted, Refusal, RefusalKind};
use weighbridge_types::time::Clock;

use super::documents::{Content, Document};
use super::worker::{Bounds, Worker};
use crate::arguments::ConvertingArguments;
use crate::failure::Failure;

/// Documents that one process may be ahead.
const AHEAD: usize = 2;

/// A document that went through its process.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) name: String,
    /// The file; empty where it could not be read.
    pub(crate) bytes: Vec<u8>,
    pub(crate) outcome: Result<Converted, Refusal>,
    pub(crate) read_in: Duration,
    pub(crate) converted_in: Duration,
}

/// Each document in its order.
pub(crate) struct Converting {
    lanes: Vec<Receiver<Finished>>,
    next: usize,
    total: usize,
}

impl Converting {
    /// Starts converting; it stops when this is dropped.
    pub(crate) fn start(documents: Vec<Document>, how: &ConvertingArguments, clock: Clock) -> Result<Self, Failure> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = how.converters.unwrap_or(cores).clamp(1, 64).min(documents.len().max(1));
        let bounds = Bounds { time: how.file_time, memory: how.file_memory, size: how.file_size };
        let total = documents.len();
        let documents = Arc::new(documents);
        let mut lanes = Vec::with_capacity(count);
        for lane in 0..count {
            let mut worker = Worker::new(bounds)?;
            let (sender, receiver) = sync_channel(AHEAD);
            let documents = Arc::clone(&documents);
            thread::spawn(move || {
                for document in documents.iter().skip(lane).step_by(count) {
                    // Nobody takes them any more.
                    if sender.send(finish(document, &mut worker, clock)).is_err() {
                        return;
                    }
                }
            });
            lanes.push(receiver);
        }
        Ok(Self { lanes, next: 0, total })
    }
}

impl Iterator for Converting {
    type Item = Finished;

    fn next(&mut self) -> Option<Finished> {
        let lane = self.next % self.lanes.len();
        let finished = self.lanes[lane].recv().ok()?;
        self.next += 1;
        Some(finished)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.total - self.next;
        (left, Some(left))
    }
}

fn finish(document: &Document, worker: &mut Worker, clock: Clock) -> Finished {
    let start = clock.now();
    let read = read(document, worker.size_limit());
    let between = clock.now();
    let (bytes, outcome) = match read {
        Ok(bytes) => {
            let outcome = worker.convert(&document.name, &bytes);
            (bytes, outcome)
        }
        Err(refusal) => (Vec::new(), Err(refusal)),
    };
    let converted_in = clock.now() - between;
    Finished { name: document.name.clone(), bytes, outcome, read_in: between - start, converted_in }
}

fn read(document: &Document, size_limit: u64) -> Result<Vec<u8>, Refusal> {
    let path: &PathBuf = match &document.content {
        Content::File(path) => path,
        Content::None(refusal) => return Err(refusal.clone()),
    };
    let unreadable = |error: std::io::Error| Refusal::new(RefusalKind::Damaged, format!("read it: {error}"));
    let size = fs::metadata(path).map_err(unreadable)?.len();
    if size > size_limit {
        return Err(Refusal::new(RefusalKind::TooLarge, format!("{size} bytes, at most {size_limit} (--file-size)")));
    }
    fs::read(path).map_err(unreadable)
}
