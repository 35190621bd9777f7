//! Processes that serve, and a client that speaks HTTP by hand: what is tested is not read by the code that writes it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

/// Longest wait for an answer: far beyond any on a busy machine, so that a hang fails instead of staying.
const PATIENCE: Duration = Duration::from_secs(120);

/// A process of the binary that prints its URL first.
pub(super) struct Process {
    child: Child,
    /// `127.0.0.1:PORT`.
    pub(super) address: String,
    said: Arc<Mutex<String>>,
    listener: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts `serve` on free ports.
    pub(super) fn serve(folder: &Path, arguments: &[&str]) -> Self {
        Self::start(folder, &[&["serve", "--port", "0", "--metrics-port", "0"], arguments].concat())
    }

    /// Starts the server of a script.
    pub(super) fn scripted(folder: &Path, script: &str) -> Self {
        Self::start(folder, &["scripted-server", script])
    }

    pub(super) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, &[])
    }

    /// Starts the binary with variables of its own.
    pub(super) fn start_with(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = command(folder, arguments);
        command.envs(variables.iter().copied());
        Self::of(command, arguments)
    }

    /// Starts `serve` by way of a shell, which prepares and then becomes the binary: the words after `--` of its `$@`.
    pub(super) fn serve_within(folder: &Path, shell: &[&str], arguments: &[&str]) -> Self {
        let mut within = Command::new(shell[0]);
        let serve = ["serve", "--port", "0", "--metrics-port", "0"];
        within.args(&shell[1..]).arg("--").arg(assert_cmd::cargo::cargo_bin("weighbridge")).args(serve).args(arguments);
        within.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::of(within, arguments)
    }

    fn of(mut command: Command, arguments: &[&str]) -> Self {
        let mut child = command.spawn().unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (log, stderr) = (Arc::clone(&said), BufReader::new(child.stderr.take().unwrap()));
        let listener = std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                log.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let address = first.trim().strip_prefix("http://").map(str::to_owned);
        let mut process = Self { child, address: address.unwrap_or_default(), said, listener: Some(listener) };
        assert!(!process.address.is_empty(), "{arguments:?}: {first}{}", process.ends().1);
        process
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The reference of the model of a scripted server.
    pub(super) fn reference(&self) -> String {
        format!("openai:http://{}/v1#scripted", self.address)
    }

    pub(super) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// A counter, summed over its labels that contain `labels`.
    pub(super) fn counter(&self, name: &str, labels: &str) -> u64 {
        let address = until("the address of the metrics", || {
            let said = self.said();
            let line = said.lines().find_map(|line| line.split_once("metrics on http://"))?;
            Some(line.1.trim_end_matches("/metrics").to_owned())
        });
        let page = ask(&address, "GET", "/metrics", &[], b"").text();
        let lines = page.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')));
        let values = lines.filter(|line| line.contains(labels)).map(|line| line.rsplit(' ').next().unwrap());
        values.map(|value| value.parse::<u64>().unwrap()).sum()
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        ask(&self.address, "GET", path, &[], b"")
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Answer {
        ask(&self.address, "POST", path, &[], body.to_string().as_bytes())
    }

    /// One short conversation with a model.
    pub(super) fn chat(&self, model: &str) -> Answer {
        self.post("/v1/chat/completions", &conversation(model, 4))
    }

    /// A model as `/api/v1/models` shows it.
    pub(super) fn model(&self, name: &str) -> Value {
        let all = self.get("/api/v1/models").json();
        let found = all["models"].as_array().unwrap().iter().find(|model| model["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("no `{name}` in {all}"))
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end: the status, and all that it said.
    pub(super) fn ends(&mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.listener.take().map(JoinHandle::join).transpose().unwrap();
        (status, self.said())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("weighbridge"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["WEIGHBRIDGE_API_KEY", "OPENAI_API_KEY", "WEIGHBRIDGE_MODELS_DIR", "WEIGHBRIDGE_LOG_LEVEL"] {
        command.env_remove(name);
    }
    command
}

/// A port that was free a moment ago, for a server that must be found again after a restart, or for none at all.
pub(super) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A conversation of one turn.
pub(super) fn conversation(model: &str, max_tokens: u32) -> Value {
    json!({
        "model": model,
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": "web1 is"}],
    })
}

/// The same, as a stream.
pub(super) fn streamed(model: &str, max_tokens: u32) -> Value {
    let mut body = conversation(model, max_tokens);
    body["stream"] = json!(true);
    body
}

/// Looks until something is there.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..12_000 {
        if let Some(found) = look() {
            return found;
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("{what} did not come");
}

/// What a server answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.head.lines().filter_map(|line| line.split_once(": "));
        named.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// The code of a refusal.
    pub(super) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_else(|| panic!("no code: {}", self.text())).to_owned()
    }

    /// The answer, which must be a success.
    pub(super) fn succeeded(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }
}

/// Asks once, on a connection of its own.
pub(super) fn ask(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    Asked::send(address, method, path, headers, body).answer()
}

/// A request that was sent and whose answer is not read.
pub(super) struct Asked {
    pub(super) reader: BufReader<TcpStream>,
}

impl Asked {
    pub(super) fn send(address: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
        if method == "POST" {
            head += &format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A server that refuses a body may answer before it has read it.
        drop(stream.write_all(body));
        Self { reader: BufReader::new(stream) }
    }

    /// Sends a request for a stream and reads the head of the answer.
    pub(super) fn stream(address: &str, body: &Value) -> Self {
        let mut asked = Self::send(address, "POST", "/v1/chat/completions", &[], body.to_string().as_bytes());
        let head = asked.head();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        asked
    }

    fn head(&mut self) -> String {
        let mut head = String::new();
        while self.reader.read_line(&mut head).unwrap() > 2 {}
        head
    }

    /// Reads lines until one contains a text.
    pub(super) fn line(&mut self, text: &str) -> String {
        let mut line = String::new();
        while self.reader.read_line(&mut line).unwrap() > 0 {
            if line.contains(text) {
                return line;
            }
            line.clear();
        }
        panic!("the stream ended without `{text}`");
    }

    /// Everything that is left. A connection that was cut gives what came before.
    pub(super) fn rest(mut self) -> (String, bool) {
        let mut rest = Vec::new();
        let is_cut = self.reader.read_to_end(&mut rest).is_err();
        (String::from_utf8_lossy(&rest).into_owned(), is_cut)
    }

    pub(super) fn answer(mut self) -> Answer {
        let head = self.head();
        let status = head.split(' ').nth(1).unwrap_or_else(|| panic!("no status: `{head}`")).parse().unwrap();
        let mut body = Vec::new();
        drop(self.reader.read_to_end(&mut body));
        let body = if head.contains("transfer-encoding: chunked") { whole(&body) } else { body };
        Answer { status, head, body }
    }
}

/// A body without its chunks' lengths.
fn whole(mut chunks: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let end = chunks.iter().position(|byte| *byte == b'\r').expect("a chunk has a length");
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return all;
        }
        all.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
}
