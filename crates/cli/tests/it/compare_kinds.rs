//! Comparing runs of each kind that leaves records: a change that is there is found, in its direction, and equal runs stay equal.

use std::path::Path;

use serde_json::Value;

use crate::support::{passes, run};

/// Makes three runs under a label, each with a seed of its own. Whether an objective of theirs is decided is not asked here.
fn runs(folder: &Path, arguments: &[&str], label: &str) {
    for seed in ["1", "2", "3"] {
        let ran = run(folder, &[arguments, &["--label", label, "--seed", seed]].concat());
        assert!(matches!(ran.code, Some(0 | 3)), "{arguments:?} {:?}\n{}\n{}", ran.code, ran.stdout, ran.stderr);
    }
}

/// Compares two labels; the exit code and what was printed.
fn compared(folder: &Path, before: &str, after: &str, more: &[&str]) -> (Option<i32>, String) {
    let ran = run(folder, &[&["compare", before, after], more].concat());
    (ran.code, format!("{}{}", ran.stdout, ran.stderr))
}

/// The verdict on a metric, by its key.
fn verdict(folder: &Path, before: &str, after: &str, key: &str) -> Value {
    let ran = run(folder, &["compare", before, after, "--output-format", "json"]);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    let rows = found["contrasts"][0]["rows"].as_array().unwrap();
    rows.iter().find(|row| row["key"] == key).unwrap_or_else(|| panic!("{key}: {rows:?}"))["verdict"].clone()
}

#[test]
fn soaks_compare() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let load = ["-c", "2", "--duration", "1", "--isl", "8", "--osl", "4", "--disturbed-limit", "1"];
    runs(folder, &[&["soak", "scripted:ttft=10ms,itl=1ms"], &load[..]].concat(), "old");
    runs(folder, &[&["soak", "scripted:ttft=40ms,itl=1ms"], &load[..]].concat(), "new");
    // Without a word the verdict rests on throughput and reliability.
    let (code, text) = compared(folder, "old", "new", &[]);
    assert!(code == Some(1) && text.contains("worse: request_throughput"), "{code:?} {text}");
    let (code, text) = compared(folder, "new", "old", &["--gate", "ttft.p50"]);
    assert!(code == Some(0) && text.contains("better: ttft.p50"), "{code:?} {text}");
    // What only a soak has is compared as well.
    assert_eq!(verdict(folder, "old", "new", "soak_throughput"), "worse");
    assert_eq!(verdict(folder, "old", "new", "reliability"), "equivalent");
}

#[test]
fn stress_tests_compare_and_are_no_soaks() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let load =
        ["--clients", "4", "--rate", "10", "--duration", "1", "--isl", "8", "--osl", "4", "--disturbed-limit", "1"];
    runs(folder, &[&["stress", "scripted:ttft=10ms,itl=1ms"], &load[..]].concat(), "old");
    runs(folder, &[&["stress", "scripted:ttft=40ms,itl=1ms"], &load[..]].concat(), "new");
    let (code, text) = compared(folder, "old", "new", &["--gate", "ttft.p50"]);
    assert!(code == Some(1) && text.contains("worse: ttft.p50"), "{code:?} {text}");
    let (code, text) = compared(folder, "new", "old", &["--gate", "ttft.p50,reliability"]);
    assert!(code == Some(0) && text.contains("better: ttft.p50"), "{code:?} {text}");
    let soak = ["soak", "scripted:ttft=10ms,itl=1ms", "-c", "2", "--duration", "1", "--isl", "8", "--osl", "4"];
    runs(folder, &[&soak[..], &["--disturbed-limit", "1"]].concat(), "soak");
    let (code, text) = compared(folder, "old", "soak", &[]);
    assert!(code == Some(2) && text.contains("kind is stress in the baseline and soak"), "{code:?} {text}");
}

#[test]
fn evaluations_compare_on_their_documents() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let script = "scripted:ttft=0ms,itl=0ms";
    let task = ["eval", "run", "domain_knowledge_easy", "--limit", "10", "--model"];
    for (model, label) in [("tiny", "old"), ("tiny", "same"), (script, "new")] {
        runs(folder, &[&task[..], &[model]].concat(), label);
    }
    let (code, text) = compared(folder, "old", "same", &[]);
    assert!(code == Some(0) && text.contains("equivalent"), "{code:?} {text}");
    assert!(text.contains("ask the same documents") && text.contains("eval"), "{text}");
    let (code, text) = compared(folder, "old", "new", &[]);
    assert!(code == Some(1) && text.contains("worse: accuracy"), "{code:?} {text}");
    // A share that goes to nothing loses points, and the side says what it is of.
    assert!(text.contains("-20.0 points") && text.contains(script), "{text}");
    let (code, text) = compared(folder, "new", "old", &[]);
    assert!(code == Some(0) && text.contains("better: accuracy"), "{code:?} {text}");
    // Another number of documents is another evaluation.
    passes(folder, &["eval", "run", "domain_knowledge_easy", "--limit", "5", "--model", "tiny", "--label", "less"]);
    let (code, text) = compared(folder, "old", "less", &[]);
    assert!(code == Some(2) && text.contains("settings.limit is 10.0 in the baseline and 5.0"), "{code:?} {text}");
}
