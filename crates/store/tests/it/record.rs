//! Reading records.

use std::fs;

use weighbridge_store::{Recorder, RunFolder, StoreError, read_record};
use weighbridge_types::event::Sink;

use crate::rows::{NOON, record};

#[test]
fn a_record_is_found_by_folder_and_by_file() {
    let results = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(results.path(), "bench", "tiny", NOON).unwrap();
    let (run, file) = (folder.path().to_owned(), folder.record_path());
    let written = record(folder.run_id(), "tiny", 12.5);
    Recorder::start(folder).unwrap().checkpoint(&written).unwrap();
    assert_eq!(read_record(&run).unwrap(), written);
    assert_eq!(read_record(&file).unwrap(), written);
    let elsewhere = results.path().join("copy.json");
    fs::copy(file, &elsewhere).unwrap();
    assert_eq!(read_record(&elsewhere).unwrap(), written);
}

#[test]
fn what_is_no_record_is_refused_with_advice() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: Option<&str>, expected: &str, hint: &str| {
        if let Some(text) = text {
            fs::write(folder.path().join("record.json"), text).unwrap();
        }
        let error = read_record(folder.path()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.hint().contains(hint), "{}", error.hint());
    };
    check(None, "find a run", "history");
    check(Some(r#"{"schema_version":"2.0"}"#), "schema version 2.0", "newer");
    check(Some(r#"{"schema_version":"1.0"}"#), "missing field", "record.json");
    check(Some(r#"{"schema_version":"#), "EOF", "record.json");
}

#[test]
fn a_reader_sees_a_whole_record_at_any_moment() {
    let results = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(results.path(), "bench", "tiny", NOON).unwrap();
    let run = folder.path().to_owned();
    let mut recorder = Recorder::start(folder).unwrap();
    recorder.checkpoint(&record("run", "tiny", 0.0)).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            (0..20).for_each(|step| recorder.checkpoint(&record("run", "tiny", f64::from(step))).unwrap());
        });
        while !writer.is_finished() {
            assert_eq!(read_record(&run).unwrap().run_id, "run");
        }
    });
}

#[test]
fn a_checkpoint_that_cannot_be_written_says_so() {
    let results = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(results.path(), "bench", "tiny", NOON).unwrap();
    let run = folder.path().to_owned();
    let mut recorder = Recorder::start(folder).unwrap();
    fs::remove_dir_all(&run).unwrap();
    let error = recorder.checkpoint(&record("run", "tiny", 0.0)).unwrap_err();
    assert!(error.problem.contains("record.json"), "{error}");
    assert!(matches!(RunFolder::open(&run), Err(StoreError::NoRun { .. })));
}
