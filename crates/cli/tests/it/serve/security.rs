//! The rules that others' incidents taught, each held against the real binary. Others stand beside: `keys` (who may what, a public address
//! without keys, no key in any word), `faults` (bodies, heads that never end, names that are paths) and `guard` of the HTTP client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::{Value, json};

use super::process::{Answer, Asked, Process, ask, conversation, until};

const SCRIPT: [&str; 2] = ["--model", "scripted=scripted:ttft=0ms,itl=0ms"];
const APP: &str = "sk-of-the-app-000001";
const OPS: &str = "sk-of-the-ops-000002";

/// All routes, as the service describes them, with their methods.
fn routes(server: &Process) -> Vec<(String, String)> {
    let document = server.get("/openapi.json").succeeded();
    let of_path = |(path, methods): (&String, &Value)| {
        let path = path.replace("{model}", "scripted");
        methods.as_object().unwrap().keys().map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    document["paths"].as_object().unwrap().iter().flat_map(of_path).collect()
}

/// A request of one's own making, head and all.
fn raw(address: &str, head: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(120))).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    drop(stream.write_all(body));
    Asked { reader: BufReader::new(stream) }.answer()
}

#[test]
fn no_page_of_another_site_reaches_a_service_without_keys() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[&SCRIPT[..], &["--allow-host", "models.lan"]].concat());
    let routes = routes(&server);
    assert!(routes.len() > 25, "{routes:?}");
    assert!(server.address.starts_with("127.0.0.1:"), "others reach it: {}", server.address);
    for (method, path) in routes.iter().chain([&("GET".to_owned(), "/nothing".to_owned())]) {
        let with = |fields: &str| {
            let head = format!("{method} {path} HTTP/1.1\r\n{fields}connection: close\r\ncontent-length: 2\r\n\r\n");
            raw(&server.address, &head, b"{}")
        };
        // A name that was made to lead here, and a page that knows the address.
        for fields in ["host: evil.example:8700\r\n", "host: localhost\r\norigin: https://evil.example\r\n"] {
            let refused = with(fields);
            assert_eq!(refused.status, 403, "{method} {path} {fields}: {}", refused.text());
        }
        if !path.ends_with("/events") {
            for fields in ["host: localhost:1\r\norigin: http://127.0.0.1:3000\r\n", "host: models.lan\r\n"] {
                assert_ne!(with(fields).status, 403, "{method} {path} {fields}");
            }
        }
    }
    let metrics = until("the address of the metrics", || {
        let said = server.said();
        let (_, url) = said.lines().find_map(|line| line.split_once("metrics on http://"))?;
        Some(url.trim_end_matches("/metrics").to_owned())
    });
    let head = "GET /metrics HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(raw(&metrics, head, b"").status, 403);
}

#[test]
fn no_page_is_told_that_it_may_read() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &SCRIPT);
    let origin = [("origin", "http://localhost:3000"), ("access-control-request-method", "POST")];
    for method in ["OPTIONS", "GET", "POST"] {
        let body = conversation("scripted", 1).to_string();
        let answer = ask(&server.address, method, "/v1/chat/completions", &origin, body.as_bytes());
        for field in ["access-control-allow-origin", "access-control-allow-headers", "access-control-allow-credentials"]
        {
            assert_eq!(answer.header(field), None, "{method}");
        }
        assert_eq!(answer.status == 200, method == "POST");
    }
}

