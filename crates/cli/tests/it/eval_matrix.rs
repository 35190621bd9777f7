//! Studies through the program: cells in processes of their own.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::{passes, run, weighbridge};

const TASK: &str = "dataset_path: json\ndataset_kwargs:\n  data_files: {test: parity.jsonl}\n\
                    test_split: test\noutput_type: multiple_choice\ndoc_to_text: \"{{n}} is\"\n\
                    doc_to_choice: [even, odd]\ndoc_to_target: parity\n";

/// Two tasks of so many documents, and a study of two models.
fn write(folder: &Path, documents: usize, more: &str) {
    let lines: String = (0..documents).map(|n| format!("{{\"n\": {n}, \"parity\": {}}}\n", n % 2)).collect();
    std::fs::write(folder.join("parity.jsonl"), lines).unwrap();
    for task in ["one", "two"] {
        std::fs::write(folder.join(format!("{task}.yaml")), format!("task: {task}\n{TASK}")).unwrap();
    }
    let study = format!(
        "study: parity\nmodels:\n  - {{name: a, model: 'scripted:ttft=0ms,itl=0ms', price_per_hour: 1}}\n  - {{name: b, model: \
         'scripted:ttft=0ms,itl=0ms,tokens=3', price_per_hour: 2}}\ntasks: [one.yaml, two.yaml]\n{more}"
    );
    std::fs::write(folder.join("study.yaml"), study).unwrap();
}

/// The only study of a folder.
fn study(folder: &Path) -> PathBuf {
    let runs = std::fs::read_dir(folder.join("results")).unwrap().map(|entry| entry.unwrap().path());
    runs.into_iter().find(|path| path.is_dir()).unwrap()
}

#[test]
fn a_study_runs_its_cells_and_compares_its_models() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, 20, "repeat_cells: 1\n");
    let listed = passes(folder, &["eval", "matrix", "study.yaml", "--dry-run"]);
    assert_eq!(listed.stdout.lines().count(), 5, "{}", listed.stdout);
    let ran = passes(folder, &["eval", "matrix", "study.yaml", "--output-format", "json"]);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let report = &found["study"];
    assert_eq!((&report["complete"], &report["cells"][0]["rows"]), (&5.into(), &20.into()));
    assert_eq!(report["consistency"]["same_rows"], report["consistency"]["rows"]);
    assert_eq!(report["comparison"]["sides"].as_array().map(Vec::len), Some(2));
    assert_eq!(found["costs"]["standings"].as_array().map(Vec::len), Some(2));
    assert!(found["costs"]["phases"]["execute_s"].as_f64().unwrap() > 0.0);
    assert!(ran.stderr.contains("5/5 "), "{}", ran.stderr);
    passes(folder, &["report", "check", "latest"]);
    // Nothing is left to do, and the report stays.
    let before = std::fs::read(study(folder).join("study.json")).unwrap();
    passes(folder, &["eval", "matrix", "--resume", "latest"]);
    assert_eq!(std::fs::read(study(folder).join("study.json")).unwrap(), before);
}

#[test]
fn a_cell_over_its_memory_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, 20, "cell_memory: 48MiB\nconcurrency: 2\n");
    // The documents of one task alone are larger than what a cell may take.
    let long = "x".repeat(1 << 20);
    let lines: String = (0..64).map(|n| format!("{{\"n\": \"{long}{n}\", \"parity\": {}}}\n", n % 2)).collect();
    std::fs::write(folder.join("long.jsonl"), lines).unwrap();
    let task = format!("task: two\n{}", TASK.replace("parity.jsonl", "long.jsonl"));
    std::fs::write(folder.join("two.yaml"), task).unwrap();
    let ran = passes(folder, &["eval", "matrix", "study.yaml", "--output-format", "json"]);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let ends: Vec<&str> =
        found["study"]["cells"].as_array().unwrap().iter().filter_map(|cell| cell["end"].as_str()).collect();
    assert_eq!(ends, ["complete", "memory_limit", "complete", "memory_limit"], "{}", ran.stderr);
}

/// Bytes of the logs of a study's cells.
fn logged(folder: &Path) -> u64 {
    let Ok(runs) = std::fs::read_dir(folder.join("results")) else { return 0 };
    let cells = runs.filter_map(|run| std::fs::read_dir(run.ok()?.path().join("cells")).ok()).flatten();
    let size = |cell: PathBuf| std::fs::metadata(cell.join("events.jsonl.zst")).map_or(0, |data| data.len());
    cells.filter_map(Result::ok).map(|cell| size(cell.path())).sum()
}

#[test]
fn a_study_that_was_killed_ends_with_the_same_report() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, killed) = (folder.path().join("whole"), folder.path().join("killed"));
    for place in [&whole, &killed] {
        std::fs::create_dir(place).unwrap();
        write(place, 3_000, "concurrency: 4\n");
    }
    passes(&whole, &["eval", "matrix", "study.yaml"]);
    let program = weighbridge().get_program().to_owned();
    for (number, bytes) in [1, 60_000, 120_000].into_iter().enumerate() {
        let arguments: &[&str] =
            if number == 0 { &["eval", "matrix", "study.yaml"] } else { &["eval", "matrix", "--resume", "latest"] };
        let mut command = Command::new(&program);
        let command = command.current_dir(&killed).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        while logged(&killed) < bytes && child.try_wait().unwrap().is_none() {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    passes(&killed, &["eval", "matrix", "--resume", "latest"]);
    let report = |place: &Path| std::fs::read_to_string(study(place).join("study.json")).unwrap();
    assert_eq!(report(&killed), report(&whole));
}

#[test]
fn a_wrong_study_is_refused_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, 2, "cells_at_once: 0\n");
    let refused = run(folder, &["eval", "matrix", "study.yaml"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("`cells_at_once` is 0") && refused.stderr.contains("hint:"), "{}", refused.stderr);
    assert!(!folder.join("results").exists());
    assert_eq!(run(folder, &["eval", "matrix", "none.yaml"]).code, Some(2));
    write(folder, 2, "");
    let text = std::fs::read_to_string(folder.join("study.yaml")).unwrap().replace("two.yaml", "absent");
    std::fs::write(folder.join("study.yaml"), text).unwrap();
    let failed = run(folder, &["eval", "matrix", "study.yaml"]);
    assert_eq!(failed.code, Some(4), "{}", failed.stderr);
    assert!(failed.stderr.contains("`absent`"), "{}", failed.stderr);
}

#[test]
fn a_file_of_the_service_bounds_cells_and_documents() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, 6, "cells_at_once: 4\nconcurrency: 8\n");
    let config = "evaluation_service: {max_concurrent_evaluations: 1, batch_size: 2}\n";
    std::fs::write(folder.join("config.yaml"), config).unwrap();
    let ran = passes(folder, &["eval", "matrix", "study.yaml", "--config", "config.yaml", "--output-format", "json"]);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["study"]["complete"], 4, "{}", ran.stdout);
    let record: Value = serde_json::from_slice(&std::fs::read(study(folder).join("record.json")).unwrap()).unwrap();
    let settings = &record["settings"];
    assert_eq!((&settings["cells_at_once"], &settings["concurrency"]), (&1.into(), &2.into()), "{settings}");
}
