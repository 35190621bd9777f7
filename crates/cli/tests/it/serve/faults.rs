//! What goes wrong with one model or one request leaves the others served.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::process::{Asked, Process, ask, conversation, free_port, streamed, until};
use crate::support::passes;

/// The weights of `tiny` as a file.
pub(super) fn tiny() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny/tiny-f16.gguf"))
}

#[test]
fn a_model_beyond_the_budget_is_refused_with_the_figures() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yaml"), "models:\n  - reference: tiny\n    memory: 900MiB\n").unwrap();
    let small = "network=onnx:network";
    let server =
        Process::serve(folder.path(), &["--config", "config.yaml", "--memory-budget", "64MiB", "--model", small]);
    let refused = server.chat("tiny");
    assert_eq!((refused.status, refused.code().as_str()), (507, "model_too_large"), "{}", refused.text());
    assert!(refused.text().contains("943718400") && refused.text().contains("67108864"), "{}", refused.text());
    server.post("/api/v1/classify", &json!({"model": "network", "input": "x"})).succeeded();
    let errors = server.get("/api/v1/errors").succeeded();
    assert_eq!(errors["by_class"]["memory"], 1, "{errors}");
}

#[test]
fn corrupt_weights_are_an_error_of_their_model_alone() {
    let folder = tempfile::tempdir().unwrap();
    let weights = std::fs::read(tiny()).unwrap();
    std::fs::write(folder.path().join("cut.gguf"), &weights[..weights.len() / 2]).unwrap();
    std::fs::write(folder.path().join("noise.gguf"), vec![0x5A; 4096]).unwrap();
    let models = ["--model", "cut=gguf:cut.gguf", "--model", "noise=gguf:noise.gguf", "--model", "tiny"];
    let server = Process::serve(folder.path(), &models);
    for model in ["cut", "noise", "cut"] {
        let refused = server.chat(model);
        assert_eq!((refused.status, refused.code().as_str()), (503, "model_unavailable"), "{}", refused.text());
        assert!(refused.header("retry-after").is_some() && refused.text().contains(model), "{}", refused.text());
        server.chat("tiny").succeeded();
    }
    let health = server.get("/health").succeeded();
    assert_eq!(health["status"], "degraded", "{health}");
    assert!(server.model("cut")["problem"].is_string());
    assert_eq!(server.get("/api/v1/errors").json()["by_class"]["model"], 3);
}

#[test]
fn several_models_are_loaded_together_and_those_that_cannot_be_say_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("noise.gguf"), vec![0x5A; 4096]).unwrap();
    let dead = format!("dead=openai:http://127.0.0.1:{}/v1#m", free_port());
    let models =
        ["--model", "noise=gguf:noise.gguf", "--model", "tiny", "--model", "network=onnx:network", "--model", &dead];
    let server = Process::serve(folder.path(), &models);
    let load = |names: &[&str]| server.post("/api/v1/models/load", &json!({"models": names}));
    let partly = load(&["noise", "tiny", "dead", "absent", "network"]);
    assert_eq!(partly.status, 207, "{}", partly.text());
    let told = partly.json();
    let loaded: Vec<&Value> = told["loaded"].as_array().unwrap().iter().map(|model| &model["model"]).collect();
    assert_eq!(loaded, ["tiny", "network"]);
    let failed: Vec<_> =
        told["failed"].as_array().unwrap().iter().map(|model| (&model["model"], &model["code"])).collect();
    let (unavailable, unreachable, unknown) =
        (json!("model_unavailable"), json!("upstream_unreachable"), json!("model_not_found"));
    let expected = [(&json!("noise"), &unavailable), (&json!("dead"), &unreachable), (&json!("absent"), &unknown)];
    assert_eq!(failed, expected, "{told}");
    assert!(told["failed"][0]["message"].as_str().unwrap().contains("noise.gguf"), "{told}");
    let errors = server.get("/api/v1/errors").json();
    assert_eq!((&errors["by_class"]["model"], &errors["by_class"]["network"]), (&json!(1), &json!(1)), "{errors}");
    let again = load(&["tiny"]).succeeded();
    assert_eq!(again["loaded"][0]["was_loaded"], true, "{again}");
    assert_eq!(load(&[]).status, 400);
    server.chat("tiny").succeeded();
}

