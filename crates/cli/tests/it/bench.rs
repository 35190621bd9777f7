//! The weigh-in, from arguments to record.

use std::fs;
use std::path::Path;

use weighbridge_types::metric::{Cell, Flag, Provenance};
use weighbridge_types::record::{Phase, Record, Status, Verdict};

use crate::support::{Endpoint, bench, passes, run, weighbridge};

fn run_folder(folder: &Path) -> std::path::PathBuf {
    let mut runs: Vec<_> = fs::read_dir(folder.join("results"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    runs.sort();
    runs.pop().unwrap()
}

fn value(record: &Record, key: &str, cell: &Cell) -> f64 {
    let metric = record.metric(key, cell).unwrap_or_else(|| panic!("no `{key}` in `{cell}`"));
    metric.value.unwrap_or_else(|| panic!("no value of `{key}`: {:?}", metric.reason))
}

#[test]
fn the_main_job_weighs_the_model_inside_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let record = bench(folder.path(), &["--quick"]);
    assert_eq!(record.status, Status::Complete);
    assert_eq!(record.phases.iter().filter(|phase| phase.status == Status::Complete).count(), 5);
    let checks = &record.phase(Phase::Validate).unwrap().checks;
    assert_eq!(checks.len(), 7);
    assert!(checks.iter().all(|check| !check.evidence.is_empty()));
    // Every figure says where it comes from, and an absent one says why.
    for metric in &record.metrics {
        assert_eq!(metric.value.is_none(), metric.reason.is_some(), "{} {}", metric.key(), metric.cell);
        assert_eq!(metric.value.is_none(), metric.provenance == Provenance::Unavailable, "{}", metric.key());
        assert!(!metric.flags.contains(&Flag::Scripted));
    }
    // Prompts have exactly the length that their cell names.
    for metric in record.metrics.iter().filter(|metric| metric.key() == "input_tokens.mean") {
        if let Some(asked) = metric.cell.get("input_tokens") {
            assert_eq!(metric.value.map(|tokens| tokens.to_string()), Some(asked.to_owned()));
        }
    }
    let run = run_folder(folder.path());
    for file in ["record.json", "events.jsonl.zst", "report.html"] {
        assert!(run.join(file).exists(), "no {file}");
    }
}

#[test]
fn an_endpoint_is_weighed_with_the_same_command() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=20ms,itl=2ms");
    let record = bench(folder.path(), &[&endpoint.reference(), "--quick", "--phases", "latency,throughput,memory"]);
    assert_eq!(record.engine.device, "remote");
    assert!(record.engine.scripted, "the scripted server must be told apart from a model");
    let latency = record.metrics_of(Phase::Latency).find(|metric| metric.key() == "ttft.mean").unwrap();
    // The script sends nothing before 20 ms. How close the meter comes is a bench's question: tests share the cores.
    assert!(latency.value.unwrap() >= 20.0, "{latency:?}");
    let memory = record.metrics_of(Phase::Memory).find(|metric| metric.name == "weights_mapped");
    assert!(memory.is_none_or(|metric| metric.value.is_none()), "memory of another process is not ours to state");
}

#[test]
fn requests_that_fail_lower_reliability_and_enter_no_latency() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["scripted:ttft=2ms,itl=1ms,fail_every=4,fail_after=2", "--quick", "--phases", "throughput"];
    let record = bench(folder.path(), &[&arguments[..], &["--concurrency", "1,2"]].concat());
    let tally = record.phase(Phase::Throughput).unwrap().tally;
    assert!(tally.failed > 0 && tally.adds_up(), "{tally:?}");
    let cell = record.metrics.iter().find(|metric| metric.name == "reliability").unwrap().cell.clone();
    let reliability = value(&record, "reliability", &cell);
    assert!((60.0..90.0).contains(&reliability), "{reliability}");
}

#[test]
fn a_dead_engine_is_an_invalid_measurement_with_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["bench", "scripted:ttft=1ms,fail_every=1", "--quick", "--phases", "latency"];
    let ran = run(folder.path(), &arguments);
    assert_eq!(ran.code, Some(4), "{}\n{}", ran.stdout, ran.stderr);
    assert!(run_folder(folder.path()).join("record.json").exists());
}

#[test]
fn the_same_seed_gives_the_same_items_and_answers() {
    let items = |seed: &str| {
        let folder = tempfile::tempdir().unwrap();
        bench(folder.path(), &["tiny", "--quick", "--phases", "quality", "--variants", "none", "--seed", seed]);
        let log = weighbridge_store::read_log(&run_folder(folder.path())).unwrap();
        log.items().map(|item| (item.item.clone(), item.expected.clone(), item.given.clone())).collect::<Vec<_>>()
    };
    // How many items fit into the time differs; those that were asked do not.
    let (first, second, other) = (items("7"), items("7"), items("8"));
    let common = first.len().min(second.len());
    assert!(common >= 10, "only {common} items were asked");
    assert_eq!(first[..common], second[..common]);
    assert_ne!(first[..common], other[..common.min(other.len())]);
}

