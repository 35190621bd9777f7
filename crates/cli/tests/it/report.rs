//! Records: shown, exported, checked, listed.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{bench, passes, run};

const SCRIPT: [&str; 5] = ["scripted:ttft=2ms,itl=1ms", "--quick", "--phases", "latency,throughput", "--label=checked"];

#[test]
fn a_doctored_record_fails_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let record = bench(folder, &SCRIPT);
    passes(folder, &["report", "check", "latest"]);
    let path = folder.join("results").join(&record.run_id).join("record.json");
    let honest: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let mut count = 0;
    for (name, statistic) in [("request_rate", "value"), ("ttft", "mean"), ("e2e", "p50"), ("reliability", "value")] {
        let mut doctored = honest.clone();
        let metrics = doctored["metrics"].as_array_mut().unwrap();
        let is_it = |metric: &&mut Value| {
            metric["name"] == name && metric["statistic"] == statistic && metric["value"].is_number()
        };
        let Some(metric) = metrics.iter_mut().find(is_it) else { continue };
        metric["value"] = (metric["value"].as_f64().unwrap() * 0.9).into();
        fs::write(&path, doctored.to_string()).unwrap();
        let ran = run(folder, &["report", "check", "latest"]);
        assert_eq!(ran.code, Some(1), "{name} {statistic}\n{}", ran.stdout);
        assert!(ran.stdout.contains(name), "{}", ran.stdout);
        count += 1;
    }
    assert!(count >= 3);
}

#[test]
fn a_record_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("record.json"), r#"{"schema_version":"9.0"}"#).unwrap();
    let ran = run(folder.path(), &["report", "show", "record.json"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("9.0") && ran.stderr.contains("hint:"), "{}", ran.stderr);
}

#[test]
fn history_lists_runs_even_after_the_index_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let record = bench(folder, &SCRIPT);
    let list = || passes(folder, &["history", "--output-format", "json"]).stdout;
    let before = list();
    assert!(before.contains(&record.run_id));
    fs::remove_file(folder.join("results/index.sqlite")).unwrap();
    assert_eq!(list(), before);
    assert_eq!(passes(folder, &["history", "--label", "other", "--output-format", "json"]).stdout.trim(), "[]");
}

#[test]
fn every_document_of_a_campaign_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    bench(folder, &SCRIPT);
    passes(folder, &["report", "export", "latest", "--format", "all", "--output", "documents"]);
    let names: Vec<String> = fs::read_dir(folder.join("documents"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let count = |start: &str, end: &str| names.iter().filter(|n| n.starts_with(start) && n.ends_with(end)).count();
    assert_eq!(count("benchmark_phase_", ".md"), 5, "{names:?}");
    assert_eq!(count("benchmark_progress_", ".md"), 1);
    assert_eq!(count("benchmark_final_report_", ".md"), 1);
    assert_eq!(count("benchmark_report_", ".html"), 1);
    assert_eq!(count("comprehensive_benchmark_", ".json"), 1);
    for start in ["latency_", "memory_", "throughput_"] {
        assert_eq!(count(start, ".json"), 1, "{names:?}");
    }
}

#[test]
fn published_schemas_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let printed = passes(folder.path(), &["schema", "record"]).stdout;
    let published = include_str!("../../../../schemas/record-1.schema.json");
    let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parse(&printed), parse(published));
}

/// Each script runs alone and leaves its file.
#[test]
fn four_entry_points_write_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/entry");
    let run = |name: &str, arguments: &[&str]| {
        let binary = env!("CARGO_BIN_EXE_weighbridge");
        let mut command = Command::new(scripts.join(name));
        let output = command.args(arguments).env("WEIGHBRIDGE", binary).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{name}\n{}", String::from_utf8_lossy(&output.stderr));
    };
    let script = "scripted:ttft=2ms,itl=1ms";
    for (phase, model) in [("latency", script), ("memory", "tiny"), ("throughput", script)] {
        run(phase, &[model, "--quick", "--output-dir", phase]);
        run("report", &["latest", "--output-dir", phase]);
        let latest = fs::read_dir(folder.join(phase)).unwrap().map(|entry| entry.unwrap().path());
        let documents = latest.filter(|path| path.is_dir()).map(|run| run.join("reports"));
        let names: Vec<String> = documents
            .flat_map(|reports| fs::read_dir(reports).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let is_of_phase = |name: &String| name.starts_with(&format!("{phase}_"));
        assert!(names.iter().any(is_of_phase), "{phase}: {names:?}");
        assert!(names.iter().any(|name| name.ends_with(".html")), "{phase}: {names:?}");
    }
}
