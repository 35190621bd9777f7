//! The verbs of the older system, and its script, through the binary.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Receiver, passes, run};

/// A script that answers at once: these tests are about files and verdicts, not about speed.
const FAST: &str = "scripted:ttft=2ms,itl=0ms";

fn read(folder: &Path, file: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap()
}

/// The keys that files of the older system have, each a number.
fn has_documented_keys(result: &Value) {
    let keys = [
        "avg_latency_ms",
        "p50_latency_ms",
        "p90_latency_ms",
        "p95_latency_ms",
        "p99_latency_ms",
        "throughput_rps",
        "error_rate",
        "memory_usage_mb",
    ];
    for key in keys {
        assert!(result[key].is_number(), "{key} of {result}");
    }
    assert!(result["benchmark_type"].is_string() && result["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(result["schema_version"], "1.0");
}

fn benchmark(folder: &Path, arguments: &[&str]) {
    passes(folder, &[&["performance-benchmark", "benchmark"], arguments].concat());
}

/// Writes results to a file and compares; the exit code and the rows.
fn compared(folder: &Path, baseline: &Value, current: &Value, more: &[&str]) -> (Option<i32>, Value) {
    std::fs::write(folder.join("baseline.json"), baseline.to_string()).unwrap();
    std::fs::write(folder.join("current.json"), current.to_string()).unwrap();
    let common = ["performance-benchmark", "compare", "--baseline", "baseline.json", "--current", "current.json"];
    let ran = run(folder, &[&common, &["--output-format", "json"][..], more].concat());
    (ran.code, serde_json::from_str(&ran.stdout).unwrap_or(Value::String(ran.stderr)))
}

fn sample() -> Value {
    json!({
        "benchmark_type": "inference", "timestamp": "2025-07-01T00:00:00Z", "avg_latency_ms": 100.0, "p50_latency_ms": 99.0,
        "p90_latency_ms": 120.0, "p99_latency_ms": 130.0, "throughput_rps": 10.0, "error_rate": 0.0, "memory_usage_mb": 256.0,
    })
}

fn with(key: &str, value: f64) -> Value {
    let mut result = sample();
    result[key] = value.into();
    result
}

#[test]
fn every_type_leaves_its_file_and_the_page_shows_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("targets.json"), r#"{"inference_latency_ms": 0.001}"#).unwrap();
    benchmark(folder.path(), &["--iterations", "12", "--isl", "48", "--osl", "4", "--targets", "targets.json"]);
    for kind in ["inference", "memory", "concurrent", "cache"] {
        let result = read(folder.path(), &format!("benchmark_results/{kind}_benchmark.json"));
        if kind != "cache" {
            has_documented_keys(&result);
        }
        assert_eq!((&result["benchmark_type"], &result["n"]), (&kind.into(), &12.into()));
        let record = folder.path().join(result["record"].as_str().unwrap()).join("record.json");
        assert!(record.exists(), "{}", record.display());
    }
    let concurrent = read(folder.path(), "benchmark_results/concurrent_benchmark.json");
    let levels: Vec<u64> =
        concurrent["levels"].as_array().unwrap().iter().map(|level| level["concurrency"].as_u64().unwrap()).collect();
    assert_eq!(levels, [1, 2, 4, 8]);
    let cache = read(folder.path(), "benchmark_results/cache_benchmark.json");
    // All of a prompt but its last tokens is found again.
    assert!(cache["cache_hit_ratio"].as_f64().unwrap() > 0.6, "{cache}");
    let memory = read(folder.path(), "benchmark_results/memory_benchmark.json");
    assert!(memory["memory_efficiency_percent"].as_f64().unwrap() > 40.0, "half of single precision: {memory}");
    let page = std::fs::read_to_string(folder.path().join("benchmark_results/benchmark_report.html")).unwrap();
    let inference = read(folder.path(), "benchmark_results/inference_benchmark.json");
    let latency = inference["avg_latency_ms"].as_f64().unwrap();
    // Four digits, as the page shows them.
    let shown = match latency {
        100.0.. => format!("{latency:.1}"),
        10.0.. => format!("{latency:.2}"),
        _ => format!("{latency:.3}"),
    };
    assert!(page.contains(&shown), "{shown} of {latency}");
    assert!(page.contains("missed") && page.contains("inference_latency_ms"));
}

#[test]
fn a_baseline_measures_each_back_end_for_the_time_that_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let targets = json!({
        "inference_latency_ms": 80.0, "memory_efficiency_mb": 400.0, "throughput_rps": 1500.0,
        "model_loading_time_ms": 3000.0, "cache_hit_ratio": 0.85, "cpu_utilization": 0.75, "memory_utilization": 0.65,
    });
    std::fs::write(folder.path().join("t.json"), targets.to_string()).unwrap();
    let line =
        ["performance-benchmark", "baseline", "--duration", "1", "--isl", "32", "--osl", "4", "--targets", "t.json"];
    passes(folder.path(), &line);
    let results = read(folder.path(), "performance_baseline/baseline_results.json");
    let names: Vec<String> = results
        .as_array()
        .unwrap()
        .iter()
        .map(|result| format!("{} {}", result["backend"].as_str().unwrap(), result["benchmark_type"].as_str().unwrap()))
        .collect();
    let expected = [
        "gguf inference",
        "gguf memory",
        "gguf concurrent",
        "gguf cache",
        "onnx inference",
        "onnx memory",
        "onnx concurrent",
    ];
    assert_eq!(names, expected);
    for result in results.as_array().unwrap() {
        if result["benchmark_type"] != "cache" {
            has_documented_keys(result);
        }
        let is_inference = result["benchmark_type"] == "inference";
        assert_eq!(result["model_loading_time_ms"].is_number(), is_inference);
    }
    assert_eq!(read(folder.path(), "performance_baseline/performance_targets.json"), targets);
    let report = std::fs::read_to_string(folder.path().join("performance_baseline/baseline_report.md")).unwrap();
    assert!(report.contains("| gguf inference |") && report.contains("## Targets"), "{report}");
    // One result of the same form is held against its like among many.
    let one = &results[0];
    let (code, rows) = compared(folder.path(), &results, one, &[]);
    assert_eq!(code, Some(0), "{rows}");
    let bad = run(folder.path(), &["performance-benchmark", "baseline", "--backends", "gguf,tensorflow"]);
    assert_eq!(bad.code, Some(2));
    assert!(bad.stderr.contains("tensorflow"), "{}", bad.stderr);
}

