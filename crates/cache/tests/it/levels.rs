//! Levels below each other: expiry, promotion, restarts, tags, outages, two processes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use weighbridge_cache::{
    Keep, Key, LevelReport, LevelSettings, Levels, ManualWall, Policy, Source, SystemWall, Tag, Writes,
};

use crate::child;

const TAG: Tag = Tag::new(7, 1);
const HOUR: Duration = Duration::from_secs(3_600);

fn key(number: u32) -> Key {
    Key::of(&number).unwrap()
}

fn text(number: u32) -> Bytes {
    format!("answer {number}, which is as long as answers are. ").repeat(20).into()
}

fn wall() -> Arc<ManualWall> {
    Arc::new(ManualWall::new(1_800_000_000_000))
}

fn memory(wall: &Arc<ManualWall>, bytes: u64) -> Levels {
    Levels::new(LevelSettings::memory(bytes), wall.clone())
}

fn open(wall: &Arc<ManualWall>, folder: &Path) -> Levels {
    memory(wall, 1 << 20).with_disk(folder, LevelSettings::disk(1 << 20), Writes::Acknowledged).unwrap()
}

fn source(levels: &Levels, number: u32) -> Option<Source> {
    levels.get(&key(number), TAG).map(|(value, source)| {
        assert_eq!(value, text(number));
        source
    })
}

fn put(levels: &Levels, number: u32) {
    levels.put(key(number), text(number), Keep::tagged(TAG));
}

fn disk(levels: &Levels) -> LevelReport {
    levels.reports().swap_remove(1)
}

#[test]
fn each_level_has_its_time() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), wall());
    let levels = open(&wall, folder.path());
    put(&levels, 1);
    levels.put(key(2), text(2), Keep { ttl: Some(HOUR * 2), ..Keep::tagged(TAG) });
    assert_eq!(source(&levels, 1), Some(Source::Memory));
    wall.advance(HOUR);
    // Memory has forgotten it, the folder has not; then memory knows it again.
    assert_eq!((source(&levels, 1), source(&levels, 1)), (Some(Source::Disk), Some(Source::Memory)));
    wall.advance(HOUR - Duration::from_millis(1));
    assert_eq!(source(&levels, 2), Some(Source::Disk));
    wall.advance(Duration::from_millis(1));
    // Promoting it has not made its life longer.
    assert_eq!((source(&levels, 2), source(&levels, 2)), (None, None));
    wall.advance(HOUR * 22);
    assert_eq!(source(&levels, 1), None);
    let reports = levels.reports();
    assert_eq!((reports[0].expired, reports[1].expired), (4, 2));
    put(&levels, 1);
    assert_eq!(source(&levels, 1), Some(Source::Memory));
}

#[test]
fn expiry_and_answers_survive_a_restart() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), wall());
    let levels = open(&wall, folder.path());
    (0..50).for_each(|number| put(&levels, number));
    let report = disk(&levels);
    assert_eq!((report.entries, report.stored, report.raw_bytes), (Some(50), 50, Some(43_800)));
    assert!(report.bytes.unwrap() < 10_000, "compression leaves {:?} of 43,800 bytes", report.bytes);
    drop(levels);
    wall.advance(HOUR * 23);
    let levels = open(&wall, folder.path());
    // The latest are worth warming.
    assert_eq!(levels.latest(100).len(), 50);
    assert_eq!(levels.warm([key(7), key(70)], TAG), 1);
    assert_eq!((source(&levels, 7), source(&levels, 8)), (Some(Source::Memory), Some(Source::Disk)));
    assert_eq!(levels.latest(2).iter().filter(|latest| [key(7), key(8)].contains(latest)).count(), 2);
    drop(levels);
    wall.advance(HOUR);
    let levels = open(&wall, folder.path());
    assert!((0..50).all(|number| source(&levels, number).is_none()));
    assert_eq!((disk(&levels).expired, disk(&levels).entries), (50, Some(0)));
}

#[test]
fn an_answer_of_another_type_or_version_is_a_miss_until_it_is_replaced() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), wall());
    let levels = open(&wall, folder.path());
    levels.put(key(1), Tag::encode(&["x"]).unwrap(), Keep::tagged(Tag::new(7, 1)));
    for other in [Tag::new(7, 2), Tag::new(8, 1), Tag::BYTES] {
        assert_eq!(levels.get(&key(1), other), None);
    }
    assert_eq!((levels.reports()[0].mistagged, disk(&levels).mistagged), (3, 3));
    levels.put(key(1), Tag::encode(&7).unwrap(), Keep::tagged(Tag::new(7, 2)));
    drop(levels);
    let levels = open(&wall, folder.path());
    let (found, _) = levels.get(&key(1), Tag::new(7, 2)).unwrap();
    assert_eq!((Tag::decode::<u32>(&found), Tag::decode::<Vec<String>>(&found)), (Some(7), None));
}

