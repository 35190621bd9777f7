//! Servers elsewhere that misbehave, and how many connections they see.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use serde_json::{Value, json};

use super::process::{Answer, Asked, Process, conversation, streamed, until};
use crate::support::passes;

const ROLE: &str = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
const TOKEN: &str = r#"data: {"choices":[{"index":0,"delta":{"content":"word "}}]}"#;

/// A server of one model, `m`. What it answers to a POST is the test's; the connection ends where that fails.
struct Elsewhere {
    reference: String,
    /// Connections now, and the most there were at once.
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Elsewhere {
    fn start(answer: impl Fn(&mut TcpStream, &str) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let reference = format!("openai:http://{}/v1#m", listener.local_addr().unwrap());
        let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let server = Self { reference, open: Arc::clone(&open), most: Arc::clone(&most) };
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (open, answer) = (Arc::clone(&open), Arc::clone(&answer));
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::spawn(move || {
                    while let Ok(true) = serve_one(&stream, &*answer) {}
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    /// One that answers every POST with these bytes and hangs up.
    fn says(bytes: String) -> Self {
        Self::start(move |stream, _| {
            stream.write_all(bytes.as_bytes())?;
            stream.shutdown(std::net::Shutdown::Both)
        })
    }

    fn flag(&self, name: &str) -> String {
        format!("{name}={}", self.reference)
    }
}

/// Reads a request and answers it; whether there was one.
fn serve_one(
    stream: &TcpStream,
    answer: &(dyn Fn(&mut TcpStream, &str) -> std::io::Result<()> + Send + Sync),
) -> std::io::Result<bool> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head)? > 2 {}
    if head.is_empty() {
        return Ok(false);
    }
    let lower = head.to_lowercase();
    let length = lower.split("content-length: ").nth(1).map_or(0, |rest| rest.lines().next().unwrap().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut stream = stream.try_clone()?;
    match head.starts_with("GET") {
        true => stream.write_all(json_answer(r#"{"data":[{"id":"m"}]}"#).as_bytes())?,
        false => answer(&mut stream, &String::from_utf8_lossy(&body))?,
    }
    Ok(true)
}

fn json_answer(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn events(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n{body}")
}

fn whole() -> String {
    json_answer(
        r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"word "},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
    )
}

/// What `errors --last 1h` counts of a class.
fn counted(server: &Process, class: &str) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let shown =
        passes(folder.path(), &["errors", "--last", "1h", "--url", &server.url(), "--output-format", "json"]).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    shown["by_class"][class].as_u64().unwrap()
}

fn ask(server: &Process, body: &Value) -> Answer {
    server.post("/v1/chat/completions", body)
}

#[test]
fn garbage_of_a_server_is_an_error_of_its_own_and_another_server_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let page = "<html>sign in</html>";
    let garbage = [
        "\u{1}\u{2}noise\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n{page}", page.len()),
        events("data: nonsense\n\n"),
        events(""),
    ];
    let servers = garbage.map(Elsewhere::says);
    let sound = Elsewhere::start(|stream, _| stream.write_all(whole().as_bytes()));
    let names = ["noise", "page", "nonsense", "nothing"];
    let mut flags: Vec<String> = servers.iter().zip(names).map(|(server, name)| server.flag(name)).collect();
    flags.extend(servers.iter().chain([&sound]).map(|server| server.flag("many")));
    flags.extend([servers[1].flag("other"), "tiny".to_owned()]);
    let arguments: Vec<&str> = flags.iter().flat_map(|flag| ["--model", flag]).collect();
    let server = Process::serve(folder.path(), &arguments);
    for (index, name) in names.iter().enumerate() {
        let refused = ask(&server, &streamed(name, 4));
        assert_eq!((refused.status, refused.code().as_str()), (502, "upstream_failed"), "{}", refused.text());
        assert!(refused.text().contains(name), "{}", refused.text());
        assert_eq!(counted(&server, "network"), index as u64 + 1);
    }
    let other = json!({"model": "other", "max_tokens": 3, "messages": [{"role": "user", "content": "x"}]});
    assert_eq!(server.post("/v1/messages", &other).status, 502);
    server.chat("tiny").succeeded();
    // Where one server of several is sound, its answer is all that the client sees.
    for _ in 0..6 {
        assert_eq!(ask(&server, &conversation("many", 4)).succeeded()["choices"][0]["message"]["content"], "word ");
    }
    assert_eq!(counted(&server, "network"), 5);
}

#[test]
fn a_stream_that_is_cut_in_the_middle_ends_with_an_error_that_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let cut = Elsewhere::start(|stream, _| {
        let text = format!("{ROLE}\n\n{TOKEN}\n\n{TOKEN}\n\n");
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}{:x}\r\n{text}\r\n", text.len()).as_bytes())?;
        stream.shutdown(std::net::Shutdown::Both)
    });
    let early = Elsewhere::start(|stream, _| {
        let text = format!("{ROLE}\n\n");
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}{:x}\r\n{text}\r\n", text.len()).as_bytes())?;
        stream.shutdown(std::net::Shutdown::Both)
    });
    let half = Elsewhere::says(whole()[..whole().len() - 20].to_owned());
    let (cut, early, half) = (cut.flag("cut"), early.flag("early"), half.flag("half"));
    let server = Process::serve(folder.path(), &["--model", &cut, "--model", &early, "--model", &half]);
    let (rest, _) = Asked::stream(&server.address, &streamed("cut", 9)).rest();
    assert_eq!(rest.matches("word ").count(), 2, "{rest}");
    assert!(rest.contains("\"error\"") && !rest.contains("[DONE]"), "{rest}");
    let other =
        json!({"model": "cut", "max_tokens": 9, "stream": true, "messages": [{"role": "user", "content": "x"}]});
    let (rest, _) = Asked::send(&server.address, "POST", "/v1/messages", &[], other.to_string().as_bytes()).rest();
    assert!(rest.contains("event: error") && !rest.contains("message_stop"), "{rest}");
    assert_eq!(counted(&server, "network"), 2);
    // Before the first token nothing has gone out, so that it has a status of its own.
    let refused = ask(&server, &streamed("early", 9));
    assert_eq!((refused.status, refused.code().as_str()), (502, "upstream_failed"), "{}", refused.text());
    // A whole answer of which half came must not look whole.
    let body = conversation("half", 4).to_string();
    let (text, _) = Asked::send(&server.address, "POST", "/v1/chat/completions", &[], body.as_bytes()).rest();
    assert!(!text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(counted(&server, "network"), 4);
    assert_eq!(server.model("cut")["servers"][0]["failed"], 2);
}

