//! Clients that go away or read nothing hold nothing for long.

use serde_json::json;

use super::process::{Asked, Process, streamed, until};

#[test]
fn a_client_that_leaves_gives_back_its_place_and_its_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[]);
    let mut body = streamed("tiny", 4000);
    body["ignore_eos"] = json!(true);
    let mut streams: Vec<Asked> = (0..3).map(|_| Asked::stream(&server.address, &body)).collect();
    streams.iter_mut().for_each(|stream| drop(stream.line("\"content\":")));
    let held = server.model("tiny");
    assert_eq!(held["queue"]["running"], 3, "{held}");
    assert!(held["memory"]["kv_held"].as_u64().unwrap() > 0, "{held}");
    drop(streams);
    until("the blocks of the clients that left", || {
        let model = server.model("tiny");
        (model["queue"]["running"] == 0 && model["memory"]["kv_held"] == 0).then_some(())
    });
    assert_eq!(server.counter("weighbridge_requests_canceled_total", "tiny"), 3);
    assert_eq!(server.model("tiny")["in_flight"], 0);
    server.chat("tiny").succeeded();
}

#[test]
fn a_client_that_leaves_before_the_first_token_is_counted_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--model", "slow=scripted:ttft=600s"]);
    let body = streamed("slow", 4).to_string();
    let waiting = Asked::send(&server.address, "POST", "/v1/chat/completions", &[], body.as_bytes());
    until("the request", || (server.model("slow")["queue"]["running"] == 1).then_some(()));
    drop(waiting);
    until("the place", || (server.model("slow")["queue"]["running"] == 0).then_some(()));
    assert_eq!(server.counter("weighbridge_requests_canceled_total", "slow"), 1);
}

#[test]
fn a_client_that_reads_nothing_stops_no_other_and_loses_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--stall-timeout", "500ms", "--model", "fast=scripted:ttft=0ms,itl=0ms"];
    let server = Process::serve(folder.path(), &[&arguments[..], &["--max-running", "2"]].concat());
    // Far more than the buffers of both ends hold.
    let stalled = Asked::stream(&server.address, &streamed("fast", 1_000_000));
    until("the stream", || (server.model("fast")["queue"]["running"] == 1).then_some(()));
    for _ in 0..5 {
        server.chat("fast").succeeded();
    }
    until("the place of the stalled client", || (server.model("fast")["queue"]["running"] == 0).then_some(()));
    assert_eq!(server.counter("weighbridge_requests_canceled_total", "fast"), 1);
    // What was given up does not look whole.
    let (rest, _) = stalled.rest();
    assert!(!rest.contains("[DONE]") && !rest.ends_with("0\r\n\r\n"), "{}", &rest[rest.len().saturating_sub(200)..]);
    server.chat("fast").succeeded();
}
