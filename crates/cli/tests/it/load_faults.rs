//! Faults of servers and networks under a load: each is counted by its class, none is taken for a success, no run hangs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Phase, Record, Status, Tally};

use crate::support::{Endpoint, Ran, passes, run};

/// A short load whose client may be disturbed: a machine that runs other tests disturbs it.
const SHORT: [&str; 10] =
    ["load", "--output-format", "json", "--disturbed-limit", "1", "--osl", "8", "--isl", "8", "--no-live"];

fn load(folder: &Path, target: &str, flags: &[&str]) -> (Ran, Record) {
    let ran = run(folder, &[&SHORT[..], &[target], flags].concat());
    let record = Record::from_json(&ran.stdout).unwrap_or_else(|_| panic!("no record:\n{}", ran.stderr));
    (ran, record)
}

fn tally(record: &Record) -> Tally {
    record.phase(Phase::Load).unwrap().tally
}

/// Failures of a class in the load at concurrency 4.
fn failures(record: &Record, class: &str) -> Option<f64> {
    let cell = Cell::of(Phase::Load).with("concurrency", 4).with("error", class);
    record.metric("errors", &cell)?.value
}

/// A closed loop of 24 requests, four at a time, every third of which the script spoils.
fn spoils(fault: &str, flags: &[&str], class: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = Endpoint::start(&format!("ttft=1ms,itl=1ms,fail={fault},fail_every=3"));
    let flags = [&["-c", "4", "-n", "24", "--drain", "20s"], flags].concat();
    let (ran, record) = load(folder.path(), &server.reference(), &flags);
    assert_eq!(ran.code, Some(0), "{fault}: most succeeded\n{}", ran.stderr);
    let tally = tally(&record);
    assert_eq!((tally.scheduled, tally.succeeded, tally.failed), (24, 16, 8), "{fault}: {tally:?}");
    assert_eq!(failures(&record, class), Some(8.0), "{fault} is not counted as `{class}`");
    passes(folder.path(), &["report", "check", "latest"]);
}

#[test]
fn streams_that_break_are_failures() {
    spoils("error,fail_after=3", &[], "server_error");
    spoils("truncated_json,fail_after=3", &[], "malformed");
    spoils("not_text,fail_after=3", &[], "malformed");
    spoils("cut,fail_after=3", &[], "truncated");
    spoils("reset,fail_after=3", &[], "truncated");
    spoils("empty", &[], "empty");
}

#[test]
fn refusals_are_told_apart() {
    spoils("error", &[], "server_error");
    spoils("rate_limit", &[], "rate_limited");
    spoils("unauthorized", &[], "client_error");
    spoils("no_model", &[], "client_error");
    spoils("redirect", &[], "malformed");
    spoils("web_page", &[], "malformed");
}

#[test]
fn each_phase_of_a_request_has_its_timeout() {
    spoils("stall", &["--first-token-timeout", "200ms"], "timeout_first_token");
    spoils("stall,fail_after=3", &["--stall-timeout", "200ms"], "timeout_stall");
    spoils("endless", &["--timeout", "300ms"], "timeout");
}

#[test]
fn a_run_in_which_nothing_or_little_succeeds_never_passes_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let check = |fault: &str, said: &[&str]| {
        let server = Endpoint::start(&format!("ttft=1ms,itl=1ms,fail={fault}"));
        let (ran, record) = load(folder.path(), &server.reference(), &["-c", "4", "-n", "12"]);
        assert_eq!(ran.code, Some(4), "{fault}\n{}", ran.stderr);
        assert!(said.iter().all(|said| ran.stderr.contains(said)), "{fault}: {}", ran.stderr);
        assert!(tally(&record).adds_up() && tally(&record).scheduled == 12, "{fault}: {:?}", tally(&record));
    };
    check("unauthorized", &["no request succeeded", "401"]);
    check("no_model", &["no request succeeded", "404"]);
    check("redirect", &["no request succeeded", "redirects are not followed"]);
    check("web_page", &["no request succeeded", "text/html"]);
    check("error,fail_first=8", &["8 of 12 requests failed", "--slo"]);
}

