//! The server side of a load: what is watched, shown and recomputed.

use std::path::Path;

use weighbridge_store::read_log;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Phase, Record, Status};
use weighbridge_types::server::{ServerQuantity, ServerSample};
use weighbridge_types::telemetry::{Telemetry, Watch, WatchReport};

use crate::support::{Endpoint, passes, run};

/// A machine that runs other tests disturbs the client; that it says so is tested elsewhere.
const UNDISTURBED: [&str; 2] = ["--disturbed-limit", "1"];

fn load(folder: &Path, arguments: &[&str]) -> Record {
    let all = [&["load", "--output-format", "json"], arguments, &UNDISTURBED].concat();
    Record::from_json(&passes(folder, &all).stdout).unwrap()
}

fn seen(folder: &Path, record: &Record) -> Vec<Telemetry> {
    let mut log = read_log(&folder.join("results").join(&record.run_id)).unwrap();
    log.phases.remove(&Phase::Load).unwrap().telemetry
}

fn server_samples(seen: &[Telemetry]) -> Vec<&ServerSample> {
    let samples = seen.iter().filter_map(|seen| match seen {
        Telemetry::Server(sample) => Some(sample.as_ref()),
        _ => None,
    });
    samples.collect()
}

fn report(seen: &[Telemetry], watch: Watch) -> Option<&WatchReport> {
    seen.iter().find_map(|seen| match seen {
        Telemetry::Watch(report) if report.watch == watch => Some(report),
        _ => None,
    })
}

/// A value, or the reason why there is none.
fn value(record: &Record, key: &str, cell: &Cell) -> Result<f64, String> {
    let metric = record.metric(key, cell).unwrap_or_else(|| panic!("no `{key}` in `{cell}`"));
    metric.value.ok_or_else(|| metric.reason.clone().unwrap_or_default())
}

#[test]
fn the_server_tells_what_the_client_saw() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=20ms,itl=2ms,tokens=8");
    let pid = std::process::id().to_string();
    let flags = ["-c", "2", "-d", "4s", "--isl", "16", "--osl", "8", "--price-per-hour", "2", "--cache", "cold"];
    let record = load(folder.path(), &[&[&endpoint.reference(), "--pid", &pid], &flags[..]].concat());
    let seen = seen(folder.path(), &record);
    let samples = server_samples(&seen);
    let finished = |sample: &&ServerSample| sample.values[&ServerQuantity::Finished];
    let tally = record.phase(Phase::Load).unwrap().tally;
    let counted = samples.last().map(finished).unwrap() - samples.first().map(finished).unwrap();
    let succeeded = u32::try_from(tally.succeeded).map(f64::from).unwrap();
    // Requests that the first answer of the server has counted already are within the difference's doubt.
    assert!((counted - succeeded).abs() <= 2.0, "{counted} by the server, {succeeded} by the client");
    let all = samples.last().map(finished).unwrap();
    assert!((all - succeeded).abs() < 0.5, "{all} by the server, {succeeded} by the client");

    let cell = Cell::of(Phase::Load).with("concurrency", 2);
    assert!(value(&record, "server_running.max", &cell).unwrap() <= 2.0);
    assert_eq!(value(&record, "server_waiting.max", &cell), Ok(0.0));
    let ttft = value(&record, "server_ttft.p50", &cell).unwrap();
    assert!((10.0..=100.0).contains(&ttft), "{ttft}");
    assert!(value(&record, "server_kv_usage.mean", &cell).unwrap_err().contains("does not tell"));
    assert!(value(&record, "cost_per_million_output", &cell).unwrap() > 0.0);
    assert!(value(&record, "cost_per_million_total", &cell).unwrap() > 0.0);
    assert!(value(&record, "tree_rss.max", &cell).unwrap() > 1e6);
    assert!(record.metric("tree_rss_growth.slope", &cell).is_some());
    let watch = Cell::of(Phase::Load).with("watch", "server");
    assert!(value(&record, "scrapes", &watch).unwrap() >= 4.0);
    assert_eq!(value(&record, "scrapes_missed", &watch), Ok(0.0));
    let checks = &record.phase(Phase::Load).unwrap().checks;
    assert!(checks.iter().any(|check| check.name == "prompt cache as declared"), "{checks:?}");

    passes(folder.path(), &["report", "check", "latest"]);
    let shown = passes(folder.path(), &["report", "show", "latest"]);
    for part in ["Server side", "TTFT p50 by the server", "memory growth", "watching took", "per million output tokens"]
    {
        assert!(shown.stdout.contains(part), "`{part}` is not in\n{}", shown.stdout);
    }
    let page = passes(folder.path(), &["report", "export", "latest", "--format", "html"]);
    assert!(page.stdout.contains("The server over time"), "no chart of the server");
    assert!(
        passes(folder.path(), &["report", "export", "latest", "--format", "markdown"]).stdout.contains("Server side")
    );
}