#[test]
fn damage_is_a_miss() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), wall());
    let levels = open(&wall, folder.path());
    (0..3).for_each(|number| put(&levels, number));
    let path = folder.path().join("00000000.cache");
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len();
    bytes[length - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    // Memory still has it; a process without it reads the file.
    assert_eq!(source(&levels, 2), Some(Source::Memory));
    wall.advance(HOUR);
    assert_eq!((source(&levels, 2), source(&levels, 1)), (None, Some(Source::Disk)));
    assert_eq!(disk(&levels).damaged, 1);
    fs::write(&path, &bytes[..20]).unwrap();
    wall.advance(HOUR);
    assert_eq!((0..3).filter(|number| source(&levels, *number).is_some()).count(), 0);
    assert_eq!(disk(&levels).damaged, 3);
}

#[test]
fn three_levels_promote_to_those_above() {
    let (fast, cold, wall) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), wall());
    let levels = open(&wall, fast.path()).with_disk(cold.path(), LevelSettings::cold(1 << 20), Writes::Behind).unwrap();
    put(&levels, 1);
    levels.flush().unwrap();
    assert_eq!(levels.reports()[2].pending, 0);
    wall.advance(HOUR * 24);
    // Only the cold level still has it, for a week.
    assert_eq!(source(&levels, 1), Some(Source::Disk));
    let hits: Vec<_> = levels.reports().iter().map(|report| (report.hits, report.misses, report.stored)).collect();
    assert_eq!(hits, [(0, 1, 2), (0, 1, 2), (1, 0, 1)]);
    wall.advance(HOUR);
    assert_eq!(source(&levels, 1), Some(Source::Disk));
    let reports = levels.reports();
    assert_eq!((reports[1].hits, reports[2].hits), (1, 1));
    assert_eq!((reports[1].hit_ratio(), reports[0].meets_target()), (Some(0.5), Some(false)));
    assert_eq!((reports[0].name.as_str(), reports[1].meets_target()), ("memory", None));
    let promoted: Vec<_> = reports.iter().map(|report| report.promoted).collect();
    assert_eq!(promoted, [2, 1, 0]);
    assert_eq!(
        (reports[2].ttl_s, reports[2].policy, reports[2].most_bytes),
        (Some(604_800), Policy::SizeAware, Some(1 << 20))
    );
}

/// 500 bytes that do not become fewer.
fn noise(seed: u32) -> Bytes {
    let mut bytes = Vec::new();
    while bytes.len() < 500 {
        let digits = format!("{:?}", Key::of(&(seed, bytes.len())).unwrap());
        bytes.extend(
            digits.as_bytes()[..16]
                .chunks(2)
                .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()),
        );
    }
    bytes.into()
}

#[test]
fn a_full_folder_keeps_what_its_policy_would_keep() {
    let check = |policy| {
        let (folder, wall) = (tempfile::tempdir().unwrap(), wall());
        let settings = LevelSettings { policy, ..LevelSettings::disk(64 << 10) };
        let levels = memory(&wall, 0).with_disk(folder.path(), settings, Writes::Acknowledged).unwrap();
        for number in 0..300 {
            // One in twenty is dear, another one small, another one is asked for again and again.
            let cost = Duration::from_millis(if number % 20 == 1 { 60_000 } else { 1 });
            let value = if number % 20 == 2 { noise(number).slice(..20) } else { noise(number) };
            levels.put(key(number), value, Keep { cost: Some(cost), ..Keep::tagged(TAG) });
            (0..number).filter(|number| number % 20 == 3).for_each(|number| drop(levels.get(&key(number), TAG)));
            wall.advance(Duration::from_secs(1));
            assert!(disk(&levels).bytes.unwrap() <= 64 << 10);
        }
        let left = |kind: u32| {
            (0..160).filter(|number| number % 20 == kind && levels.get(&key(*number), TAG).is_some()).count()
        };
        let (dear, small, asked, other) = (left(1), left(2), left(3), left(4));
        assert_eq!(other, 0, "{policy:?}");
        let report = disk(&levels);
        assert!(report.evicted > 100 && report.evicted + report.entries.unwrap() == 300, "{policy:?}: {report:?}");
        (dear, small, asked)
    };
    assert_eq!(check(Policy::Lru), (0, 0, 8));
    let (_, small, _) = check(Policy::SizeAware);
    assert_eq!(small, 8);
    let (dear, _, _) = check(Policy::CostAware);
    assert_eq!(dear, 8);
}

