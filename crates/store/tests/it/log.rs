//! Reading logs back, whole, cut and damaged.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use weighbridge_store::{Recorder, RunFolder, RunLog, StoreError, read_log, read_log_from, replay, replay_as_written};
use weighbridge_types::event::{RunEvent, Sink};
use weighbridge_types::health::HealthBreach;
use weighbridge_types::record::{LogLine, Phase};
use weighbridge_types::request::{ClientFault, RequestRow};
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::time::Stamp;

use crate::rows::{NOON, item, record, request};

/// Records the groups of events, a frame each, and returns the bytes of the log.
fn log_of(groups: &[Vec<RunEvent>]) -> Vec<u8> {
    let results = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(results.path(), "bench", "log", NOON).unwrap();
    let path = folder.log_path();
    let mut recorder = Recorder::start(folder).unwrap();
    for group in groups {
        group.iter().for_each(|event| recorder.event(event).unwrap());
        // A checkpoint closes the frame.
        recorder.checkpoint(&record("x", "log", 1.0)).unwrap();
    }
    recorder.close().unwrap();
    fs::read(path).unwrap()
}

fn started(phase: Phase, attempt: u32) -> RunEvent {
    RunEvent::PhaseStarted { phase, attempt }
}

/// A log of three frames.
static SMALL_LOG: LazyLock<Vec<u8>> = LazyLock::new(|| {
    log_of(&[
        vec![started(Phase::Latency, 1), request(Phase::Latency, 0, 4)],
        vec![request(Phase::Latency, 1, 4), request(Phase::Latency, 2, 4)],
        vec![started(Phase::Quality, 1), item("a"), item("b")],
    ])
});

fn read(bytes: &[u8]) -> Result<RunLog, StoreError> {
    read_log_from(bytes, Path::new("log"))
}

/// Whether the lines of `part` are the first lines of `whole`.
fn begins(part: &RunLog, whole: &RunLog) -> bool {
    let requests = part.requests().zip(whole.requests()).all(|(a, b)| a == b);
    let items = part.items().zip(whole.items()).all(|(a, b)| a == b);
    let shorter = part.requests().count() <= whole.requests().count() && part.items().count() <= whole.items().count();
    requests && items && shorter
}

#[test]
fn every_kind_of_line_reads_back() {
    let sample = ResourceSample { rss_bytes: Some(7), ..ResourceSample::default() };
    let log = read(&log_of(&[vec![
        started(Phase::Latency, 1),
        request(Phase::Latency, 0, 4),
        RunEvent::Resource { phase: Phase::Latency, sample },
        RunEvent::Progress { phase: Phase::Latency, what: "runs".to_owned(), done: 1, total: 2 },
        started(Phase::Quality, 1),
        item("a"),
    ]]))
    .unwrap();
    assert_eq!(log.phases[&Phase::Latency].samples, [sample]);
    assert_eq!((log.requests().count(), log.items().count(), log.samples().count()), (1, 1, 1));
    assert!(!log.truncated);
}

#[test]
fn lines_of_an_earlier_attempt_no_longer_count() {
    let log = read(&log_of(&[
        vec![started(Phase::Latency, 1), request(Phase::Latency, 0, 4), request(Phase::Latency, 1, 4)],
        vec![started(Phase::Quality, 1), item("a")],
        vec![started(Phase::Latency, 2), request(Phase::Latency, 9, 4)],
    ]))
    .unwrap();
    assert_eq!(log.phases[&Phase::Latency].attempt, 2);
    assert_eq!(log.requests().map(|row| row.id).collect::<Vec<_>>(), [9]);
    assert_eq!(log.items().count(), 1);
}

#[test]
fn cut_at_every_byte_the_log_reads_back_as_a_beginning() {
    let bytes = &*SMALL_LOG;
    let whole = read(bytes).unwrap();
    let mut complete = 0;
    for length in 0..=bytes.len() {
        let part = read(&bytes[..length]).unwrap();
        assert!(begins(&part, &whole), "{length}");
        complete += usize::from(!part.truncated);
    }
    // The empty file and the ends of the three frames.
    assert_eq!(complete, 4);
}

#[test]
fn cut_anywhere_the_log_is_resumed() {
    let bytes = &*SMALL_LOG;
    let results = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(results.path(), "bench", "log", NOON).unwrap();
    let (run, log) = (folder.path().to_owned(), folder.log_path());
    drop(folder);
    for length in (0..bytes.len()).step_by(11) {
        fs::write(&log, &bytes[..length]).unwrap();
        let before = read_log(&run).unwrap();
        let mut recorder = Recorder::start(RunFolder::open(&run).unwrap()).unwrap();
        recorder.event(&started(Phase::Throughput, 1)).unwrap();
        recorder.event(&request(Phase::Throughput, 99, 4)).unwrap();
        recorder.close().unwrap();
        let after = read_log(&run).unwrap();
        assert!(begins(&before, &after) && !after.truncated, "{length}");
        assert_eq!(after.requests().count(), before.requests().count() + 1, "{length}");
    }
}

