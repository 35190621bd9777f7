//! The files of a folder: appended to, bounded, shared with other processes.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::index::{Index, Location};
use crate::error::CacheError;
use crate::key::Key;
use crate::level::Policy;
use crate::segment::{self, Entry, HEAD, HEAD_2, Tail, Version};

/// Ending of a file's name.
const ENDING: &str = "cache";
/// Files that a full folder consists of at least: the oldest, an eighth of all, goes at once.
const FILES: u64 = 8;
/// Smallest size at which a new file is begun, whatever the bound.
const SMALLEST_FILE: u64 = 4 << 10;
/// Largest one: what is dropped at once, and what is looked through for entries that are worth keeping.
const LARGEST_FILE: u64 = 128 << 20;
/// The part of a new file that is filled with what is worth keeping of the one that it displaces.
const SAVED: u64 = 4;
/// Names that are tried for a new file before giving up; only other processes can take one in between.
const TRIES: u64 = 1_000;
/// Bytes that are copied or read at once.
const AT_ONCE: usize = 1 << 20;

/// A file that entries are read from.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) version: Version,
    number: u64,
    /// End of the entries that are known.
    size: AtomicU64,
}

impl Segment {
    fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }
}

/// What opening or refreshing a folder met, and making room in it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Met {
    pub(super) damaged: u64,
    pub(super) evicted: u64,
}

/// The files, and which one this process appends to.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    limit: u64,
    policy: Policy,
    /// By number, the oldest first.
    segments: BTreeMap<u64, Arc<Segment>>,
    /// The file that this process appends to, which is locked.
    own: Option<Arc<Segment>>,
    /// The next number: none is used twice, because others may still hold a file of that name open.
    next: u64,
    pub(super) met: Met,
}

impl Folder {
    pub(super) fn open(path: &Path, limit: u64, policy: Policy, index: &Index) -> Result<Self, CacheError> {
        fs::create_dir_all(path).map_err(CacheError::io("make the folder", path))?;
        let (segments, met) = (BTreeMap::new(), Met::default());
        let mut folder = Self { path: path.to_owned(), limit, policy, segments, own: None, next: 0, met };
        for (number, path) in files(path)? {
            folder.take(number, path, true, index)?;
        }
        Ok(folder)
    }

    /// Bytes of one file.
    pub(super) fn file_limit(&self) -> u64 {
        (self.limit / FILES).clamp(SMALLEST_FILE, LARGEST_FILE)
    }

