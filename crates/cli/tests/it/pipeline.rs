//! `pipeline`: from a folder to a data set, again after a kill, and what it refuses.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::support::weighbridge;

/// Documents that have something to say, each of its own.
fn documents(folder: &Path, count: usize) {
    for index in 0..count {
        let mut text = format!("# Scheduler {index}\n\n");
        for section in 0..4 {
            let limit = 16 * (index + 3) + 7 * section;
            write!(
                text,
                "## Queue {index}.{section}\n\nThe queue of tenant {index} in zone {section} holds at most {limit} requests. \
                 When the queue is full, the server answers with status 429 and names a delay of {} seconds. \
                 The parameter `queue_depth_{index}_{section}` sets the limit, and its default is {limit}.\n\n\
                 1. Open the console of zone {section}.\n2. Set `queue_depth_{index}_{section}` to {}.\n3. Restart node {index}.\n\n",
                section + 2,
                limit * 2
            )
            .unwrap();
        }
        fs::write(folder.join(format!("scheduler-{index}.md")), text).unwrap();
    }
}

/// Every file of a data set but the journal and what tells of times.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if name != "journal" && name != "report.json" {
                files.insert(name, fs::read(path).unwrap());
            }
        }
    }
    files
}

#[test]
fn a_folder_becomes_a_data_set_and_the_same_folder_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::create_dir(&input).unwrap();
    documents(&input, 6);
    fs::write(input.join("broken.pdf"), b"%PDF-1.7\n").unwrap();
    let run = |to: &str| {
        let mut command = weighbridge();
        command.args(["pipeline", "run"]).arg(&input).arg("--output").arg(folder.path().join(to));
        let output = command.args(["--output-format", "json", "--licence", "CC0-1.0"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let report = run("a");
    assert_eq!(report["documents"]["admitted"], 7);
    assert_eq!(report["documents"]["ok"], 6);
    assert!(report["items"]["ok"].as_u64().unwrap() > 20, "{report}");
    run("b");
    let (a, b) = (files(&folder.path().join("a")), files(&folder.path().join("b")));
    assert!(a.contains_key("card.json") && a.contains_key("items.jsonl.zst"), "{:?}", a.keys());
    assert_eq!(a, b);

    let told = weighbridge().args(["pipeline", "report", "--stages"]).arg(folder.path().join("a")).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.starts_with("documents  6 of 7 used, 1 "), "{told}");
    assert!(told.contains("\n  conversion "), "{told}");
}

#[cfg(unix)]
#[test]
fn a_run_that_is_killed_goes_on_and_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in");
    fs::create_dir(&input).unwrap();
    documents(&input, 24);
    let program = assert_cmd::cargo::cargo_bin("weighbridge");
    let start = |to: &Path| {
        let mut command = Command::new(&program);
        command.args(["pipeline", "run"]).arg(&input).arg("--output").arg(to);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let whole = folder.path().join("whole");
    assert!(start(&whole).wait().unwrap().success());
    let expected = files(&whole);
    let killed = folder.path().join("killed");
    for round in 0..8 {
        let mut child = start(&killed);
        sleep(Duration::from_millis(15 + 40 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(start(&killed).wait().unwrap().success());
    assert_eq!(files(&killed), expected);
}

#[test]
fn a_model_that_answers_nonsense_costs_its_chunks_and_no_run() {
    let folder = tempfile::tempdir().unwrap();
    documents(folder.path(), 2);
    let to = folder.path().join("out");
    let mut command = weighbridge();
    command.args(["pipeline", "run"]).arg(folder.path()).arg("--output").arg(&to);
    command.args(["--model", "scripted:ttft=1ms,itl=1ms,tokens=8", "--output-format", "json"]);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(4), "no item came of it: {}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["chunks"]["degraded"], serde_json::json!({ "unparsable_reply": 2 }), "{report}");
    assert_eq!(report["documents"]["failed"], serde_json::json!({}));
}

#[test]
fn what_a_pipeline_refuses_is_named() {
    let folder = tempfile::tempdir().unwrap();
    documents(folder.path(), 1);
    let settings = folder.path().join("settings.yaml");
    fs::write(&settings, "chunks:\n  sise: 100\n").unwrap();
    let said = |flags: &[&str]| {
        let mut command = weighbridge();
        command.args(["pipeline", "run"]).arg(folder.path()).arg("--output").arg(folder.path().join("out")).args(flags);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(said(&["--config", settings.to_str().unwrap()]).contains("sise"));
    fs::write(&settings, "chunks:\n  size: 10\n").unwrap();
    assert!(said(&["--config", settings.to_str().unwrap()]).contains("`chunks.size` of `10`: it must be at least 100"));
    let missing = weighbridge().args(["pipeline", "run", "missing", "--output", "out"]).output().unwrap();
    assert_eq!(missing.status.code(), Some(2));
    let none = weighbridge().args(["pipeline", "report"]).arg(folder.path()).output().unwrap();
    assert!(String::from_utf8_lossy(&none.stderr).contains("name the folder of a data set"));
}