#[test]
fn a_server_that_stops_to_tell_fails_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let (target, told) = (Endpoint::start("ttft=5ms,itl=1ms"), Endpoint::start("ttft=5ms"));
    let url = format!("{}/metrics", told.url());
    let child = std::process::Command::new(assert_cmd::cargo::cargo_bin("weighbridge"))
        .current_dir(folder.path())
        .args(["load", &target.reference(), "-c", "1", "-d", "4s", "--osl", "4", "--metrics-url", &url])
        .args(["--output-format", "json"])
        .args(UNDISTURBED)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let results = folder.path().join("results");
    while !(results.is_dir()
        && std::fs::read_dir(&results).unwrap().any(|run| run.unwrap().path().join("record.json").exists()))
    {
        std::thread::yield_now();
    }
    drop(told);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let record = Record::from_json(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert_eq!(record.status, Status::Complete);
    let phase = record.phase(Phase::Load).unwrap();
    assert!(phase.notes.iter().any(|note| note.starts_with("metrics of the server")), "{:?}", phase.notes);
    let seen = seen(folder.path(), &record);
    assert!(report(&seen, Watch::Server).unwrap().missed > 0);
    passes(folder.path(), &["report", "check", "latest"]);
}

#[test]
fn what_is_named_and_is_not_there_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=1ms");
    let refused = |flags: &[&str], parts: &[&str]| {
        let ran = run(folder.path(), &[&["load", &endpoint.reference(), "-n", "1"], flags].concat());
        assert_eq!(ran.code, Some(2), "{flags:?}\n{}\n{}", ran.stdout, ran.stderr);
        for part in parts {
            assert!(ran.stderr.contains(part), "`{part}` is not in\n{}", ran.stderr);
        }
        assert!(!ran.stderr.contains("word"), "{}", ran.stderr);
    };
    refused(&["--metrics-url", "metrics"], &["http://"]);
    refused(&["--metrics-url", "http://me:word@127.0.0.1:9/metrics"], &["credentials"]);
    refused(&["--metrics-url", "http://127.0.0.1:9/metrics?key=word"], &["query"]);
    refused(&["--metrics-url", "http://127.0.0.1:9/metrics"], &["--metrics-url", "127.0.0.1:9"]);
    refused(&["--metrics-url", &format!("{}/version", endpoint.url())], &["--metrics-url"]);
    refused(&["--dcgm-url", &format!("{}/metrics", endpoint.url())], &["--dcgm-url", "DCGM_FI_DEV"]);
    refused(&["--pid", "4194305"], &["--pid", "4194305"]);
    refused(&["--price-per-hour=-1"], &["price-per-hour", "above 0"]);
    assert!(!folder.path().join("results").exists());
}

#[test]
fn prompts_that_a_server_was_sent_before_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=1ms,itl=1ms");
    let reference = endpoint.reference();
    let evidence = |flags: &[&str]| {
        let all = [&[&reference, "-n", "20", "--isl", "8", "--osl", "2"], flags].concat();
        let record = load(folder.path(), &all);
        let checks = &record.phase(Phase::Load).unwrap().checks;
        checks.iter().find(|check| check.name == "prompt cache as declared").map(|check| check.evidence.clone())
    };
    assert_eq!(evidence(&["--no-salt"]), None);
    assert!(evidence(&["--no-salt"]).unwrap().contains("to this start of the server 1 times before"));
    assert_eq!(evidence(&[]), None);
    assert_eq!(evidence(&["--no-salt", "--seed", "7"]), None);
    assert!(evidence(&["--no-salt", "--cache", "cold"]).unwrap().contains("2 times before"));
}

#[test]
fn an_endpoint_that_tells_nothing_is_loaded_without() {
    let folder = tempfile::tempdir().unwrap();
    let record = load(folder.path(), &["scripted:ttft=1ms,itl=1ms", "-n", "5", "--osl", "2"]);
    assert!(!record.metrics.iter().any(|metric| metric.name.starts_with("server_")));
    assert!(server_samples(&seen(folder.path(), &record)).is_empty());
}
