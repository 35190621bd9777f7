//! A judge that was killed goes on.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{passes, run};

/// Answers to judge; planted errors make two or three questions of each.
const ANSWERS: usize = 40;

fn judge<'a>(results: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let usual =
        ["eval", "judge", "answers.jsonl", "--rubric", "Right.", "--plant", "--repeats", "2", "--temperature", "0.5"];
    [&usual[..], &["--judge", "scripted:ttft=1ms,itl=0ms,tokens=4", "--output-dir", results], more].concat()
}

fn record(results: &Path) -> (std::path::PathBuf, Value) {
    let runs = std::fs::read_dir(results).into_iter().flatten().map(|entry| entry.unwrap().path());
    let folder = runs.into_iter().find(|path| path.is_dir()).unwrap();
    let text = std::fs::read_to_string(folder.join("record.json")).unwrap();
    (folder, serde_json::from_str(&text).unwrap())
}

/// All of a record that no clock and no chance of the schedule decides.
fn kept(results: &Path) -> String {
    let (folder, record) = record(results);
    let is_timed = |metric: &&Value| ["sample_latency", "document_rate"].contains(&metric["name"].as_str().unwrap());
    let metrics: Vec<&Value> =
        record["metrics"].as_array().unwrap().iter().filter(|metric| !is_timed(metric)).collect();
    let questions = std::fs::read_to_string(folder.join("judge.jsonl")).unwrap();
    let parts = [&record["settings"], &record["status"], &record["phases"][0]["tally"], &record["seed"]];
    format!("{parts:?}\n{}\n{questions}", serde_json::to_string(&metrics).unwrap())
}

#[test]
fn a_killed_judge_goes_on_and_ends_with_the_same_record() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line = |n: usize| format!("{{\"question\": \"{n} + {n}?\", \"answer\": \"The sum of both is {} .\"}}\n", 2 * n);
    std::fs::write(folder.join("answers.jsonl"), (0..ANSWERS).map(line).collect::<String>()).unwrap();
    passes(folder, &judge("whole", &["--concurrency", "1"]));
    let expected = kept(&folder.join("whole"));
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("weighbridge"))
        .current_dir(folder)
        .args(judge("killed", &["--concurrency", "1"]))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let is_begun = || {
        let runs = std::fs::read_dir(folder.join("killed")).into_iter().flatten().map(|entry| entry.unwrap().path());
        runs.into_iter().any(|run| run.join("record.json").exists())
    };
    while !is_begun() {
        assert!(child.try_wait().unwrap().is_none(), "the judge ended by itself");
        std::thread::park_timeout(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(record(&folder.join("killed")).1["status"], "running");
    passes(folder, &["eval", "judge", "--resume", "latest", "--output-dir", "killed", "--concurrency", "8"]);
    // How many questions are in flight changes none of them, and the record keeps the number that it began with.
    assert_eq!(kept(&folder.join("killed")), expected);
    let again = passes(folder, &["eval", "judge", "--resume", "latest", "--output-dir", "killed"]);
    assert!(again.stdout.contains("judge"), "{}", again.stdout);
    assert_eq!(kept(&folder.join("killed")), expected);
    passes(
        folder,
        &[
            "eval",
            "run",
            "domain_reasoning_easy",
            "--model",
            "scripted:ttft=0ms,itl=0ms",
            "--limit",
            "1",
            "--output-dir",
            "other",
        ],
    );
    let refused = run(folder, &["eval", "judge", "--resume", "latest", "--output-dir", "other"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("no judge's run"), "{}", refused.stderr);
}
