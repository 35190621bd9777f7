//! Documents that are converted by some processes at once and come out in their order, a few of them ahead of who takes them.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use weighbridge_convert::{ArchiveLimits, Converted, Format, Refusal, RefusalKind, walk};
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

/// A document on its way to a process.
enum Job {
    File(String, PathBuf),
    /// Of an archive, unpacked.
    Member(String, Vec<u8>),
    Refused(String, Refusal),
}

/// Each document in its order, those of an archive where it stands.
pub(crate) struct Converting {
    lanes: Vec<Receiver<Finished>>,
    next: usize,
    /// How many there are; `None` where archives hold some.
    total: Option<usize>,
}

impl Converting {
    /// Starts converting; it stops when this is dropped.
    pub(crate) fn start(documents: Vec<Document>, how: &ConvertingArguments, clock: Clock) -> Result<Self, Failure> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let count = how.converters.unwrap_or(cores).clamp(1, 64);
        let bounds = Bounds { time: how.file_time, memory: how.file_memory, size: how.file_size };
        let archives = documents.iter().any(|document| is_archive(document, bounds.size.0));
        let total = (!archives).then_some(documents.len());
        let mut lanes = Vec::with_capacity(count);
        let mut feeds = Vec::with_capacity(count);
        for _ in 0..count {
            let mut worker = Worker::new(bounds)?;
            let (feed, jobs) = sync_channel::<Job>(1);
            let (sender, receiver) = sync_channel(AHEAD);
            thread::spawn(move || {
                for job in jobs {
                    // Nobody takes them any more.
                    if sender.send(finish(job, &mut worker, clock)).is_err() {
                        return;
                    }
                }
            });
            lanes.push(receiver);
            feeds.push(feed);
        }
        thread::spawn(move || Feeder { feeds, next: 0, size_limit: bounds.size.0 }.all(documents));
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
        let left = self.total.map(|total| total - self.next);
        (left.unwrap_or(0), left)
    }
}

/// Deals documents to the processes in turn, so that their order is known.
struct Feeder {
    feeds: Vec<SyncSender<Job>>,
    next: usize,
    size_limit: u64,
}

impl Feeder {
    fn all(mut self, documents: Vec<Document>) {
        for document in documents {
            let open = match document.content {
                Content::File(ref path) if is_archive(&document, self.size_limit) => self.archive(&document.name, path),
                Content::File(path) => self.deal(Job::File(document.name, path)),
                Content::None(refusal) => self.deal(Job::Refused(document.name, refusal)),
            };
            if !open {
                return;
            }
        }
    }

    /// Whether somebody still takes them.
    fn deal(&mut self, job: Job) -> bool {
        let lane = self.next % self.feeds.len();
        self.next += 1;
        self.feeds[lane].send(job).is_ok()
    }

    /// The members of an archive, one after the other: what is unpacked is what waits for a process.
    fn archive(&mut self, name: &str, path: &Path) -> bool {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) => return self.deal(Job::Refused(name.to_owned(), unreadable(&error))),
        };
        let mut open = true;
        let limits = ArchiveLimits { entry_bytes: self.size_limit, ..ArchiveLimits::default() };
        let walked = walk(&mut file, &limits, &mut |member, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes)?;
            open = open && self.deal(Job::Member(format!("{name}/{member}"), bytes));
            if open { Ok(()) } else { Err(std::io::Error::other("nobody takes it")) }
        });
        match walked {
            Err(refusal) => self.deal(Job::Refused(name.to_owned(), refusal)),
            Ok(walk) => {
                open && walk
                    .refused
                    .into_iter()
                    .all(|(member, refusal)| self.deal(Job::Refused(format!("{name}/{member}"), refusal)))
            }
        }
    }
}

/// A ZIP file that is no document itself; one too large to be a document is taken for one.
pub(super) fn is_archive(document: &Document, size_limit: u64) -> bool {
    let Content::File(path) = &document.content else { return false };
    let mut magic = [0; 4];
    let begins = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    if begins.is_err() || !magic.starts_with(b"PK") {
        return false;
    }
    let size = fs::metadata(path).map_or(0, |file| file.len());
    size > size_limit || fs::read(path).is_ok_and(|bytes| Format::sniff(&bytes, &document.name) == Ok(Format::Zip))
}

fn finish(job: Job, worker: &mut Worker, clock: Clock) -> Finished {
    let start = clock.now();
    let (name, read) = match job {
        Job::File(name, path) => (name, read(&path, worker.size_limit())),
        Job::Member(name, bytes) => (name, Ok(bytes)),
        Job::Refused(name, refusal) => (name, Err(refusal)),
    };
    let between = clock.now();
    let (bytes, outcome) = match read {
        Ok(bytes) => {
            let outcome = worker.convert(&name, &bytes);
            (bytes, outcome)
        }
        Err(refusal) => (Vec::new(), Err(refusal)),
    };
    let converted_in = clock.now() - between;
    Finished { name, bytes, outcome, read_in: between - start, converted_in }
}

fn read(path: &Path, size_limit: u64) -> Result<Vec<u8>, Refusal> {
    let size = fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if size > size_limit {
        return Err(Refusal::new(RefusalKind::TooLarge, format!("{size} bytes, at most {size_limit} (--file-size)")));
    }
    fs::read(path).map_err(|error| unreadable(&error))
}

fn unreadable(error: &std::io::Error) -> Refusal {
    Refusal::new(RefusalKind::Damaged, format!("read it: {error}"))
}
