//! Two instances before one Redis, which comes and goes.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::process::{Process, conversation, free_port, until};

/// A real Redis that keeps nothing on disk.
struct Redis(Child);

impl Redis {
    /// Starts it and waits until it takes connections; `None`, and a line that says so, where it is not installed.
    #[expect(clippy::print_stderr, reason = "a test that did not run says so")]
    fn start(folder: &Path, port: u16) -> Option<Self> {
        let port = port.to_string();
        let started = Command::new("redis-server")
            .args(["--bind", "127.0.0.1", "--port", &port, "--save", "", "--appendonly", "no", "--dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            eprintln!("skipped: redis-server is not installed");
            return None;
        };
        let redis = Self(child);
        until("redis takes connections", || TcpStream::connect(format!("127.0.0.1:{port}")).ok());
        Some(redis)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[test]
fn an_instance_gives_what_another_one_computed_and_an_outage_costs_misses_only() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(redis) = Redis::start(folder.path(), port) else { return };
    let url = format!("redis://127.0.0.1:{port}/0");
    let arguments = ["--model", "tiny", "--cache-memory", "1MiB", "--cache-redis", &url];
    let instances = [(); 2].map(|()| Process::serve(folder.path(), &arguments));
    for instance in &instances {
        instance.post("/api/v1/models/tiny/load", &json!({})).succeeded();
    }
    let ask = |instance: &Process, text: &str| {
        let mut body = conversation("tiny", 8);
        body["temperature"] = json!(0);
        body["messages"][0]["content"] = json!(text);
        let answer = instance.post("/v1/chat/completions", &body);
        let cache = answer.header("x-weighbridge-cache").map(str::to_owned);
        (answer.succeeded()["choices"][0]["message"]["content"].clone(), cache)
    };
    let (first, miss) = ask(&instances[0], "shared");
    assert_eq!(miss.as_deref(), Some("MISS"));
    // It is given out once it is in memory, and written below afterwards.
    until("it lies in Redis", || {
        let told = instances[0].get("/api/v1/cache").json();
        (told["levels"][1]["stored"] == json!(1)).then_some(())
    });
    let (second, label) = ask(&instances[1], "shared");
    assert_eq!(label.as_deref(), Some("HIT; remote"));
    assert_eq!(first, second);
    drop(redis);
    for text in ["during", "the", "outage"] {
        let (_, label) = ask(&instances[0], text);
        assert_eq!(label.as_deref(), Some("MISS"), "{text}");
    }
    let _again = Redis::start(folder.path(), port);
    let (_, label) = ask(&instances[0], "shared");
    assert_eq!(label.as_deref(), Some("HIT; memory"));
    ask(&instances[1], "after");
}

#[test]
fn a_file_may_turn_the_cache_on() {
    let folder = tempfile::tempdir().unwrap();
    let config = "data_service: {cache_enabled: true, cache_max_memory_mb: 8, enable_compression: false}\n\
                  evaluation_service: {batch_size: 8}\noptimization: {thermal_management: true}\nmodels: [{reference: tiny}]\n";
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let mut server = Process::serve(folder.path(), &["--config", "config.yaml"]);
    let mut body = conversation("tiny", 4);
    body["temperature"] = json!(0);
    let label = || server.post("/v1/chat/completions", &body).header("x-weighbridge-cache").unwrap().to_owned();
    assert_eq!((label().as_str(), label().as_str()), ("MISS", "HIT; memory"));
    let levels = server.get("/api/v1/cache").succeeded()["levels"].clone();
    assert_eq!((&levels[0]["name"], &levels[0]["hits"]), (&json!("memory"), &json!(1)), "{levels}");
    server.signal("-TERM");
    let said = server.ends().1;
    for key in ["`data_service.enable_compression: false`", "`optimization.thermal_management`", "`evaluation_service`"]
    {
        assert!(said.contains(key), "{key}: {said}");
    }
}
