//! Loads, from arguments to record.

use std::path::Path;

use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Phase, Record, Status, Verdict};

use crate::support::{Endpoint, Ran, passes, run};

/// A machine that runs other tests disturbs the client; that it says so is tested elsewhere.
const UNDISTURBED: [&str; 2] = ["--disturbed-limit", "1"];

fn load(folder: &Path, arguments: &[&str]) -> Record {
    let all = [&["load", "--output-format", "json"], arguments, &UNDISTURBED].concat();
    Record::from_json(&passes(folder, &all).stdout).unwrap()
}

fn value(record: &Record, key: &str, cell: &Cell) -> f64 {
    let metric = record.metric(key, cell).unwrap_or_else(|| panic!("no `{key}` in `{cell}`"));
    metric.value.unwrap_or_else(|| panic!("no value of `{key}`: {:?}", metric.reason))
}

fn refused(folder: &Path, arguments: &[&str], parts: &[&str]) {
    let ran: Ran = run(folder, &[&["load"], arguments].concat());
    assert_eq!(ran.code, Some(2), "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
    for part in parts {
        assert!(ran.stderr.contains(part), "`{part}` is not in\n{}", ran.stderr);
    }
}

#[test]
fn a_closed_loop_tells_what_the_server_did_and_its_record_checks() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=20ms,itl=2ms,tokens=8");
    let record = load(folder.path(), &[&endpoint.reference(), "-c", "1,4", "-n", "40", "--isl", "16", "--osl", "8"]);
    assert_eq!((record.kind.as_str(), record.status), ("load", Status::Complete));
    let tally = record.phase(Phase::Load).unwrap().tally;
    assert_eq!((tally.scheduled, tally.succeeded), (80, 80));
    for level in [1, 4] {
        let cell = Cell::of(Phase::Load).with("concurrency", level);
        assert!(value(&record, "ttft.p50", &cell) >= 20.0);
        assert!((value(&record, "output_tokens.mean", &cell) - 8.0).abs() < 1e-9);
        assert!(value(&record, "request_throughput", &cell) > 0.0);
    }
    passes(folder.path(), &["report", "check", "latest"]);
    let shown = passes(folder.path(), &["report", "show", "latest"]);
    assert!(shown.stdout.contains("What the target carried"), "{}", shown.stdout);
    assert!(passes(folder.path(), &["history"]).stdout.contains("load"));
}

#[test]
fn an_open_loop_takes_other_tools_flags() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start("ttft=5ms,itl=1ms,tokens=4");
    let reference = endpoint.reference();
    let flags = [&reference, "--request_rate", "40", "--num-prompts", "30", "--random-input-len", "16"];
    let record = load(folder.path(), &[&flags[..], &["--max_concurrency=8", "--random_output_len", "4"]].concat());
    let cell = Cell::of(Phase::Load).with("rate", 40);
    assert!(value(&record, "offered_rate", &cell) > 0.0);
    assert_eq!(record.phase(Phase::Load).unwrap().tally.scheduled, 30);
    assert_eq!(record.settings["most_in_flight"], 8);
}

#[test]
fn the_same_seed_asks_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let lengths = |seed: &str| {
        let arguments = ["scripted:ttft=1ms,itl=1ms", "-n", "20", "--isl", "5..50", "--osl", "2..9", "--seed", seed];
        let record = load(folder.path(), &arguments);
        let cell = Cell::of(Phase::Load).with("concurrency", 1);
        (value(&record, "input_tokens.mean", &cell), value(&record, "output_tokens.mean", &cell))
    };
    let first = lengths("7");
    assert_eq!(first, lengths("7"));
    assert_ne!(first, lengths("8"));
}

#[test]
fn objectives_gate_and_failures_count() {
    let folder = tempfile::tempdir().unwrap();
    let script = "scripted:ttft=2ms,itl=1ms,tokens=4,fail_every=2";
    let gate = |slo: &str| {
        let all = [&["load", script, "-c", "2", "-n", "200", "--osl", "4", "--slo", slo], &UNDISTURBED[..]].concat();
        run(folder.path(), &all).code
    };
    assert_eq!(gate("error<90%"), Some(0));
    assert_eq!(gate("error<10%"), Some(1));
    assert_eq!(gate("error<50%"), Some(3));
}

