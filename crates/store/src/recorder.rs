//! The reader of a run's events that keeps them.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use weighbridge_types::event::{RunEvent, Sink, SinkError};
use weighbridge_types::record::{LogLine, Record};
use weighbridge_types::sample::SampleRow;

use crate::frames::FrameReader;
use crate::record::write_record;
use crate::writer::{Job, Writer, Written};
use crate::{RunFolder, StoreError};

/// Lines that may wait for the writer. A disk that is behind by this many slows the run down, which is counted.
const QUEUE_LINES: usize = 4096;

/// What a recorder did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecorderReport {
    /// Lines written to the event log.
    pub lines: u64,
    /// Bytes written to the event log.
    pub bytes: u64,
    /// Lines that had to wait because the queue was full.
    pub waits: u64,
}

/// Writes the events of a run into its folder: lines to the log as they happen, the record at each checkpoint.
///
/// The lines go through a bounded queue to a thread of their own, so that a slow disk does not hold up the run. When
/// that thread fails, for example on a full disk, the next call and [`close`](Recorder::close) say so.
#[derive(Debug)]
pub struct Recorder {
    folder: RunFolder,
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<io::Result<Written>>>,
    failure: Option<SinkError>,
    written: Written,
    waits: u64,
}

impl Recorder {
    /// Starts to record. The log of a resumed run is cut after its last complete frame and goes on from there.
    ///
    /// # Errors
    /// When the log is damaged before its end, or cannot be written.
    pub fn start(folder: RunFolder) -> Result<Self, StoreError> {
        let path = folder.log_path();
        let end = complete_end(folder.log(), &path)?;
        folder.log().set_len(end).map_err(StoreError::io("cut the torn end of", &path))?;
        let file = folder.log().try_clone().map_err(StoreError::io("open", &path))?;
        Self::with_log(folder, file, end)
    }

    fn with_log(folder: RunFolder, file: File, end: u64) -> Result<Self, StoreError> {
        let path = folder.log_path();
        let writer = Writer::new(file, end).map_err(StoreError::io("write", &path))?;
        let (jobs, queue) = sync_channel(QUEUE_LINES);
        let thread = thread::Builder::new().name("recorder".to_owned()).spawn(move || writer.run(&queue));
        let thread = thread.map_err(StoreError::io("start the thread that writes", &path))?;
        let (written, waits) = (Written::default(), 0);
        Ok(Self { folder, jobs: Some(jobs), thread: Some(thread), failure: None, written, waits })
    }

    /// The folder recorded into.
    #[must_use]
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// Writes what is waiting and lets go of the folder.
    ///
    /// # Errors
    /// When anything could not be written, now or before.
    pub fn close(mut self) -> Result<RecorderReport, SinkError> {
        self.finish();
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(RecorderReport { lines: self.written.lines, bytes: self.written.bytes, waits: self.waits }),
        }
    }

    fn keep(&mut self, line: LogLine) -> Result<(), SinkError> {
        let Some(jobs) = &self.jobs else {
            return Err(self.why_stopped());
        };
        let sent = match jobs.try_send(Job::Line(line)) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(job)) => {
                self.waits += 1;
                jobs.send(job).map_err(drop)
            }
            Err(TrySendError::Disconnected(_)) => Err(()),
        };
        sent.map_err(|()| self.why_stopped())
    }

    /// Keeps an answered document.
    ///
    /// # Errors
    /// As [`Sink::event`].
    pub fn sample(&mut self, row: Box<SampleRow>) -> Result<(), SinkError> {
        self.keep(LogLine::Sample(row))
    }

    /// Waits until every line so far is durable, so that a record never tells of lines that the log lacks.
    fn sync(&mut self) -> Result<u64, SinkError> {
        let (done, answer) = sync_channel(1);
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job::Sync(done)).is_ok());
        match answer.recv() {
            Ok(end) if sent => Ok(end),
            _ => Err(self.why_stopped()),
        }
    }

    /// Waits until every line so far is durable, and says where the log ends: [`replay`](crate::replay) can begin
    /// there.
    ///
    /// # Errors
    /// When anything could not be written.
    pub fn mark(&mut self) -> Result<u64, SinkError> {
        self.sync()
    }

    fn why_stopped(&mut self) -> SinkError {
        self.finish();
        let stopped = || io::Error::other("the thread that writes it has stopped");
        self.failure.get_or_insert_with(|| failure(&self.folder.log_path(), stopped())).clone()
    }

    /// Hangs up, waits for the thread, and keeps what it says.
    fn finish(&mut self) {
        drop(self.jobs.take());
        let Some(thread) = self.thread.take() else {
            return;
        };
        let result = thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that writes it panicked")));
        match result {
            Ok(written) => self.written = written,
            Err(error) => self.failure = Some(failure(&self.folder.log_path(), error)),
        }
    }
}