#[test]
fn no_request_says_where_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Process::scripted(folder.path(), "ttft=0ms,itl=0ms");
    // Whoever is asked here has been led astray.
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let url = format!("http://{}/v1", elsewhere.local_addr().unwrap());
    let far = format!("far={}", upstream.reference());
    let server = Process::serve(folder.path(), &[&SCRIPT[..], &["--model", &far]].concat());
    for model in ["far", "scripted"] {
        let mut body = conversation(model, 2);
        // What Ollama's requests set unasked, the server elsewhere does not know.
        body["options"] = json!({"top_k": 0, "repeat_penalty": 1.0});
        for name in ["api_base", "base_url", "api_url", "endpoint", "proxy", "webhook"] {
            body[name] = json!(url);
        }
        let fields = [("x-forwarded-host", "evil.example"), ("x-api-base", url.as_str())];
        for path in ["/v1/chat/completions", "/v1/messages", "/api/chat"] {
            let answer = ask(&server.address, "POST", path, &fields, body.to_string().as_bytes());
            assert_eq!(answer.status, 200, "{path} {model}: {}", answer.text());
        }
    }
    // Nor is a reference a name.
    for name in [format!("openai:{url}#m"), url.clone(), "gguf:/etc/passwd".to_owned(), "../scripted".to_owned()] {
        for path in ["/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/messages/count_tokens", "/api/show"] {
            let refused = server.post(path, &conversation(&name, 2));
            assert_eq!(refused.status, 404, "{path} {name}: {}", refused.text());
        }
        for path in ["/v1/embeddings", "/api/embed", "/api/v1/classify"] {
            assert_eq!(server.post(path, &json!({"model": name, "input": "x"})).status, 404, "{path} {name}");
        }
    }
    for route in ["/api/pull", "/api/push", "/api/create", "/api/copy", "/debug/pprof", "/metrics"] {
        assert_eq!(ask(&server.address, "POST", route, &[], b"{}").status, 404, "{route}");
    }
    assert!(elsewhere.accept().is_err(), "somebody was led astray");
}

#[test]
fn no_upstream_is_a_metadata_service() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c"];
    let hosts = ["http://169.254.169.254/v1", "http://[fe80::1]:8000/v1", "http://2852039166/v1"];
    let models: Vec<String> = names.iter().zip(hosts).map(|(name, host)| format!("{name}=openai:{host}#m")).collect();
    let models: Vec<&str> = models.iter().flat_map(|model| ["--model", model]).collect();
    let server = Process::serve(folder.path(), &models);
    for name in names {
        // Both ways that there are to a server elsewhere.
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let refused = server.post(path, &conversation(name, 2));
            assert!([502, 503].contains(&refused.status), "{path}: {}", refused.text());
            assert!(refused.text().contains("metadata"), "{path} {name}: {}", refused.text());
        }
    }
}

#[test]
fn a_head_beyond_its_bound_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &SCRIPT);
    let long = "x".repeat(100 << 10);
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    for fields in [format!("x-a: {long}\r\n"), many] {
        let head = format!("GET /v1/models HTTP/1.1\r\nhost: {}\r\n{fields}connection: close\r\n\r\n", server.address);
        let refused = raw(&server.address, &head, b"");
        assert_eq!(refused.status, 431, "{} bytes: {}", head.len(), refused.text());
    }
    server.chat("scripted").succeeded();
}

#[test]
fn a_body_that_stands_still_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let server = Process::serve(folder.path(), &[&SCRIPT[..], &["--stall-timeout", "300ms"]].concat());
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: 9999\r\n\r\n",
        server.address
    );
    let late = raw(&server.address, &head, b"{\"model\":");
    assert_eq!((late.status, late.code().as_str()), (408, "timeout"), "{}", late.text());
    server.chat("scripted").succeeded();
}

#[test]
fn who_has_no_key_has_no_body_read() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys"), format!("app infer {APP}\n")).unwrap();
    let server = Process::serve(folder.path(), &[&SCRIPT[..], &["--key-file", "keys"]].concat());
    let head = |key: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nx-api-key: {key}\r\nconnection: close\r\ncontent-length: 8000000\r\n\r\n"
        )
    };
    // The answer comes while the body is still awaited.
    assert_eq!(raw(&server.address, &head("sk-guessed-000000003"), b"{").status, 401);
}