#[test]
fn repeated_loads_have_intervals_between_runs_and_are_written_in_other_forms() {
    let folder = tempfile::tempdir().unwrap();
    let repeated = ["-c", "1,2", "-n", "15", "--runs", "3", "--isl", "8", "--osl", "4", "--percentiles", "50,90"];
    let export = ["-o", "csv=run.csv", "-o", "bencher=bencher.json"];
    let record = load(folder.path(), &[&["scripted:ttft=5ms,itl=1ms"], &repeated[..], &export].concat());
    assert_eq!(record.phase(Phase::Load).unwrap().tally.scheduled, 90);
    let cell = Cell::of(Phase::Load).with("concurrency", 2);
    let rate = record.metric("request_throughput", &cell).unwrap();
    assert_eq!(rate.n_effective, Some(3.0));
    assert!(rate.interval.as_ref().unwrap().method.contains("run"), "{rate:?}");
    assert!(record.metric("ttft.p50", &cell).is_some() && record.metric("ttft.p25", &cell).is_none());
    passes(folder.path(), &["report", "check", "latest"]);
    let csv = std::fs::read_to_string(folder.path().join("run.csv")).unwrap();
    assert!(csv.contains("request_throughput"), "{csv}");
    assert!(folder.path().join("bencher.json").exists());
}

#[test]
fn a_victim_is_measured_alone_and_beside_the_load() {
    let folder = tempfile::tempdir().unwrap();
    let victim = ["--victim", "rate=40,isl=8,osl=2", "-c", "4", "-d", "2s", "--isl", "16", "--osl", "8"];
    let record = load(folder.path(), &[&["scripted:ttft=10ms,itl=1ms"], &victim[..]].concat());
    let beside = Cell::of(Phase::Load).with("concurrency", 4).with("stream", "victim");
    let alone = Cell::of(Phase::Load).with("beside", "nothing").with("stream", "victim");
    for cell in [&beside, &alone] {
        assert!((value(&record, "output_tokens.mean", cell) - 2.0).abs() < 1e-9);
    }
    // The script takes as long whatever is beside.
    let ratio = record.metric("victim_ttft_ratio", &beside).unwrap();
    assert!(ratio.value.is_some_and(|value| (0.5..2.0).contains(&value)), "{ratio:?}");
    assert!(ratio.interval.is_some(), "{ratio:?}");
    passes(folder.path(), &["report", "check", "latest"]);
}

/// Two words, split at blanks.
const WORDS: &str = r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"normalizer":null,
    "pre_tokenizer":{"type":"Whitespace"},"post_processor":null,"decoder":null,
    "model":{"type":"WordLevel","vocab":{"[UNK]":0,"word":1},"unk_token":"[UNK]"}}"#;

#[test]
fn answers_are_counted_again_after_the_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("words.json"), WORDS).unwrap();
    let cell = Cell::of(Phase::Load).with("concurrency", 1);
    let recount = ["--tokenizer", "words.json", "-n", "12", "--isl", "8", "--osl", "6"];
    let record = load(folder.path(), &[&["scripted:ttft=1ms,itl=1ms"], &recount[..]].concat());
    assert!((value(&record, "tokens_retokenized", &cell) - value(&record, "tokens_reported", &cell)).abs() < 1e-9);
    assert!(value(&record, "retokenized_disagreement", &cell) < 1e-9);
    passes(folder.path(), &["report", "check", "latest"]);
    refused(folder.path(), &["scripted:ttft=1ms", "-n", "1", "--tokenizer", "absent.json"], &["absent.json"]);
}

#[test]
fn a_search_ends_with_a_bracket() {
    let folder = tempfile::tempdir().unwrap();
    // Each request takes 12 ms whatever is in flight: the largest load is carried.
    let search = ["--capacity", "concurrency", "--most", "4", "--slo", "p50.ttft<10s", "-n", "60", "--osl", "3"];
    let record = load(folder.path(), &[&["scripted:ttft=10ms,itl=1ms"], &search[..]].concat());
    assert!((value(&record, "capacity_concurrency", &Cell::of(Phase::Load)) - 4.0).abs() < 1e-9);
    assert!(record.findings[0].text.contains("still passes"), "{}", record.findings[0].text);
    assert!(record.targets.iter().all(|target| target.verdict == Verdict::Met));
    passes(folder.path(), &["report", "check", "latest"]);
}