#[test]
fn a_regression_of_10_1_percent_fails_and_one_of_9_9_passes() {
    let folder = tempfile::tempdir().unwrap();
    let code = |current: &Value, more: &[&str]| compared(folder.path(), &sample(), current, more).0;
    assert_eq!(code(&with("avg_latency_ms", 110.1), &[]), Some(1));
    assert_eq!(code(&with("avg_latency_ms", 109.9), &[]), Some(0));
    assert_eq!(code(&with("avg_latency_ms", 80.0), &[]), Some(0));
    assert_eq!(code(&with("throughput_rps", 8.9), &[]), Some(1));
    assert_eq!(code(&with("throughput_rps", 12.0), &[]), Some(0));
    assert_eq!(code(&with("avg_latency_ms", 110.1), &["--threshold", "15"]), Some(0));
    assert_eq!(code(&sample(), &["--threshold", "-1"]), Some(2));
    let (code, _) = compared(folder.path(), &sample(), &with("avg_latency_ms", 150.0), &["--report", "r.md"]);
    assert_eq!(code, Some(1));
    let report = std::fs::read_to_string(folder.path().join("r.md")).unwrap();
    assert!(report.contains("+50.0") && report.contains("regression"), "{report}");
    assert!(folder.path().join("r.html").exists());
}

