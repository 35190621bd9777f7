//! Loads whose client, server or disk gives up in mid-run: nothing that is durable is lost.

#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use weighbridge_store::read_log;
use weighbridge_types::record::{Phase, Record, Status};

use crate::support::{Endpoint, passes, run};

/// Some 250 requests a second on four places.
const SCRIPT: &str = "ttft=5ms,itl=1ms,tokens=8";

/// A load of this many bytes of log holds complete frames.
const LOGGED: u64 = 4_000;

fn start(folder: &Path, arguments: &[&str]) -> Child {
    Command::new(assert_cmd::cargo::cargo_bin("weighbridge"))
        .current_dir(folder)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn load<'a>(reference: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["--isl", "8", "--osl", "8", "--no-live", "--disturbed-limit", "1", "--output-dir", "results"];
    [&["load", reference, "-c", "4"], more, &usual].concat()
}

/// The one run in the results folder, once its log holds so many bytes.
fn logged(folder: &Path, child: &mut Child, bytes: u64) -> PathBuf {
    loop {
        assert!(child.try_wait().unwrap().is_none(), "the load ended by itself");
        let runs = std::fs::read_dir(folder.join("results")).into_iter().flatten();
        let found = runs
            .map(|run| run.unwrap().path())
            .find(|run| std::fs::metadata(run.join("events.jsonl.zst")).is_ok_and(|log| log.len() >= bytes));
        if let Some(run) = found {
            return run;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Recovers the last run, and sees that every durable request is counted.
fn recovers(folder: &Path, run_folder: &Path) -> Record {
    let durable = read_log(run_folder).unwrap().requests().count() as u64;
    assert!(durable > 0);
    let checked = passes(folder, &["report", "check", "latest"]).stdout;
    assert!(checked.contains("did not come to its end"), "{checked}");
    assert!(checked.contains(&format!("{durable} requests are durable")), "{checked}");
    let recovered = passes(folder, &["report", "recover", "latest", "--output-format", "json"]);
    let record = Record::from_json(&recovered.stdout).unwrap();
    let load = record.phase(Phase::Load).unwrap();
    assert_eq!((record.status, load.status), (Status::Interrupted, Status::Interrupted));
    assert_eq!(load.tally.scheduled, durable);
    assert!(load.tally.adds_up());
    assert!(load.notes[0].contains(&format!("the {durable} requests that were durable")), "{:?}", load.notes);
    assert!(record.metrics.iter().any(|metric| metric.name == "ttft" && metric.value.is_some()));
    let checked = passes(folder, &["report", "check", "latest"]).stdout;
    assert!(!checked.contains("did not come to its end"), "{checked}");
    assert!(run_folder.join("report.html").exists());
    let again = run(folder, &["report", "recover", "latest"]);
    assert_eq!(again.code, Some(2), "{}", again.stderr);
    assert!(again.stderr.contains("came to its end") && again.stderr.contains("report show"), "{}", again.stderr);
    record
}

#[test]
fn a_killed_client_loses_no_durable_request() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start(SCRIPT);
    let mut child = start(folder.path(), &load(&endpoint.reference(), &["-d", "600s", "--slo", "error<50%"]));
    let run_folder = logged(folder.path(), &mut child, LOGGED);
    let busy = run(folder.path(), &["report", "recover", "latest"]);
    assert_eq!(busy.code, Some(2), "{}", busy.stderr);
    assert!(busy.stderr.contains("another process"), "{}", busy.stderr);
    child.kill().unwrap();
    child.wait().unwrap();
    // A kill may come within a write.
    let log = run_folder.join("events.jsonl.zst");
    let bytes = std::fs::read(&log).unwrap();
    std::fs::write(&log, [&bytes[..], &bytes[..20]].concat()).unwrap();
    let record = recovers(folder.path(), &run_folder);
    assert_eq!(record.targets.len(), 1, "{:?}", record.targets);
}

#[test]
fn a_killed_server_is_failures_and_no_hang() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(folder.path(), &["scripted-server", SCRIPT, "--port", "0"]);
    let mut url = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let reference = format!("openai:{}/v1#scripted", url.trim());
    let flags = ["-n", "4000", "--slo", "error<1%", "--output-format", "json"];
    let mut child = start(folder.path(), &load(&reference, &flags));
    logged(folder.path(), &mut child, LOGGED);
    server.kill().unwrap();
    server.wait().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let record = Record::from_json(&String::from_utf8(output.stdout).unwrap()).unwrap();
    let tally = record.phase(Phase::Load).unwrap().tally;
    assert!(tally.succeeded > 0 && tally.failed > 0 && tally.adds_up(), "{tally:?}");
    assert_eq!((record.status, tally.scheduled), (Status::Complete, 4000));
    passes(folder.path(), &["report", "check", "latest"]);
}

/// A limit on the size of files is a disk that fills up, to the process.
#[test]
fn a_full_disk_is_named_and_what_was_written_is_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start(SCRIPT);
    let reference = endpoint.reference();
    let binary = assert_cmd::cargo::cargo_bin("weighbridge");
    let all = [&[binary.to_str().unwrap()], &load(&reference, &["-d", "600s"])[..]].concat();
    // Blocks of 512 bytes: room for the record and some frames.
    let output = Command::new("sh")
        .current_dir(folder.path())
        .args(["-c", "trap '' XFSZ; ulimit -f 160; exec \"$@\"", "sh"])
        .args(all)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in ["events.jsonl.zst", "File too large", "free some space", "report recover"] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
    let run_folder = std::fs::read_dir(folder.path().join("results")).unwrap().map(|run| run.unwrap().path());
    let run_folder = run_folder.into_iter().find(|path| path.is_dir()).unwrap();
    recovers(folder.path(), &run_folder);
}