/// Files may hold 4 KiB by a limit of the process, and where namespaces are to be had, the whole folder 8 KiB.
#[test]
fn a_full_disk_below_the_cache_costs_hits_and_no_answer() {
    let limited = ["sh", "-c", r#"trap "" XFSZ; ulimit -f 8; exec "$@""#];
    let mounted = ["unshare", "-rm", "sh", "-c", r#"mount -t tmpfs -o size=8k none cache && exec "$@""#];
    let can_mount = Command::new("unshare").args(["-rm", "true"]).status().is_ok_and(|status| status.success());
    for shell in [&limited[..], &mounted[..]].into_iter().filter(|shell| can_mount || shell.len() == 3) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("cache")).unwrap();
        let arguments = ["--cache-memory", "1MiB", "--cache-dir", "cache"];
        let server = Process::serve_within(folder.path(), shell, &arguments);
        let asked = |number: usize| {
            let mut body = conversation("tiny", 4);
            body["temperature"] = json!(0);
            body["messages"][0]["content"] = json!(format!("web{number} is"));
            let answer = server.post("/v1/chat/completions", &body);
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.header("x-weighbridge-cache").unwrap().to_owned()
        };
        until("a service that is ready", || (server.get("/ready").status == 200).then_some(()));
        assert_eq!(server.get("/health").succeeded()["status"], "ok");
        let is_off = (0..200).any(|number| {
            asked(number);
            server.get("/health").succeeded()["components"]["cache"]["ok"] == false
        });
        assert!(is_off, "{}", server.get("/api/v1/cache").text());
        // Memory keeps answers all the same, and the figures say why the folder does not.
        assert_eq!((asked(900).as_str(), asked(900).as_str()), ("MISS", "HIT; memory"));
        let levels = server.get("/api/v1/cache").succeeded()["levels"].clone();
        let disk = levels.as_array().unwrap().iter().find(|level| level["name"] == "disk").unwrap();
        assert!(disk["off"].is_string(), "{disk}");
        assert_eq!(server.get("/health").json()["status"], "degraded");
        assert_eq!(server.get("/api/v1/errors").json()["count"], 0);
    }
}

/// Any host has more in use than nothing.
#[test]
fn memory_that_is_short_costs_places_first_and_then_models_that_come_back_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("config.yaml"),
        "optimization: {memory_pressure_threshold: 0}\nmodels: [{reference: tiny}]\n",
    )
    .unwrap();
    let server = Process::serve(folder.path(), &["--config", "config.yaml"]);
    server.chat("tiny").succeeded();
    until("places that are cut", || (server.model("tiny")["queue"]["places"] == 8).then_some(()));
    until("a model that goes", || (server.model("tiny")["residence"] == "unloaded").then_some(()));
    let memory = server.get("/api/v1/memory").succeeded();
    assert!(memory["pressure"]["used_share"].as_f64().unwrap() > 0.0 && memory["places"] == 8, "{memory}");
    server.chat("tiny").succeeded();
    assert_eq!(server.model("tiny")["loads"], 2);
    assert!(server.said().contains("memory is short: unloaded a model of"), "{}", server.said());
}

#[test]
fn requests_that_are_wrong_are_told_so_by_their_status() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[]);
    let refused = |body: &Value, status: u16, code: &str| {
        let answer = server.post("/v1/chat/completions", body);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{}", answer.text());
    };
    for stream in [false, true] {
        let mut long = conversation("tiny", 4);
        long["stream"] = json!(stream);
        long["messages"][0]["content"] = json!("web1 ".repeat(6000));
        refused(&long, 400, "context_length_exceeded");
    }
    for name in ["../tiny", "../../../etc/passwd", "http://169.254.169.254/latest/meta-data", "gguf:/etc/passwd", ""] {
        refused(&conversation(name, 4), 404, "model_not_found");
    }
    for path in
        ["/v1/models/..%2F..%2Fetc%2Fpasswd", "/v1/models/http:%2F%2F169.254.169.254%2F", "/v1/models/../../etc"]
    {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    let load = ask(&server.address, "POST", "/api/v1/models/..%2Ftiny/load", &[], b"");
    assert_eq!(load.status, 404);
    refused(&json!({"model": "tiny"}), 400, "invalid_request");
    server.chat("tiny").succeeded();
}

#[test]
fn a_body_too_large_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &["--model", "scripted=scripted:ttft=0ms,itl=0ms"]);
    let body = vec![b' '; 100 << 20];
    let refused = ask(&server.address, "POST", "/v1/chat/completions", &[], &body);
    assert_eq!((refused.status, refused.code().as_str()), (413, "body_too_large"), "{}", refused.text());
    server.chat("scripted").succeeded();
}

