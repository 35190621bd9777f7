//! Engines side by side, from arguments to record.

use serde_json::Value;

use crate::support::{Endpoint, passes, run};

#[test]
fn engines_are_set_side_by_side_and_ordered() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=20ms,itl=10ms");
    let engines = format!("scripted:ttft=5ms,itl=2ms,{},llama-cpp,onnx", endpoint.reference());
    let sizes = ["--runs", "3", "--requests", "2", "--lengths", "16/8", "--concurrency", "2"];
    let arguments = [&["bench", "tiny", "--engines", &engines, "--output-format", "json"][..], &sizes].concat();
    let ran = run(folder.path(), &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["reference"], "scripted");
    let order: Vec<&Value> = found["fallback_order"].as_array().unwrap().iter().collect();
    assert_eq!(order, ["scripted", "openai"]);
    let figures = found["engines"][1]["figures"].as_array().unwrap();
    assert!(figures.iter().all(|figure| figure["verdict"] == "worse"), "{figures:?}");
    for absent in [2, 3] {
        assert!(found["engines"][absent]["absent"].is_string(), "{found}");
    }
    passes(folder.path(), &["report", "check", "latest"]);
    let shown = passes(folder.path(), &["report", "show", "latest"]).stdout;
    assert!(shown.contains("fallback order: scripted, openai") && shown.contains("took no part"), "{shown}");
}

#[test]
fn engines_that_cannot_be_meant_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let check = |engines: &str, expected: &str| {
        let ran = run(folder.path(), &["bench", "tiny", "--engines", engines]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    };
    check("local,vllama", "compare the engine `vllama`: there is no such engine");
    check("local,local", "compare `local` with itself");
    check("local,gguff:x", "no kind of model is called `gguff`");
    check("onnx", "an ONNX export of the model must be named");
    let ran = run(folder.path(), &["bench", "--threshold", "5"]);
    assert_eq!(ran.code, Some(2));
    let ran = run(folder.path(), &["bench", "--engines", "local", "--threshold", "-1"]);
    assert_eq!(ran.code, Some(2));
}

#[test]
fn devices_are_set_side_by_side_and_an_absent_one_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["bench", "accel", "--rounds", "2", "--output-format", "json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let rows = found["rows"].as_array().unwrap();
    let places: Vec<_> =
        rows.iter().map(|row| (row["workload"].as_str().unwrap(), row["device"].as_str().unwrap())).collect();
    let workloads = ["transformer", "cnn", "mixed"];
    assert_eq!(
        places,
        workloads.iter().flat_map(|workload| [(*workload, "cpu"), (*workload, "cuda")]).collect::<Vec<_>>()
    );
    let time = |place: usize| rows[place]["time_ms"].as_f64().unwrap();
    assert!(time(0) > 0.0 && time(2) > 0.0);
    // Both at once take no less than the longer of the two, but for noise.
    assert!(time(4) > 0.5 * time(0).max(time(2)), "{rows:?}");
    for absent in [1, 3, 5] {
        assert!(rows[absent]["time_ms"].is_null() && rows[absent]["reason"].is_string(), "{rows:?}");
    }
    let ran = run(folder.path(), &["bench", "accel", "--model", "onnx:none"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
}

/// A build without llama.cpp says how to get it, where it is compared and where it is named.
#[test]
#[cfg(not(feature = "llama-cpp"))]
fn a_build_without_llama_cpp_names_the_feature() {
    let folder = tempfile::tempdir().unwrap();
    let shown = passes(folder.path(), &["bench", "tiny", "--engines", "local,llama-cpp", "--dry-run"]).stdout;
    assert!(shown.contains("n/a: this build has no llama.cpp") && shown.contains("--features llama-cpp"), "{shown}");
    let ran = run(folder.path(), &["bench", "llama-cpp:model.gguf"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("llama-cpp:model.gguf") && ran.stderr.contains("--features llama-cpp"),
        "{}",
        ran.stderr
    );
}

#[test]
#[cfg(feature = "llama-cpp")]
fn llama_cpp_stands_beside_our_own_engine() {
    let folder = tempfile::tempdir().unwrap();
    let sizes = ["--runs", "3", "--requests", "2", "--lengths", "16/8", "--concurrency", "2"];
    let arguments =
        [&["bench", "tiny", "--engines", "local,llama-cpp", "--output-format", "json"][..], &sizes].concat();
    let ran = run(folder.path(), &arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(!ran.stderr.contains("llama_"), "llama.cpp talks: {}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["fallback_order"].as_array().unwrap().len(), 2, "{found}");
    passes(folder.path(), &["report", "check", "latest"]);
    let ran = run(folder.path(), &["bench", "llama-cpp:missing.gguf"]);
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    assert!(ran.stderr.contains("missing.gguf"), "{}", ran.stderr);
}
