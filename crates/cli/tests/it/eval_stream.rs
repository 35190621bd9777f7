//! Streams of events through the program: played, judged, checked, interrupted and killed.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use weighbridge_store::read_log;
use weighbridge_types::metric::{Flag, Metric};
use weighbridge_types::record::{Phase, Record, Status, Verdict};

use crate::support::{passes, run};

/// Runs `eval stream` in a folder and returns its record.
fn stream(folder: &Path, arguments: &[&str]) -> Record {
    let all = [&["eval", "stream", "--output-format", "json"], arguments].concat();
    let record = Record::from_json(&passes(folder, &all).stdout).unwrap();
    let checked = passes(folder, &["report", "check", "latest"]).stdout;
    assert!(checked.contains("no contradiction"), "{checked}");
    record
}

/// The figure of the whole stream, or of a cell with one more setting.
fn figure(record: &Record, key: &str, setting: Option<(&str, &str)>) -> Option<f64> {
    let is_of =
        |metric: &&Metric| metric.key() == key && metric.cell.iter().filter(|(name, _)| *name != "phase").eq(setting);
    record.metrics.iter().find(is_of).and_then(|metric| metric.value)
}

/// Seconds apart, with true labels and what a detector said: an incident from second 100 to 160 that is seen at 130.
fn verdicts() -> String {
    let mut lines = String::new();
    for second in 0..600 {
        let is_attack = (100..=160).contains(&second);
        let target = if is_attack { "scan" } else { "benign" };
        let prediction = if (130..=160).contains(&second) || second % 100 == 50 { "scan" } else { "benign" };
        writeln!(
            lines,
            r#"{{"timestamp": {}, "target": "{target}", "prediction": "{prediction}", "key": "host-{}"}}"#,
            1_700_000_040 + second,
            second % 3
        )
        .unwrap();
    }
    lines
}

#[test]
fn verdicts_of_a_file_are_weighed_as_a_desk_would_see_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("verdicts.jsonl"), verdicts()).unwrap();
    let record = stream(folder, &["verdicts.jsonl", "--analyst-capacity", "30"]);
    let of = |key: &str| figure(&record, key, None);
    assert_eq!((of("events"), of("incidents"), of("incidents_detected")), (Some(600.0), Some(1.0), Some(1.0)));
    // 31 alerts within the incident, and one at 50, 250, 350, 450 and 550; that of 150 lies in the incident.
    assert_eq!(of("recall"), Some(31.0 / 61.0));
    assert_eq!(of("precision"), Some(31.0 / 36.0));
    assert_eq!(of("time_to_detect.max"), Some(30.0));
    assert_eq!(of("alerts_hour_max.max"), Some(36.0));
    assert_eq!(of("alerts_unseen"), Some(6.0 / 36.0));
    assert_eq!(of("alerts_per_hour"), Some(36.0 / (600.0 / 3_600.0)));
    assert_eq!(of("alerts_repeated"), Some(33.0 / 36.0));
    assert_eq!(of("verdict_latency.p99"), None);
    // Windows as they close, one line each.
    let followed = passes(folder, &["eval", "stream", "verdicts.jsonl", "--window", "2m", "--follow"]).stdout;
    let lines: Vec<Value> = followed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 10);
    assert_eq!((&lines[2]["events"], &lines[2]["window_s"]), (&120.into(), &120.0.into()));
    assert_eq!(lines[9]["end"], 1_700_000_640.0);
    // The same events as CSV with other names, and times as texts.
    let mut table = "when,truth,said\n".to_owned();
    for minute in 0..10 {
        writeln!(table, "2026-03-01T12:{minute:02}:00Z,{},{}", minute % 2, (minute + 1) % 2).unwrap();
    }
    std::fs::write(folder.join("table.csv"), table).unwrap();
    let record = stream(folder, &["table.csv", "--map", "timestamp=when", "--map", "prediction=said"]);
    assert_eq!((figure(&record, "recall", None), figure(&record, "fpr", None)), (Some(0.0), Some(1.0)));
}

#[test]
fn a_made_up_day_ends_with_its_five_targets() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let record = stream(folder, &["--scenario", "soc", "--hours", "1", "--speed", "400", "--verdicts", "said.jsonl"]);
    let names: Vec<&str> = record.targets.iter().map(|target| target.metric.key.as_str()).collect();
    assert_eq!(names, ["verdict_latency.p99", "verdicts_per_hour", "accuracy", "uptime", "fpr"]);
    assert!(record.targets.iter().all(|target| target.verdict != Verdict::NotApplicable), "{:?}", record.targets);
    let of = |key: &str, setting| figure(&record, key, setting).unwrap();
    // Each event has one model here.
    let routed: f64 =
        ["network", "malware", "email"].map(|route| of("predictions_per_hour", Some(("route", route)))).iter().sum();
    assert!((routed - of("verdicts_per_hour", None)).abs() < 1e-6);
    assert!(of("events", None) > 1_000.0 && of("verdict_latency.p99", None) > 0.0);
    let uptime = of("uptime", None);
    assert!((90.0..100.0).contains(&uptime), "outages are seen: {uptime}");
    let log = read_log(&newest(folder)).unwrap();
    let busiest = log.phases[&Phase::Stream].panes.iter().map(|pane| pane.events).max().unwrap();
    assert!(busiest as f64 > 3.0 * of("events", None) / 60.0, "the burst stands out: {busiest} in a minute");
    // Every verdict can be scored by itself.
    let scored = passes(folder, &["eval", "score", "said.jsonl", "--no-record", "--output-format", "json"]).stdout;
    let scored: Value = serde_json::from_str(&scored).unwrap();
    assert_eq!(scored["samples"].as_f64(), Some(of("events", None)));
    let page = std::fs::read_to_string(newest(folder).join("report.html")).unwrap();
    assert!(page.contains("Events and alerts over time") && page.contains("attack on all sources"));
}

