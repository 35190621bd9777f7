//! The commands of the CI kit, each run as the workflow would run it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
struct Workflow {
    jobs: BTreeMap<String, Job>,
    env: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Job {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    name: Option<String>,
    run: Option<String>,
    #[serde(default, rename = "continue-on-error")]
    continue_on_error: bool,
}

#[derive(Deserialize)]
struct Action {
    runs: Runs,
}

#[derive(Deserialize)]
struct Runs {
    steps: Vec<Step>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Runs a script of a step in a folder, with a summary file.
fn ran(folder: &Path, script: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new("bash")
        .args(["-e", "-c", script])
        .current_dir(folder)
        .env("GITHUB_STEP_SUMMARY", folder.join("summary.md"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), said)
}

#[test]
fn every_command_of_the_workflow_works() {
    let workflow: Workflow = serde_saphyr::from_str(&read(".github/workflows/performance-ci.yml")).unwrap();
    let program = env!("CARGO_BIN_EXE_weighbridge");
    // In short: what is tested is that the commands do what the steps say.
    let variables = [
        ("MODEL", "scripted:ttft=5ms,itl=1ms"),
        ("REQUESTS", "12"),
        ("RUNS", "2"),
        ("SECONDS_OF_TEST", "1"),
        ("HEAD_PROGRAM", program),
        ("BASE_PROGRAM", program),
    ];
    for name in workflow.env.keys() {
        assert!(variables.iter().any(|(known, _)| known == name), "{name} is not set here");
    }
    let mut count = 0;
    for (job, Job { steps }) in &workflow.jobs {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("scripts")).unwrap();
        std::fs::copy(root().join("scripts/benchmark.sh"), folder.path().join("scripts/benchmark.sh")).unwrap();
        // What the cache brings back.
        std::fs::create_dir(folder.path().join("performance_baseline")).unwrap();
        let earlier = json!([{"benchmark_type": "inference", "avg_latency_ms": 1e6}]);
        std::fs::write(folder.path().join("performance_baseline/baseline_results.json"), earlier.to_string()).unwrap();
        for step in steps {
            assert!(!step.continue_on_error, "a gate that does not stop is none: {:?}", step.name);
            let Some(script) = step.run.as_deref().filter(|script| !script.starts_with("cargo build")) else {
                continue;
            };
            let (code, said) = ran(folder.path(), script, &variables);
            assert_eq!(code, Some(0), "{job}, {:?}: {script}\n{said}", step.name);
            count += 1;
        }
        let summary = std::fs::read_to_string(folder.path().join("summary.md")).unwrap();
        assert!(summary.contains("omparison"), "{job}: {summary}");
    }
    assert!(count >= 7, "{count} commands");
}

#[test]
fn the_gate_stops_on_a_regression_and_on_a_missing_figure() {
    let action: Action = serde_saphyr::from_str(&read(".github/actions/performance-gate/action.yml")).unwrap();
    let script = action.runs.steps[0].run.as_deref().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gate = |baseline: &serde_json::Value, current: &serde_json::Value| {
        std::fs::write(folder.path().join("b.json"), baseline.to_string()).unwrap();
        std::fs::write(folder.path().join("c.json"), current.to_string()).unwrap();
        let program = ("PROGRAM", env!("CARGO_BIN_EXE_weighbridge"));
        ran(folder.path(), script, &[program, ("BASELINE", "b.json"), ("CURRENT", "c.json"), ("THRESHOLD", "10")])
    };
    let of = |latency: f64| json!({"benchmark_type": "inference", "avg_latency_ms": latency});
    assert_eq!(gate(&of(100.0), &of(105.0)).0, Some(0));
    let (code, said) = gate(&of(100.0), &of(150.0));
    assert_eq!(code, Some(1), "{said}");
    assert!(std::fs::read_to_string(folder.path().join("summary.md")).unwrap().contains("regression"));
    let lacks = json!({"benchmark_type": "inference", "throughput_rps": 5.0});
    assert_eq!(gate(&of(100.0), &lacks).0, Some(1));
    assert_eq!(gate(&of(100.0), &json!([])).0, Some(2));
}

#[test]
fn contributors_find_what_a_change_of_speed_needs() {
    let issue = read(".github/ISSUE_TEMPLATE/performance.md");
    for part in ["labels: performance", "Environment", "Command", "Result file"] {
        assert!(issue.contains(part), "{part}");
    }
    let request = read(".github/pull_request_template.md");
    for part in ["cargo bench", "given up", "baseline", "Tests"] {
        assert!(request.contains(part), "{part}");
    }
}
