//! What is kept of answers: near texts, classes, levels of the file, and what is made ready at the start.

use std::path::Path;

use serde_json::{Value, json};

use super::process::{Answer, Process, ask, conversation, until};
use crate::support::{passes, run};

const LONG: &str = "The service on the host failed a login for user admin, from an address which the policy of the site forbids \
                    at night. The operator has seen 11 of those within one hour, and asks whether this is an attack or a \
                    forgotten password, and what should be done about it before the morning comes.";

/// A greedy request for few tokens.
fn greedy(text: &str) -> Value {
    let mut body = conversation("tiny", 8);
    body["temperature"] = json!(0);
    body["messages"][0]["content"] = json!(text);
    body
}

fn content(answer: Answer) -> Value {
    answer.succeeded()["choices"][0]["message"]["content"].clone()
}

fn label(answer: &Answer) -> &str {
    answer.header("x-weighbridge-cache").unwrap()
}

#[test]
fn near_texts_get_a_kept_answer_where_that_is_wanted_and_it_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--cache-memory", "1MiB", "--cache-near", "0.9"]);
    let chat = |body: &Value| server.post("/v1/chat/completions", body);
    let first = chat(&greedy(LONG));
    assert_eq!((label(&first), first.header("x-weighbridge-similarity")), ("MISS", None));
    let first = content(first);
    let shouted = LONG.to_uppercase().replace(',', " ");
    let near = chat(&greedy(&shouted));
    assert_eq!((label(&near), near.header("x-weighbridge-similarity")), ("HIT-NEAR", Some("1.000")));
    assert_eq!(content(near), first);
    // The first of them is checked, behind its back.
    let told = until("the check", || {
        let near = server.get("/api/v1/cache").succeeded()["near"].clone();
        (near["checked"] == 1).then_some(near)
    });
    assert_eq!((&told["given"], &told["check_every"], &told["failed"]), (&json!(1), &json!(20), &json!(0)));
    let share = &told["equal_share"];
    assert!(
        share["low"].as_f64() < share["high"].as_f64() && share["value"].as_f64() == told["equal"].as_f64(),
        "{told}"
    );
    assert_eq!(server.counter("weighbridge_cache_near_hits_total", "tiny"), 1);
    assert_eq!(server.counter("weighbridge_cache_near_checks_total", "outcome"), 1);
    // What the check computed is kept.
    until("the answer of the check", || (label(&chat(&greedy(&shouted))) == "HIT; memory").then_some(()));
    // As a stream as well; the second is not checked.
    let mut streamed = greedy(&LONG.to_lowercase());
    streamed["stream"] = json!(true);
    let stream = chat(&streamed);
    assert_eq!(label(&stream), "HIT-NEAR");
    assert!(stream.text().ends_with("data: [DONE]\n\n"), "{}", stream.text());

    // Nothing that must be equal differs.
    let other = |change: &dyn Fn(&mut Value)| {
        let mut body = greedy(&LONG.replace("login", "Login"));
        change(&mut body);
        label(&chat(&body)).to_owned()
    };
    assert_eq!(other(&|_| ()), "HIT-NEAR");
    assert_eq!(other(&|body| body["max_tokens"] = json!(9)), "MISS");
    assert_eq!(other(&|body| body["metadata"] = json!({"label": "attack"})), "MISS");
    assert_eq!(other(&|body| body["messages"][0]["role"] = json!("system")), "MISS");
    assert_eq!(other(&|body| body["messages"][0]["content"] = json!(LONG.replace("11", "12"))), "MISS");
    assert_eq!(other(&|body| body["messages"][0]["content"] = json!(LONG.replace("an attack", "no attack"))), "MISS");
    let body = greedy(&LONG.replace("user", "User")).to_string();
    let labeled =
        ask(&server.address, "POST", "/v1/chat/completions", &[("x-weighbridge-label", "a")], body.as_bytes());
    assert_eq!(label(&labeled), "MISS");
    let told = server.get("/api/v1/cache").succeeded()["near"].clone();
    assert_eq!((&told["given"], &told["checked"]), (&json!(3), &json!(1)));
}