impl Sink for Recorder {
    fn event(&mut self, event: &RunEvent) -> Result<(), SinkError> {
        line_of(event).map_or(Ok(()), |line| self.keep(line))
    }

    fn checkpoint(&mut self, record: &Record) -> Result<(), SinkError> {
        self.sync()?;
        write_record(&self.folder.record_path(), record).map_err(|error| SinkError::from(&error))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The line that keeps an event. Progress is for the moment; a phase's end is kept by the record.
fn line_of(event: &RunEvent) -> Option<LogLine> {
    match event {
        RunEvent::PhaseStarted { phase, attempt } => Some(LogLine::PhaseStarted { phase: *phase, attempt: *attempt }),
        RunEvent::Request(row) => Some(LogLine::Request(row.clone())),
        RunEvent::Resource { phase, sample } => Some(LogLine::Resource { phase: *phase, sample: *sample }),
        RunEvent::Item(row) => Some(LogLine::Item(row.clone())),
        RunEvent::Start(row) => Some(LogLine::Start(row.clone())),
        RunEvent::Breach { phase, breach } => Some(LogLine::Breach { phase: *phase, breach: *breach }),
        RunEvent::Telemetry { phase, seen } => Some(LogLine::Telemetry { phase: *phase, seen: seen.clone() }),
        RunEvent::Sample(row) => Some(LogLine::Sample(row.clone())),
        RunEvent::Exhibit(exhibit) => Some(LogLine::Exhibit(exhibit.clone())),
        RunEvent::Pane(pane) => Some(LogLine::Pane(pane.clone())),
        RunEvent::Incident(incident) => Some(LogLine::Incident(incident.clone())),
        RunEvent::Progress { .. } | RunEvent::Pulse(_) | RunEvent::PhaseFinished { .. } => None,
    }
}

fn failure(path: &Path, source: io::Error) -> SinkError {
    SinkError::from(&StoreError::io("write the event log", path)(source))
}

/// Where the complete frames of a log end.
fn complete_end(file: &File, path: &Path) -> Result<u64, StoreError> {
    let mut reader = FrameReader::new(file, path);
    while reader.next_frame()?.is_some() {}
    Ok(reader.offset())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use weighbridge_types::record::Phase;
    use weighbridge_types::time::WallTime;

    use super::*;

    /// `/dev/full` refuses every write as a full disk does.
    #[test]
    fn a_full_disk_is_told_on_the_next_call_and_at_the_end() {
        let results = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(results.path(), "bench", "full", WallTime::from_unix_millis(0)).unwrap();
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut recorder = Recorder::with_log(folder, full, 0).unwrap();
        let started = RunEvent::PhaseStarted { phase: Phase::Latency, attempt: 1 };
        recorder.event(&started).unwrap();
        let told = recorder.sync().unwrap_err();
        assert!(told.problem.contains("events.jsonl.zst"), "{told}");
        assert!(told.hint.contains("free some space"), "{}", told.hint);
        assert_eq!(recorder.event(&started).unwrap_err(), told);
        assert_eq!(recorder.close().unwrap_err(), told);
    }

    /// The file system of the kernel's own objects refuses new folders to everybody, root included.
    #[test]
    fn an_unwritable_folder_is_refused_before_anything_is_measured() {
        let at = WallTime::from_unix_millis(0);
        let error = RunFolder::create(Path::new("/sys/results"), "bench", "x", at).unwrap_err();
        assert!(error.hint().contains("--output-dir"), "{error}");
    }
}