#[test]
fn stress_fails_when_too_many_requests_do() {
    let folder = tempfile::tempdir().unwrap();
    let stress = |script: &str| {
        let flags = ["stress", script, "-c", "5", "-r", "20", "-d", "2", "--isl", "8", "--osl", "4"];
        run(folder.path(), &[&flags[..], &UNDISTURBED].concat())
    };
    let failed = stress("scripted:ttft=1ms,itl=1ms,fail_every=2");
    assert_eq!(failed.code, Some(1), "{}\n{}", failed.stdout, failed.stderr);
    let passed = stress("scripted:ttft=1ms,itl=1ms");
    assert_eq!(passed.code, Some(0), "{}\n{}", passed.stdout, passed.stderr);
}

#[test]
fn a_recorded_run_is_played_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = load(folder.path(), &["scripted:ttft=1ms,itl=1ms", "--rate", "50", "-n", "20", "--osl", "4"]);
    let events = format!("events:{}", first.run_id);
    let second = load(folder.path(), &["scripted:ttft=1ms,itl=1ms", "--data", &events]);
    assert_eq!(second.phase(Phase::Load).unwrap().tally.scheduled, 20);
}

#[test]
fn a_dead_server_and_one_that_always_fails_are_no_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let dead = run(folder.path(), &["load", "openai:http://127.0.0.1:9/v1#m", "-n", "3"]);
    assert_eq!(dead.code, Some(4), "{}", dead.stderr);
    let failing = run(folder.path(), &["load", "scripted:ttft=1ms,fail_every=1", "-c", "4", "-d", "20s"]);
    assert_eq!(failing.code, Some(4), "{}", failing.stderr);
    assert!(failing.stdout.contains("no request succeeded"), "{}", failing.stdout);
}

#[test]
fn what_describes_no_load_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let script = "scripted:ttft=1ms";
    refused(path, &[], &["no target", "--url"]);
    refused(path, &[script, "-c", "0", "-n", "1"], &["concurrency", "`0`"]);
    refused(path, &[script, "-n", "0"], &["requests", "`0`"]);
    refused(path, &[script, "--rate", "-3", "-n", "1"], &["-3"]);
    refused(path, &[script, "--rate", "nan", "-n", "1"], &["nan"]);
    refused(path, &[script, "--arrivals", "sometimes", "-n", "1"], &["sometimes", "poisson:10"]);
    refused(path, &[script, "--isl", "many", "-n", "1"], &["many"]);
    refused(path, &[script, "-d", "soon"], &["duration", "`soon`", "30s"]);
    refused(path, &[script, "--slo", "p99.ttfd<1s", "-n", "1"], &["ttfd", "ttft"]);
    refused(path, &[script, "--data", "mooncake:absent.jsonl"], &["absent.jsonl"]);
    refused(path, &[script, "--capacity", "-n", "1"], &["--slo"]);
    refused(path, &[script, "-n", "1", "--runs", "0"], &["runs", "`0`"]);
    refused(path, &[script, "-n", "1", "--victim", "rate=1"], &["victim", "--duration"]);
    refused(path, &[script, "-n", "1", "--percentiles", "42"], &["`42`", "99.9"]);
    refused(path, &[script, "-n", "1", "-o", "cvs=x"], &["cvs", "csv"]);
    refused(path, &[script, "--dataset_name", "x"], &["--dataset-name", "--data"]);
    refused(path, &[script, "-H", "novalue", "-n", "1"], &["header"]);
    refused(path, &[script, "--extra-body", "[1]", "-n", "1"], &["extra body"]);
    assert!(!path.join("results").exists(), "nothing is written before the arguments are sound");
}

#[test]
#[cfg(unix)]
fn an_interrupt_keeps_a_valid_partial_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("weighbridge"))
        .current_dir(folder.path())
        .args(["load", "scripted:ttft=50ms,itl=5ms", "-c", "4", "-d", "600s", "--output-dir", "results"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let results = folder.path().join("results");
    while !(results.is_dir()
        && std::fs::read_dir(&results).unwrap().any(|run| run.unwrap().path().join("record.json").exists()))
    {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it had written its record");
        std::thread::yield_now();
    }
    let status = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    passes(folder.path(), &["report", "check", "latest"]);
}