#[test]
fn without_the_flag_only_an_equal_request_is_a_hit() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--cache-memory", "1MiB"]);
    let chat = |text: &str| label(&server.post("/v1/chat/completions", &greedy(text))).to_owned();
    assert_eq!((chat(LONG), chat(LONG)), ("MISS".to_owned(), "HIT; memory".to_owned()));
    assert_eq!(chat(&LONG.to_lowercase()), "MISS");
    assert_eq!(server.get("/api/v1/cache").succeeded()["near"], Value::Null);
}

#[test]
fn classes_of_a_text_are_computed_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--cache-memory", "1MiB", "--model", "net=onnx:network"]);
    let classify = |texts: &[&str], headers: &[(&str, &str)]| {
        let body = json!({"model": "net", "input": texts}).to_string();
        let answer = ask(&server.address, "POST", "/api/v1/classify", headers, body.as_bytes());
        (label(&answer).to_owned(), answer.succeeded()["results"].clone())
    };
    let (miss, first) = classify(&["GET /", "' OR 1=1 --"], &[]);
    let (hit, again) = classify(&["GET /", "' OR 1=1 --"], &[]);
    assert_eq!((miss.as_str(), hit.as_str()), ("MISS", "HIT"));
    assert_eq!(first, again);
    let (partly, mixed) = classify(&["ls", "GET /"], &[]);
    assert_eq!((partly.as_str(), &mixed[1]), ("HIT; partly", &first[0]));
    let (own, same) = classify(&["GET /"], &[("cache-control", "no-store")]);
    assert_eq!((own.as_str(), &same[0]["label"]), ("BYPASS", &first[0]["label"]));
    assert_eq!(server.counter("weighbridge_cache_hits_total", "net"), 1);
}

/// Serves what a file says.
fn configured(folder: &Path, text: &str) -> Process {
    std::fs::write(folder.join("serve.yaml"), text).unwrap();
    Process::serve(folder, &["--config", "serve.yaml"])
}

const LEVELS: &str = "
cache:
  memory: {size: 64KiB, entries: 2, ttl: 3600, policy: lru, hit_target: 0.95}
  disk: {folder: fast, size: 1MiB, ttl: 1h, policy: intelligent, hit_target: 0.2}
  level_3: {folder: cold, size: 2MiB, ttl: 604800, policy: size_aware, async_writes: true}
";

#[test]
fn levels_of_the_file_have_a_row_each_with_target_and_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let server = configured(folder.path(), LEVELS);
    let chat = |text: &str| label(&server.post("/v1/chat/completions", &greedy(text))).to_owned();
    assert_eq!([chat("a"), chat("b"), chat("c")], ["MISS", "MISS", "MISS"]);
    // Memory has room for two, so that the first went and comes up again.
    until("the writes", || {
        let writing = server.get("/api/v1/cache").succeeded();
        (writing["writing"] == 0 && writing["levels"][2]["pending"] == 0).then_some(())
    });
    assert_eq!(chat("a"), "HIT; disk");
    assert_eq!(chat("a"), "HIT; memory");
    let url = server.url();
    let stats = passes(folder.path(), &["cache", "stats", "--url", &url, "--output-format", "json"]).stdout;
    let stats: Value = serde_json::from_str(&stats).unwrap();
    let level = |place: usize| stats["levels"][place].clone();
    let told = |place: usize, names: &[&str]| names.iter().map(|name| level(place)[name].clone()).collect::<Vec<_>>();
    let bounds = ["name", "ttl_s", "policy", "hit_target", "most_bytes", "most_entries"];
    assert_eq!(Value::from(told(0, &bounds)), json!(["memory", 3600, "lru", 0.95, 65536, 2]));
    assert_eq!(Value::from(told(1, &bounds)), json!(["disk", 3600, "cost_aware", 0.2, 1 << 20, null]));
    assert_eq!(Value::from(told(2, &bounds)), json!(["cold", 604_800, "size_aware", null, 2 << 20, null]));
    assert_eq!(Value::from(told(0, &["entries", "promoted", "meets_target"])), json!([2, 1, false]));
    assert_eq!(Value::from(told(1, &["entries", "hits", "meets_target"])), json!([3, 1, true]));
    assert_eq!(Value::from(told(2, &["entries", "pending", "meets_target"])), json!([3, 0, null]));
    let text = passes(folder.path(), &["cache", "stats", "--url", &url]).stdout;
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[1].starts_with("memory") && rows[1].contains("below"), "{text}");
    assert!(rows[2].starts_with("disk") && rows[2].contains("met"), "{text}");
    assert!(rows[3].starts_with("cold") && rows.len() == 4, "{text}");
}

