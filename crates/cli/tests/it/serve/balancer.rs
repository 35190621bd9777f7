//! A model on several servers: who is asked, and what a client sees of a server that dies.

use std::path::Path;

use serde_json::{Value, json};

use super::process::{Asked, Process, conversation, free_port, streamed, until};

/// A service with the model `far` on servers of these weights.
fn balanced(folder: &Path, servers: &[(String, u32)]) -> Process {
    let server =
        |(reference, weight): &(String, u32)| format!("      - reference: {reference}\n        weight: {weight}\n");
    let servers: String = servers.iter().map(server).collect();
    let models = format!("models:\n  - name: far\n    servers:\n{servers}  - reference: tiny\n");
    std::fs::write(folder.join("config.yaml"), models).unwrap();
    Process::serve(folder, &["--config", "config.yaml", "--max-running", "100"])
}

fn scripted(folder: &Path, script: &str) -> [Process; 3] {
    [(); 3].map(|()| Process::scripted(folder, script))
}

/// What `/api/v1/models` says of the servers, one figure each.
fn figures(server: &Process, key: &str) -> Vec<Value> {
    let servers = server.model("far")["servers"].clone();
    servers.as_array().unwrap().iter().map(|server| server[key].clone()).collect()
}

fn counts(server: &Process, key: &str) -> Vec<u64> {
    figures(server, key).iter().map(|count| count.as_u64().unwrap()).collect()
}

#[test]
fn requests_go_to_servers_by_weight_and_by_what_they_have() {
    let folder = tempfile::tempdir().unwrap();
    let upstreams = scripted(folder.path(), "ttft=0s,itl=0s");
    let weights = [3, 3, 2];
    let servers: Vec<_> = upstreams.iter().zip(weights).map(|(up, weight)| (up.reference(), weight)).collect();
    let server = balanced(folder.path(), &servers);
    for number in 0..80 {
        let body = if number % 2 == 0 { conversation("far", 2) } else { streamed("far", 2) };
        assert_eq!(server.post("/v1/chat/completions", &body).status, 200);
    }
    assert_eq!(counts(&server, "chosen"), [30, 30, 20]);
    // Another dialect goes by way of the engines, and is balanced alike.
    let other = json!({"model": "far", "max_tokens": 3, "messages": [{"role": "user", "content": "x"}]});
    for _ in 0..8 {
        server.post("/v1/messages", &other).succeeded();
    }
    assert_eq!(counts(&server, "chosen"), [33, 33, 22]);
    assert_eq!(counts(&server, "active"), [0, 0, 0]);
    let asked = server.counter("weighbridge_server_requests_total", &upstreams[2].address);
    assert_eq!((asked, server.counter("weighbridge_server_failures_total", "far")), (22, 0));
    assert_eq!(server.get("/health").succeeded()["status"], "ok");
}

#[test]
fn busy_servers_are_asked_by_what_they_have_for_their_weight() {
    let folder = tempfile::tempdir().unwrap();
    let upstreams = scripted(folder.path(), "ttft=1ms,itl=60s");
    let servers: Vec<_> = upstreams.iter().zip([3, 3, 2]).map(|(up, weight)| (up.reference(), weight)).collect();
    let server = balanced(folder.path(), &servers);
    let held: Vec<Asked> = (0..24).map(|_| Asked::stream(&server.address, &streamed("far", 9))).collect();
    assert_eq!(counts(&server, "active"), [9, 9, 6]);
    drop(held);
    until("places that are given back", || (counts(&server, "active") == [0, 0, 0]).then_some(()));
}

#[test]
fn a_server_that_dies_under_load_loses_no_request_before_its_first_token() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough that all wait for their first token when the server dies.
    let mut upstreams = scripted(folder.path(), "ttft=3s,itl=0s");
    let servers: Vec<_> = upstreams.iter().zip([3, 3, 2]).map(|(up, weight)| (up.reference(), weight)).collect();
    let server = balanced(folder.path(), &servers);
    let bodies = [conversation("far", 3), streamed("far", 3)].map(|body| body.to_string());
    let send = |number: usize| {
        Asked::send(&server.address, "POST", "/v1/chat/completions", &[], bodies[number % 2].as_bytes())
    };
    let asked: Vec<Asked> = (0..40).map(send).collect();
    until("requests on all servers", || (counts(&server, "active") == [15, 15, 10]).then_some(()));
    upstreams[0].signal("-KILL");
    upstreams[0].ends();
    let later: Vec<Asked> = (0..8).map(send).collect();
    let answers: Vec<_> = asked.into_iter().chain(later).map(Asked::answer).collect();
    let lost = answers.iter().filter(|answer| answer.status != 200).count();
    assert_eq!(lost, 0, "{:?}", answers.iter().find(|answer| answer.status != 200).map(|answer| answer.text()));
    let whole = answers.iter().filter(|answer| answer.text().matches("word ").count() == 3).count();
    assert_eq!(whole, 48);
    assert_eq!(server.get("/api/v1/errors").json()["count"], 0);
    // The breaker is that of the one server, and the others are asked as before.
    assert_eq!(figures(&server, "breaker"), ["open", "closed", "closed"]);
    assert_eq!(counts(&server, "failed")[1..], [0, 0]);
    let (dead, live) = (&upstreams[0].address, &upstreams[1].address);
    assert_eq!(server.counter("weighbridge_breaker_state", dead), 2);
    assert_eq!(server.counter("weighbridge_breaker_state", live), 0);
    let health = server.get("/health").succeeded();
    assert_eq!(health["components"]["servers"]["left_alone"], json!(["far#1"]), "{health}");
    assert_eq!(health["status"], "degraded");
    let before = counts(&server, "chosen");
    server.chat("far").succeeded();
    assert_eq!(counts(&server, "chosen")[0], before[0], "a server that is left alone is not asked");
}

#[test]
fn an_answer_that_has_begun_is_asked_of_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let mut upstreams = scripted(folder.path(), "ttft=1ms,itl=60s");
    let servers: Vec<_> = upstreams.iter().map(|up| (up.reference(), 1)).collect();
    let server = balanced(folder.path(), &servers);
    let mut asked = Asked::stream(&server.address, &streamed("far", 5));
    asked.line("word ");
    let at = counts(&server, "active").iter().position(|active| *active == 1).unwrap();
    upstreams[at].signal("-KILL");
    upstreams[at].ends();
    let (rest, _) = asked.rest();
    assert!(rest.contains("\"error\"") && !rest.contains("[DONE]"), "{rest}");
    assert_eq!(counts(&server, "chosen").iter().sum::<u64>(), 1);
    assert_eq!(counts(&server, "failed")[at], 1, "a stream that is cut counts against its server");
    assert_eq!(server.get("/api/v1/errors").json()["by_class"]["network"], 1);
}

#[test]
fn flags_of_one_name_are_servers_of_one_model_and_one_that_never_lived_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Process::scripted(folder.path(), "ttft=0s,itl=0s");
    let dead = format!("far=openai:http://127.0.0.1:{}/v1#scripted", free_port());
    let live = format!("far={}", upstream.reference());
    let server = Process::serve(folder.path(), &["--model", &dead, "--model", &live]);
    for _ in 0..10 {
        server.chat("far").succeeded();
    }
    let chosen = counts(&server, "chosen");
    assert!((1..=3).contains(&chosen[0]) && chosen[1] == 10, "{chosen:?}");
    let is_out: Vec<Value> = figures(&server, "is_out");
    assert_eq!(is_out, [chosen[0] == 3, false]);
}