#[test]
fn events_go_to_the_models_of_their_source_and_full_queues_shed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut lines = String::new();
    for number in 0..200 {
        let source = ["web", "mail", "dns"][number % 3];
        writeln!(lines, r#"{{"timestamp": {number}, "source": "{source}", "text": "id={number}", "target": "norm"}}"#)
            .unwrap();
    }
    std::fs::write(folder.join("events.jsonl"), lines).unwrap();
    let routes = ["--route", "web,mail=onnx:network", "--route", "mail=onnx:email"];
    let record = stream(folder, &[&["events.jsonl"], routes.as_slice()].concat());
    let of = |outcome: &str| figure(&record, "events", Some(("outcome", outcome)));
    assert_eq!((of("answered"), of("unrouted"), of("shed")), (Some(134.0), Some(66.0), None));
    let hours = 200.0_f64.div_euclid(60.0).mul_add(60.0, 60.0) / 3_600.0;
    let by = |route: &str| figure(&record, "predictions_per_hour", Some(("route", route))).unwrap() * hours;
    assert_eq!((by("web,mail").round(), by("mail").round()), (134.0, 67.0));
    assert!(figure(&record, "accuracy", Some(("over", "answered"))).is_some());
    // A queue of two, and everything at once.
    let shed = |policy: &str| {
        let usual = ["events.jsonl", "--speed", "1000000", "--model", "onnx:network", "--workers", "1", "--queue", "2"];
        figure(&stream(folder, &[&usual[..], &["--shed", policy]].concat()), "shed", None).unwrap()
    };
    assert!(shed("newest") > 0.3 && shed("oldest") > 0.3);
    assert_eq!(shed("block").to_bits(), 0.0_f64.to_bits());
    // A model that writes is asked for a label; a scripted one says none of them, and the figures say that it is scripted.
    let labels = ["events.jsonl", "--model", "scripted:ttft=0ms,itl=0ms,tokens=1", "--labels", "benign,attack"];
    let said = run(folder, &[&["eval", "stream", "--output-format", "json"], &labels[..]].concat());
    let record = Record::from_json(&said.stdout).unwrap();
    assert_eq!((said.code, figure(&record, "events", Some(("outcome", "failed")))), (Some(4), Some(200.0)));
    assert!(record.metrics.iter().any(|metric| metric.flags.contains(&Flag::Scripted)));
}

#[test]
fn a_model_that_is_down_makes_the_desk_wait() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let lines: String =
        (0..400).map(|n| format!("{{\"timestamp\": {n}, \"text\": \"id={n}\", \"target\": \"norm\"}}\n")).collect();
    std::fs::write(folder.join("events.jsonl"), lines).unwrap();
    let usual = ["events.jsonl", "--model", "onnx:network", "--speed", "400", "--probe-interval", "8s"];
    let record = stream(folder, &[&usual[..], &["--outage", "100s+200s"]].concat());
    let of = |key: &str| figure(&record, key, None).unwrap();
    assert!((30.0..70.0).contains(&of("uptime")), "half of the time: {}", of("uptime"));
    assert!(of("verdict_latency.max") > 400.0, "the first one waited for half a second: {}", of("verdict_latency.max"));
    assert!(of("backlog.max") > 30.0, "{}", of("backlog.max"));
    assert_eq!(figure(&record, "events", Some(("outcome", "answered"))), Some(400.0));
    // Targets of the user gate.
    let gated = run(folder, &[&["eval", "stream"], &usual[..], &["--target", "verdict_latency.p99<0.001"]].concat());
    assert_eq!(gated.code, Some(1), "{}", gated.stdout);
    assert!(gated.stdout.contains("missed"), "{}", gated.stdout);
}

#[test]
fn a_dead_endpoint_is_no_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("events.jsonl"), "{\"timestamp\": 1, \"text\": \"a\", \"target\": \"norm\"}\n").unwrap();
    let dead = run(folder, &["eval", "stream", "events.jsonl", "--model", "openai:http://127.0.0.1:9/v1#x"]);
    assert_eq!(dead.code, Some(4), "{}\n{}", dead.stdout, dead.stderr);
}

