//! What is kept of answers: near texts, classes.

use serde_json::{Value, json};

use super::process::{Answer, Process, ask, conversation, until};

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