#[test]
fn damage_in_the_middle_names_the_byte() {
    let first = log_of(&[vec![started(Phase::Latency, 1)]]);
    let junk = |content: &[u8]| zstd::bulk::compress(content, 3).unwrap();
    let row = br#"{"line":"item","cell":{"phase":"latency"},"item":"a","expected":"b","given":"c"}"#;
    let check = |middle: Vec<u8>, expected: &str| {
        let bytes = [first.clone(), middle, first.clone()].concat();
        let error = read(&bytes).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { offset, .. } if offset == first.len() as u64), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(b"not zstd at all".to_vec(), "at byte");
    check(junk(b"no json\n"), "line 1");
    check(junk(b"{\"line\":\"item\"}\n"), "missing field");
    check(junk(row), "it does not end");
    check(junk(&[row.as_slice(), b"\n", b"{\"line\":\"other\"}\n"].concat()), "line 2");
    check(junk(b"{\"line\":\"resource\",\"phase\":\"memory\",\"sample\":{\"at\":1}}\n"), "before its start");
}

#[test]
fn a_missing_log_is_a_typed_error() {
    let folder = tempfile::tempdir().unwrap();
    let error = read_log(folder.path()).unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }));
    assert!(error.to_string().contains("events.jsonl.zst"), "{error}");
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
        let _ = read(&zstd::bulk::compress(&bytes, 1).unwrap());
    }

    #[test]
    fn a_changed_byte_never_invents_a_line(position in any::<prop::sample::Index>(), change in 1_u8..) {
        let mut bytes = SMALL_LOG.clone();
        let whole = read(&bytes).unwrap();
        let position = position.index(bytes.len());
        bytes[position] ^= change;
        if let Ok(part) = read(&bytes) {
            prop_assert!(begins(&part, &whole), "byte {position} changed by {change}");
        }
    }
}

#[test]
fn a_log_is_replayed_from_a_mark() {
    let results = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(results.path(), "load", "log", NOON).unwrap();
    let path = folder.path().to_owned();
    let mut recorder = Recorder::start(folder).unwrap();
    recorder.event(&started(Phase::Latency, 1)).unwrap();
    recorder.event(&request(Phase::Latency, 0, 4)).unwrap();
    let mark = recorder.mark().unwrap();
    for id in 1..4 {
        recorder.event(&request(Phase::Latency, id, 4)).unwrap();
    }
    recorder.close().unwrap();
    let ids = |from| {
        let mut ids = Vec::new();
        replay(&path, from, |line| match line {
            LogLine::Request(row) => ids.push(row.id),
            _ => ids.push(u64::MAX),
        })
        .unwrap();
        ids
    };
    assert_eq!(ids(0), [u64::MAX, 0, 1, 2, 3]);
    assert_eq!(ids(mark), [1, 2, 3]);
}

/// A breach that touches the request `id` of [`request`], and none beside it.
fn breach(phase: Phase, id: u64) -> RunEvent {
    let at = Stamp::from_nanos(1_000_000_000 * (id + 1) + 8_000_000);
    let breach = HealthBreach { fault: ClientFault::ReactorLag, from: at, to: at, value: 8.0, limit: 5.0 };
    RunEvent::Breach { phase, breach }
}

#[test]
fn rows_are_marked_when_they_are_read_whichever_way() {
    let results = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(results.path(), "load", "log", NOON).unwrap();
    let path = folder.path().to_owned();
    let mut recorder = Recorder::start(folder).unwrap();
    recorder.event(&started(Phase::Load, 1)).unwrap();
    for event in [
        vec![request(Phase::Load, 0, 4), breach(Phase::Load, 2), request(Phase::Load, 1, 4)],
        vec![request(Phase::Load, 2, 4), request(Phase::Load, 3, 4), breach(Phase::Load, 0)],
        vec![breach(Phase::Latency, 3)],
    ]
    .concat()
    {
        if matches!(event, RunEvent::Breach { phase: Phase::Latency, .. }) {
            recorder.event(&started(Phase::Latency, 1)).unwrap();
        }
        recorder.event(&event).unwrap();
        // A frame for each line.
        recorder.mark().unwrap();
    }
    recorder.close().unwrap();
    let marked = |row: &RequestRow| (!row.client_faults.is_empty()).then_some(row.id);
    let mut once = Vec::new();
    replay(&path, 0, |line| {
        if let LogLine::Request(row) = line {
            once.extend(marked(&row));
        }
    })
    .unwrap();
    let whole: Vec<u64> = read_log(&path).unwrap().requests().filter_map(marked).collect();
    assert_eq!((once, whole), (vec![0, 2], vec![0, 2]));
    replay_as_written(&path, 0, |line| {
        if let LogLine::Request(row) = line {
            assert_eq!(marked(&row), None);
        }
    })
    .unwrap();
}