#[test]
fn a_key_may_be_kept_as_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    // printf %s sk-of-the-app-000001 | sha256sum
    let digest = "fc4914adc62584a8aaccff924b1a0cd6cc000ccae3df154f7a12fc1e2beaf767";
    std::fs::write(folder.path().join("keys"), format!("app infer sha256:{digest}\n")).unwrap();
    let server = Process::serve(folder.path(), &[&SCRIPT[..], &["--key-file", "keys"]].concat());
    let list = |key: &str| ask(&server.address, "GET", "/v1/models", &[("x-api-key", key)], b"").status;
    assert_eq!((list(APP), list(&format!("sha256:{digest}")), list(digest)), (200, 401, 401));
}

#[test]
fn a_key_has_so_many_requests_under_way_and_others_theirs() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys"), format!("app infer {APP}\nops admin {OPS}\n")).unwrap();
    let slow = ["--model", "slow=scripted:ttft=600s", "--key-file", "keys", "--max-per-key", "2"];
    let server = Process::serve(folder.path(), &[&SCRIPT[..], &slow].concat());
    let body = conversation("slow", 4).to_string();
    let hold = || Asked::send(&server.address, "POST", "/v1/chat/completions", &[("x-api-key", APP)], body.as_bytes());
    let held = [hold(), hold()];
    let asks = |key: &str| {
        let body = conversation("scripted", 1).to_string();
        ask(&server.address, "POST", "/v1/chat/completions", &[("x-api-key", key)], body.as_bytes())
    };
    until("two requests under way", || (server.get("/health").json()["in_flight"] == 2).then_some(()));
    let refused = asks(APP);
    assert_eq!((refused.status, refused.code().as_str()), (429, "too_many_at_once"), "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(asks(OPS).status, 200);
    drop(held);
    until("the end of one", || (asks(APP).status == 200).then_some(()));
}

/// A server elsewhere repeats the key that it was given, whatever else it says.
#[test]
fn our_key_for_a_server_elsewhere_is_told_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = TcpListener::bind("127.0.0.1:0").unwrap();
    let far = format!("far=openai:http://{}/v1#m", upstream.local_addr().unwrap());
    let told = std::thread::spawn(move || {
        let mut told = 0;
        for status in ["401 Unauthorized", "429 Too Many Requests", "500 Internal Server Error"].iter().cycle() {
            let mut stream = BufReader::new(upstream.accept().unwrap().0);
            let (mut head, mut line) = (String::new(), String::new());
            while stream.read_line(&mut line).unwrap() > 2 {
                head.push_str(&std::mem::take(&mut line).to_lowercase());
            }
            if head.starts_with("get /stop") {
                return told;
            }
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
            let length = field("content-length:").map_or(0, |length| length.parse().unwrap());
            stream.read_exact(&mut vec![0; length]).unwrap();
            let key = field("authorization: bearer");
            told += usize::from(key.is_some());
            let said = json!({"error": {"message": format!("wrong key {}", key.unwrap_or_default())}}).to_string();
            let length = said.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{said}"
            );
            drop(stream.get_mut().write_all(answer.as_bytes()));
        }
        told
    });
    let address = far.split_once("http://").unwrap().1.split_once('/').unwrap().0.to_owned();
    let key = "sk-upstream-0123456789";
    let arguments = ["serve", "--port", "0", "--metrics-port", "0", "--model", &far];
    let mut server = Process::start_with(folder.path(), &arguments, &[("OPENAI_API_KEY", key)]);
    let mut said = String::new();
    for _ in 0..3 {
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let refused = server.post(path, &conversation("far", 2));
            assert!(refused.status >= 429, "{}", refused.text());
            said.push_str(&refused.text());
        }
    }
    for path in ["/api/v1/errors", "/api/v1/models", "/health", "/api/v1/audit"] {
        said.push_str(&server.get(path).text());
    }
    TcpStream::connect(&address).unwrap().write_all(b"GET /stop HTTP/1.1\r\n\r\n").unwrap();
    assert!(told.join().unwrap() > 0, "the key was sent");
    server.signal("-TERM");
    said.push_str(&server.ends().1);
    assert!(said.contains("wrong key [key]") && !said.contains("sk-upstream"), "{said}");
}

