//! The frames of an event log: complete zstd frames, one after the other.

use std::io::{self, Read};
use std::path::Path;

use zstd::zstd_safe::{self, DCtx, InBuffer, OutBuffer};

use crate::StoreError;

/// Most bytes that one frame may unfold to. The writer closes a frame far below; a larger one is damage.
const FRAME_LIMIT: usize = 64 << 20;
/// Bytes read from the file at once.
const CHUNK: usize = 64 << 10;

/// One complete frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// What it holds.
    pub(crate) content: Vec<u8>,
}

/// What one call of the decoder did.
struct Step {
    /// Compressed bytes taken.
    taken: usize,
    /// Whether the frame is complete.
    is_complete: bool,
    /// Whether the output was filled, so that more may come without more input.
    filled_output: bool,
}

/// Reads frames one by one, with memory for one of them.
pub(crate) struct FrameReader<'path, R> {
    source: R,
    path: &'path Path,
    decoder: DCtx<'static>,
    chunk: Vec<u8>,
    /// The part of `chunk` not yet decoded.
    unread: std::ops::Range<usize>,
    /// Where the next frame begins.
    offset: u64,
    /// Whether the file ended within a frame.
    truncated: bool,
}

impl<'path, R: Read> FrameReader<'path, R> {
    /// Reads from `source`; `path` is for messages.
    pub(crate) fn new(source: R, path: &'path Path) -> Self {
        let (chunk, unread) = (vec![0; CHUNK], 0..0);
        Self { source, path, decoder: DCtx::create(), chunk, unread, offset: 0, truncated: false }
    }

    /// The end of the last complete frame.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the file ended within a frame.
    pub(crate) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The next complete frame; `None` at the end, torn or not.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Frame>, StoreError> {
        let mut content = Vec::new();
        let mut compressed: u64 = 0;
        let mut is_flushing = false;
        loop {
            if self.unread.is_empty() && !is_flushing && !self.refill()? {
                self.truncated = compressed > 0;
                return Ok(None);
            }
            let step = self.decode(&mut content)?;
            compressed += step.taken as u64;
            if step.is_complete {
                let frame = Frame { offset: self.offset, content };
                self.offset += compressed;
                return Ok(Some(frame));
            }
            if content.len() > FRAME_LIMIT {
                return Err(self.corrupt(format!("the frame holds more than {FRAME_LIMIT} bytes")));
            }
            is_flushing = step.filled_output;
        }
    }

    fn decode(&mut self, content: &mut Vec<u8>) -> Result<Step, StoreError> {
        let filled = content.len();
        content.resize(filled + DCtx::out_size(), 0);
        let mut input = InBuffer::around(&self.chunk[self.unread.clone()]);
        let mut output = OutBuffer::around_pos(content.as_mut_slice(), filled);
        let left = self.decoder.decompress_stream(&mut output, &mut input);
        let (taken, end) = (input.pos, output.pos());
        let filled_output = end == content.len();
        content.truncate(end);
        self.unread.start += taken;
        match left {
            Ok(left) => Ok(Step { taken, is_complete: left == 0, filled_output }),
            Err(code) => Err(self.corrupt(zstd_safe::get_error_name(code).to_owned())),
        }
    }

    fn refill(&mut self) -> Result<bool, StoreError> {
        loop {
            match self.source.read(&mut self.chunk) {
                Ok(count) => {
                    self.unread = 0..count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::io("read", self.path)(error)),
            }
        }
    }

    /// An error about the present frame.
    pub(crate) fn corrupt(&self, problem: String) -> StoreError {
        StoreError::Corrupt { path: self.path.to_owned(), offset: self.offset, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(content: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(content, 3).unwrap()
    }

    fn read_all(bytes: &[u8]) -> Result<(Vec<Vec<u8>>, u64, bool), StoreError> {
        let mut reader = FrameReader::new(bytes, Path::new("log"));
        let mut contents = Vec::new();
        while let Some(frame) = reader.next_frame()? {
            contents.push(frame.content);
        }
        Ok((contents, reader.offset(), reader.is_truncated()))
    }

    #[test]
    fn frames_come_back_whole_across_chunks() {
        let noise: Vec<u8> = (0..300_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
        let zeros = vec![0; 1_000_000];
        let bytes = [frame(b"one\n"), frame(&noise), frame(b""), frame(&zeros)].concat();
        let (contents, end, truncated) = read_all(&bytes).unwrap();
        assert_eq!(contents, [b"one\n".to_vec(), noise, Vec::new(), zeros]);
        assert_eq!((end, truncated), (bytes.len() as u64, false));
    }

    #[test]
    fn a_torn_tail_is_not_damage() {
        let first = frame(b"one\n");
        let bytes = [first.clone(), frame(b"two\n")].concat();
        for length in first.len() + 1..bytes.len() {
            let (contents, end, truncated) = read_all(&bytes[..length]).unwrap();
            assert_eq!((contents.len(), end, truncated), (1, first.len() as u64, true), "{length}");
        }
    }

    #[test]
    fn damage_names_its_offset() {
        let first = frame(b"one\n");
        let bytes = [first.clone(), b"no frame here".to_vec(), frame(b"two\n")].concat();
        match read_all(&bytes).unwrap_err() {
            StoreError::Corrupt { offset, .. } => assert_eq!(offset, first.len() as u64),
            other => panic!("{other}"),
        }
    }
}
