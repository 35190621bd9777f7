//! Folders that are opened again, by several, full, or damaged.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use weighbridge_cache::{Cache, CacheError, Key, Limits, verify};

use crate::child::STARTING;

fn key(number: u32) -> Key {
    Key::of(&("request", number)).unwrap()
}

fn open(folder: &Path) -> Cache {
    Cache::open(folder, Limits::default()).unwrap()
}

fn file(folder: &Path) -> PathBuf {
    folder.join("00000000.cache")
}

/// 100 bytes that do not become fewer.
fn noise(seed: u32) -> Vec<u8> {
    let step = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        Some(state.to_be_bytes()[0])
    };
    (0..100).scan(seed, |state, _| step(state)).collect()
}

/// A file that the first version wrote.
#[test]
fn version_1_is_read_and_the_next_file_is_of_version_2() {
    let folder = tempfile::tempdir().unwrap();
    let golden = include_bytes!("golden/version-1.cache");
    fs::write(file(folder.path()), golden).unwrap();
    let cache = open(folder.path());
    for number in 0..3 {
        let expected = format!("an answer of version 1, number {number}. ").repeat(number as usize);
        assert_eq!(cache.get(&key(number)).unwrap().as_deref(), Some(expected.as_bytes()));
    }
    cache.put(key(1), b"other").unwrap();
    cache.put(key(3), b"new").unwrap();
    drop(cache);
    assert_eq!(fs::read(file(folder.path())).unwrap(), golden);
    assert!(fs::read(folder.path().join("00000001.cache")).unwrap().starts_with(b"WBCACHE2"));
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.files, report.entries, report.damaged, report.torn), (2, 4, 0, 0));
}

#[test]
fn an_answer_survives_and_the_first_one_stays() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    assert_eq!(cache.get(&key(1)).unwrap(), None);
    cache.put(key(1), b"one").unwrap();
    cache.put(key(1), b"other").unwrap();
    cache.put(key(2), b"").unwrap();
    assert_eq!(cache.get(&key(1)).unwrap().as_deref(), Some(b"one".as_slice()));
    assert_eq!((cache.counts().memory_hits, cache.counts().misses, cache.counts().stored), (1, 1, 2));
    drop(cache);
    let cache = open(folder.path());
    for _ in 0..2 {
        assert_eq!(cache.get(&key(1)).unwrap().as_deref(), Some(b"one".as_slice()));
    }
    assert_eq!(cache.get(&key(2)).unwrap().as_deref(), Some(b"".as_slice()));
    // The second look found what the first one had moved into memory.
    assert_eq!((cache.counts().disk_hits, cache.counts().memory_hits), (2, 1));
}

#[test]
fn several_may_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(folder.path()), open(folder.path()));
    for number in 0..50 {
        let cache = if number % 2 == 0 { &one } else { &two };
        cache.put(key(number), &number.to_le_bytes()).unwrap();
    }
    let third = open(folder.path());
    assert!((0..50).all(|number| third.get(&key(number)).unwrap().as_deref() == Some(number.to_le_bytes().as_slice())));
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.entries, report.files, report.torn, report.damaged), (50, 2, 0, 0));
}

#[test]
fn a_full_folder_drops_its_oldest_file() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { memory_bytes: 0, disk_bytes: 64 << 10 };
    let cache = Cache::open(folder.path(), limits).unwrap();
    for number in 0..2_000 {
        cache.put(key(number), &noise(number)).unwrap();
        assert!(number % 100 != 0 || verify(folder.path()).unwrap().bytes <= limits.disk_bytes);
    }
    assert_eq!(cache.get(&key(0)).unwrap(), None);
    assert!(cache.get(&key(1_999)).unwrap().is_some());
    let kept = verify(folder.path()).unwrap().entries;
    assert!((300..390).contains(&kept), "{kept} answers of 168 bytes are kept in 64 KiB");
    drop(cache);
    assert!(Cache::open(folder.path(), limits).unwrap().get(&key(1_999)).unwrap().is_some());
}

#[test]
fn a_damaged_answer_is_a_miss_and_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    (0..3).for_each(|number| cache.put(key(number), b"the answer").unwrap());
    drop(cache);
    let mut bytes = fs::read(file(folder.path())).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file(folder.path()), &bytes).unwrap();
    let report = verify(folder.path()).unwrap();
    assert_eq!((report.entries, report.damaged), (2, 1));
    let cache = open(folder.path());
    assert_eq!(cache.counts().damaged, 1);
    assert_eq!((0..3).filter(|number| cache.get(&key(*number)).unwrap().is_some()).count(), 2);
    // It can be kept again.
    cache.put(key(1), b"the answer").unwrap();
    assert!(cache.get(&key(1)).unwrap().is_some());
}

#[test]
fn a_file_of_another_kind_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(file(folder.path()), "something else").unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let error = Cache::open(folder.path(), Limits::default()).unwrap_err();
    assert!(matches!(error, CacheError::Form { .. }) && !error.hint().is_empty(), "{error}");
    assert!(matches!(verify(folder.path()), Err(CacheError::Form { .. })));
    assert_eq!(fs::read_to_string(file(folder.path())).unwrap(), "something else");
    assert!(matches!(verify(&folder.path().join("none")), Err(CacheError::Io { .. })));
}

#[test]
fn a_cut_file_goes_on_where_it_was_whole() {
    // Its lock must be free at once each time.
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let cache = open(folder.path());
    (0..3).for_each(|number| cache.put(key(number), b"the answer").unwrap());
    drop(cache);
    let whole = fs::read(file(folder.path())).unwrap();
    for length in 0..whole.len() {
        fs::write(file(folder.path()), &whole[..length]).unwrap();
        let cache = open(folder.path());
        let kept = (0..3).filter(|number| cache.get(&key(*number)).unwrap().is_some()).count();
        assert_eq!(kept, length.saturating_sub(8) / 78, "after {length} bytes");
        (0..3).for_each(|number| cache.put(key(number), b"the answer").unwrap());
        drop(cache);
        assert_eq!(fs::read(file(folder.path())).unwrap().len(), whole.len(), "after {length} bytes");
    }
}
