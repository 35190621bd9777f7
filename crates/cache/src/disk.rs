//! The level on disk: a folder of files that are only appended to.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::CacheError;
use crate::key::Key;
use crate::segment::{self, ENTRY_HEAD, HEAD, LONGEST, Tail};

/// Ending of a file's name.
const ENDING: &str = "cache";
/// Files that a full folder consists of: the oldest, an eighth of all, goes at once.
const FILES: u64 = 8;
/// Smallest size at which a new file is begun, whatever the bound.
const SMALLEST_FILE: u64 = 4 << 10;
/// Names that are tried for a new file before giving up; only other processes can take one in between.
const TRIES: u64 = 1_000;

/// What was found in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Files.
    pub files: u64,
    /// Whole entries.
    pub entries: u64,
    /// Bytes of files.
    pub bytes: u64,
    /// Entries whose bytes are not those that were written.
    pub damaged: u64,
    /// Files that end within an entry, as after a kill or while another process writes.
    pub torn: u64,
}

/// Where an entry lies.
#[derive(Debug, Clone, Copy)]
struct Location {
    file: u64,
    offset: u64,
    length: u32,
}

/// A file that entries are read from.
#[derive(Debug)]
struct Segment {
    path: PathBuf,
    file: File,
    size: u64,
}

#[derive(Debug)]
pub(crate) struct Disk {
    folder: PathBuf,
    limit: u64,
    index: HashMap<Key, Location>,
    /// By number, the oldest first.
    segments: std::collections::BTreeMap<u64, Segment>,
    /// The file that this process appends to, which is locked.
    own: Option<u64>,
    damaged: u64,
}

impl Disk {
    pub(crate) fn open(folder: &Path, limit: u64) -> Result<Self, CacheError> {
        fs::create_dir_all(folder).map_err(CacheError::io("make the folder", folder))?;
        let mut disk = Self {
            folder: folder.to_owned(),
            limit,
            index: HashMap::new(),
            segments: std::collections::BTreeMap::new(),
            own: None,
            damaged: 0,
        };
        for (number, path) in files(folder)? {
            disk.take(number, path)?;
        }
        Ok(disk)
    }

    pub(crate) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Enters the entries of a file. One that nobody writes is cut to its last whole entry, and may be written further.
    fn take(&mut self, number: u64, path: PathBuf) -> Result<(), CacheError> {
        let opened = OpenOptions::new().read(true).append(true).open(&path);
        let mut file = match opened {
            Ok(file) => file,
            // Another process dropped it as its oldest.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(CacheError::io("open", &path)(error)),
        };
        let is_ours = file.try_lock().is_ok();
        let (mut entries, mut damaged) = (Vec::new(), 0);
        let tail = segment::read(BufReader::with_capacity(1 << 20, &file), |entry| {
            match u32::try_from(entry.value.len()) {
                Ok(length) if entry.is_whole => {
                    entries.push((entry.key, Location { file: number, offset: entry.offset, length }))
                }
                _ => damaged += 1,
            }
            Ok(())
        });
        let tail = tail.map_err(CacheError::io("read", &path))?;
        let tail = tail.ok_or_else(|| CacheError::Form { path: path.clone() })?;
        if let (Tail::Torn { end }, true) = (tail, is_ours) {
            let cut = file.set_len(end).and_then(|()| if end == 0 { file.write_all(HEAD) } else { Ok(()) });
            cut.map_err(CacheError::io("repair", &path))?;
        }
        let size = file.metadata().map_err(CacheError::io("read", &path))?.len();
        for (key, location) in entries {
            self.index.entry(key).or_insert(location);
        }
        self.damaged += damaged;
        if is_ours && self.own.is_none() && size < self.file_limit() {
            self.own = Some(number);
        } else if is_ours {
            file.unlock().map_err(CacheError::io("unlock", &path))?;
        }
        self.segments.insert(number, Segment { path, file, size });
        Ok(())
    }

    fn file_limit(&self) -> u64 {
        (self.limit / FILES).max(SMALLEST_FILE)
    }

    pub(crate) fn get(&mut self, key: &Key) -> Result<Option<Vec<u8>>, CacheError> {
        let Some(&location) = self.index.get(key) else { return Ok(None) };
        let Some(segment) = self.segments.get_mut(&location.file) else { return Ok(None) };
        let mut bytes = vec![0; ENTRY_HEAD + location.length as usize];
        let read =
            segment.file.seek(SeekFrom::Start(location.offset)).and_then(|_| segment.file.read_exact(&mut bytes));
        match read {
            Ok(()) => {}
            // Cut off behind our back: as good as damaged.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => bytes.clear(),
            Err(error) => return Err(CacheError::io("read", &segment.path)(error)),
        }
        let value = segment::value_of(&bytes, key);
        if value.is_none() {
            self.index.remove(key);
            self.damaged += 1;
        }
        Ok(value)
    }

