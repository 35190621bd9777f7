//! Bytes of a file to whole lines of checked UTF-8, a block at a time.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::error::PredictionsError;

/// Bytes read at once: large enough that a block costs few calls, small enough for the second-level cache.
const BLOCK: usize = 256 * 1024;
/// Longest line. It is held in memory as a whole.
pub(super) const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// Opens a file; one that ends in `.gz` or `.zst` is decompressed.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read + Send>, PredictionsError> {
    let failed = |source| PredictionsError::Open { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    Ok(match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => Box::new(flate2::read::MultiGzDecoder::new(file)),
        Some("zst") => Box::new(zstd::stream::read::Decoder::new(file).map_err(failed)?),
        _ => Box::new(file),
    })
}

/// Cuts a stream into blocks of whole lines.
pub(super) struct Blocks<R> {
    input: R,
    buffer: Vec<u8>,
    /// Bytes of the buffer that hold data.
    filled: usize,
    /// Lines handed out.
    lines: u64,
    bytes: u64,
    ended: bool,
}

impl<R: Read> Blocks<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, buffer: Vec::new(), filled: 0, lines: 0, bytes: 0, ended: false }
    }

    /// Bytes read, decompressed.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next lines, with the number of the first. The last line may lack its end. `spare` is used again.
    pub(super) fn next(&mut self, spare: Vec<u8>) -> Result<Option<(u64, String)>, PredictionsError> {
        self.buffer.resize(self.buffer.len().max(BLOCK), 0);
        let mut searched = 0;
        let end = loop {
            if let Some(end) = memchr::memrchr(b'\n', &self.buffer[searched..self.filled]) {
                break searched + end + 1;
            }
            searched = self.filled;
            if self.ended {
                break self.filled;
            }
            self.fill()?;
        };
        if end == 0 {
            return Ok(None);
        }
        let first = self.lines + 1;
        self.skip_mark(first);
        // What follows the last whole line begins the next block.
        let mut block = std::mem::replace(&mut self.buffer, spare);
        self.buffer.clear();
        self.buffer.extend_from_slice(&block[end..self.filled]);
        self.filled -= end;
        block.truncate(end);
        self.lines += memchr::memchr_iter(b'\n', &block).count() as u64;
        String::from_utf8(block).map(|text| Some((first, text))).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            encoding(error.as_bytes(), first, at)
        })
    }

    fn fill(&mut self) -> Result<(), PredictionsError> {
        if self.filled == self.buffer.len() {
            if self.filled >= LONGEST_LINE {
                return Err(PredictionsError::TooLong { line: self.lines + 1, limit: LONGEST_LINE });
            }
            self.buffer.resize((2 * self.filled).min(LONGEST_LINE), 0);
        }
        while self.filled < self.buffer.len() {
            match self.input.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(count) => {
                    self.filled += count;
                    self.bytes += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(PredictionsError::Read { line: self.lines, source }),
            }
        }
        Ok(())
    }

    /// Blanks the byte-order mark that some editors put before UTF-8; blanks mean nothing before a row.
    fn skip_mark(&mut self, first: u64) {
        if first == 1 && self.buffer.starts_with(b"\xEF\xBB\xBF") {
            self.buffer[..3].fill(b' ');
        }
    }
}

/// Names the line and byte of what is no UTF-8.
fn encoding(block: &[u8], first: u64, at: usize) -> PredictionsError {
    let line = first + memchr::memchr_iter(b'\n', &block[..at]).count() as u64;
    let start = memchr::memrchr(b'\n', &block[..at]).map_or(0, |end| end + 1);
    let found = match block {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] if at == 0 => "a byte-order mark of UTF-16".to_owned(),
        _ => format!("0x{:02X}", block[at]),
    };
    PredictionsError::Encoding { line, column: at - start + 1, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(bytes: &[u8]) -> Result<Vec<(u64, String)>, PredictionsError> {
        let mut blocks = Blocks::new(bytes);
        let mut found = Vec::new();
        while let Some((first, text)) = blocks.next(Vec::new())? {
            found.push((first, text));
        }
        Ok(found)
    }

    #[test]
    fn blocks_hold_whole_lines() {
        let text = "0123456789abcde\n".repeat(40_000);
        let found = blocks(text.as_bytes()).unwrap();
        assert!(found.len() > 1 && found.iter().all(|(_, block)| block.ends_with('\n')));
        assert_eq!(found.iter().map(|(_, block)| block.as_str()).collect::<String>(), text);
        assert_eq!(found[1].0, 1 + found[0].1.len() as u64 / 16);
    }

    #[test]
    fn a_line_longer_than_a_block_is_held() {
        let text = format!("{}\nshort", "x".repeat(3 * BLOCK));
        assert_eq!(blocks(text.as_bytes()).unwrap().last().unwrap(), &(2, "short".to_owned()));
    }

    #[test]
    fn other_encodings_are_named_with_their_place() {
        let check = |bytes: &[u8], expected: (u64, usize)| match blocks(bytes) {
            Err(PredictionsError::Encoding { line, column, .. }) => assert_eq!((line, column), expected),
            other => panic!("{other:?}"),
        };
        check(b"abc\nd\xE9f\n", (2, 2));
        check(b"\xFF\xFEa\0", (1, 1));
        assert_eq!(blocks(b"\xEF\xBB\xBFa").unwrap(), [(1, "   a".to_owned())]);
    }
}
