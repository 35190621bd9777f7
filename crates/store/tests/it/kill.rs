//! A writer that is killed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::Duration;

use weighbridge_store::{Recorder, RunFolder, read_log};
use weighbridge_types::event::{RunEvent, Sink};
use weighbridge_types::record::Phase;

use crate::child;
use crate::rows::{NOON, request};

/// The part of the child: writes rows until it is killed. As a test of its own it does nothing.
#[test]
fn child_writes_until_killed() {
    let Some(results) = child::folder() else {
        return;
    };
    let folder = RunFolder::create(&results, "bench", "killed", NOON).unwrap();
    let mut recorder = Recorder::start(folder).unwrap();
    recorder.event(&RunEvent::PhaseStarted { phase: Phase::Latency, attempt: 1 }).unwrap();
    for id in 0.. {
        recorder.event(&request(Phase::Latency, id, 16)).unwrap();
    }
}

/// The part of the child: writes one row and waits. As a test of its own it does nothing.
#[test]
fn child_writes_one_row() {
    let Some(results) = child::folder() else {
        return;
    };
    let folder = RunFolder::create(&results, "bench", "killed", NOON).unwrap();
    let mut recorder = Recorder::start(folder).unwrap();
    recorder.event(&RunEvent::PhaseStarted { phase: Phase::Latency, attempt: 1 }).unwrap();
    recorder.event(&request(Phase::Latency, 0, 16)).unwrap();
    loop {
        thread::park();
    }
}

/// Waits until the log of the child's run holds that many bytes, then kills the child. Returns the run's folder.
fn kill_at(bytes: u64, mut child: Child, results: &Path) -> PathBuf {
    let run = results.join("20260301T123000Z-bench-killed");
    let log = run.join("events.jsonl.zst");
    while fs::metadata(&log).map_or(0, |data| data.len()) < bytes {
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        thread::park_timeout(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    run
}

#[test]
fn a_slow_run_loses_no_row_older_than_a_frame() {
    let results = tempfile::tempdir().unwrap();
    let run = kill_at(1, child::start("kill::child_writes_one_row", results.path()), results.path());
    let log = read_log(&run).unwrap();
    assert_eq!((log.requests().count(), log.truncated), (1, false));
}

#[test]
fn what_was_written_before_a_kill_reads_back_and_the_run_resumes() {
    for bytes in [1, 30_000, 200_000] {
        let results = tempfile::tempdir().unwrap();
        let child = child::start("kill::child_writes_until_killed", results.path());
        let run = kill_at(bytes, child, results.path());
        let log = read_log(&run).unwrap();
        let before: Vec<u64> = log.requests().map(|row| row.id).collect();
        // A kill within the first frame leaves a torn one and nothing before it.
        assert!(!before.is_empty() || log.truncated);
        assert!(before.iter().copied().eq(0..before.len() as u64));

        let mut recorder = Recorder::start(RunFolder::open(&run).unwrap()).unwrap();
        recorder.event(&request(Phase::Latency, before.len() as u64, 16)).unwrap();
        recorder.close().unwrap();
        let after = read_log(&run).unwrap();
        assert_eq!((after.requests().count(), after.truncated), (before.len() + 1, false));
    }
}