/// Prompts, and whatever else a client sends, are in no log and no list of failures.
#[test]
fn what_is_asked_is_written_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::serve(folder.path(), &[&SCRIPT[..], &["--model", "tiny"]].concat());
    let secret = "zebra-quagga-17";
    let mut body = conversation("tiny", 2);
    body["messages"][0]["content"] = json!(secret);
    server.post("/v1/chat/completions", &body).succeeded();
    body["messages"][0]["content"] = json!(format!("{secret} ").repeat(6000));
    assert_eq!(server.post("/v1/chat/completions", &body).status, 400);
    for wrong in [json!({"messages": secret}), json!({"max_tokens": secret}), json!({"stop": {"a": secret}})] {
        let mut body = conversation("scripted", 2);
        body.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
        for path in ["/v1/chat/completions", "/v1/messages", "/api/chat"] {
            server.post(path, &body);
        }
    }
    let mut told = server.get("/api/v1/errors").text();
    assert!(told.contains("invalid type"), "{told}");
    server.signal("-TERM");
    told.push_str(&server.ends().1);
    assert!(!told.contains("quagga"), "{told}");
}

#[test]
fn who_changes_the_service_is_written_down_with_name_and_address_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("keys"), format!("app infer {APP}\nops admin {OPS}\n")).unwrap();
    let mut server = Process::serve(folder.path(), &[&SCRIPT[..], &["--key-file", "keys"]].concat());
    let address = server.address.clone();
    let asks = |method: &str, path: &str, key: &str| ask(&address, method, path, &[("x-api-key", key)], b"");
    let load = |name: &str, key: &str| asks("POST", &format!("/api/v1/models/{name}/load"), key).status;
    assert_eq!(load("scripted", OPS), 200);
    assert_eq!(asks("POST", "/api/v1/models/scripted/unload", OPS).status, 200);
    assert_eq!(load("scripted", APP), 403);
    assert_eq!(load("scripted", "sk-guessed-000000003"), 401);
    assert_eq!(load("x%0Aaudit:%20y", OPS), 404);
    assert_eq!(asks("GET", "/api/v1/audit", APP).status, 403);
    let audit = asks("GET", "/api/v1/audit?last=5m", OPS).succeeded();
    let deeds: Vec<Value> = audit["latest"].as_array().unwrap().iter().rev().cloned().collect();
    let expected = [
        (json!("ops"), "load", "scripted", "ok"),
        (json!("ops"), "unload", "scripted", "ok"),
        (json!("app"), "load", "scripted", "forbidden"),
        (Value::Null, "load", "scripted", "invalid_api_key"),
        (json!("ops"), "load", "x\naudit: y", "model_not_found"),
    ];
    assert_eq!((audit["count"].as_u64(), deeds.len()), (Some(5), 5), "{audit}");
    for (deed, (key, what, model, result)) in deeds.iter().zip(expected) {
        assert!(deed["unix_ms"].as_u64().unwrap() > 1_700_000_000_000, "{deed}");
        assert_eq!((&deed["key"], &deed["address"]), (&key, &json!("127.0.0.1")), "{deed}");
        assert_eq!((&deed["what"], &deed["model"], &deed["result"]), (&json!(what), &json!(model), &json!(result)));
    }
    server.signal("-TERM");
    let said = server.ends().1;
    let logged: Vec<Value> = said
        .lines()
        .filter_map(|line| line.strip_prefix("audit: "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(logged, deeds, "{said}");
    for key in [APP, OPS, "sk-guessed"] {
        assert!(!said.contains(key) && !audit.to_string().contains(key), "{said}");
    }
}