#[test]
fn targets_gate_by_the_bound_of_the_interval() {
    let folder = tempfile::tempdir().unwrap();
    let gate = |limit: &str| {
        let text = format!("profile: own\ntargets:\n  - metric: ttft.mean\n    {limit}\n");
        fs::write(folder.path().join("targets.yaml"), text).unwrap();
        let script = "scripted:ttft=20ms,itl=1ms";
        let arguments = ["bench", script, "--quick", "--phases", "latency", "--targets", "targets.yaml"];
        let ran = run(folder.path(), &[&arguments[..], &["--output-format", "json"]].concat());
        let record = Record::from_json(&ran.stdout).unwrap();
        let own = record.targets.iter().find(|target| target.profile == "own").unwrap();
        (ran.code, own.verdict)
    };
    // A busy host may leave too few independent values for an interval. Then the verdict is unclear, and it is weighed again.
    let decided = |limit: &str| (0..3).map(|_| gate(limit)).find(|(_, verdict)| *verdict != Verdict::Unclear);
    assert_eq!(decided("below: 5000"), Some((Some(0), Verdict::Met)));
    assert_eq!(decided("below: 5"), Some((Some(1), Verdict::Missed)));
}

#[test]
fn a_run_killed_between_phases_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let script = "scripted:ttft=5ms,itl=1ms";
    let both = [script, "--quick", "--phases", "latency,throughput", "--concurrency", "1,2"];
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("weighbridge"))
        .current_dir(folder.path())
        .args(["bench", "--output-dir", "results"])
        .args(both)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The line that says that the first phase is done is the moment to kill.
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    for line in lines.map_while(Result::ok) {
        if line.contains("latency done") {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let first = Record::from_json(&fs::read_to_string(run_folder(folder.path()).join("record.json")).unwrap()).unwrap();
    assert_ne!(first.status, Status::Complete);
    let kept: Vec<_> = first.metrics_of(Phase::Latency).cloned().collect();
    assert!(!kept.is_empty());

    let resumed = bench(folder.path(), &["--resume", "latest"]);
    assert_eq!(resumed.run_id, first.run_id);
    assert_eq!(resumed.phase(Phase::Throughput).unwrap().status, Status::Complete);
    assert_eq!(resumed.metrics_of(Phase::Latency).cloned().collect::<Vec<_>>(), kept);
    passes(folder.path(), &["report", "check", "latest"]);
}

#[test]
fn another_model_cannot_continue_a_run() {
    let folder = tempfile::tempdir().unwrap();
    bench(folder.path(), &["scripted:ttft=2ms,itl=1ms", "--quick", "--phases", "latency"]);
    let ran = run(folder.path(), &["bench", "tiny", "--resume", "latest"]);
    assert_eq!(ran.code, Some(2), "{}\n{}", ran.stdout, ran.stderr);
    assert!(ran.stderr.contains("continue run"), "{}", ran.stderr);
}

#[test]
#[cfg(unix)]
fn an_interrupt_keeps_a_valid_partial_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("weighbridge"))
        .current_dir(folder.path())
        .args(["bench", "scripted:ttft=200ms,itl=20ms", "--phases", "latency", "--output-dir", "results"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The record appears when the run has begun.
    let results = folder.path().join("results");
    while !(results.is_dir()
        && fs::read_dir(&results).unwrap().any(|run| run.unwrap().path().join("record.json").exists()))
    {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it had written its record");
        std::thread::yield_now();
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let record = fs::read_to_string(run_folder(folder.path()).join("record.json")).unwrap();
    assert_eq!(Record::from_json(&record).unwrap().status, Status::Interrupted);
    passes(folder.path(), &["report", "check", "latest"]);
}

#[test]
fn talk_goes_to_stderr_and_data_to_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["bench", "scripted:ttft=1ms,itl=1ms", "--quick", "--phases", "latency", "--requests", "3"];
    let ran = passes(folder.path(), &arguments);
    assert!(ran.stderr.contains("latency done") && ran.stderr.contains("report.html"), "{}", ran.stderr);
    assert!(!ran.stdout.contains('\u{1b}'), "no color without a terminal");
    assert!(ran.stdout.contains("scripted"), "a scripted engine must be named as such:\n{}", ran.stdout);
}

#[test]
fn at_80_columns_no_line_is_longer() {
    let folder = tempfile::tempdir().unwrap();
    let script = "scripted:ttft=1ms,itl=1ms";
    let output = weighbridge()
        .current_dir(folder.path())
        .env("COLUMNS", "80")
        .args(["bench", script, "--quick", "--phases", "validate,latency,throughput", "--requests", "3"])
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    for line in stdout.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
}