#[test]
fn what_the_file_gets_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, expected: &str| {
        std::fs::write(folder.path().join("serve.yaml"), text).unwrap();
        let ran = run(folder.path(), &["serve", "--port", "0", "--config", "serve.yaml"]);
        assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{text}: {}", ran.stderr);
    };
    check("cache: {near: 0.9}", "without memory");
    check("cache: {disk: {folder: x}}", "without memory");
    check("cache: {memory: {size: much}}", "`much`");
    check("cache: {memory: {size: 1MiB}, disk: {size: 1MiB}}", "the folder of `cache.disk`");
    check("cache: {memory: {size: 1MiB}, near: 0.5}", "`0.5`");
    check("cache: {memory: {size: 1MiB, hit_target: 3}}", "`hit_target`");
    check("cache: {memory: {size: 1MiB, sizes: 3}}", "unknown field `sizes`");
    check("cache: {memory: {size: 1MiB, policy: random}}", "unknown variant `random`");
    check("cache: {memory: {size: 1MiB}, warm: {requests: [absent.jsonl]}}", "`absent.jsonl`");
    std::fs::write(folder.path().join("warm.jsonl"), "{\"model\":\"tiny\",\"prompt\":\"x\"}\n").unwrap();
    check("cache: {memory: {size: 1MiB}, warm: {requests: [warm.jsonl]}}", "line 1: no answer to it would be kept");
}

/// A server that has made ready what its file names.
fn warmed(folder: &Path, text: &str) -> (Process, Value) {
    let server = configured(folder, text);
    let told = until("the end of warming", || {
        let warm = server.get("/api/v1/cache").succeeded()["warm"].clone();
        (warm["state"] == "done").then_some(warm)
    });
    (server, told)
}

#[test]
fn the_first_request_after_warming_is_a_hit() {
    let folder = tempfile::tempdir().unwrap();
    let classes = json!({"model": "net-scorer", "input": ["GET /"]});
    std::fs::write(folder.path().join("warm.jsonl"), format!("{}\n\n{classes}\n", greedy("ready"))).unwrap();
    let text = "
models:
  - {name: tiny, reference: tiny}
  - {name: net-scorer, reference: onnx:network}
  - {name: spare, reference: tiny, load: on_demand}
cache:
  memory: {size: 1MiB}
  disk: {folder: kept}
  warm: {models: ['net-*', absent], requests: [warm.jsonl]}
";
    let (mut server, told) = warmed(folder.path(), text);
    let counts = |told: &Value| {
        let names = ["models", "brought_up", "known", "computed", "failed"];
        Value::from(names.map(|name| told[name].clone()).to_vec())
    };
    assert_eq!(counts(&told), json!([1, 0, 0, 2, 1]), "{told}");
    let first = server.post("/v1/chat/completions", &greedy("ready"));
    assert_eq!(label(&first), "HIT; memory");
    assert_eq!(label(&server.post("/api/v1/classify", &classes)), "HIT");
    assert_eq!((&server.model("net-scorer")["loads"], &server.model("spare")["loads"]), (&json!(1), &json!(0)));
    server.signal("-TERM");
    let (status, said) = server.ends();
    assert!(status.success() && said.contains("find a model that `absent` matches"), "{said}");

    // After a restart the folder has them; those used last come into memory before anybody asks.
    let again = text.replace("'net-*', absent], requests: [warm.jsonl]", "tiny], latest: 10");
    let (server, told) = warmed(folder.path(), &again);
    assert_eq!(told["models"], 1);
    let second = server.post("/v1/chat/completions", &greedy("ready"));
    assert_eq!(label(&second), "HIT; memory");
    assert_eq!(content(second), content(first));
    assert!(
        passes(folder.path(), &["cache", "stats", "--url", &server.url()])
            .stdout
            .contains("warming done: 1 models loaded")
    );
}
