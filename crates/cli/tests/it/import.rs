//! `import`, and `report export` in the forms of other tools.

use std::fs;
use std::path::Path;

use serde_json::Value;
use weighbridge_types::record::Record;

use crate::support::{bench, passes, run};

const VLLM: &str = include_str!("../../../report/tests/fixtures/vllm-detailed.json");
const GUIDELLM: &str = include_str!("../../../report/tests/fixtures/guidellm.json");

const SCRIPT: [&str; 5] =
    ["scripted:ttft=2ms,itl=1ms", "--quick", "--phases", "latency,throughput", "--label=exported"];

/// Imports a file and returns the name of the run.
fn imported(folder: &Path, name: &str, text: &str) -> String {
    fs::write(folder.join(name), text).unwrap();
    let printed = passes(folder, &["import", name, "--output-format", "json"]).stdout;
    let taken: Value = serde_json::from_str(&printed).unwrap();
    taken[0]["run_id"].as_str().unwrap().to_owned()
}

#[test]
fn an_imported_file_is_a_run_that_says_whose_figures_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run_id = imported(folder, "night run.json", VLLM);
    assert!(run_id.ends_with("-import-night-run"), "{run_id}");
    let shown = passes(folder, &["report", "show", &run_id]).stdout;
    assert!(shown.contains("vLLM bench, version unknown; weighbridge did not measure them"), "{shown}");
    assert!(shown.contains("vllm.ttft/1") && shown.contains("near our ttft/1"), "{shown}");
    passes(folder, &["report", "check", &run_id]);
    let history = passes(folder, &["history"]).stdout;
    assert!(history.contains(&run_id) && history.contains("small-model"), "{history}");
    let record =
        Record::from_json(&passes(folder, &["report", "show", &run_id, "--output-format", "json"]).stdout).unwrap();
    assert_eq!((record.kind.as_str(), record.created_at.as_str()), ("import", "2026-03-01T12:30:00Z"));
    assert_eq!(record.settings["import"]["file"], "night run.json");
    for format in ["html", "markdown", "csv", "sql", "prometheus", "job-summary", "vllm", "aiperf-jsonl"] {
        let text = passes(folder, &["report", "export", &run_id, "--format", format]).stdout;
        assert!(!text.is_empty(), "{format}");
    }
}

#[test]
fn an_imported_file_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let run_id = imported(folder, "first.json", VLLM);
    let text = passes(folder, &["report", "export", &run_id, "--format", "vllm"]).stdout;
    let (back, was): (Value, Value) =
        (serde_json::from_str(&text).unwrap(), serde_json::from_str(&VLLM.replace("Infinity", "\"inf\"")).unwrap());
    for key in [
        "ttfts",
        "itls",
        "input_lens",
        "output_lens",
        "completed",
        "failed",
        "duration",
        "mean_ttft_ms",
        "p99_tpot_ms",
        "request_rate",
    ] {
        assert_eq!(back[key], was[key], "{key}");
    }
}

#[test]
fn a_bad_file_does_not_keep_the_others_out() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("good.json"), GUIDELLM).unwrap();
    fs::write(folder.join("cut.json"), &GUIDELLM[..200]).unwrap();
    let ran = run(folder, &["import", "cut.json", "missing.json", "good.json"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`cut.json`: error: failed to import the file: it is cut off at line"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("`missing.json`") && ran.stderr.contains("hint:"), "{}", ran.stderr);
    assert!(ran.stdout.contains("good.json") && ran.stdout.contains("GuideLLM"), "{}", ran.stdout);
    assert_eq!(fs::read_dir(folder.join("results")).unwrap().count(), 1);
}

#[test]
fn the_format_can_be_named_and_must_be_known() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("a.json"), VLLM).unwrap();
    passes(folder, &["import", "a.json", "--format", "vllm", "--label", "named"]);
    let ran = run(folder, &["import", "a.json", "--format", "nonsense"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("guidellm"), "{}", ran.stderr);
    let ran = run(folder, &["import", "a.json", "--format", "k6"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("`metrics` is missing"), "{}", ran.stderr);
    let ran = run(folder, &["import", "a.json", "--label", "../up"]);
    assert!(ran.code == Some(2) && ran.stderr.contains("--label"), "{}", ran.stderr);
}

#[test]
fn a_run_of_ours_is_exported_in_every_form() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let record = bench(folder, &SCRIPT);
    for (format, count) in [("vllm", 2), ("aiperf", 2), ("github-action", 2)] {
        passes(folder, &["report", "export", "latest", "--format", format, "--output", format]);
        assert!(fs::read_dir(folder.join(format)).unwrap().count() >= count, "{format}");
    }
    for format in ["aiperf-jsonl", "llama-bench", "bencher", "prometheus", "sql", "job-summary"] {
        passes(folder, &["report", "export", "latest", "--format", format, "--output", "one.txt"]);
        assert!(fs::metadata(folder.join("one.txt")).unwrap().len() > 0, "{format}");
    }
    // Targets of another kind of device are skipped, not passed.
    let junit = passes(folder, &["report", "export", "latest", "--format", "junit"]).stdout;
    assert!(junit.starts_with("<?xml") && junit.contains("<skipped message="), "{junit}");
    let files: Vec<_> = fs::read_dir(folder.join("vllm")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let first = files[0].to_str().unwrap();
    let taken: Value =
        serde_json::from_str(&passes(folder, &["import", first, "--output-format", "json"]).stdout).unwrap();
    let back = passes(folder, &["report", "show", taken[0]["run_id"].as_str().unwrap()]).stdout;
    assert!(back.contains("ttft/1") && back.contains(&record.run_id), "{back}");
}