#[test]
fn bad_events_and_flags_name_place_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let check = |content: &str, more: &[&str], expected: &[&str]| {
        std::fs::write(folder.join("events.jsonl"), content).unwrap();
        let ran = run(folder, &[&["eval", "stream", "events.jsonl"], more].concat());
        assert_eq!(ran.code, Some(2), "{more:?}\n{}\n{}", ran.stdout, ran.stderr);
        for words in expected {
            assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        }
    };
    let good = "{\"timestamp\": 1, \"text\": \"a\", \"target\": \"norm\", \"prediction\": \"norm\"}\n";
    check("", &[], &["without"]);
    check("{\"text\": \"a\"}\n", &[], &["line 1", "no time stamp", "--map timestamp=COLUMN"]);
    check("{\"timestamp\": 1}\n", &[], &["line 1", "--all-alerts"]);
    check("{\"timestamp\": 1}\n", &["--model", "onnx:network"], &["line 1", "no text", "--map text=COLUMN"]);
    check("{\"timestamp\": 1772368200250, \"prediction\": 1}\n", &[], &["line 1", "--time-unit"]);
    check("{\"timestamp\": \"noon\", \"prediction\": 1}\n", &[], &["noon", "line 1"]);
    check("{\"timestamp\": 1\n", &[], &["line 1"]);
    check(good, &["--route", "network"], &["network=onnx:network"]);
    check(good, &["--model", "onnx:network", "--benign", "nothing"], &["--benign"]);
    check(good, &["--window", "90s"], &["whole number of slides"]);
    check(good, &["--outage", "1m+1m"], &["--speed"]);
    check(good, &["--outage", "soon"], &["2h+10m"]);
    check(good, &["--speed", "0"], &["1440"]);
    check(good, &["--target", "fper<1"], &["fper"]);
    check(good, &["--queue", "0"], &["queue"]);
    check(good, &["--map", "nothing=x"], &["nothing"]);
    let missing = run(folder, &["eval", "stream", "none.jsonl"]);
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("none.jsonl"), "{}", missing.stderr);
    assert!(run(folder, &["eval", "stream"]).code == Some(2));
}

/// The newest run of a folder.
fn newest(folder: &Path) -> PathBuf {
    let runs = std::fs::read_dir(folder.join("results")).unwrap().map(|entry| entry.unwrap().path());
    runs.into_iter().filter(|path| path.is_dir()).max().unwrap()
}

/// Starts a stream that would take minutes, and waits until its log holds some of it.
fn going_on(folder: &Path) -> Child {
    let lines: String =
        (0..100_000).map(|n| format!("{{\"timestamp\": {n}, \"text\": \"id={n}\", \"target\": \"norm\"}}\n")).collect();
    std::fs::write(folder.join("events.jsonl"), lines).unwrap();
    let arguments = ["eval", "stream", "events.jsonl", "--model", "onnx:network", "--speed", "600", "--slide", "10s"];
    let child = Command::new(assert_cmd::cargo::cargo_bin("weighbridge"))
        .current_dir(folder)
        .args(arguments)
        .args(["--window", "10s", "--lateness", "10s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let has_panes = || {
        let runs = std::fs::read_dir(folder.join("results")).ok()?;
        let run = runs.filter_map(|run| Some(run.ok()?.path())).find(|path| path.is_dir())?;
        let log = read_log(&run).ok()?;
        log.phases.get(&Phase::Stream).filter(|stream| stream.panes.len() > 5).map(drop)
    };
    while has_panes().is_none() {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    child
}

#[cfg(unix)]
#[test]
fn a_stream_that_was_interrupted_or_killed_keeps_what_it_had() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut child = going_on(folder);
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let text = std::fs::read_to_string(newest(folder).join("record.json")).unwrap();
    assert_eq!(Record::from_json(&text).unwrap().status, Status::Interrupted);
    passes(folder, &["report", "check", "latest"]);
    std::fs::remove_dir_all(folder.join("results")).unwrap();

    let mut child = going_on(folder);
    child.kill().unwrap();
    child.wait().unwrap();
    let checked = passes(folder, &["report", "check", newest(folder).to_str().unwrap()]).stdout;
    assert!(checked.contains("did not come to its end"), "{checked}");
    let durable: u64 =
        read_log(&newest(folder)).unwrap().phases[&Phase::Stream].panes.iter().map(|pane| pane.events).sum();
    let run_folder = newest(folder);
    let run_folder = run_folder.to_str().unwrap();
    let recovered = passes(folder, &["report", "recover", run_folder, "--output-format", "json"]);
    let record = Record::from_json(&recovered.stdout).unwrap();
    assert_eq!((record.status, figure(&record, "events", None)), (Status::Interrupted, Some(durable as f64)));
    passes(folder, &["report", "check", run_folder]);
    assert_eq!(run(folder, &["report", "recover", run_folder]).code, Some(2), "it is no killed run any more");
}