#[test]
fn a_server_that_hangs_is_given_up_after_the_time_for_an_answer_and_counts_as_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let hang = |before: &'static str| {
        Elsewhere::start(move |stream, _| {
            stream.write_all(before.as_bytes())?;
            // Until the other side gives up.
            stream.read(&mut [0]).map(drop)
        })
    };
    let silent = hang("");
    let middle = hang(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"word \"}}]}\n\n",
    );
    let sound = Elsewhere::start(|stream, _| stream.write_all(whole().as_bytes()));
    let model = |name: &str, servers: &[&Elsewhere]| {
        let servers = servers.iter().map(|server| format!("{{reference: \"{}\"}}", server.reference));
        let servers: Vec<String> = servers.collect();
        format!("  - name: {name}\n    servers: [{}]\n", servers.join(", "))
    };
    let models = [model("silent", &[&silent]), model("middle", &[&middle]), model("many", &[&silent, &sound])].concat();
    let config = format!("http_pool:\n  timeout: 300ms\nmodels:\n{models}  - reference: tiny\n");
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let server = Process::serve(folder.path(), &["--config", "config.yaml"]);
    for body in [conversation("silent", 4), streamed("silent", 4)] {
        let refused = ask(&server, &body);
        assert_eq!((refused.status, refused.code().as_str()), (504, "timeout"), "{}", refused.text());
        server.chat("tiny").succeeded();
    }
    let (rest, _) = Asked::stream(&server.address, &streamed("middle", 4)).rest();
    assert!(rest.contains("word ") && rest.contains("\"error\"") && !rest.contains("[DONE]"), "{rest}");
    assert_eq!((counted(&server, "timeout"), counted(&server, "network")), (3, 0));
    for _ in 0..4 {
        ask(&server, &conversation("many", 4)).succeeded();
    }
    assert_eq!(counted(&server, "timeout"), 3);
    let queue = server.model("silent")["queue"].clone();
    assert_eq!((&queue["running"], &queue["waiting"]), (&json!(0), &json!(0)), "{queue}");
}

