//! Who may ask, and what is refused before anything is served.

use std::path::Path;

use super::process::{Answer, Process, ask, conversation};
use crate::support::run;

const APP: &str = "sk-of-the-app-000001";
const OPS: &str = "sk-of-the-ops-000002";

/// Starts a service with two keys in a file.
fn keyed(folder: &Path, more: &[&str]) -> Process {
    std::fs::write(folder.join("keys"), format!("# two keys\napp infer {APP}\nops admin {OPS}\n")).unwrap();
    let usual = ["--key-file", "keys", "--model", "scripted=scripted:ttft=0ms,itl=0ms"];
    Process::serve(folder, &[&usual[..], more].concat())
}

#[test]
fn keys_open_what_they_may_and_are_never_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = keyed(folder.path(), &[]);
    let address = server.address.clone();
    let with = |method: &str, path: &str, key: &str, body: &[u8]| -> Answer {
        ask(&address, method, path, &[("authorization", &format!("Bearer {key}"))], body)
    };
    let chat = conversation("scripted", 2).to_string();
    let mut said = String::new();
    let mut check = |answer: Answer, status: u16| {
        assert_eq!(answer.status, status, "{}", answer.text());
        said.push_str(&answer.text());
    };
    check(with("POST", "/v1/chat/completions", APP, chat.as_bytes()), 200);
    check(with("POST", "/v1/chat/completions", "sk-guessed-000000003", chat.as_bytes()), 401);
    check(ask(&address, "POST", "/v1/chat/completions", &[], chat.as_bytes()), 401);
    check(ask(&address, "GET", "/v1/models", &[("x-api-key", OPS)], b""), 200);
    check(with("GET", "/api/v1/errors", APP, b""), 403);
    check(with("POST", "/api/v1/models/scripted/unload", APP, b""), 403);
    check(with("POST", "/api/v1/models/scripted/unload", OPS, b""), 200);
    let load = br#"{"models": ["scripted"]}"#;
    check(with("POST", "/api/v1/models/load", APP, load), 403);
    check(with("POST", "/api/v1/models/load", OPS, load), 200);
    check(with("GET", "/api/v1/errors", OPS, b""), 200);
    check(ask(&address, "GET", "/health", &[], b""), 200);
    check(ask(&address, "GET", "/api/tags", &[], b""), 401);
    server.signal("-TERM");
    said.push_str(&server.ends().1);
    for key in [APP, OPS, "sk-guessed"] {
        assert!(!said.contains(key), "{said}");
    }
}

#[test]
fn a_key_beyond_its_rate_waits_as_it_is_told_and_others_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let server = keyed(folder.path(), &["--rate", "0.01"]);
    let list = |key: &str| ask(&server.address, "GET", "/v1/models", &[("x-api-key", key)], b"");
    assert_eq!(list(APP).status, 200);
    let refused = list(APP);
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((50..=100).contains(&wait), "{wait}");
    assert_eq!(list(OPS).status, 200);
}

#[test]
fn what_cannot_be_served_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let refuses = |arguments: &[&str], said: &[&str]| {
        let ran = run(folder.path(), &[&["serve", "--port", "0"], arguments].concat());
        assert_eq!(ran.code, Some(2), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        assert!(said.iter().all(|said| ran.stderr.contains(said)), "{arguments:?}: {}", ran.stderr);
        assert!(!ran.stderr.contains("sk-"), "{}", ran.stderr);
    };
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    refuses(&["--host", "0.0.0.0"], &["0.0.0.0", "`--key-file`"]);
    write("empty", "# none\n");
    refuses(&["--key-file", "empty"], &["holds none"]);
    write("short", "app infer sk-short\n");
    refuses(&["--key-file", "short"], &["line 1 of `short`", "shorter than 16"]);
    write("scope", &format!("app root {APP}\n"));
    refuses(&["--key-file", "scope"], &["neither infer nor admin"]);
    refuses(&["--key-file", "absent"], &["absent"]);
    refuses(&["--model", "a=tiny", "--model", "a=onnx:network"], &["two models as `a`"]);
    refuses(&["--model", "tiny", "--model", "tiny"], &["two models as `tiny`"]);
    refuses(&["--model", "../a=tiny"], &["`../a`", "letters"]);
    write("config.yaml", "model_service:\n  max_queue: 3\n  max_quue: 4\n");
    refuses(&["--config", "config.yaml"], &["`config.yaml`", "max_quue", "on line 3"]);
    write("models.yaml", "models:\n  - reference: tiny\n    aliases: [a]\n  - name: a\n    reference: tiny\n");
    refuses(&["--config", "models.yaml"], &["two models as `a`"]);
    for (text, said) in [
        ("- name: a", "where the model `a` is"),
        (
            "- name: a\n    reference: tiny\n    servers: [{reference: \"openai:http://h/v1#m\"}]",
            "where the model `a` is",
        ),
        ("- servers: [{reference: tiny}]", "`tiny` as a server"),
        ("- servers: [{reference: \"openai:http://h/v1#m\", weight: 0}]", "`weight`"),
        ("- reference: tiny\n    http_pool: {timeout: 1s}", "`http_pool`"),
        ("- reference: tiny\n    fallback: tiny", "in the place of `tiny`"),
        ("- reference: openai:http://h/v1#m\n    http_pool: {max_connections: 1}", "`max_connections`"),
    ] {
        write("models.yaml", &format!("models:\n  {text}\n"));
        refuses(&["--config", "models.yaml"], &[said]);
    }
    write("config.yaml", "http_pool: {max_connections_per_host: 0}\n");
    refuses(&["--config", "config.yaml"], &["`http_pool.max_connections_per_host`"]);
    refuses(&["--stall-timeout", "soon"], &["`--stall-timeout`"]);
    refuses(&["--head-timeout", "soon"], &["`--head-timeout`"]);
    refuses(&["--memory-pressure-threshold", "85"], &["`85`", "a share"]);
    refuses(&["--rate", "0"], &["`--rate`"]);
}
