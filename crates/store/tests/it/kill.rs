//! A writer that is killed.

use std::fs;

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

#[test]
fn what_was_written_before_a_kill_reads_back_and_the_run_resumes() {
    for bytes in [1, 30_000, 200_000] {
        let results = tempfile::tempdir().unwrap();
        let mut child = child::start("kill::child_writes_until_killed", results.path());
        let run = results.path().join("20260301T123000Z-bench-killed");
        let log = run.join("events.jsonl.zst");
        while fs::metadata(&log).map_or(0, |data| data.len()) < bytes {
            assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let before: Vec<u64> = read_log(&run).unwrap().requests().map(|row| row.id).collect();
        assert!(!before.is_empty());
        assert!(before.iter().copied().eq(0..before.len() as u64));

        let mut recorder = Recorder::start(RunFolder::open(&run).unwrap()).unwrap();
        recorder.event(&request(Phase::Latency, before.len() as u64, 16)).unwrap();
        recorder.close().unwrap();
        let after = read_log(&run).unwrap();
        assert_eq!((after.requests().count(), after.truncated), (before.len() + 1, false));
    }
}
