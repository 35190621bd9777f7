//! Classifiers and security tasks, through the binary.

use std::path::Path;

use serde_json::Value;

use crate::support::{onnx, passes, run};

fn tasks() -> String {
    format!("{}/../eval/tasks/security", env!("CARGO_MANIFEST_DIR"))
}

fn evaluated(folder: &Path, arguments: &[&str]) -> Value {
    let tasks = tasks();
    let common = ["eval", "run", "--tasks-dir", &tasks, "--output-format", "json"];
    serde_json::from_str(&passes(folder, &[&common, arguments].concat()).stdout).unwrap()
}

/// The value of a figure by name and task; `null` where there is none.
fn figure<'a>(record: &'a Value, task: &str, name: &str) -> &'a Value {
    let metrics = record["metrics"].as_array().unwrap();
    let found = metrics.iter().find(|metric| metric["name"] == name && metric["cell"]["task"] == task);
    &found.unwrap_or_else(|| panic!("no {name} of {task}"))["value"]
}

#[test]
fn shipped_classifiers_answer_their_tasks() {
    let folder = tempfile::tempdir().unwrap();
    // The files are fixed, and so is what they answer. Calls written by hand are unlike those of a sandbox: half of the
    // malware samples are called wrong.
    for (name, right, area) in [("network", 15.0 / 15.0, 1.0), ("malware", 4.0 / 8.0, 0.75), ("email", 7.0 / 8.0, 1.0)]
    {
        let task = format!("security_{name}_sample");
        let record = evaluated(folder.path(), &[&task, "--model", &format!("onnx:{name}"), "--concurrency", "32"]);
        assert_eq!((&record["status"], &record["engine"]["engine"]), (&"complete".into(), &"onnx".into()));
        let is = |key: &str, expected: f64| {
            let value = figure(&record, &task, key).as_f64().unwrap();
            assert!((value - expected).abs() < 1e-12, "{task}: {key} is {value}, not {expected}");
        };
        is("accuracy", right);
        is("roc_auc", area);
        assert!(
            figure(&record, &task, "fpr").as_f64().is_some() && figure(&record, &task, "recall").as_f64().is_some()
        );
        let checked = passes(folder.path(), &["report", "check", "latest"]);
        assert!(checked.stdout.contains("no contradiction"), "{}", checked.stdout);
    }
}

#[test]
fn a_language_model_answers_the_same_tasks() {
    let folder = tempfile::tempdir().unwrap();
    let record = evaluated(folder.path(), &["security_sample", "--model", "tiny"]);
    assert_eq!((&record["status"], &record["phases"][0]["tally"]["failed"]), (&"complete".into(), &0.into()));
    // By log-probability there is a score, and with it a ranking.
    assert!(figure(&record, "security_network_sample", "roc_auc").as_f64().is_some());
    assert!(figure(&record, "security_cve_cwe_sample", "exact_match").as_f64().is_some());
    assert!(figure(&record, "security_ner_sample", "span_f1").as_f64().is_some());
    let by_letter = ["security_network_sample", "--model", "tiny", "--choices", "letters"];
    let record = evaluated(folder.path(), &by_letter);
    assert!(figure(&record, "security_network_sample", "fpr").as_f64().is_some());
    assert!(figure(&record, "security_network_sample", "roc_auc").is_null());
}

#[test]
fn a_classifier_run_is_resumed_with_the_same_figures() {
    let folder = tempfile::tempdir().unwrap();
    let record = evaluated(folder.path(), &["security_network_sample", "--model", "onnx:network"]);
    let again = passes(folder.path(), &["eval", "run", "--resume", "latest", "--output-format", "json"]);
    let again: Value = serde_json::from_str(&again.stdout).unwrap();
    // A rate goes on with the clock.
    let but_rates = |record: &Value| {
        let metrics = record["metrics"].as_array().unwrap().iter();
        metrics.filter(|metric| metric["name"] != "document_rate").cloned().collect::<Vec<_>>()
    };
    assert_eq!(but_rates(&again), but_rates(&record));
}

#[test]
fn what_a_classifier_cannot_do_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.onnx"), [0xff; 64]).unwrap();
    let tasks = tasks();
    let check = |arguments: &[&str], expected: &str| {
        let failed = run(folder.path(), arguments);
        assert_eq!(failed.code, Some(2), "{arguments:?} {}", failed.stderr);
        assert!(failed.stderr.contains(expected) && failed.stderr.contains("hint:"), "{}", failed.stderr);
    };
    let refused = |task: &str, model: &str, expected: &str| {
        check(&["eval", "run", "--tasks-dir", &tasks, task, "--model", model], expected);
    };
    refused("security_cve_cwe_sample", "onnx:network", "it needs a text");
    refused("security_network_sample", "onnx:malware", "its choice `norm` is no class of the classifier");
    refused(
        "security_network_sample",
        "onnx:broken.onnx",
        "load `broken.onnx`: byte 0: a number has more than 10 bytes",
    );
    refused("security_network_sample", "onnx:none.onnx", "read `none.onnx`");
    refused("security_network", "onnx:network", "http_params/payload_train.csv");
    check(&["bench", "onnx:network"], "writes no text");
    // A classifier is loaded as if it wrote the names of its classes; an encoder has none.
    onnx("bert", &folder.path().join("encoder"));
    check(&["load", "onnx:encoder", "--requests", "1"], "writes no text");
    assert!(!folder.path().join("results").exists());
}

#[test]
fn a_classifier_is_inspected() {
    let folder = tempfile::tempdir().unwrap();
    let shown = passes(folder.path(), &["model", "inspect", "onnx:network"]);
    assert!(shown.stdout.contains("norm") && shown.stdout.contains("texts × 2048"), "{}", shown.stdout);
    let file = format!("{}/../../models/email/email.onnx", env!("CARGO_MANIFEST_DIR"));
    let shown = passes(folder.path(), &["model", "inspect", &file, "--output-format", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!((&shown["parameters"], &shown["classifier"]["labels"][1]), (&16_386.into(), &"spam".into()));
}
