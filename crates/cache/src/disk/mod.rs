//! A level on disk: a folder of files that are only appended to.

mod behind;
mod folder;
mod index;

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use behind::{Queue, Waiting};
use folder::Folder;
use index::{Index, Location, Look, Place};

use crate::clock::WallClock;
use crate::error::CacheError;
use crate::gate::Gate;
use crate::key::Key;
use crate::level::{Kept, LevelReport, LevelSettings};
use crate::segment::{self, ENTRY_HEAD, HEAD, LONGEST, Tail};
use crate::tag::Tag;

/// How long a folder that could not be written is only read: space is freed by people, not within seconds.
const OFF_MS: u64 = 30_000;
/// How often at most a miss looks for what other processes have written.
const REFRESH_MS: u64 = 1_000;
/// Bytes of values that are packed and written at once, where files are larger.
const BATCH: u64 = 1 << 20;

/// When an answer counts as kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// When the system has it: it survives the end of the process, however it ends.
    Acknowledged,
    /// At once; a thread writes it soon. What is pending when the process is killed is lost, and a report says how much.
    Behind,
}

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

/// A level on disk, for many threads: lookups share no lock beyond that of a shard of the index.
#[derive(Debug)]
pub(crate) struct Disk {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    settings: LevelSettings,
    clock: Arc<dyn WallClock>,
    index: Index,
    /// Locked before a shard of the index, never after.
    folder: Mutex<Folder>,
    gate: Gate,
    queue: Queue,
    ticket: AtomicU64,
    refreshed_ms: AtomicU64,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    stored: AtomicU64,
    expired: AtomicU64,
    damaged: AtomicU64,
    mistagged: AtomicU64,
    skipped: AtomicU64,
    lost: AtomicU64,
}

