//! Kinds of load runs with an aim of their own: caches, cold starts, soaks.

use std::path::Path;

use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Phase, Record};

use crate::support::{Endpoint, passes};

fn record(folder: &Path, arguments: &[&str]) -> Record {
    let all = [arguments, &["--output-format", "json", "--disturbed-limit", "1"]].concat();
    Record::from_json(&passes(folder, &all).stdout).unwrap()
}

fn cache_cell(workload: &str) -> Cell {
    Cell::of(Phase::Load).with("concurrency", 1).with("workload", workload)
}

#[test]
fn a_cache_benchmark_finds_the_scripted_cache() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=40ms,itl=1ms,cache=20%");
    let bench = ["cache", "bench", &endpoint.reference(), "-n", "8", "--isl", "128", "--osl", "2"];
    let record = record(folder.path(), &bench);
    assert_eq!(record.kind, "cache");
    for workload in ["repeated", "similar"] {
        let cell = cache_cell(workload);
        let ratio = record.metric("cache_ttft_ratio", &cell).unwrap();
        let hits = record.metric("cache_hit", &cell.clone().with("use", "again")).unwrap().value.unwrap();
        let expected = 1.0 - 0.8 * hits;
        let interval = ratio.interval.as_ref().unwrap();
        assert!(interval.low - 0.1 < expected && expected < interval.high + 0.1, "{workload}: {expected}, {ratio:?}");
        let misses = record.metric("cache_hit", &cell.with("use", "fresh")).unwrap().value.unwrap();
        assert!(misses < 0.05, "{misses}");
    }
    let texts: Vec<&str> = record.findings.iter().map(|finding| finding.text.as_str()).collect();
    assert!(texts.iter().any(|text| text.starts_with("repeated: the server caches")), "{texts:?}");
    passes(folder.path(), &["report", "check", "latest"]);
    assert!(passes(folder.path(), &["history"]).stdout.contains("cache"));
}

#[test]
fn a_server_without_a_cache_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let bench = ["cache", "bench", "scripted:ttft=30ms,itl=1ms", "-n", "12", "--isl", "64", "--osl", "2"];
    let record = record(folder.path(), &bench);
    let ratio = record.metric("cache_ttft_ratio", &cache_cell("repeated")).unwrap();
    assert!(ratio.value.is_some_and(|value| value > 0.7), "{ratio:?}");
    assert!(
        record.findings.iter().all(|finding| !finding.text.contains(": the server caches;")),
        "{:?}",
        record.findings
    );
    passes(folder.path(), &["report", "check", "latest"]);
}

#[test]
fn cold_starts_leave_a_record_that_checks() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let binary = assert_cmd::cargo::cargo_bin("weighbridge").display().to_string();
    let target = format!("openai:http://127.0.0.1:{port}/v1#scripted");
    let start = ["cold-start", &target, "-n", "2", "--osl", "2", "--output-format", "json", "--"];
    let server = [&binary, "scripted-server", "ttft=80ms,itl=1ms", "--port", &port];
    let record = Record::from_json(&passes(folder.path(), &[&start[..], &server].concat()).stdout).unwrap();
    assert_eq!((record.kind.as_str(), record.phases[0].tally.scheduled), ("cold-start", 2));
    let value = |key: &str| record.metric(key, &Cell::of(Phase::Load)).unwrap().value.unwrap();
    let marks = ["start_port.mean", "start_healthy.mean", "start_first_token.mean"].map(value);
    assert!(marks.is_sorted() && marks[2] >= 0.08, "{marks:?}");
    assert!(record.metric("start_steady.mean", &Cell::of(Phase::Load)).unwrap().interval.is_some());
    passes(folder.path(), &["report", "check", "latest"]);
    assert!(passes(folder.path(), &["report", "show", "latest"]).stdout.contains("spawn to steady"));
    assert!(passes(folder.path(), &["history"]).stdout.contains("cold-start"));
}

#[test]
fn a_soak_tells_outages_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let script = "scripted:ttft=5ms,itl=1ms,fail=error,fail_every=1,fail_first=8";
    let record = record(folder.path(), &["soak", script, "-c", "2", "-d", "3s", "--isl", "8", "--osl", "2"]);
    let value = |key: &str| record.metric(key, &Cell::of(Phase::Load)).unwrap().value;
    assert_eq!(value("outages"), Some(1.0));
    // Two places that pause for 100 ms after each of four failures.
    assert!(value("recovery_time.max").is_some_and(|seconds| seconds >= 0.3), "{:?}", value("recovery_time.max"));
    let notes = &record.phases[0].notes;
    assert!(notes.iter().any(|note| note.contains("8 requests failed, recovered in")), "{notes:?}");
    let client = Cell::of(Phase::Load).with("process", "client");
    assert!(
        record.metric("soak_memory_growth.slope", &client).unwrap().reason.is_some(),
        "three seconds tell no growth"
    );
    passes(folder.path(), &["report", "check", "latest"]);
}

#[test]
#[cfg(unix)]
fn a_soak_that_is_killed_leaves_a_record_that_checks() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("weighbridge"))
        .current_dir(folder.path())
        .args(["soak", "scripted:ttft=5ms,itl=1ms", "-c", "2", "-d", "600s", "--checkpoint", "200ms", "--osl", "2"])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let soaked = || {
        let run = std::fs::read_dir(folder.path().join("results")).ok()?.flatten().find(|run| run.path().is_dir())?;
        let record = Record::from_json(&std::fs::read_to_string(run.path().join("record.json")).ok()?).ok()?;
        record.metric("soak_time", &Cell::of(Phase::Load))?.value.filter(|seconds| *seconds >= 1.0)
    };
    while soaked().is_none() {
        assert!(child.try_wait().unwrap().is_none(), "the soak ended before its first checkpoint");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let checked = passes(folder.path(), &["report", "check", "latest"]);
    assert!(checked.stdout.contains("no contradiction"), "{}", checked.stdout);
}
