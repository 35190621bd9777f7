//! Tasks against a model, through the binary.

use std::path::Path;

use serde_json::Value;

use crate::support::{passes, run};

fn write(folder: &Path) {
    let documents: Vec<String> =
        (0..6).map(|n| format!(r#"{{"n": {n}, "choices": ["even", "odd"], "parity": {}}}"#, n % 2)).collect();
    std::fs::write(folder.join("parity.jsonl"), documents.join("\n")).unwrap();
    let task = "task: parity\ntag: numbers\ndataset_path: json\ndataset_kwargs:\n  data_files: {test: parity.jsonl}\n\
                test_split: test\nnum_fewshot: 2\noutput_type: multiple_choice\ndoc_to_text: \"{{n}} is\"\n\
                doc_to_choice: choices\ndoc_to_target: parity\n";
    std::fs::write(folder.join("parity.yaml"), task).unwrap();
    let python = "task: python\ndoc_to_text: !function utils.text\n";
    std::fs::write(folder.join("python.yaml"), python).unwrap();
}

#[test]
fn a_task_runs_against_the_model_inside() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder);
    let run = passes(folder, &["eval", "run", "numbers", "--tasks-dir", ".", "--output-format", "json"]);
    let record: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&record["kind"], &record["status"]), (&"eval".into(), &"complete".into()));
    assert_eq!(record["phases"][0]["tally"]["succeeded"], 6);
    assert!(record["metrics"].as_array().unwrap().iter().any(|metric| metric["name"] == "acc_norm"));
    let checked = passes(folder, &["report", "check", "latest"]);
    assert!(checked.stdout.contains("no contradiction"), "{}", checked.stdout);
    // Nothing is left to ask, and the figures stay.
    let again = passes(folder, &["eval", "run", "--resume", "latest", "--output-format", "json"]);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(again["metrics"], record["metrics"]);
}

#[test]
fn prompts_are_shown_without_asking() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let shown = passes(folder.path(), &["eval", "run", "parity.yaml", "--dry-run", "--num-fewshot", "1"]);
    assert!(shown.stdout.contains("0 is\n") && shown.stdout.contains("→ \" odd\""), "{}", shown.stdout);
    assert!(!folder.path().join("results").exists());
    let listed = passes(folder.path(), &["eval", "list", "--tasks-dir", "."]);
    assert!(listed.stdout.contains("task  parity\n") && listed.stdout.contains("cannot run"), "{}", listed.stdout);
}

#[test]
fn what_cannot_run_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let check = |arguments: &[&str], expected: &str| {
        let failed = run(folder.path(), &[&["eval", "run", "--tasks-dir", "."], arguments].concat());
        assert_eq!(failed.code, Some(2), "{}", failed.stderr);
        assert!(failed.stderr.contains(expected) && failed.stderr.contains("hint:"), "{}", failed.stderr);
    };
    check(&["python"], "its key `doc_to_text` is Python code");
    check(&["paritj"], "did you mean `parity`?");
    check(&["parity", "--limit", "0"], "accept limit `0`");
    check(&["parity", "--num-fewshot", "9"], "draw 9 few-shot examples");
    check(&["parity", "--model", "scripted:ttft=0ms", "--choices", "loglikelihood"], "needs log-probabilities");
}