#[test]
fn a_storm_of_rate_limits_is_survived_and_retries_count_in_what_the_user_sees() {
    let folder = tempfile::tempdir().unwrap();
    // More refusals in a row than show that there is no hope, while no request has had its time to answer: the retries
    // wait as the server asks.
    let server = Endpoint::start("ttft=1ms,itl=0ms,fail=rate_limit,fail_first=4");
    let (ran, record) = load(folder.path(), &server.reference(), &["-c", "4", "-n", "8", "--retries", "1"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!((tally(&record).succeeded, tally(&record).failed), (8, 0));
    let cell = Cell::of(Phase::Load).with("concurrency", 4);
    let retries = record.metric("retries", &cell).and_then(|metric| metric.value);
    assert_eq!(retries, Some(4.0));
    let slowest = record.metric("e2e_scheduled.max", &cell).and_then(|metric| metric.value).unwrap();
    assert!(slowest >= 2000.0, "the server asked for two seconds: {slowest}");
}

#[test]
fn requests_in_flight_at_the_end_are_accounted_for() {
    let folder = tempfile::tempdir().unwrap();
    let server = Endpoint::start("ttft=1ms,itl=1ms,fail=stall,fail_every=2,fail_after=2");
    let (_, record) = load(folder.path(), &server.reference(), &["-c", "4", "-d", "300ms", "--drain", "100ms"]);
    let tally = tally(&record);
    assert!(tally.adds_up() && tally.cancelled == 4 && tally.in_flight == 0, "{tally:?}");
    passes(folder.path(), &["report", "check", "latest"]);
}

#[test]
fn a_shortfall_of_the_schedule_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let server = Endpoint::start("ttft=100ms,itl=1ms");
    let flags = ["--rate", "100", "--concurrency", "1", "-n", "60", "--drop-after", "150ms"];
    let (_, record) = load(folder.path(), &server.reference(), &flags);
    let tally = tally(&record);
    assert!(tally.adds_up() && tally.dropped > 0, "{tally:?}");
    let shown = passes(folder.path(), &["report", "show", "latest"]).stdout;
    assert!(shown.contains(&format!("{} dropped", tally.dropped)), "{shown}");
}

/// Answers what a server is asked before a load, and each generation on a new connection, which it then half closes
/// without saying so.
fn half_closing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("openai:http://{}/v1#m", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().for_each(answer_once));
    url
}

fn answer_once(mut socket: TcpStream) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    let body_begins = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    loop {
        let Ok(count @ 1..) = socket.read(&mut part) else { return };
        request.extend_from_slice(&part[..count]);
        let Some(begin) = body_begins(&request) else { continue };
        let head = String::from_utf8_lossy(&request[..begin]).to_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
        if request.len() >= begin + length.unwrap_or(0) {
            break;
        }
    }
    let (kind, body) = match request.starts_with(b"GET") {
        true => ("application/json", r#"{"data":[{"id":"m"}]}"#.to_owned()),
        false => ("text/event-stream", "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n".to_owned()),
    };
    // It promises to keep the connection, and closes it.
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n", body.len());
    let _ = socket.write_all(format!("{head}{body}").as_bytes());
    let _ = socket.shutdown(std::net::Shutdown::Write);
}

#[test]
fn connections_that_a_server_half_closes_cost_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let (ran, record) = load(folder.path(), &half_closing(), &["-c", "1", "-n", "30"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!((tally(&record).succeeded, tally(&record).failed), (30, 0));
}

#[test]
fn a_server_that_never_answers_is_found_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("openai:https://{}", listener.local_addr().unwrap());
    let ran = run(folder.path(), &["load", &url, "-n", "1", "--connect-timeout", "100ms"]);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("no answer to the TLS handshake within 0.1 s"), "{}", ran.stderr);
    assert!(!folder.path().join("results").exists());
}

#[cfg(unix)]
#[test]
fn a_limit_of_open_files_is_an_error_or_failures_but_never_a_hang() {
    let folder = tempfile::tempdir().unwrap();
    let server = Endpoint::start("ttft=20ms,itl=1ms");
    let limited = |flags: &str| {
        let binary = assert_cmd::cargo::cargo_bin("weighbridge");
        let command = format!("ulimit -n 64; exec {} load {} {flags}", binary.display(), server.reference());
        let output =
            std::process::Command::new("sh").current_dir(folder.path()).args(["-c", &command]).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = limited("-c 200 -n 400");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("may have 64 files open") && said.contains("`ulimit -n 248`"), "{said}");
    let (code, said) = limited("--rate inf -n 300 --osl 4 --no-live --disturbed-limit 1");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("of 300 requests failed"), "{said}");
}

#[test]
fn all_at_once_needs_a_count() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run(folder.path(), &["load", "scripted:ttft=1ms", "--rate", "inf"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stderr.contains("all requests at once") && ran.stderr.contains("`--requests`"), "{}", ran.stderr);
}

#[test]
fn a_run_given_up_is_failed_though_it_was_the_first_load_of_several() {
    let folder = tempfile::tempdir().unwrap();
    let server = Endpoint::start("ttft=1ms,fail=error");
    let (ran, record) = load(folder.path(), &server.reference(), &["-c", "1,4", "-n", "5"]);
    assert_eq!((ran.code, record.status), (Some(4), Status::Failed), "{}", ran.stderr);
}
