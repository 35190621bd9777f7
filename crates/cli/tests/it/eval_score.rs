//! Scoring a file of predictions through the program.

use std::fs;

use serde_json::Value;

use crate::support::weighbridge;

const ROWS: &str =
    "{\"id\":1,\"target\":\"a\",\"prediction\":\"a\"}\n{\"id\":2,\"target\":\"b\",\"problem\":\"refused\"}\n";

#[test]
fn a_file_of_predictions_becomes_figures_and_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.jsonl");
    fs::write(&file, ROWS).unwrap();
    let results = folder.path().join("results");
    let output = weighbridge()
        .args(["eval", "score", "--output-format", "json", "--output-dir"])
        .args([&results, &file])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["samples"], &report["failures"]), (&Value::from(2), &Value::from(1)));
    let run = fs::read_dir(&results)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("record.json").is_file());
    let run = run.unwrap();
    let record: Value = serde_json::from_slice(&fs::read(run.join("record.json")).unwrap()).unwrap();
    assert_eq!((record["kind"].as_str(), record["status"].as_str()), (Some("eval"), Some("complete")));
    assert_eq!(record["metrics"], report["figures"]);
    assert_eq!(record["phases"][0]["tally"]["failed"], Value::from(1));
    let page = fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.contains("id=\"confusion-0-title\"") && page.contains("refused: 1"), "the page of a scoring");
    let check = weighbridge().args(["report", "check", "latest", "--output-dir"]).arg(&results).output().unwrap();
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
}

#[test]
fn a_wrong_file_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("p.jsonl");
    fs::write(&file, format!("{ROWS}{ROWS}")).unwrap();
    let output = weighbridge().args(["eval", "score", "--no-record"]).arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("line 3: its id `1` already stands in line 1") && text.contains("hint:"), "{text}");
}