#[test]
fn what_a_side_lacks_is_shown_and_fails_in_ci() {
    let folder = tempfile::tempdir().unwrap();
    let mut current = sample();
    current.as_object_mut().unwrap().remove("throughput_rps");
    let (code, rows) = compared(folder.path(), &sample(), &current, &[]);
    assert_eq!(code, Some(0));
    let row = rows["figures"].as_array().unwrap().iter().find(|row| row["figure"] == "throughput_rps").unwrap();
    assert_eq!(row["change"], "missing");
    assert_eq!(compared(folder.path(), &sample(), &current, &["--ci"]).0, Some(1));
    let wrong = |text: &str, expected: &str| {
        std::fs::write(folder.path().join("baseline.json"), text).unwrap();
        let line = ["performance-benchmark", "compare", "--baseline", "baseline.json", "--current", "current.json"];
        let ran = run(folder.path(), &line);
        assert_eq!(ran.code, Some(2), "{text}");
        assert!(ran.stderr.contains(expected) && ran.stderr.contains("baseline"), "{}", ran.stderr);
    };
    wrong("[{\"benchmark_type\": \"infer", "line 1");
    wrong("[]", "no result");
    wrong("{\"benchmark_type\": \"speed\"}", "speed");
    wrong("{\"benchmark_type\": \"inference\", \"schema_version\": \"2.0\"}", "2.0");
    wrong("{\"benchmark_type\": \"inference\", \"avg_latency_ms\": -1}", "-1");
    wrong("{\"benchmark_type\": \"cache\"}", "cache");
}

#[test]
fn the_same_program_compares_with_itself_without_a_regression() {
    let folder = tempfile::tempdir().unwrap();
    let of = |output: &str| {
        benchmark(
            folder.path(),
            &["--bench-type", "inference", "--model", FAST, "--iterations", "40", "--output", output, "--osl", "2"],
        );
    };
    of("first");
    of("second");
    let line = ["performance-benchmark", "compare", "--baseline", "first", "--current", "second", "--threshold", "50"];
    passes(folder.path(), &line);
}

#[test]
fn the_monitor_takes_as_many_samples_as_fit_and_tells_what_crosses_a_limit() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.json"), r#"{"memory_utilization": 0.000001}"#).unwrap();
    let common = ["performance-benchmark", "monitor", "--duration", "2", "--interval", "1", "--targets", "t.json"];
    let ran = passes(folder.path(), &[&common[..], &["--format", "json", "--output", "m.jsonl"]].concat());
    let samples: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(samples.len(), 2);
    assert_eq!(std::fs::read_to_string(folder.path().join("m.jsonl")).unwrap(), ran.stdout);
    if cfg!(target_os = "linux") {
        assert!(samples.iter().all(|sample| sample["memory_utilization"].as_f64().unwrap() > 0.0));
        assert_eq!(ran.stderr.matches("alert: memory_utilization above 0.000001").count(), 1, "{}", ran.stderr);
        // On a busy host the processor's limit may be crossed as well.
        let alerts = samples[1]["alerts"].as_array().unwrap();
        assert!(alerts.contains(&"memory_utilization above 0.000001".into()), "{alerts:?}");
    }
    let one = ["performance-benchmark", "monitor", "--duration", "1", "--interval", "1", "--format", "csv"];
    let csv = passes(folder.path(), &one).stdout;
    let widths: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(widths, [6, 6], "{csv}");
}

#[test]
fn a_stress_test_fails_where_requests_fail() {
    let folder = tempfile::tempdir().unwrap();
    let of = |model: &str| {
        let line =
            ["performance-benchmark", "stress", "--clients", "4", "--rate", "20", "--duration", "2", "--model", model];
        run(folder.path(), &[&line[..], &["--", "--osl", "2", "--disturbed-limit", "1", "--no-live"]].concat())
    };
    let good = of(FAST);
    assert_eq!(good.code, Some(0), "{}{}", good.stdout, good.stderr);
    assert!(good.stdout.contains("80") && good.stdout.contains("offered"), "{}", good.stdout);
    let bad = of("scripted:ttft=2ms,itl=0ms,fail=error,fail_every=3");
    assert_eq!(bad.code, Some(1), "{}{}", bad.stdout, bad.stderr);
}

