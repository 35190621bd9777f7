//! The index of runs.

use std::fs;
use std::path::{Path, PathBuf};

use weighbridge_store::{Filter, Headline, Index, Recorder, RunFolder};
use weighbridge_types::event::Sink;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Phase, Status};
use weighbridge_types::time::WallTime;

use crate::child;
use crate::rows::{NOON, record};

/// Writes a run that began the given seconds after noon, and returns its folder.
fn write_run(results: &Path, label: &str, seconds: u64, model: &str) -> PathBuf {
    let at = WallTime::from_unix_millis(NOON.unix_millis() + 1000 * seconds);
    let folder = RunFolder::create(results, "bench", label, at).unwrap();
    let mut record = record(folder.run_id(), label, 12.5);
    record.created_at = at.to_string();
    record.engine.model = model.to_owned();
    let path = folder.path().to_owned();
    Recorder::start(folder).unwrap().checkpoint(&record).unwrap();
    path
}

fn labels(index: &mut Index, filter: &Filter) -> Vec<String> {
    index.list(filter).unwrap().into_iter().map(|run| run.label).collect()
}

#[test]
fn runs_are_listed_latest_first_and_filtered() {
    let results = tempfile::tempdir().unwrap();
    let mut index = Index::open(results.path()).unwrap();
    for (label, seconds, model) in [("b", 20, "tiny"), ("a", 10, "tiny"), ("c", 30, "other")] {
        index.register(&write_run(results.path(), label, seconds, model)).unwrap();
    }
    let mut check = |filter: Filter, expected: &[&str]| assert_eq!(labels(&mut index, &filter), expected);
    let some = |text: &str| Some(text.to_owned());
    check(Filter::default(), &["c", "b", "a"]);
    check(Filter { limit: Some(2), ..Filter::default() }, &["c", "b"]);
    check(Filter { model: some("tiny"), ..Filter::default() }, &["b", "a"]);
    check(Filter { label: some("a"), model: some("tiny"), ..Filter::default() }, &["a"]);
    check(Filter { kind: some("eval"), ..Filter::default() }, &[]);
}

#[test]
fn an_entry_tells_what_the_record_says() {
    let results = tempfile::tempdir().unwrap();
    write_run(results.path(), "a", 0, "tiny");
    let entry = Index::open(results.path()).unwrap().list(&Filter::default()).unwrap().remove(0);
    assert_eq!((entry.status, entry.model.as_str(), entry.duration_s), (Status::Running, "tiny", 12.5));
    assert_eq!(entry.run_id, "20260301T123000Z-bench-a");
    let cell = Cell::of(Phase::Latency).with("input_tokens", 128);
    let headline = Headline { key: "ttft.mean".to_owned(), cell, value: Some(12.5), unit: "ms".to_owned() };
    assert_eq!(entry.headlines, [headline]);
}

#[test]
fn the_folders_are_the_truth() {
    let results = tempfile::tempdir().unwrap();
    let mut index = Index::open(results.path()).unwrap();
    let kept = write_run(results.path(), "kept", 0, "tiny");
    let lost = write_run(results.path(), "lost", 1, "tiny");
    assert_eq!(index.refresh().unwrap().updated, 2);
    assert_eq!(index.refresh().unwrap().updated, 0);

    fs::remove_dir_all(lost).unwrap();
    let text = fs::read_to_string(kept.join("record.json")).unwrap();
    fs::write(kept.join("record.json"), text.replace("\"running\"", "\"interrupted\"")).unwrap();
    let refresh = index.refresh().unwrap();
    assert_eq!((refresh.updated, refresh.dropped), (1, 1));
    assert_eq!(index.list(&Filter::default()).unwrap()[0].status, Status::Interrupted);

    fs::write(kept.join("record.json"), "{}").unwrap();
    let refresh = index.refresh().unwrap();
    assert_eq!((refresh.dropped, refresh.unreadable[0].0.as_path()), (1, kept.as_path()));
    fs::write(kept.join("record.json"), text).unwrap();
    assert_eq!(index.rebuild().unwrap().updated, 1);
    assert_eq!(labels(&mut index, &Filter::default()), ["kept"]);
}

#[test]
fn a_damaged_index_is_made_again() {
    let results = tempfile::tempdir().unwrap();
    write_run(results.path(), "a", 0, "tiny");
    let file = results.path().join("index.sqlite");
    let check = |damage: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        drop(Index::open(results.path()).unwrap());
        fs::write(&file, damage(fs::read(&file).unwrap())).unwrap();
        let mut index = Index::open(results.path()).unwrap();
        assert_eq!(labels(&mut index, &Filter::default()), ["a"]);
    };
    check(&|_| b"this is no database, but long enough to be one: ".repeat(100));
    // Everything after the header and the first page's list of tables is overwritten.
    check(&|bytes| bytes.iter().enumerate().map(|(at, &byte)| if at < 4096 { byte } else { 0xa5 }).collect());
    check(&|bytes| bytes[..bytes.len() / 2].to_vec());
}

#[test]
fn an_index_of_another_version_is_made_again() {
    let results = tempfile::tempdir().unwrap();
    write_run(results.path(), "a", 0, "tiny");
    let file = results.path().join("index.sqlite");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("CREATE TABLE runs (other TEXT); PRAGMA user_version = 99;").unwrap();
    drop(connection);
    let mut index = Index::open(results.path()).unwrap();
    index.refresh().unwrap();
    assert_eq!(labels(&mut index, &Filter::default()), ["a"]);
}

/// The part of a child: registers every run of a folder, again and again. As a test of its own it does nothing.
#[test]
fn child_registers_every_run() {
    if let Some(results) = child::folder() {
        register_all(&results);
    }
}

fn register_all(results: &Path) {
    let mut index = Index::open(results).unwrap();
    let runs = fs::read_dir(results).unwrap().map(|entry| entry.unwrap().path());
    let runs: Vec<PathBuf> = runs.filter(|path| path.is_dir()).collect();
    for _ in 0..5 {
        runs.iter().for_each(|run| index.register(run).unwrap());
    }
}

#[test]
fn threads_and_processes_write_at_once() {
    let results = tempfile::tempdir().unwrap();
    for number in 0..6 {
        write_run(results.path(), &format!("run{number}"), number, "tiny");
    }
    let mut children: Vec<_> =
        (0..3).map(|_| child::start("index::child_registers_every_run", results.path())).collect();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| register_all(results.path()));
        }
    });
    children.iter_mut().for_each(|child| assert!(child.wait().unwrap().success()));
    let mut index = Index::open(results.path()).unwrap();
    assert_eq!(index.list(&Filter::default()).unwrap().len(), 6);
    let refresh = index.refresh().unwrap();
    assert_eq!((refresh.updated, refresh.dropped), (0, 0));
}