    /// Appends an entry; whether it was new.
    pub(crate) fn put(&mut self, key: &Key, value: &[u8]) -> Result<bool, CacheError> {
        if self.index.contains_key(key) {
            return Ok(false);
        }
        let bytes = segment::entry(key, value);
        let bytes = bytes.ok_or(CacheError::TooLong { bytes: value.len(), limit: LONGEST })?;
        let number = self.writable(bytes.len() as u64)?;
        let Some(segment) = self.segments.get_mut(&number) else { return Ok(false) };
        let offset = segment.size;
        if let Err(error) = segment.file.write_all(&bytes) {
            // Best effort: a reader copes with a torn entry, too, but not with entries behind it.
            if segment.file.set_len(offset).is_err() {
                self.own = None;
            }
            return Err(CacheError::io("write", &segment.path)(error));
        }
        segment.size += bytes.len() as u64;
        let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
        self.index.insert(*key, Location { file: number, offset, length });
        Ok(true)
    }

    /// The file to append so many bytes to. A new one is begun when the last is full; the oldest files go when the folder
    /// is.
    fn writable(&mut self, bytes: u64) -> Result<u64, CacheError> {
        if let Some(number) = self.own {
            let size = self.segments.get(&number).map_or(0, |segment| segment.size);
            if size <= HEAD.len() as u64 || size + bytes <= self.file_limit() {
                return Ok(number);
            }
            if let Some(full) = self.segments.get(&number) {
                full.file.unlock().map_err(CacheError::io("unlock", &full.path))?;
            }
            self.own = None;
        }
        // Room for all that the file may become: the bound then holds at every moment.
        self.make_room(bytes.max(self.file_limit()))?;
        let first = self.segments.keys().next_back().map_or(0, |last| last + 1);
        for number in first..first + TRIES {
            let path = self.folder.join(format!("{number:08}.{ENDING}"));
            match OpenOptions::new().read(true).append(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    // Nobody else can hold the lock of a file that was not there; a reader lets it go at once.
                    file.lock().map_err(CacheError::io("lock", &path))?;
                    file.write_all(HEAD).map_err(CacheError::io("write", &path))?;
                    self.segments.insert(number, Segment { path, file, size: HEAD.len() as u64 });
                    self.own = Some(number);
                    return Ok(number);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(CacheError::io("make", &path)(error)),
            }
        }
        Err(CacheError::io("make a file in", &self.folder)(io::ErrorKind::AlreadyExists.into()))
    }

    /// Drops the oldest files that nobody writes until so many bytes fit.
    fn make_room(&mut self, bytes: u64) -> Result<(), CacheError> {
        loop {
            let sum: u64 = self.segments.values().map(|segment| segment.size).sum();
            if sum + bytes + HEAD.len() as u64 <= self.limit {
                return Ok(());
            }
            let free =
                self.segments.iter().find(|(_, segment)| segment.file.try_lock().is_ok()).map(|(number, _)| *number);
            let Some(oldest) = free.and_then(|number| self.segments.remove(&number).map(|segment| (number, segment)))
            else {
                // Other processes write all of them; each of them keeps its own bound.
                return Ok(());
            };
            self.index.retain(|_, location| location.file != oldest.0);
            match fs::remove_file(&oldest.1.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(CacheError::io("drop", &oldest.1.path)(error));
                }
                _ => {}
            }
        }
    }
}

/// The files of a folder with their numbers, the oldest first.
fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, CacheError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(CacheError::io("read the folder", folder))? {
        let path = entry.map_err(CacheError::io("read the folder", folder))?.path();
        let is_ours = path.extension().is_some_and(|ending| ending == ENDING);
        let number = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let Some(number) = number.filter(|_| is_ours) {
            files.push((number, path));
        }
    }
    files.sort();
    Ok(files)
}

/// Reads every file of a folder.
pub(crate) fn verify(folder: &Path) -> Result<VerifyReport, CacheError> {
    let mut report = VerifyReport::default();
    for (_, path) in files(folder)? {
        let file = File::open(&path).map_err(CacheError::io("open", &path))?;
        report.files += 1;
        report.bytes += file.metadata().map_err(CacheError::io("read", &path))?.len();
        let tail = segment::read(BufReader::with_capacity(1 << 20, file), |entry| {
            report.entries += u64::from(entry.is_whole);
            report.damaged += u64::from(!entry.is_whole);
            Ok(())
        });
        match tail.map_err(CacheError::io("read", &path))? {
            Some(Tail::Whole) => {}
            Some(Tail::Torn { .. }) => report.torn += 1,
            None => return Err(CacheError::Form { path }),
        }
    }
    Ok(report)
}
