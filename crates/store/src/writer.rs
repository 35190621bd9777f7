//! The thread that writes the event log.

use std::fs::File;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use weighbridge_types::record::LogLine;
use weighbridge_types::time::{Clock, Stamp};
use zstd::bulk::Compressor;
use zstd::zstd_safe;

/// A frame is closed at this many lines: a kill loses at most these, and the frame compresses nearly as well as the
/// whole file would.
const FRAME_LINES: usize = 512;
/// A frame is closed at this many bytes of lines, far below what a reader accepts.
const FRAME_BYTES: usize = 256 << 10;
/// Room for the line that closes a frame.
const LINE_BYTES: usize = 32 << 10;
/// A frame is closed this long after its first line, so that a slow run loses at most a second.
const FRAME_TIME: Duration = Duration::from_secs(1);
/// Fast, and within a tenth of the size that the slow levels reach on such lines.
const COMPRESSION_LEVEL: i32 = 3;

/// Lengths and periods of the frames that are made to size the compressor: it lays out its room by the length, and
/// uses the part for literals when nothing repeats, the part for matches when much does.
const SIZING: [(usize, usize); 6] = [
    (FRAME_BYTES + LINE_BYTES, 1),
    (FRAME_BYTES + LINE_BYTES, 5),
    (FRAME_BYTES / 3, 1),
    (FRAME_BYTES / 3, 5),
    (FRAME_BYTES / 20, 1),
    (FRAME_BYTES / 20, 5),
];

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
    frame: Vec<u8>,
    deadline: Stamp,
    clock: Clock,
    written: Written,
}

impl Writer {
    /// Appends to a file whose complete frames end at `end`.
    ///
    /// Frames are made and thrown away first: what the thread needs is then in use before anything is measured. Its
    /// buffers were seen to look like a leak of the engine, some hundred KiB within the first hundred requests.
    pub(crate) fn new(file: File, end: u64) -> io::Result<Self> {
        let mut compressor = Compressor::new(COMPRESSION_LEVEL)?;
        compressor.include_checksum(true)?;
        let mut pending = Vec::with_capacity(FRAME_BYTES + LINE_BYTES);
        let mut frame = vec![b' '; zstd_safe::compress_bound(pending.capacity())];
        for (length, period) in SIZING {
            fill(&mut pending, length, period);
            compressor.compress_to_buffer(&pending, &mut frame)?;
        }
        pending.clear();
        Ok(Self {
            file,
            compressor,
            end,
            pending,
            pending_lines: 0,
            frame,
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
        self.frame.clear();
        self.frame.reserve(zstd_safe::compress_bound(self.pending.len()));
        self.compressor.compress_to_buffer(&self.pending, &mut self.frame)?;
        if let Err(error) = self.file.write_all(&self.frame) {
            // Best effort: a reader copes with the torn frame, too.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += self.frame.len() as u64;
        self.written.lines += self.pending_lines as u64;
        self.written.bytes += self.frame.len() as u64;
        self.pending.clear();
        self.pending_lines = 0;
        Ok(())
    }
}

/// Fills the buffer to `length`: every `period` bytes one that does not compress, else a run.
fn fill(pending: &mut Vec<u8>, length: usize, period: usize) {
    let mut state: u32 = 1;
    pending.clear();
    while pending.len() < length {
        let is_new = pending.len().is_multiple_of(period);
        state = if is_new { state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223) } else { state };
        pending.push(if is_new { state.to_be_bytes()[0] } else { b' ' });
    }
}