    /// Bytes of all files.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.size()).sum()
    }

    /// Writes what was appended to the storage device.
    pub(super) fn sync(&self) -> Result<(), CacheError> {
        let Some(own) = &self.own else { return Ok(()) };
        own.file.sync_data().map_err(CacheError::io("write", &own.path))
    }

    /// Enters the entries of a file. One that nobody writes is cut to its last whole entry, and may be written further.
    fn take(&mut self, number: u64, path: PathBuf, may_own: bool, index: &Index) -> Result<(), CacheError> {
        self.next = self.next.max(number + 1);
        let mut file = match OpenOptions::new().read(true).append(true).open(&path) {
            Ok(file) => file,
            // Another process dropped it as its oldest.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(CacheError::io("open", &path)(error)),
        };
        let is_ours = may_own && file.try_lock().is_ok();
        let (mut found, mut end) = (Vec::new(), HEAD.len() as u64);
        let read = segment::read(BufReader::with_capacity(AT_ONCE, &file), |entry| {
            end = entry.offset + entry.size;
            found.extend(self.met.note(&entry));
            Ok(())
        });
        let (version, tail) =
            read.map_err(CacheError::io("read", &path))?.ok_or_else(|| CacheError::Form { path: path.clone() })?;
        if let (Tail::Torn { end }, true) = (tail, is_ours) {
            let cut = file.set_len(end).and_then(|()| if end == 0 { file.write_all(HEAD_2) } else { Ok(()) });
            cut.map_err(CacheError::io("repair", &path))?;
        }
        let may_append = is_ours && self.own.is_none() && version == Version::Two && end < self.file_limit();
        if is_ours && !may_append {
            file.unlock().map_err(CacheError::io("unlock", &path))?;
        }
        let segment = Arc::new(Segment { path, file, version, number, size: AtomicU64::new(end) });
        for entry in found {
            entry.enter(&segment, index);
        }
        if may_append {
            self.own = Some(segment.clone());
        }
        self.segments.insert(number, segment);
        Ok(())
    }

    /// Enters what other processes have written since, and forgets files that they have dropped.
    pub(super) fn refresh(&mut self, index: &Index) -> Result<(), CacheError> {
        let known: Vec<_> = self.segments.values().filter(|segment| !self.is_own(segment)).cloned().collect();
        for segment in known {
            let (here, there) = (segment.file.metadata(), fs::metadata(&segment.path));
            let here = here.map_err(CacheError::io("read", &segment.path))?;
            if !there.is_ok_and(|there| there.ino() == here.ino() && there.dev() == here.dev()) {
                self.segments.remove(&segment.number);
                self.met.evicted += index.take(&segment).len() as u64;
            } else if here.len() > segment.size() {
                self.read_on(&segment, index).map_err(CacheError::io("read", &segment.path))?;
            }
        }
        for (number, path) in files(&self.path)? {
            if !self.segments.contains_key(&number) {
                self.take(number, path, false, index)?;
            }
        }
        Ok(())
    }

    fn read_on(&mut self, segment: &Arc<Segment>, index: &Index) -> io::Result<()> {
        let mut end = segment.size();
        let reader = BufReader::with_capacity(AT_ONCE / 16, Positioned { file: &segment.file, offset: end });
        segment::read_on(reader, segment.version, end, |entry| {
            end = entry.offset + entry.size;
            if let Some(found) = self.met.note(&entry) {
                found.enter(segment, index);
            }
            Ok(())
        })?;
        segment.size.store(end, Ordering::Relaxed);
        Ok(())
    }

    /// Appends whole entries with one write; the file and where in it.
    pub(super) fn append(
        &mut self,
        bytes: &[u8],
        index: &Index,
        now_ms: u64,
    ) -> Result<(Arc<Segment>, u64), CacheError> {
        let segment = self.writable(bytes.len() as u64, index, now_ms)?;
        let offset = segment.size();
        if let Err(error) = (&segment.file).write_all(bytes) {
            // Best effort: a reader copes with a torn entry, too, but not with entries behind it.
            if segment.file.set_len(offset).is_err() {
                self.own = None;
            }
            return Err(CacheError::io("write", &segment.path)(error));
        }
        segment.size.store(offset + bytes.len() as u64, Ordering::Relaxed);
        Ok((segment, offset))
    }

    /// The file to append so many bytes to. A new one is begun when the last is full; the oldest files go when the folder
    /// is, except for what the policy would rather keep.
    fn writable(&mut self, bytes: u64, index: &Index, now_ms: u64) -> Result<Arc<Segment>, CacheError> {
        if let Some(own) = &self.own {
            if own.size() <= HEAD.len() as u64 || own.size() + bytes <= self.file_limit() {
                return Ok(own.clone());
            }
            own.file.unlock().map_err(CacheError::io("unlock", &own.path))?;
            self.own = None;
        }
        // Room for all that the file may become: the bound then holds at every moment.
        let dropped = self.make_room(bytes.max(self.file_limit()), index)?;
        let own = self.begin()?;
        let spare = self.file_limit().saturating_sub(HEAD.len() as u64 + bytes);
        self.save(dropped, spare.min(self.file_limit() / SAVED), &own, index, now_ms);
        Ok(own)
    }

    fn begin(&mut self) -> Result<Arc<Segment>, CacheError> {
        for number in self.next..self.next + TRIES {
            let path = self.path.join(format!("{number:08}.{ENDING}"));
            match OpenOptions::new().read(true).append(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    self.next = number + 1;
                    if !claim(&mut file).map_err(CacheError::io("write", &path))? {
                        continue;
                    }
                    let size = AtomicU64::new(HEAD.len() as u64);
                    let own = Arc::new(Segment { path, file, version: Version::Two, number, size });
                    self.segments.insert(number, own.clone());
                    self.own = Some(own.clone());
                    return Ok(own);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(CacheError::io("make", &path)(error)),
            }
        }
        Err(CacheError::io("make a file in", &self.path)(io::ErrorKind::AlreadyExists.into()))
    }

    /// Drops the oldest files that nobody writes until so many bytes fit; the entries that they held.
    fn make_room(&mut self, bytes: u64, index: &Index) -> Result<Vec<(Key, Location)>, CacheError> {
        let mut dropped = Vec::new();
        while self.bytes() + bytes + HEAD.len() as u64 > self.limit {
            let Some(oldest) = self.segments.values().find(|segment| segment.file.try_lock().is_ok()).cloned() else {
                // Other processes write all of them; each of them keeps its own bound.
                break;
            };
            self.segments.remove(&oldest.number);
            let entries = index.take(&oldest);
            self.met.evicted += entries.len() as u64;
            dropped.extend(entries);
            match fs::remove_file(&oldest.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(CacheError::io("drop", &oldest.path)(error));
                }
                _ => {}
            }
        }
        Ok(dropped)
    }

    /// Copies the entries of dropped files that are worth most into the new one, which has `room` for them.
    ///
    /// What fails is only an entry less: these were to go anyway.
    fn save(&mut self, mut dropped: Vec<(Key, Location)>, room: u64, own: &Arc<Segment>, index: &Index, now_ms: u64) {
        dropped.retain(|(_, location)| {
            let is_wanted = location.is_used || self.policy != Policy::Lru;
            is_wanted && location.about.expires_ms > now_ms && location.segment.version == Version::Two
        });
        let burden = |location: &Location| {
            let age_ms = now_ms.saturating_sub(location.used_ms);
            self.policy.burden(u64::from(location.size), age_ms, location.about.cost_ms)
        };
        dropped.sort_by(|one, other| burden(&one.1).total_cmp(&burden(&other.1)));
        let (mut bytes, mut saved, mut sum) = (Vec::new(), Vec::new(), 0);
        for (key, location) in dropped {
            sum += u64::from(location.size);
            if sum > room {
                break;
            }
            let start = bytes.len();
            bytes.resize(start + location.size as usize, 0);
            if location.segment.file.read_exact_at(&mut bytes[start..], location.offset).is_err() {
                bytes.truncate(start);
                continue;
            }
            saved.push((key, location, start as u64));
            if bytes.len() >= AT_ONCE {
                self.put_saved(&mut bytes, &mut saved, own, index);
            }
        }
        self.put_saved(&mut bytes, &mut saved, own, index);
    }

    fn put_saved(
        &mut self,
        bytes: &mut Vec<u8>,
        saved: &mut Vec<(Key, Location, u64)>,
        own: &Arc<Segment>,
        index: &Index,
    ) {
        let offset = own.size();
        if (&own.file).write_all(bytes).is_ok() {
            own.size.store(offset + bytes.len() as u64, Ordering::Relaxed);
            self.met.evicted -= saved.len() as u64;
            for (key, from, start) in saved.drain(..) {
                let to = Location { segment: own.clone(), offset: offset + start, is_used: false, ..from };
                index.enter_again(key, to);
            }
        } else if own.file.set_len(offset).is_err() {
            self.own = None;
        }
        bytes.clear();
        saved.clear();
    }

    /// Lets writes end in another file.
    #[cfg(test)]
    pub(super) fn replace_own(&mut self, path: &Path) {
        let file = OpenOptions::new().append(true).open(path).unwrap();
        let (version, size) = (Version::Two, AtomicU64::new(HEAD.len() as u64));
        self.own = Some(Arc::new(Segment { path: path.to_owned(), file, version, number: u64::MAX, size }));
    }

    fn is_own(&self, segment: &Arc<Segment>) -> bool {
        self.own.as_ref().is_some_and(|own| Arc::ptr_eq(own, segment))
    }
}

