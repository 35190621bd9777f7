//! Recording at speed.

use weighbridge_store::{Recorder, RunFolder, read_log};
use weighbridge_types::event::{RunEvent, Sink};
use weighbridge_types::record::Phase;

use crate::rows::{NOON, request};

#[test]
fn every_line_of_a_burst_is_kept_in_order() {
    const ROWS: u64 = 10_000;
    let results = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(results.path(), "bench", "burst", NOON).unwrap();
    let run = folder.path().to_owned();
    let mut recorder = Recorder::start(folder).unwrap();
    recorder.event(&RunEvent::PhaseStarted { phase: Phase::Throughput, attempt: 1 }).unwrap();
    (0..ROWS).for_each(|id| recorder.event(&request(Phase::Throughput, id, 2)).unwrap());
    let report = recorder.close().unwrap();
    assert_eq!(report.lines, ROWS + 1);
    assert_eq!(report.bytes, std::fs::metadata(run.join("events.jsonl.zst")).unwrap().len());
    assert!(read_log(&run).unwrap().requests().map(|row| row.id).eq(0..ROWS));
}
