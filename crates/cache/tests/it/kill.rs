//! A writer that is killed.

use std::fs::{self, File};
use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use weighbridge_cache::{Cache, Keep, Key, LevelSettings, Levels, Limits, SystemWall, Tag, Writes, verify};

use crate::child;

fn key(number: u32) -> Key {
    Key::of(&number).unwrap()
}

fn value(number: u32) -> Vec<u8> {
    number.to_string().repeat(50).into_bytes()
}

/// The part of the child: keeps answers until it is killed. As a test of its own it does nothing.
#[test]
fn child_keeps_until_killed() {
    let Some(folder) = child::folder() else {
        return;
    };
    let cache = Cache::open(&folder, Limits::default()).unwrap();
    for number in 0.. {
        cache.put(key(number), &value(number)).unwrap();
    }
}

fn bytes(folder: &std::path::Path) -> u64 {
    verify(folder).map_or(0, |report| report.bytes)
}

#[test]
fn what_was_kept_before_a_kill_is_there_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    for wanted in [1_000, 60_000, 300_000, 900_000] {
        let mut child = child::start("kill::child_keeps_until_killed", folder.path());
        while bytes(folder.path()) < wanted {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            thread::park_timeout(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left = verify(folder.path()).unwrap();
        assert_eq!(left.damaged, 0);
        let cache = Cache::open(folder.path(), Limits::default()).unwrap();
        let kept = u32::try_from(left.entries).unwrap();
        assert!((0..kept).all(|number| cache.get(&key(number)).unwrap().as_deref() == Some(value(number).as_slice())));
        assert_eq!(cache.get(&key(kept)).unwrap(), None);
        // Opening has cut off what the kill left unfinished, and the file goes on.
        cache.put(key(kept), &value(kept)).unwrap();
        let after = verify(folder.path()).unwrap();
        assert_eq!((after.entries, after.torn, after.damaged, after.files), (left.entries + 1, 0, 0, 1));
    }
}

fn levels(folder: &std::path::Path) -> Levels {
    let levels = Levels::new(LevelSettings::memory(0), Arc::new(SystemWall));
    levels.with_disk(folder, LevelSettings::disk(1 << 30), Writes::Acknowledged).unwrap()
}

/// The part of the child: notes the number of every answer once it is acknowledged, until it is killed.
#[test]
fn child_notes_what_was_acknowledged() {
    let Some(folder) = child::folder() else {
        return;
    };
    let (levels, mut notes) = (levels(&folder), File::create(folder.join("notes")).unwrap());
    for number in 0_u32.. {
        levels.put(key(number), value(number).into(), Keep::tagged(Tag::BYTES));
        notes.write_all(&number.to_le_bytes()).unwrap();
    }
}

/// The part of the child: flushes what it writes behind, says so, and waits to be killed.
#[test]
fn child_flushes_and_waits() {
    let Some(folder) = child::folder() else {
        return;
    };
    let levels = Levels::new(LevelSettings::memory(0), Arc::new(SystemWall));
    let levels = levels.with_disk(&folder, LevelSettings::cold(1 << 30), Writes::Behind).unwrap();
    (0..2_000).for_each(|number| levels.put(key(number), value(number).into(), Keep::tagged(Tag::BYTES)));
    levels.flush().unwrap();
    File::create(folder.join("notes")).unwrap();
    loop {
        thread::park();
    }
}

#[test]
fn what_was_flushed_survives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child::start("kill::child_flushes_and_waits", folder.path());
    while !folder.path().join("notes").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        thread::park_timeout(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let levels = levels(folder.path());
    assert!((0..2_000).all(|number| levels.get(&key(number), Tag::BYTES).is_some()));
}

#[test]
fn nothing_that_was_acknowledged_is_lost_in_a_kill() {
    for wanted in [4, 4_000, 40_000] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = child::start("kill::child_notes_what_was_acknowledged", folder.path());
        let noted = || fs::metadata(folder.path().join("notes")).map_or(0, |notes| notes.len());
        while noted() < wanted {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            thread::park_timeout(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let levels = levels(folder.path());
        let acknowledged = u32::try_from(noted() / 4).unwrap();
        for number in 0..acknowledged {
            let found = levels.get(&key(number), Tag::BYTES).map(|(found, _)| found);
            assert_eq!(found.as_deref(), Some(value(number).as_slice()), "{number} of {acknowledged}");
        }
    }
}
