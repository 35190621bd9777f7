//! Answers under load, held against golden ones.

use std::path::Path;

use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Phase, Record};

use crate::support::{Endpoint, Ran, passes, run};

fn check(folder: &Path, target: &str, arguments: &[&str]) -> Ran {
    // A machine that runs other tests disturbs the client; that it says so is tested elsewhere.
    let all = [&["load", target, "--check-answers", "--isl", "8", "--osl", "8", "--disturbed-limit", "1"], arguments];
    run(folder, &all.concat())
}

fn value(record: &Record, key: &str, level: u32) -> f64 {
    let cell = Cell::of(Phase::Load).with("concurrency", level);
    record.metric(key, &cell).and_then(|metric| metric.value).unwrap_or_else(|| panic!("no {key}"))
}

#[test]
fn a_server_that_cuts_answers_under_load_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=2ms,itl=1ms,spoil=cut,spoil_above=4,spoil_share=50%");
    let ran = check(folder.path(), &endpoint.reference(), &["-c", "2,8", "--output-format", "json"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let record = Record::from_json(&ran.stdout).unwrap();
    assert_eq!(record.phase(Phase::Load).unwrap().tally.succeeded, 400);
    assert!((value(&record, "golden_match", 2) - 1.0).abs() < 1e-12);
    let changed = value(&record, "quality_drift", 8);
    assert!((0.3..=0.6).contains(&changed), "{changed}");
    // Half of eight words of five characters.
    assert!((value(&record, "first_divergence.p50", 8) - 20.0).abs() < 1e-12);
    assert!((value(&record, "finish_changed", 8) - changed).abs() < 1e-12);
    assert!((value(&record, "answer_length_shift.mean", 8) + 4.0 * changed).abs() < 1e-9);
    assert!(value(&record, "quality_drift_p", 8) < 1e-6);
    passes(folder.path(), &["report", "check", "latest"]);
    let console = passes(folder.path(), &["report", "show", "latest"]).stdout;
    let markdown = passes(folder.path(), &["report", "export", "latest", "--format", "markdown"]).stdout;
    for shown in [console, markdown] {
        for part in ["held against golden ones", "concurrency 8: worse answers", "scripted"] {
            assert!(shown.contains(part), "`{part}` is not in\n{shown}");
        }
    }
}

#[test]
fn a_server_that_mixes_answers_is_caught_by_what_they_say_too() {
    let folder = tempfile::tempdir().unwrap();
    let prompts: String =
        (0..80).map(|number| format!("{{\"prompt\":\"say {number}\",\"answer\":\"word word word\"}}\n")).collect();
    std::fs::write(folder.path().join("prompts.jsonl"), prompts).unwrap();
    let endpoint = Endpoint::start("ttft=2ms,itl=1ms,tokens=4,spoil=mix,spoil_above=2");
    let data = ["--data", "prompts:prompts.jsonl", "-c", "8", "-n", "80", "--output-format", "json"];
    let ran = check(folder.path(), &endpoint.reference(), &data);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    let record = Record::from_json(&ran.stdout).unwrap();
    assert!(value(&record, "answer_score", 8) < 0.2);
    assert!(value(&record, "score_drift", 8) > 0.8);
    let profiles: Vec<&str> = record.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(profiles, ["same answers", "expected answers"]);
    passes(folder.path(), &["report", "check", "latest"]);
}

#[test]
fn a_server_whose_answers_stay_the_same_passes() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=2ms,itl=1ms");
    let ran = check(folder.path(), &endpoint.reference(), &["-c", "8"]);
    assert_eq!(ran.code, Some(0), "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("the same answers as one request at a time"), "{}", ran.stdout);
}

/// The model inside computes the same bits alone and in a batch.
#[test]
fn the_model_inside_answers_alike_at_every_load() {
    let folder = tempfile::tempdir().unwrap();
    let ran = check(folder.path(), "tiny", &["-c", "4", "-n", "80", "--output-format", "json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let record = Record::from_json(&ran.stdout).unwrap();
    assert!((value(&record, "golden_match", 4) - 1.0).abs() < 1e-12);
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |arguments: &[&str], part: &str| {
        let ran = check(folder.path(), "scripted:ttft=1ms", arguments);
        assert_eq!(ran.code, Some(2), "{arguments:?}\n{}", ran.stderr);
        assert!(ran.stderr.contains(part), "`{part}` is not in\n{}", ran.stderr);
    };
    refused(&["-n", "5"], "`5` as requests");
    refused(&["--temperature", "0.7"], "`0.7` as temperature");
    refused(&["--answer-tolerance", "2"], "answer-tolerance");
    refused(&["--runs", "2"], "--runs");
    let ran = run(folder.path(), &["load", "tiny", "--answer-tolerance", "0.1"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("--check-answers"), "{}", ran.stderr);
}