#[test]
fn a_server_sees_no_more_connections_than_the_pool_has_and_idle_ones_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    // Answers are held until as many wait as there may be.
    let waiting = Arc::new((Mutex::new(0), Condvar::new()));
    let elsewhere = Elsewhere::start(move |stream, body| {
        let (count, changed) = &*waiting;
        *count.lock().unwrap() += 1;
        changed.notify_all();
        drop(changed.wait_while(count.lock().unwrap(), |count| *count < 3).unwrap());
        let stop = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
        let streamed = format!("{ROLE}\n\n{TOKEN}\n\n{stop}\n\ndata: [DONE]\n\n");
        let kind = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
        match body.contains("\"stream\":true") {
            true => write!(stream, "{kind}content-length: {}\r\n\r\n{streamed}", streamed.len()),
            false => stream.write_all(whole().as_bytes()),
        }
    });
    let pool = "http_pool: {max_connections_per_host: 3, keep_alive: 1s}";
    let config = format!("{pool}\nmodels:\n  - name: far\n    reference: {}\n", elsewhere.reference);
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let server = Process::serve(folder.path(), &["--config", "config.yaml", "--max-running", "50"]);
    let relayed = conversation("far", 4).to_string();
    let other = json!({"model": "far", "max_tokens": 3, "messages": [{"role": "user", "content": "x"}]}).to_string();
    let asked: Vec<Asked> = (0..15)
        .flat_map(|_| [("/v1/chat/completions", &relayed), ("/v1/messages", &other)])
        .map(|(path, body)| Asked::send(&server.address, "POST", path, &[], body.as_bytes()))
        .collect();
    let statuses: Vec<u16> = asked.into_iter().map(|asked| asked.answer().status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 30, "{statuses:?}");
    assert_eq!(elsewhere.most.load(Ordering::SeqCst), 3);
    until("idle connections that are closed", || (elsewhere.open.load(Ordering::SeqCst) == 0).then_some(()));
}

#[test]
fn another_model_stands_in_for_one_that_cannot_answer_and_the_answer_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("noise.gguf"), vec![0x5A; 4096]).unwrap();
    let dead = format!("openai:http://127.0.0.1:{}/v1#m", super::process::free_port());
    let config = format!(
        "models:\n  - {{name: far, reference: \"{dead}\", fallback: small}}\n  - {{name: big, reference: \"gguf:noise.gguf\", \
         fallback: far}}\n  - {{name: tiny, reference: tiny, aliases: [small]}}\n"
    );
    std::fs::write(folder.path().join("config.yaml"), config).unwrap();
    let server = Process::serve(folder.path(), &["--config", "config.yaml"]);
    // Also when the breaker is open, and in a stream.
    for number in 0..6 {
        let body = if number % 2 == 0 { conversation("far", 4) } else { streamed("far", 4) };
        let answer = ask(&server, &body);
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("x-weighbridge-instead-of"), Some("far"));
        assert!(answer.text().contains("\"model\":\"tiny\""), "{}", answer.text());
    }
    let errors = server.get("/api/v1/errors").succeeded();
    assert_eq!(errors["count"], 6, "what failed is counted all the same: {errors}");
    // One step: the one that stands in has nobody.
    assert!([502, 503].contains(&ask(&server, &conversation("big", 4)).status));
    let wrong = ask(&server, &json!({"model": "far", "messages": "x"}));
    assert!(wrong.header("x-weighbridge-instead-of").is_none() && wrong.status >= 400, "{}", wrong.text());
    let own = server.chat("tiny");
    assert_eq!((own.status, own.header("x-weighbridge-instead-of")), (200, None));
}
