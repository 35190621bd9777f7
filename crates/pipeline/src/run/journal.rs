//! What was paid for, kept as it comes: an append-only file from which a killed run goes on.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::PipelineError;

/// The first line: the form of the file.
const HEADER: &str = "weighbridge-pipeline-journal 1\n";
/// Beginning of the header of any version.
const HEADER_NAME: &str = "weighbridge-pipeline-journal ";
/// Bytes of a line at most; what is longer is no line of ours.
const LINE_BYTES: usize = 64 << 20;

/// An open journal, locked for this process. The kernel gives the lock back when the process ends, however it ends.
///
/// A line is a checksum, a key and a value as JSON. After a kill at any byte, the file reads up to its last whole line;
/// what follows is cut off when it is opened again.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: std::path::PathBuf,
    end: u64,
    /// Where the value of each key lies.
    places: HashMap<String, (u64, usize)>,
    unsynced: bool,
}

impl Journal {
    /// Opens a journal, or begins one.
    ///
    /// # Errors
    /// When another process has it open, it is of a newer form, or it cannot be read and written.
    pub fn open(path: &Path) -> Result<Self, PipelineError> {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(false).read(true).write(true).open(path);
        let file = file.map_err(PipelineError::io("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PipelineError::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(PipelineError::io("lock", path)(error)),
        }
        let mut journal = Self { file, path: path.to_owned(), end: 0, places: HashMap::new(), unsynced: false };
        journal.recover()?;
        Ok(journal)
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The value of a key; `None` where there is none, or it is of another form.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn get<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, PipelineError> {
        let Some(&(start, length)) = self.places.get(key) else { return Ok(None) };
        let mut bytes = vec![0; length];
        let mut read = || {
            self.file.seek(SeekFrom::Start(start))?;
            self.file.read_exact(&mut bytes)
        };
        read().map_err(PipelineError::io("read", &self.path))?;
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// Appends a value. It is durable after [`sync`](Self::sync).
    ///
    /// # Errors
    /// When it cannot be written, as on a full disk; what was written of it is taken back.
    pub fn put(&mut self, key: &str, value: &impl Serialize) -> Result<(), PipelineError> {
        let value = serde_json::to_string(value)
            .map_err(|error| PipelineError::Form { what: "a result", problem: error.to_string() })?;
        let body = format!("{key} {value}");
        let line = format!("{:08x} {body}\n", crc32fast::hash(body.as_bytes()));
        let start = self.end + (line.len() - 1 - value.len()) as u64;
        let file = &mut self.file;
        let end = self.end;
        let mut write = || {
            file.seek(SeekFrom::Start(end))?;
            file.write_all(line.as_bytes())
        };
        if let Err(error) = write() {
            // Best effort: what is left of the line is cut off when the file is opened again.
            let _ = self.file.set_len(self.end);
            return Err(PipelineError::io("write", &self.path)(error));
        }
        self.places.insert(key.to_owned(), (start, value.len()));
        self.end += line.len() as u64;
        self.unsynced = true;
        Ok(())
    }

    /// Makes what was put durable.
    ///
    /// # Errors
    /// When the disk says no.
    pub fn sync(&mut self) -> Result<(), PipelineError> {
        if self.unsynced {
            self.file.sync_data().map_err(PipelineError::io("write", &self.path))?;
            self.unsynced = false;
        }
        Ok(())
    }

    /// Reads what is whole, and cuts off what is not.
    fn recover(&mut self) -> Result<(), PipelineError> {
        let wrong = |error: io::Error| PipelineError::io("read", &self.path)(error);
        let length = self.file.metadata().map_err(wrong)?.len();
        let mut reader = LineReader { inner: BufReader::new(&self.file), line: Vec::new() };
        let header = reader.next().map_err(wrong)?;
        let header = header.map(|line| String::from_utf8_lossy(line).into_owned());
        match header {
            Some(header) if header == HEADER => {}
            Some(header) if header.starts_with(HEADER_NAME) && header.ends_with('\n') => {
                let found = header.trim_end().to_owned();
                return Err(PipelineError::Version { path: self.path.clone(), found });
            }
            // A file of another kind is not ours to cut.
            Some(header) if !HEADER.starts_with(header.as_str()) => {
                return Err(PipelineError::Version { path: self.path.clone(), found: "no journal".to_owned() });
            }
            _ => return self.begin(),
        }
        let mut end = HEADER.len() as u64;
        let mut places = HashMap::new();
        while let Some(line) = reader.next().map_err(wrong)? {
            let Some((key, value)) = parse(line) else { break };
            places.insert(key.to_owned(), (end + (line.len() - 1 - value) as u64, value));
            end += line.len() as u64;
        }
        self.places = places;
        self.end = end;
        if end < length {
            self.file.set_len(end).map_err(PipelineError::io("write", &self.path))?;
            self.unsynced = true;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), PipelineError> {
        let file = &mut self.file;
        let mut write = || {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(HEADER.as_bytes())?;
            file.sync_all()
        };
        write().map_err(PipelineError::io("write", &self.path))?;
        self.end = HEADER.len() as u64;
        Ok(())
    }
}

struct LineReader<R> {
    inner: R,
    line: Vec<u8>,
}

impl<R: io::BufRead> LineReader<R> {
    /// The next line with its end, or what is left without one.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let mut limited = (&mut self.inner).take(LINE_BYTES as u64);
        io::BufRead::read_until(&mut limited, b'\n', &mut self.line)?;
        Ok((!self.line.is_empty()).then_some(&self.line[..]))
    }
}

/// Key and length of the value of a whole line.
fn parse(line: &[u8]) -> Option<(&str, usize)> {
    let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (sum, body) = line.split_once(' ')?;
    let is_sum = sum.len() == 8 && u32::from_str_radix(sum, 16).ok()? == crc32fast::hash(body.as_bytes());
    let (key, value) = body.split_once(' ')?;
    is_sum.then_some((key, value.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(journal: &mut Journal, count: usize) -> Vec<Option<String>> {
        (0..count).map(|number| journal.get(&format!("k{number}")).unwrap()).collect()
    }

    #[test]
    fn a_journal_cut_at_any_byte_reads_up_to_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        let values = ["one\ntwo", "", "é\"}", "four"];
        let mut ends = Vec::new();
        for (number, value) in values.iter().enumerate() {
            journal.put(&format!("k{number}"), value).unwrap();
            ends.push(usize::try_from(journal.end).unwrap());
        }
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..=whole.len() {
            for tail in [&b""[..], b"\0\0\0", b"00000000 k9 1\n"] {
                let mut bytes = whole[..cut].to_vec();
                // Garbage after a whole header is cut off as well.
                if cut >= HEADER.len() {
                    bytes.extend_from_slice(tail);
                }
                std::fs::write(&path, bytes).unwrap();
                let mut journal = Journal::open(&path).unwrap();
                let kept = ends.iter().filter(|end| **end <= cut).count();
                let expected: Vec<Option<String>> =
                    values.iter().enumerate().map(|(at, value)| (at < kept).then(|| (*value).to_owned())).collect();
                assert_eq!(all(&mut journal, values.len()), expected, "cut at {cut}");
                for (number, value) in values.iter().enumerate().skip(kept) {
                    journal.put(&format!("k{number}"), value).unwrap();
                }
                drop(journal);
                assert_eq!(std::fs::read(&path).unwrap(), whole, "cut at {cut}");
            }
        }
    }

    #[test]
    fn two_processes_do_not_share_a_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let _first = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(PipelineError::Locked { .. })));
    }

    #[test]
    fn newer_forms_and_other_files_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        for text in ["weighbridge-pipeline-journal 2\nx\n", "my diary\n"] {
            std::fs::write(&path, text).unwrap();
            assert!(matches!(Journal::open(&path), Err(PipelineError::Version { .. })), "{text}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