#[test]
fn a_head_that_never_ends_is_given_up_and_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--head-timeout", "300ms", "--model", "scripted=scripted:ttft=0ms,itl=0ms"];
    let server = Process::serve(folder.path(), &arguments);
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            stream.write_all(b"POST /v1/chat/completions HTTP/1.1\r\nx-a: ").unwrap();
            stream
        })
        .collect();
    server.chat("scripted").succeeded();
    for stream in slow {
        let (answer, _) = Asked { reader: std::io::BufReader::new(stream) }.rest();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    server.chat("scripted").succeeded();
}

#[test]
fn a_dead_upstream_is_a_typed_error_and_counts_as_network() {
    let folder = tempfile::tempdir().unwrap();
    let dead = format!("dead=openai:http://127.0.0.1:{}/v1#m", free_port());
    let mut upstream = Process::scripted(folder.path(), "ttft=1ms,itl=1ms");
    let dying = format!("dying={}", upstream.reference());
    let server = Process::serve(folder.path(), &["--model", &dead, "--model", &dying, "--model", "tiny"]);
    server.chat("dying").succeeded();
    upstream.signal("-KILL");
    upstream.ends();
    let mut network = 0;
    for model in ["dead", "dying"] {
        let refused = [conversation(model, 4), streamed(model, 4), conversation(model, 4), streamed(model, 4)]
            .map(|body| server.post("/v1/chat/completions", &body));
        assert_eq!((refused[0].status, refused[0].code().as_str()), (502, "upstream_unreachable"), "{model}");
        // After some failures it is left alone for a while.
        assert_eq!((refused[3].status, refused[3].code().as_str()), (503, "circuit_open"), "{model}");
        assert!(refused[3].header("retry-after").is_some());
        network += refused.iter().filter(|refused| refused.status == 502).count();
    }
    server.chat("tiny").succeeded();
    let shown = passes(folder.path(), &["errors", "--url", &server.url()]).stdout;
    let counted = shown.lines().find(|line| line.trim_start().starts_with("network ")).unwrap();
    assert_eq!(counted.split_whitespace().nth(1), Some(network.to_string().as_str()), "{shown}");
    let told = passes(folder.path(), &["errors", "--url", &server.url(), "--output-format", "json"]).stdout;
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["count"], &told["by_class"]["network"]), (&json!(8), &json!(network)), "{told}");
}

#[test]
fn more_requests_than_places_are_refused_at_once_and_those_let_in_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["--max-running", "1", "--max-queue", "4", "--model", "scripted=scripted:ttft=200ms,itl=0ms"];
    let server = Process::serve(folder.path(), &arguments);
    server.chat("scripted").succeeded();
    let body = conversation("scripted", 4).to_string();
    let send = |_| Asked::send(&server.address, "POST", "/v1/chat/completions", &[], body.as_bytes());
    let asked: Vec<Asked> = (0..60).map(send).collect();
    let answers: Vec<_> = asked.into_iter().map(Asked::answer).collect();
    let served = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((5..60).contains(&served), "{served} served");
    for refused in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!((refused.status, refused.code().as_str()), (503, "queue_full"), "{}", refused.text());
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    assert_eq!(server.counter("weighbridge_queue_refused_total", "scripted"), 60 - served as u64);
    let queue = server.model("scripted")["queue"].clone();
    assert_eq!((&queue["running"], &queue["waiting"]), (&json!(0), &json!(0)), "{queue}");
}

/// A server elsewhere may know more than is known here: what it is asked in its own dialect goes on as it is.
#[test]
fn a_request_for_a_model_elsewhere_goes_on_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Process::scripted(folder.path(), "ttft=1ms,itl=1ms");
    let far = format!("far={}", upstream.reference());
    let server = Process::serve(folder.path(), &["--model", &far, "--model", "tiny"]);
    let mut body = conversation("far", 4);
    body["tools"] = json!([{"type": "function", "function": {"name": "look"}}]);
    let answered = server.post("/v1/chat/completions", &body).succeeded();
    assert_eq!(answered["usage"]["completion_tokens"], json!(4), "{answered}");
    let text = server.post("/v1/chat/completions", &streamed("far", 4)).text();
    assert!(text.ends_with("data: [DONE]\n\n") && text.matches("word ").count() == 4, "{text}");
    // The other dialects take the way of all engines, and models here know no tools.
    let other = json!({"model": "far", "max_tokens": 3, "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(server.post("/v1/messages", &other).succeeded()["usage"]["output_tokens"], json!(3));
    body["model"] = json!("tiny");
    assert_eq!(server.post("/v1/chat/completions", &body).status, 400);
}