#[test]
fn a_folder_that_cannot_be_written_is_left_alone_for_a_while() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), wall());
    let path = folder.path().join("gone");
    let levels = open(&wall, &path);
    fs::remove_dir(&path).unwrap();
    put(&levels, 1);
    let report = disk(&levels);
    assert_eq!((report.failures, report.stored, report.skipped), (1, 0, 0));
    assert!(report.off.as_deref().unwrap().starts_with("make `"), "{report:?}");
    fs::create_dir(&path).unwrap();
    put(&levels, 2);
    assert_eq!((disk(&levels).skipped, source(&levels, 1)), (1, Some(Source::Memory)));
    wall.advance(Duration::from_secs(30));
    put(&levels, 3);
    let report = disk(&levels);
    assert_eq!((report.stored, report.off, report.entries), (1, None, Some(1)));
}

#[test]
fn what_another_process_writes_is_found_and_what_it_drops_is_forgotten() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), wall());
    let (one, two) = (open(&wall, folder.path()), open(&wall, folder.path()));
    for number in 0..10 {
        put(&one, number);
        wall.advance(Duration::from_secs(1));
        assert_eq!(source(&two, number), Some(Source::Disk));
        // Within the same second it is not looked for again.
        assert_eq!(source(&two, number + 100), None);
    }
    put(&two, 200);
    wall.advance(Duration::from_secs(1));
    assert_eq!(source(&one, 200), Some(Source::Disk));
    let mine = folder.path().join("00000000.cache");
    fs::remove_file(mine).unwrap();
    wall.advance(HOUR);
    assert_eq!((source(&two, 300), source(&two, 1), source(&two, 200)), (None, None, Some(Source::Disk)));
    assert_eq!(disk(&two).evicted, 10);
}

/// The part of the second process: reads what the first has put, and answers.
#[test]
fn child_answers_beside() {
    let Some(folder) = child::folder() else {
        return;
    };
    let levels = Levels::new(LevelSettings::memory(0), Arc::new(SystemWall));
    let levels = levels.with_disk(&folder, LevelSettings::disk(1 << 20), Writes::Acknowledged).unwrap();
    assert_eq!(source(&levels, 1), Some(Source::Disk));
    put(&levels, 2);
}

#[test]
fn two_processes_share_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let open = || {
        let levels = Levels::new(LevelSettings::memory(0), Arc::new(SystemWall));
        levels.with_disk(folder.path(), LevelSettings::disk(1 << 20), Writes::Acknowledged).unwrap()
    };
    let levels = open();
    put(&levels, 1);
    assert!(child::start("levels::child_answers_beside", folder.path()).wait().unwrap().success());
    put(&levels, 3);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    let later = open();
    assert!((1..=3).all(|number| source(&later, number) == Some(Source::Disk)));
}

#[test]
fn what_writes_behind_is_readable_at_once_and_all_there_after_a_drop() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), wall());
    let open = || memory(&wall, 0).with_disk(folder.path(), LevelSettings::cold(64 << 20), Writes::Behind).unwrap();
    let levels = open();
    for number in 0..5_000 {
        put(&levels, number);
        assert_eq!(source(&levels, number), Some(Source::Disk));
    }
    levels.flush().unwrap();
    let report = disk(&levels);
    assert_eq!((report.pending, report.lost, report.stored, report.entries), (0, 0, 5_000, Some(5_000)));
    (5_000..6_000).for_each(|number| put(&levels, number));
    drop(levels);
    let levels = open();
    assert!((0..6_000).all(|number| source(&levels, number) == Some(Source::Disk)));
}

#[test]
fn what_could_not_be_written_behind_is_counted() {
    let (folder, wall) = (tempfile::tempdir().unwrap(), wall());
    let path = folder.path().join("gone");
    let levels = memory(&wall, 0).with_disk(&path, LevelSettings::cold(1 << 20), Writes::Behind).unwrap();
    fs::remove_dir(&path).unwrap();
    put(&levels, 1);
    levels.flush().unwrap();
    let report = disk(&levels);
    assert_eq!((report.lost, report.pending, report.failures, report.entries), (1, 0, 1, Some(0)));
    assert!(report.off.is_some() && source(&levels, 1).is_none());
}
