//! A run that was killed goes on, pays for nothing twice and writes the same bytes.

use std::sync::atomic::Ordering;

use weighbridge_pipeline::digest::hash64;
use weighbridge_pipeline::run::PipelineError;
use weighbridge_pipeline::settings::Settings;

use crate::corpus::{RuleModel, files, manuals, run_with};

#[test]
fn a_journal_cut_anywhere_gives_the_same_data_set() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, cut) = (folder.path().join("whole"), folder.path().join("cut"));
    let settings = Settings::default();
    let model = RuleModel::default();
    run_with(&manuals(4), &whole, &settings, Some(&model), None).unwrap();
    let expected = files(&whole);
    let journal = std::fs::read(whole.join("journal")).unwrap();
    let lines = journal.iter().filter(|byte| **byte == b'\n').count() as u64 - 1;
    assert_eq!(model.calls.load(Ordering::Relaxed), 2 * lines, "one extraction and one conversation for each chunk");
    for round in 0..25 {
        let length = usize::try_from(hash64(&[round], 1) % (journal.len() as u64 + 1)).unwrap();
        std::fs::create_dir_all(&cut).unwrap();
        std::fs::write(cut.join("journal"), &journal[..length]).unwrap();
        let kept = journal[..length].iter().filter(|byte| **byte == b'\n').count().saturating_sub(1) as u64;
        let model = RuleModel::default();
        let report = run_with(&manuals(4), &cut, &settings, Some(&model), None).unwrap();
        assert_eq!(model.calls.load(Ordering::Relaxed), 2 * (lines - kept), "cut at {length}");
        assert_eq!(report.chunks_resumed, kept);
        assert_eq!(files(&cut), expected, "cut at {length}");
        std::fs::remove_dir_all(&cut).unwrap();
    }
}

#[test]
fn a_run_that_is_stopped_keeps_what_it_paid_for() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, stopped) = (folder.path().join("whole"), folder.path().join("stopped"));
    let settings = Settings::default();
    let model = RuleModel::default();
    run_with(&manuals(6), &whole, &settings, Some(&model), None).unwrap();
    let all = model.calls.load(Ordering::Relaxed);
    let model = RuleModel::default();
    for after in [1, 2, 3] {
        let error = run_with(&manuals(6), &stopped, &settings, Some(&model), Some(after)).unwrap_err();
        assert!(matches!(error, PipelineError::Stopped), "{error}");
        assert!(!stopped.join("card.json").exists());
    }
    run_with(&manuals(6), &stopped, &settings, Some(&model), None).unwrap();
    assert_eq!(model.calls.load(Ordering::Relaxed), all);
    assert_eq!(files(&stopped), files(&whole));
}

#[test]
fn a_failed_call_is_made_again_by_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, failing) = (folder.path().join("whole"), folder.path().join("failing"));
    let settings = Settings::default();
    run_with(&manuals(4), &whole, &settings, Some(&RuleModel::default()), None).unwrap();
    let flaky = RuleModel { fails_every: 3, ..RuleModel::default() };
    let report = run_with(&manuals(4), &failing, &settings, Some(&flaky), None).unwrap();
    assert!(report.chunks.degraded["patterns_after_model_failure"] > 0);
    run_with(&manuals(4), &failing, &settings, Some(&RuleModel::default()), None).unwrap();
    assert_eq!(files(&failing), files(&whole));
}
