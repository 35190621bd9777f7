//! The thread that writes the event log.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use weighbridge_types::record::LogLine;
use weighbridge_types::time::{Clock, Stamp};
use zstd::bulk::Compressor;

/// A frame is closed at this many lines: a kill loses at most these, and the frame compresses nearly as well as the
/// whole file would.
const FRAME_LINES: usize = 512;
/// A frame is closed at this many bytes of lines, far below what a reader accepts.
const FRAME_BYTES: usize = 1 << 20;
/// A frame is closed this long after its first line, so that a slow run loses at most a second.
const FRAME_TIME: Duration = Duration::from_secs(1);
/// Fast, and within a tenth of the size that the slow levels reach on such lines.
const COMPRESSION_LEVEL: i32 = 3;

/// What the writer is asked to do.
pub(crate) enum Job {
    /// Keep a line.
    Line(LogLine),
    /// Close the frame, make everything durable, and answer where the log ends.
    Sync(SyncSender<u64>),
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) lines: u64,
    pub(crate) bytes: u64,
}

/// Writes lines as frames. After an error it has cut the file back to its last complete frame, and is done.
pub(crate) struct Writer {
    file: File,
    compressor: Compressor<'static>,
    /// End of the last complete frame in the file.
    end: u64,
    pending: Vec<u8>,
    pending_lines: usize,
    deadline: Stamp,
    clock: Clock,
    written: Written,
}

impl Writer {
    /// Appends to a file whose complete frames end at `end`.
    pub(crate) fn new(file: File, end: u64) -> io::Result<Self> {
        let mut compressor = Compressor::new(COMPRESSION_LEVEL)?;
        compressor.include_checksum(true)?;
        Ok(Self {
            file,
            compressor,
            end,
            pending: Vec::new(),
            pending_lines: 0,
            deadline: Stamp::default(),
            clock: Clock::start(),
            written: Written::default(),
        })
    }

    /// Works until the other side hangs up.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) -> io::Result<Written> {
        loop {
            match self.next(jobs) {
                Ok(Job::Line(line)) => self.add(&line)?,
                Ok(Job::Sync(done)) => {
                    self.sync()?;
                    // The asker may have given up; the data are safe all the same.
                    let _ = done.send(self.end);
                }
                Err(RecvTimeoutError::Timeout) => self.close_frame()?,
                Err(RecvTimeoutError::Disconnected) => {
                    self.sync()?;
                    return Ok(self.written);
                }
            }
        }
    }

    fn next(&self, jobs: &Receiver<Job>) -> Result<Job, RecvTimeoutError> {
        if self.pending_lines == 0 {
            return jobs.recv().map_err(|_| RecvTimeoutError::Disconnected);
        }
        jobs.recv_timeout(self.deadline - self.clock.now())
    }

    fn add(&mut self, line: &LogLine) -> io::Result<()> {
        if self.pending_lines == 0 {
            self.deadline = self.clock.now().after(FRAME_TIME);
        }
        serde_json::to_writer(&mut self.pending, line)?;
        self.pending.push(b'\n');
        self.pending_lines += 1;
        let is_full = self.pending_lines >= FRAME_LINES || self.pending.len() >= FRAME_BYTES;
        // A busy channel never times out, so the deadline is looked at here too.
        if is_full || self.clock.now() >= self.deadline { self.close_frame() } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.close_frame()?;
        self.file.sync_data()
    }

    fn close_frame(&mut self) -> io::Result<()> {
        if self.pending_lines == 0 {
            return Ok(());
        }
        let frame = self.compressor.compress(&self.pending)?;
        if let Err(error) = self.file.write_all(&frame) {
            // Best effort: a reader copes with the torn frame, too.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += frame.len() as u64;
        self.written.lines += self.pending_lines as u64;
        self.written.bytes += frame.len() as u64;
        self.pending.clear();
        self.pending_lines = 0;
        Ok(())
    }
}