fn count(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

impl Disk {
    pub(crate) fn open(
        path: &Path,
        settings: LevelSettings,
        writes: Writes,
        clock: Arc<dyn WallClock>,
    ) -> Result<Self, CacheError> {
        let index = Index::new();
        let folder = Folder::open(path, settings.bytes, settings.policy, &index)?;
        let refreshed_ms = AtomicU64::new(clock.now_ms());
        let shared = Arc::new(Shared {
            settings,
            clock,
            index,
            folder: Mutex::new(folder),
            gate: Gate::new(OFF_MS, OFF_MS),
            queue: Queue::default(),
            ticket: AtomicU64::new(0),
            refreshed_ms,
            counts: Counts::default(),
        });
        let writer = match writes {
            Writes::Acknowledged => None,
            Writes::Behind => {
                let shared = shared.clone();
                let thread = thread::Builder::new().name("cache writer".to_owned());
                Some(thread.spawn(move || shared.write_behind()).map_err(CacheError::io("write behind to", path))?)
            }
        };
        Ok(Self { shared, writer })
    }

    /// The answer under a key; a damaged one is a miss.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn get(&self, key: &Key, tag: Tag) -> Result<Option<Kept>, CacheError> {
        let now_ms = self.shared.clock.now_ms();
        let mut found = self.shared.read(key, tag, now_ms)?;
        if found.is_none() && self.shared.refresh(now_ms) {
            found = self.shared.read(key, tag, now_ms)?;
        }
        let counts = &self.shared.counts;
        count(if found.is_some() { &counts.hits } else { &counts.misses }, 1);
        Ok(found)
    }

    /// Whether there is an answer that may be given out, of any tag.
    pub(crate) fn has(&self, key: &Key) -> bool {
        self.shared.index.has(key, self.shared.clock.now_ms())
    }

    /// Keeps an answer in place of an earlier one; whether it was kept, or will be. It is not while the level is off.
    ///
    /// # Errors
    /// When it is too long, or cannot be written; the level is then off for a while.
    pub(crate) fn put(&self, key: Key, kept: &Kept) -> Result<bool, CacheError> {
        let shared = &self.shared;
        let now_ms = shared.clock.now_ms();
        let bytes = kept.value.len();
        let limit = LONGEST.min(usize::try_from(shared.settings.bytes).unwrap_or(usize::MAX));
        if bytes + ENTRY_HEAD + HEAD.len() > limit {
            count(&shared.counts.skipped, 1);
            return Err(CacheError::TooLong { bytes, limit });
        }
        if !shared.gate.enter(now_ms) {
            count(&shared.counts.skipped, 1);
            return Ok(false);
        }
        let expires_ms = shared.settings.expires_ms(now_ms, kept.expires_ms);
        let waiting = Waiting {
            key,
            kept: Kept { expires_ms, ..kept.clone() },
            ticket: shared.ticket.fetch_add(1, Ordering::Relaxed),
        };
        if self.writer.is_none() {
            shared.write(&[waiting], Writes::Acknowledged, now_ms)?;
        } else {
            let (kept, ticket) = (waiting.kept.clone(), waiting.ticket);
            shared.index.enter(key, Place::Queued { kept, ticket });
            shared.queue.push(waiting);
        }
        Ok(true)
    }

    /// Writes what is pending, and all to the storage device.
    pub(crate) fn flush(&self) -> Result<(), CacheError> {
        self.shared.queue.flush();
        self.shared.folder().sync()
    }

    /// The keys that were used or kept last, the latest first.
    pub(crate) fn latest(&self, most: usize) -> Vec<Key> {
        self.shared.index.latest(most)
    }

    pub(crate) fn report(&self) -> LevelReport {
        let Shared { settings, clock, index, gate, queue, counts, .. } = &*self.shared;
        let (bytes, met) = {
            let folder = self.shared.folder();
            (folder.bytes(), folder.met)
        };
        let (pending, waits) = queue.pending();
        let number = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        LevelReport {
            name: settings.name.clone(),
            hits: number(&counts.hits),
            misses: number(&counts.misses),
            stored: number(&counts.stored),
            evicted: met.evicted,
            expired: number(&counts.expired),
            damaged: number(&counts.damaged) + met.damaged,
            mistagged: number(&counts.mistagged),
            skipped: number(&counts.skipped),
            lost: number(&counts.lost),
            waits,
            pending,
            failures: gate.failures(),
            off: gate.reason(clock.now_ms()),
            entries: Some(index.entries()),
            bytes: Some(bytes),
            raw_bytes: Some(index.raw_bytes()),
            hit_target: settings.hit_target,
            ..LevelReport::default()
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.shared.queue.close();
        if let Some(writer) = self.writer.take() {
            // What it could not write is counted; a panic of it has been told.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn read(&self, key: &Key, tag: Tag, now_ms: u64) -> Result<Option<Kept>, CacheError> {
        let place = match self.index.look_up(key, tag, now_ms) {
            Look::Absent => return Ok(None),
            Look::Expired => {
                count(&self.counts.expired, 1);
                return Ok(None);
            }
            Look::Mistagged => {
                count(&self.counts.mistagged, 1);
                return Ok(None);
            }
            Look::Found(place) => place,
        };
        let location = match place {
            Place::Queued { kept, .. } => return Ok(Some(kept)),
            Place::At(location) => location,
        };
        let segment = &location.segment;
        let mut bytes = vec![0; location.size as usize];
        match segment.file.read_exact_at(&mut bytes, location.offset) {
            Ok(()) => {}
            // Cut off behind our back: as good as damaged.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => bytes.clear(),
            Err(error) => return Err(CacheError::io("read", &segment.path)(error)),
        }
        let kept = segment::find(bytes, segment.version, key);
        if kept.is_none() {
            self.index.forget(key, &location);
            count(&self.counts.damaged, 1);
        }
        Ok(kept)
    }

    /// Looks for what other processes have written, once in a while; whether it did.
    fn refresh(&self, now_ms: u64) -> bool {
        let last_ms = self.refreshed_ms.load(Ordering::Relaxed);
        let is_due = now_ms.saturating_sub(last_ms) >= REFRESH_MS;
        let is_mine =
            is_due && self.refreshed_ms.compare_exchange(last_ms, now_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        // A folder that cannot be read now may be so later; until then its entries are misses.
        is_mine && self.folder().refresh(&self.index).is_ok()
    }

    /// Writes answers as one batch.
    fn write(&self, batch: &[Waiting], writes: Writes, now_ms: u64) -> Result<(), CacheError> {
        // Packed before the lock: threads pack beside each other.
        let (mut bytes, mut entries) = (Vec::new(), Vec::with_capacity(batch.len()));
        for waiting in batch {
            let start = bytes.len();
            if let Some(about) = segment::append(&mut bytes, &waiting.key, &waiting.kept) {
                let size = u32::try_from(bytes.len() - start).unwrap_or(u32::MAX);
                entries.push((waiting, start as u64, size, about));
            }
        }
        let mut folder = self.folder();
        let written = folder.append(&bytes, &self.index, now_ms);
        let (segment, offset) = match written {
            Ok(place) => place,
            Err(error) => {
                self.gate.failed(now_ms, error.to_string());
                return Err(error);
            }
        };
        // Still under the lock: no other writer can drop the file before its entries are known.
        for (waiting, start, size, about) in entries {
            let segment = segment.clone();
            let used_ms = waiting.kept.stored_ms;
            let location = Location { segment, offset: offset + start, size, about, used_ms, is_used: false };
            match writes {
                Writes::Acknowledged => self.index.enter(waiting.key, Place::At(location)),
                Writes::Behind => self.index.settle(waiting.key, waiting.ticket, Some(location)),
            }
        }
        drop(folder);
        count(&self.counts.stored, batch.len() as u64);
        self.gate.succeeded(now_ms);
        Ok(())
    }

    /// What the thread of a level does that writes behind.
    fn write_behind(&self) {
        let bytes = usize::try_from(BATCH.min(self.folder().file_limit() / 4)).unwrap_or(usize::MAX);
        loop {
            let batch = self.queue.take(bytes);
            if batch.is_empty() {
                return;
            }
            if self.write(&batch, Writes::Behind, self.clock.now_ms()).is_err() {
                count(&self.counts.lost, batch.len() as u64);
                for waiting in &batch {
                    self.index.settle(waiting.key, waiting.ticket, None);
                }
            }
            self.queue.wrote();
        }
    }

    fn folder(&self) -> MutexGuard<'_, Folder> {
        // Files and index change together only after a write has succeeded.
        self.folder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads every byte of a folder and compares it with its checksums; changes nothing.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn verify(folder: &Path) -> Result<VerifyReport, CacheError> {
    let mut report = VerifyReport::default();
    for (_, path) in folder::files(folder)? {
        let file = File::open(&path).map_err(CacheError::io("open", &path))?;
        report.files += 1;
        report.bytes += file.metadata().map_err(CacheError::io("read", &path))?.len();
        let tail = segment::read(BufReader::with_capacity(1 << 20, file), |entry| {
            report.entries += u64::from(entry.is_whole);
            report.damaged += u64::from(!entry.is_whole);
            Ok(())
        });
        match tail.map_err(CacheError::io("read", &path))? {
            Some((_, Tail::Whole)) => {}
            Some((_, Tail::Torn { .. })) => report.torn += 1,
            None => return Err(CacheError::Form { path }),
        }
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualWall;

    fn kept(text: &'static str) -> Kept {
        Kept { value: text.into(), tag: Tag::BYTES, cost_ms: 0, stored_ms: 1, expires_ms: u64::MAX }
    }

    fn key(number: u32) -> Key {
        Key::of(&number).unwrap()
    }

    #[test]
    fn what_is_pending_is_counted_and_readable() {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Arc::new(ManualWall::new(1_000)));
        let disk = Disk::open(folder.path(), LevelSettings::cold(1 << 20), Writes::Behind, clock).unwrap();
        let held = disk.shared.folder();
        (0..3).for_each(|number| assert!(disk.put(key(number), &kept("pending")).unwrap()));
        assert_eq!(disk.shared.queue.pending(), (3, 0));
        assert_eq!(disk.get(&key(2), Tag::BYTES).unwrap().unwrap().value, "pending");
        drop(held);
        disk.flush().unwrap();
        let report = disk.report();
        assert_eq!((report.pending, report.stored, report.lost), (0, 3, 0));
    }

    /// `/dev/full` is a device on which every write finds no space.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_turns_the_level_off_and_says_so() {
        for writes in [Writes::Acknowledged, Writes::Behind] {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(ManualWall::new(1_000));
            let disk = Disk::open(folder.path(), LevelSettings::disk(1 << 20), writes, clock.clone()).unwrap();
            disk.put(key(1), &kept("kept before")).unwrap();
            disk.flush().unwrap();
            disk.shared.folder().replace_own(Path::new("/dev/full"));
            let put = disk.put(key(2), &kept("no space"));
            assert_eq!(put.is_err(), writes == Writes::Acknowledged);
            disk.shared.queue.flush();
            assert!(!disk.put(key(3), &kept("not tried")).unwrap());
            let report = disk.report();
            assert_eq!((report.failures, report.skipped, report.stored), (1, 1, 1));
            assert_eq!(report.lost, u64::from(writes == Writes::Behind));
            assert!(report.off.unwrap().contains("No space left on device"));
            assert_eq!(disk.get(&key(1), Tag::BYTES).unwrap().unwrap().value, "kept before");
            clock.advance(std::time::Duration::from_millis(OFF_MS));
            assert!(disk.put(key(4), &kept("space again")).unwrap());
            disk.flush().unwrap();
            let report = disk.report();
            assert_eq!((report.off, report.stored, report.entries), (None, 2, Some(2)));
        }
    }
}