#[test]
fn memory_is_profiled_under_the_old_name() {
    let folder = tempfile::tempdir().unwrap();
    let line = ["performance-benchmark", "memory-profile", "--cycles", "5", "--track", "--output", "m.json"];
    passes(folder.path(), &[&line[..], &["--model", FAST, "--", "--requests", "10"]].concat());
    let text = std::fs::read_to_string(folder.path().join("m.json")).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("memory_delta")).count(), 5);
}

#[test]
fn metrics_of_host_and_run_go_to_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let bare = passes(folder.path(), &["metrics", "export", "--format", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&bare.stdout).unwrap()["run"], Value::Null);
    passes(folder.path(), &["load", FAST, "-n", "5", "--osl", "2", "--disturbed-limit", "1", "--no-live"]);
    let text = passes(folder.path(), &["metrics", "export", "--format", "prometheus"]).stdout;
    let mut typed = std::collections::BTreeSet::new();
    for line in text.lines() {
        match line.strip_prefix("# TYPE ") {
            Some(rest) => {
                assert!(typed.insert(rest.split(' ').next().unwrap().to_owned()), "twice: {line}");
            }
            None if line.starts_with('#') => assert!(line.starts_with("# HELP "), "{line}"),
            None => {
                let (name, value) = line.rsplit_once(' ').unwrap();
                value.parse::<f64>().unwrap();
                assert!(typed.contains(name.split('{').next().unwrap()), "no type before {line}");
            }
        }
    }
    assert!(typed.contains("weighbridge_run_info"));
    let json = passes(folder.path(), &["metrics", "export", "--format", "json"]).stdout;
    assert!(!serde_json::from_str::<Value>(&json).unwrap()["run"]["metrics"].as_array().unwrap().is_empty());
}

#[test]
fn pipeline_results_pass_at_9_9_percent_and_fail_at_10() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, documents: f64| {
        let runs = json!([{"metrics": {"pipeline": {"documents_per_hour": documents, "quality_score_avg": 0.742}}}]);
        std::fs::write(folder.path().join(name), runs.to_string()).unwrap();
    };
    write("base.json", 20.0);
    write("good.json", 18.02);
    write("bad.json", 18.0);
    write("zero.json", 0.0);
    let good = passes(folder.path(), &["regress", "base.json", "good.json"]);
    assert_eq!(good.stdout.lines().count(), 3);
    assert!(good.stdout.contains("-9.9 %") && good.stdout.contains("+0.0 %"), "{}", good.stdout);
    let bad = run(folder.path(), &["regress", "base.json", "bad.json", "--output-format", "json"]);
    assert_eq!(bad.code, Some(1));
    let json: Value = serde_json::from_str(&bad.stdout).unwrap();
    for key in ["throughput_regression", "quality_regression", "memory_regression", "overall_assessment"] {
        assert!(!json[key].is_null(), "{key}");
    }
    let zero = run(folder.path(), &["regress", "zero.json", "good.json"]);
    assert_eq!(zero.code, Some(2));
    assert!(zero.stderr.contains("no ratio"), "{}", zero.stderr);
}