impl Met {
    /// What is to be entered of an entry: nothing where it is damaged.
    fn note(&mut self, entry: &Entry) -> Option<Found> {
        let size = u32::try_from(entry.size).ok().filter(|_| entry.is_whole);
        self.damaged += u64::from(size.is_none());
        Some(Found { key: entry.key, offset: entry.offset, size: size?, about: entry.about })
    }
}

/// An entry that was found in a file.
struct Found {
    key: Key,
    offset: u64,
    size: u32,
    about: segment::About,
}

impl Found {
    fn enter(self, segment: &Arc<Segment>, index: &Index) {
        let Self { key, offset, size, about } = self;
        let segment = segment.clone();
        let location = Location { segment, offset, size, about, used_ms: about.stored_ms, is_used: false };
        index.enter_found(key, location);
    }
}

/// Reads a file from a place without moving where others read it.
struct Positioned<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.offset)?;
        self.offset += length as u64;
        Ok(length)
    }
}

/// Locks a file that was just made and writes its head; whether it is ours. A process that opened the folder at this moment may have
/// locked it first, and then writes it itself, or has already written the head and let it go.
fn claim(file: &mut File) -> io::Result<bool> {
    if file.try_lock().is_err() {
        return Ok(false);
    }
    match file.metadata()?.len() {
        0 => file.write_all(HEAD_2)?,
        length if length == HEAD.len() as u64 => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// The files of a folder with their numbers, the oldest first.
pub(super) fn files(folder: &Path) -> Result<Vec<(u64, PathBuf)>, CacheError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_belongs_to_whoever_locks_it_and_has_one_head() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new");
        let open = || OpenOptions::new().read(true).append(true).create(true).open(&path).unwrap();
        let (mut ours, mut theirs) = (open(), open());
        assert!(claim(&mut ours).unwrap() && !claim(&mut theirs).unwrap());
        drop(ours);
        assert!(claim(&mut theirs).unwrap());
        assert_eq!(fs::read(&path).unwrap(), HEAD_2);
        theirs.write_all(b"an entry").unwrap();
        drop(theirs);
        assert!(!claim(&mut open()).unwrap());
    }
}
