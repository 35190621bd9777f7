//! A writer that is killed.

use std::thread;
use std::time::Duration;

use weighbridge_cache::{Cache, Key, Limits, verify};

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
        assert!((0..kept).all(|number| cache.get(&key(number)).unwrap() == Some(value(number))));
        assert_eq!(cache.get(&key(kept)).unwrap(), None);
        // Opening has cut off what the kill left unfinished, and the file goes on.
        cache.put(key(kept), &value(kept)).unwrap();
        let after = verify(folder.path()).unwrap();
        assert_eq!((after.entries, after.torn, after.damaged, after.files), (left.entries + 1, 0, 0, 1));
    }
}
