//! The binary, and a server for it to weigh.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use assert_cmd::Command;
use serde_json::Value;
use weighbridge_engine_http::scripted_server::{ScriptedServer, ServerOptions};
use weighbridge_types::record::Record;
use weighbridge_types::time::Clock;

/// The binary, without a key or a color setting of whoever runs the tests.
pub(crate) fn weighbridge() -> Command {
    let mut command = Command::cargo_bin("weighbridge").unwrap();
    for name in [
        "WEIGHBRIDGE_API_KEY",
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "WEIGHBRIDGE_MODELS_DIR",
        "WEIGHBRIDGE_LOG_LEVEL",
        "NO_COLOR",
        "COLUMNS",
    ] {
        command.env_remove(name);
    }
    command
}

/// What a command left behind.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary in a folder.
pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Ran {
    let output = weighbridge().current_dir(folder).args(arguments).output().unwrap();
    Ran {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the binary and expects it to pass.
pub(crate) fn passes(folder: &Path, arguments: &[&str]) -> Ran {
    let ran = run(folder, arguments);
    assert_eq!(ran.code, Some(0), "{arguments:?}\n{}\n{}", ran.stdout, ran.stderr);
    ran
}

/// Weighs and returns the record printed.
pub(crate) fn bench(folder: &Path, arguments: &[&str]) -> Record {
    let all = [&["bench", "--output-format", "json"], arguments].concat();
    Record::from_json(&passes(folder, &all).stdout).unwrap()
}

/// Puts a small ONNX model with random weights into a folder that is made: the encoder `bert`, or the decoder `gpt2`.
pub(crate) fn onnx(name: &str, folder: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine-onnx/tests/models").join(name);
    std::fs::create_dir(folder).unwrap();
    for file in ["model.onnx", "tokenizer.json", "config.json"] {
        std::fs::copy(from.join(file), folder.join(file)).unwrap();
    }
}

/// The scripted server, on a free port of the loopback interface.
pub(crate) struct Endpoint(ScriptedServer);

impl Endpoint {
    pub(crate) fn start(script: &str) -> Self {
        Self(ScriptedServer::start(ServerOptions::new(script.parse().unwrap(), Clock::start())).unwrap())
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// The reference of its model.
    pub(crate) fn reference(&self) -> String {
        format!("openai:{}/v1#scripted", self.url())
    }
}

/// A receiver of webhooks, on a free port of the loopback interface.
pub(crate) struct Receiver {
    url: String,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    /// Starts one that answers with this status, `204 No Content`.
    pub(crate) fn start(status: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let taken = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = BufReader::new(stream.unwrap());
                let (mut line, mut length) = (String::new(), 0);
                while stream.read_line(&mut line).unwrap() > 2 {
                    length = line.strip_prefix("content-length: ").map_or(length, |text| text.trim().parse().unwrap());
                    line.clear();
                }
                let mut body = vec![0; length];
                stream.read_exact(&mut body).unwrap();
                log.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.get_mut().write_all(head.as_bytes()).unwrap();
            }
        });
        Self { url, taken }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What came since it was asked last.
    pub(crate) fn taken(&self) -> Vec<Value> {
        std::mem::take(&mut self.taken.lock().unwrap())
    }
}
