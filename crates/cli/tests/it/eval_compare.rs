//! Comparing sides through the program.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::{passes, run};

/// A file of predictions whose samples are right where `is_right` says so.
fn write(folder: &Path, name: &str, is_right: impl Fn(usize) -> bool) {
    let mut lines = String::new();
    for id in 0..400 {
        let _ = writeln!(lines, "{{\"id\": {id}, \"target\": 1, \"prediction\": {}}}", u8::from(is_right(id)));
    }
    std::fs::write(folder.join(name), lines).unwrap();
}

#[test]
fn files_are_compared_with_a_verdict_and_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "old.jsonl", |id| id % 5 < 3);
    write(folder, "new.jsonl", |id| id % 5 < 4);
    write(folder, "same.jsonl", |id| id % 5 < 3 && id != 1 || id == 4);
    let arguments = ["eval", "compare", "old.jsonl", "new.jsonl", "--metric", "accuracy"];
    let better = passes(folder, &[&arguments[..], &["--markdown", "out.md"]].concat());
    assert!(better.stdout.contains("better") && better.stdout.contains("right only before 0, only after 80"));
    let widest = better.stdout.lines().map(|line| line.trim_end().chars().count()).max();
    assert!(widest <= Some(80), "{}", better.stdout);
    let page = std::fs::read_to_string(folder.join("out.md")).unwrap();
    assert!(page.contains("| accuracy | 0.6000 | 0.8000 | +0.2000 |"), "{page}");
    let check = |sides: [&str; 2], more: &[&str], code: i32| {
        let ran = run(folder, &[&["eval", "compare", sides[0], sides[1], "--metric", "accuracy"], more].concat());
        assert_eq!(ran.code, Some(code), "{sides:?}\n{}\n{}", ran.stdout, ran.stderr);
    };
    check(["new.jsonl", "old.jsonl"], &[], 1);
    check(["new.jsonl", "old.jsonl"], &["--leaderboard"], 0);
    check(["old.jsonl", "same.jsonl"], &[], 3);
    check(["old.jsonl", "same.jsonl"], &["--margin", "0.05"], 0);
    check(["old.jsonl", "none.jsonl"], &[], 2);
    check(["old.jsonl", "same.jsonl"], &["--margin", "-1"], 2);
    let json = ["eval", "compare", "old.jsonl", "new.jsonl", "same.jsonl", "--output-format", "json", "--leaderboard"];
    let comparison: Value = serde_json::from_str(&passes(folder, &json).stdout).unwrap();
    assert_eq!(comparison["boards"][0]["places"][0]["side"], "new");
    assert_eq!(comparison["differences"][0]["discordant"], serde_json::json!([0, 80]));
}

const TASK: &str = "task: parity\ndataset_path: json\ndataset_kwargs:\n  data_files: {test: parity.jsonl}\n\
                    test_split: test\noutput_type: multiple_choice\ndoc_to_text: \"{{n}} is\"\n\
                    doc_to_choice: [even, odd]\ndoc_to_target: parity\n";

#[test]
fn runs_are_compared_and_their_records_checked_against_their_logs() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let documents: String = (0..40).map(|n| format!("{{\"n\": {n}, \"parity\": {}}}\n", n % 2)).collect();
    std::fs::write(folder.join("parity.jsonl"), documents).unwrap();
    std::fs::write(folder.join("parity.yaml"), TASK).unwrap();
    for (label, shots) in [("none", "0"), ("two", "2")] {
        passes(folder, &["eval", "run", "parity.yaml", "--label", label, "--num-fewshot", shots]);
    }
    let compared = run(folder, &["eval", "compare", "none", "two", "--output-format", "json"]);
    let comparison: Value = serde_json::from_str(&compared.stdout).unwrap();
    assert_eq!(
        (&comparison["coverage"][0]["paired"], &comparison["coverage"][0]["asked_otherwise"]),
        (&40.into(), &40.into())
    );
    let checked = passes(folder, &["report", "check", "two"]);
    assert!(checked.stdout.contains("no contradiction"), "{}", checked.stdout);
    // A figure that the log does not bear out is found.
    let runs = std::fs::read_dir(folder.join("results")).unwrap().map(|entry| entry.unwrap().path());
    let two = runs.into_iter().find(|path| path.to_string_lossy().ends_with("-two")).unwrap().join("record.json");
    let mut record: Value = serde_json::from_slice(&std::fs::read(&two).unwrap()).unwrap();
    let metrics = record["metrics"].as_array_mut().unwrap();
    let accuracy = metrics.iter_mut().find(|metric| metric["name"] == "accuracy").unwrap();
    accuracy["value"] = 0.999.into();
    accuracy["interval"]["high"] = 1.0.into();
    std::fs::write(&two, record.to_string()).unwrap();
    let checked = run(folder, &["report", "check", "two"]);
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    assert!(checked.stdout.contains("figure-found-again: accuracy"), "{}", checked.stdout);
}

#[test]
fn a_scored_file_is_scored_again_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "old.jsonl", |id| id % 5 < 3);
    passes(folder, &["eval", "score", "old.jsonl"]);
    assert!(passes(folder, &["report", "check", "latest"]).stdout.contains("and its event log"));
    write(folder, "old.jsonl", |id| id % 5 < 2);
    let checked = run(folder, &["report", "check", "latest"]);
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    std::fs::remove_file(folder.join("old.jsonl")).unwrap();
    let checked = passes(folder, &["report", "check", "latest"]);
    assert!(checked.stderr.contains("`old.jsonl` is not found from here"), "{}", checked.stderr);
}