/// Every type of the script in short, the gate of CI, and the end of the time.
#[cfg(unix)]
#[test]
fn the_script_runs_every_type_and_gates() {
    let folder = tempfile::tempdir().unwrap();
    let script = |arguments: &[&str]| {
        let mut command =
            std::process::Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/benchmark.sh"));
        command.env("WEIGHBRIDGE", env!("CARGO_BIN_EXE_weighbridge")).current_dir(folder.path()).args(arguments);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let short = ["--iterations", "4", "--duration", "1", "--model", FAST];
    for kind in ["all", "inference", "memory", "concurrent", "cache", "profiling", "baseline"] {
        let (code, said) = script(&[&[kind], &short[..]].concat());
        // A script has no memory to be measured.
        let expected = if kind == "memory" { 4 } else { 0 };
        assert_eq!(code, Some(expected), "{kind}: {said}");
    }
    // A baseline that was ten times as fast.
    let mut planted = read(folder.path(), "benchmark_results/inference_benchmark.json");
    planted["avg_latency_ms"] = (planted["avg_latency_ms"].as_f64().unwrap() / 10.0).into();
    std::fs::write(folder.path().join("fast.json"), planted.to_string()).unwrap();
    let compare = [&["inference", "--compare", "--baseline", "fast.json", "--report"], &short[..]].concat();
    assert_eq!(script(&[&compare[..], &["--ci"]].concat()).0, Some(1));
    assert!(folder.path().join("benchmark_results/comparison_report.html").exists());
    let (code, said) = script(&compare);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a regression"), "{said}");
    let slow = ["inference", "--timeout", "1", "--iterations", "1000", "--model", "scripted:ttft=50ms,itl=0ms"];
    let (code, said) = script(&slow);
    assert_eq!(code, Some(124));
    assert!(said.contains("the time of 1 s is over"), "{said}");
    assert_eq!(script(&["speed"]).0, Some(2));
}

#[test]
fn wrong_targets_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let of = |text: &str| {
        std::fs::write(folder.path().join("t.json"), text).unwrap();
        run(folder.path(), &["performance-benchmark", "benchmark", "--targets", "t.json"])
    };
    for (text, expected) in [
        (r#"{"latency": 1}"#, "latency"),
        (r#"{"cpu_utilization": "much"}"#, "much"),
        (r#"{"cpu_utilization": 80}"#, "cpu_utilization is 80"),
        ("{", "t.json"),
    ] {
        let ran = of(text);
        assert_eq!(ran.code, Some(2), "{text}");
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    let unknown = run(folder.path(), &["performance-benchmark", "benchmark", "--model", "nothing:x"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
}

#[test]
fn the_doctor_names_rules_with_their_evidence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("r.json"), with("avg_latency_ms", 450.0).to_string()).unwrap();
    let ran = run(folder.path(), &["doctor", "performance", "r.json"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stdout.contains("high latency") && ran.stdout.contains("450"), "{}", ran.stdout);
    std::fs::write(folder.path().join("r.json"), with("avg_latency_ms", 45.0).to_string()).unwrap();
    passes(folder.path(), &["doctor", "performance", "r.json"]);
    std::fs::write(folder.path().join("r.json"), "[]").unwrap();
    assert_eq!(run(folder.path(), &["doctor", "performance", "r.json"]).code, Some(2));
}

#[test]
fn models_of_a_folder_are_listed_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/network/network.onnx");
    std::fs::copy(file, models.join("net.onnx")).unwrap();
    let with_folder = |arguments: &[&str]| {
        let output = crate::support::weighbridge()
            .current_dir(folder.path())
            .env("WEIGHBRIDGE_MODELS_DIR", &models)
            .args(arguments)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, listed, _) = with_folder(&["model", "list", "--output-format", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["models"], json!([format!("onnx:{}", models.join("net.onnx").display())]));
    let line = ["performance-benchmark", "benchmark", "--bench-type", "inference", "--iterations", "10", "--model"];
    let (code, _, said) = with_folder(&[&line[..], &["net"]].concat());
    assert_eq!(code, Some(0), "{said}");
    let (code, _, said) = with_folder(&[&line[..], &["other"]].concat());
    assert_eq!(code, Some(2));
    assert!(said.contains("other"), "{said}");
}

/// The tests are built as the program is, with names of functions.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn each_test_leaves_its_flame_graph() {
    let folder = tempfile::tempdir().unwrap();
    benchmark(folder.path(), &["--profile", "--iterations", "40", "--isl", "64", "--osl", "8"]);
    for kind in ["inference", "memory", "concurrent"] {
        let path = folder.path().join(format!("flamegraphs/{kind}_profile.svg"));
        let svg = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(svg.contains("<svg") && svg.contains("weighbridge"), "{kind}");
    }
    let svg = std::fs::read_to_string(folder.path().join("flamegraphs/inference_profile.svg")).unwrap();
    assert!(svg.contains("kernels"), "no frame of the engine's products");
    benchmark(folder.path(), &["--bench-type", "profiling", "--iterations", "40", "--output", "p"]);
    has_documented_keys(&read(folder.path(), "p/profiling_benchmark.json"));
    assert!(folder.path().join("flamegraphs/profiling_profile.pb").exists());
}

/// A classifier is loaded as a model is: its answer is the name of a class.
#[test]
fn a_classifier_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let line = ["load", "onnx:network", "-c", "4", "-n", "200", "--isl", "32", "--disturbed-limit", "1", "--no-live"];
    let record: Value =
        serde_json::from_str(&passes(folder.path(), &[&line[..], &["--output-format", "json"]].concat()).stdout)
            .unwrap();
    let of = |key: &str| {
        let (name, statistic) = key.split_once('.').unwrap();
        let metrics = record["metrics"].as_array().unwrap();
        let found = metrics.iter().find(|metric| metric["name"] == name && metric["statistic"] == statistic);
        found.unwrap_or_else(|| panic!("no {key}"))["value"].as_f64()
    };
    assert_eq!(of("failed.value"), Some(0.0));
    assert_eq!(of("ttft.mean"), of("e2e.mean"), "an answer is whole when it comes");
    let encoder = run(folder.path(), &["bench", "onnx:network"]);
    assert_eq!(encoder.code, Some(2), "a weigh-in is of text");
}

#[test]
fn a_webhook_hears_of_regressions_once_and_of_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::start("200 OK");
    let hook = ["--webhook", receiver.url()];
    let mut slower = with("avg_latency_ms", 150.0);
    slower["record"] = "results/slow".into();
    assert_eq!(compared(folder.path(), &sample(), &sample(), &hook).0, Some(0));
    // What is missing fails a pipeline that asks for it, and is no regression.
    let mut less = sample();
    less.as_object_mut().unwrap().remove("p90_latency_ms");
    assert_eq!(compared(folder.path(), &sample(), &less, &[&hook[..], &["--ci"]].concat()).0, Some(1));
    assert_eq!(receiver.taken(), Vec::<Value>::new());
    assert_eq!(compared(folder.path(), &sample(), &slower, &hook).0, Some(1));
    let taken = receiver.taken();
    let [alert] = &taken[..] else { panic!("{taken:?}") };
    assert_eq!((&alert["verb"], &alert["runs"]), (&"performance-benchmark compare".into(), &json!(["results/slow"])));
    let row = &alert["regressions"][0];
    assert_eq!((&row["key"], &row["ratio"], &row["interval"]), (&"avg_latency_ms".into(), &1.5.into(), &Value::Null));

    let file = |name: &str, documents: f64| {
        let runs = json!([{"pipeline.documents_per_hour": documents, "pipeline.quality_score_avg": 0.8}]);
        std::fs::write(folder.path().join(name), runs.to_string()).unwrap();
    };
    file("base.json", 100.0);
    file("bad.json", 50.0);
    let regress = |current: &str, code: i32| {
        let ran = run(folder.path(), &[&["regress", "base.json", current], &hook[..]].concat());
        assert_eq!(ran.code, Some(code), "{}", ran.stderr);
        receiver.taken()
    };
    assert_eq!(regress("base.json", 0), Vec::<Value>::new());
    let taken = regress("bad.json", 1);
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0]["regressions"][0]["key"], "pipeline.documents_per_hour");
}
