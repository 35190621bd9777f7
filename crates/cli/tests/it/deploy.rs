//! The files of `deploy/`, and a real nginx with what `config nginx` writes, where there is one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use weighbridge_types::time::Clock;

use crate::support::{passes, run};

/// The user without rights of Debian, as which nginx runs where the tests run as root.
const NOBODY: u32 = 65_534;

/// Longest wait for a server to come up.
const PATIENCE: Duration = Duration::from_secs(20);

fn since(clock: Clock) -> Duration {
    Duration::from_nanos(clock.now().as_nanos())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// A process that ends with its test.
struct Process(Child);

impl Process {
    fn end(&mut self) {
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a verb that prints where it listens, and returns its `HOST:PORT`.
fn server(arguments: &[&str], variables: &[(&str, &str)]) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weighbridge"));
    command.args(arguments).envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (Process(child), line.trim().strip_prefix("http://").unwrap().to_owned())
}

/// nginx in a folder of its own, without rights.
struct Nginx {
    process: Process,
    address: String,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts it before these servers; `None`, and a line that says so, where it is not installed.
    #[expect(clippy::print_stderr, reason = "a test that did not run says so")]
    fn start(servers: &[String]) -> Option<Self> {
        let is_there = |name: &&&str| Command::new(name).arg("-v").output().is_ok_and(|out| out.status.success());
        let Some(program) = ["nginx", "/usr/sbin/nginx"].iter().find(is_there) else {
            eprintln!("skipped: nginx is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let file = format!("{path}/nginx.conf");
        let mut arguments = vec!["config", "nginx", "--standalone", "--prefix", &path, "--listen", &address];
        arguments.extend(servers.iter().flat_map(|server| ["--server", server]));
        arguments.extend(["--output", &file]);
        passes(folder.path(), &arguments);
        let is_root = folder.path().metadata().unwrap().uid() == 0;
        if is_root {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let errors = format!("{path}/error.log");
        let nginx = |more: &[&str]| {
            let mut command = Command::new(program);
            command.args(["-p", &path, "-e", &errors, "-c", &file]).args(more).stderr(Stdio::piped());
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        };
        let tested = nginx(&["-t"]).output().unwrap();
        let said = String::from_utf8_lossy(&tested.stderr);
        assert!(tested.status.success() && !said.contains("[warn]"), "{said}");
        let process = Process(nginx(&[]).stderr(Stdio::null()).spawn().unwrap());
        let started = Self { process, address, folder };
        let clock = Clock::start();
        while TcpStream::connect(&started.address).is_err() {
            assert!(since(clock) < PATIENCE, "nginx does not listen: {}", started.errors());
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(started)
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It is asked to end, so that its workers end with it.
        let pid = std::fs::read_to_string(self.folder.path().join("nginx.pid")).unwrap_or_default();
        if !pid.trim().is_empty() && Command::new("kill").arg(pid.trim()).status().is_ok_and(|status| status.success())
        {
            let _ = self.process.0.wait();
        }
    }
}

/// The answer to a request: its head and body.
fn ask(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    // The scripted server keeps the connection, whatever it is asked: its answer ends where its length says.
    let (mut answer, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut piece).unwrap();
        answer.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&answer);
        let is_whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
            let length =
                head.lines().find_map(|line| Some(line.to_lowercase().strip_prefix("content-length: ")?.to_owned()));
            length.is_some_and(|length| body.len() >= length.parse().unwrap())
        });
        if count == 0 || is_whole {
            return text.into_owned();
        }
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: models.test\r\nConnection: close\r\n\r\n")
}

fn chat(more: &Value) -> String {
    let mut body = json!({"model": "scripted", "messages": [{"role": "user", "content": "Hello"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let body = body.to_string();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: models.test\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Requests that a scripted server has answered.
fn answered(address: &str) -> f64 {
    let page = ask(address, &get("/metrics"));
    let line = page.lines().find(|line| line.starts_with("vllm:request_success_total"));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// What servers have answered, once that is so many together: a server counts an answer after it was sent.
fn settled(addresses: &[&str], together: f64) -> Vec<f64> {
    let mut counts = Vec::new();
    until(&format!("{together} answers"), || {
        counts = addresses.iter().map(|address| answered(address)).collect();
        counts.iter().sum::<f64>() > together - 0.5
    });
    assert!((counts.iter().sum::<f64>() - together).abs() < 0.5, "{counts:?}, not {together}");
    counts
}

/// Looks until something is so.
fn until(what: &str, mut look: impl FnMut() -> bool) {
    let is_so = (0..2_000).any(|_| {
        let is_so = look();
        if !is_so {
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
        is_so
    });
    assert!(is_so, "{what} did not come");
}

#[test]
fn requests_are_spread_by_weight_and_outlive_a_server() {
    let script = ["scripted-server", "ttft=1ms,itl=1ms"];
    let mut servers: Vec<_> = (0..3).map(|_| server(&script, &[])).collect();
    let named: Vec<String> =
        servers.iter().zip([3, 3, 2]).map(|((_, address), weight)| format!("{address}={weight}")).collect();
    let Some(nginx) = Nginx::start(&named) else { return };
    let request = chat(&json!({"max_tokens": 1}));
    for _ in 0..80 {
        let answer = ask(&nginx.address, &request);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}\n{}", nginx.errors());
    }
    // In turns of their weights it is 30, 30 and 20. Which server has least to do may differ by one that is about to be done.
    let addresses: Vec<String> = servers.iter().map(|(_, address)| address.clone()).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let counts = settled(&addresses, 80.0);
    for (count, expected) in counts.iter().zip([30.0, 30.0, 20.0]) {
        assert!((count - expected).abs() <= 4.0, "{counts:?}");
    }

    servers[0].0.end();
    // The one that nginx sends on a kept connection whose end it has not seen yet is lost: it is not sent twice.
    let mut lost = 0;
    for _ in 0..40 {
        let answer = ask(&nginx.address, &request);
        let is_lost = answer.starts_with("HTTP/1.1 502");
        assert!(is_lost || answer.starts_with("HTTP/1.1 200"), "{answer}\n{}", nginx.errors());
        lost += u32::from(is_lost);
    }
    assert!(lost <= 1, "{lost} lost\n{}", nginx.errors());
    settled(&addresses[1..], counts[1] + counts[2] + f64::from(40 - lost));
}

#[test]
fn two_instances_that_serve_share_the_requests() {
    // Without keys an instance answers to names of its machine, and to those that it is told.
    let arguments = ["serve", "--port", "0", "--allow-host", "models.test"];
    let instance = |name: &str| server(&arguments, &[("INSTANCE_ID", name), ("MAX_CONCURRENT_MODELS", "3")]);
    let (one, two) = (instance("1"), instance("2"));
    let Some(nginx) = Nginx::start(&[one.1.clone(), two.1.clone()]) else { return };
    let names: std::collections::BTreeSet<String> = (0..8)
        .map(|_| {
            let answer = ask(&nginx.address, &get("/health"));
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
            let body = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
            serde_json::from_str::<Value>(body).unwrap()["instance"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["1", "2"]);
}

/// The head of a request, with names in small letters.
fn head(stream: &mut BufReader<TcpStream>) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).unwrap() == 0 || line.trim().is_empty() {
            return lines;
        }
        let (name, value) = line.trim().split_once(": ").unwrap_or((line.trim(), ""));
        lines.push(if value.is_empty() { name.to_owned() } else { format!("{}: {value}", name.to_lowercase()) });
    }
}

#[test]
fn a_server_sees_who_asks_on_a_connection_that_is_kept() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let Some(nginx) = Nginx::start(&[address]) else { return };
    let backend = std::thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        // Both come on the one connection that was accepted.
        [(); 2].map(|()| {
            let head = head(&mut stream);
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            head
        })
    });
    let mut client = BufReader::new(TcpStream::connect(&nginx.address).unwrap());
    client.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET /v1/models HTTP/1.1\r\nHost: models.test\r\nX-Forwarded-For: 10.9.8.7\r\n\r\n";
    for _ in 0..2 {
        client.get_mut().write_all(request.as_bytes()).unwrap();
        assert_eq!(head(&mut client)[0], "HTTP/1.1 200 OK");
        client.read_exact(&mut [0; 2]).unwrap();
    }
    for seen in backend.join().unwrap() {
        assert_eq!(seen[0], "GET /v1/models HTTP/1.1");
        for line in ["host: models.test", "x-real-ip: 127.0.0.1", "x-forwarded-for: 10.9.8.7, 127.0.0.1"] {
            assert!(seen.iter().any(|header| header == line), "{line}: {seen:?}");
        }
        assert!(!seen.iter().any(|header| header.starts_with("connection")), "{seen:?}");
    }
}

#[test]
fn what_was_sent_once_is_not_sent_again() {
    let seen = Arc::new(AtomicUsize::new(0));
    // Two servers that take requests and die of them.
    let servers: Vec<String> = (0..2)
        .map(|_| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    // It is counted before the connection ends, which is what the client waits for.
                    let mut stream = BufReader::new(stream.unwrap());
                    if !head(&mut stream).is_empty() {
                        seen.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
            address
        })
        .collect();
    let Some(nginx) = Nginx::start(&servers) else { return };
    let answer = ask(&nginx.address, &chat(&json!({})));
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    assert_eq!(seen.load(Ordering::SeqCst), 1, "a POST that was sent is not sent to another server");
    assert!(ask(&nginx.address, &get("/v1/models")).starts_with("HTTP/1.1 502"));
    assert_eq!(seen.load(Ordering::SeqCst), 3, "a GET is");
}

#[test]
fn tokens_of_a_stream_are_not_held_back() {
    let (_server, address) = server(&["scripted-server", "ttft=20ms,itl=40ms"], &[]);
    let Some(nginx) = Nginx::start(&[address]) else { return };
    let mut stream = BufReader::new(TcpStream::connect(&nginx.address).unwrap());
    stream.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
    stream.get_mut().write_all(chat(&json!({"stream": true, "max_tokens": 8})).as_bytes()).unwrap();
    let clock = Clock::start();
    let mut stamps = Vec::new();
    for line in stream.lines().map(Result::unwrap) {
        if line.starts_with("data:") {
            stamps.push(since(clock));
        }
    }
    assert!(stamps.len() >= 8, "{stamps:?}");
    // Seven gaps of 40 ms; what is late at the start makes the rest shorter, and a buffer would make it nothing.
    let spread = *stamps.last().unwrap() - stamps[0];
    assert!(spread >= Duration::from_millis(150), "{stamps:?}");
    let gaps = stamps.windows(2).filter(|pair| pair[1] - pair[0] >= Duration::from_millis(10)).count();
    assert!(gaps >= 4, "{stamps:?}");
}

#[test]
fn the_files_of_the_repository_are_those_that_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let behind = ["--server", "weighbridge-1:8700", "--server", "weighbridge-2:8700"];
    for (path, arguments) in [
        ("deploy/nginx/weighbridge.conf", vec!["config", "nginx"]),
        ("deploy/compose/nginx.conf", [&["config", "nginx"], &behind[..]].concat()),
        ("deploy/systemd/weighbridge.service", vec!["config", "systemd"]),
        ("deploy/compose/compose.yaml", vec!["config", "compose"]),
    ] {
        assert_eq!(passes(folder.path(), &arguments).stdout, read(path), "weighbridge {}", arguments.join(" "));
    }
    passes(folder.path(), &["config", "systemd", "-o", "unit"]);
    assert_eq!(
        std::fs::read_to_string(folder.path().join("unit")).unwrap(),
        read("deploy/systemd/weighbridge.service")
    );
}

#[test]
fn nothing_unchecked_reaches_a_file() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        ["--server", "a;b:80"],
        ["--server", "unix:80"],
        ["--server", "a:80=101"],
        ["--server", "a:80=1 down"],
        ["--listen", "80;"],
        ["--listen", "0"],
        ["--standalone", "--prefix=/tmp/a b"],
        ["--standalone", "--prefix=relative"],
    ] {
        let ran = run(folder.path(), &[&["config", "nginx"], &arguments[..]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(run(folder.path(), &["config", "nginx", "--standalone"]).code, Some(2), "it needs a folder");
}

#[test]
fn compose_has_two_instances_a_cache_and_nginx_on_loopback() {
    let file: Value = serde_saphyr::from_str(&read("deploy/compose/compose.yaml")).unwrap();
    let services = &file["services"];
    for (name, id) in [("weighbridge-1", "1"), ("weighbridge-2", "2")] {
        let service = &services[name];
        assert_eq!(service["environment"], json!({"INSTANCE_ID": id, "MAX_CONCURRENT_MODELS": "3"}));
        assert_eq!(service["image"], "debian:12-slim", "what instances have in common is merged");
        assert!(service["ports"].is_null(), "only nginx is reached from outside");
        assert!(read("deploy/compose/nginx.conf").contains(&format!("server {name}:8700 ")));
    }
    let redis = &services["redis"];
    assert_eq!(redis["image"], "redis:7");
    assert!(redis["command"].as_str().unwrap().contains("--maxmemory-policy allkeys-lru"));
    let ports = services["nginx"]["ports"].as_array().unwrap();
    assert!(ports.iter().all(|port| port.as_str().unwrap().starts_with("127.0.0.1:")), "{ports:?}");
    for (name, service) in services.as_object().unwrap() {
        assert!(service["healthcheck"]["test"].is_array(), "{name}");
    }
}

#[test]
fn instances_of_compose_start_with_their_flags_and_pass_their_check() {
    let file: Value = serde_saphyr::from_str(&read("deploy/compose/compose.yaml")).unwrap();
    let service = &file["services"]["weighbridge-2"];
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.txt");
    std::fs::write(&keys, "app infer 0123456789abcdef0123456789abcdef\n").unwrap();
    let keys = format!("--key-file={}", keys.display());
    let command = service["command"].as_array().unwrap()[1..].iter().map(|word| match word.as_str().unwrap() {
        "--port=8700" => "--port=0",
        word if word.starts_with("--key-file=") => &keys,
        // Nobody listens there: a cache that is away must not keep an instance from its work.
        word if word.starts_with("--cache-redis=") => "--cache-redis=redis://127.0.0.1:9/0",
        // The tests open no port to others.
        "--host=0.0.0.0" => "--host=127.0.0.1",
        word => word,
    });
    let variables = service["environment"].as_object().unwrap();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    let (_server, address) = server(&command.collect::<Vec<_>>(), &variables);
    assert!(ask(&address, &get("/health")).contains("\"2\""));
    let check = service["healthcheck"]["test"][3].as_str().unwrap();
    let check = |port: &str| {
        let status = Command::new("bash").args(["-c", &check.replace("8700", port)]).stderr(Stdio::null()).status();
        status.unwrap().success()
    };
    // It listens before it is ready.
    until("the check of a healthy instance", || check(address.rsplit_once(':').unwrap().1));
    assert!(!check("9"), "the check of one that is away");
}

#[test]
fn the_unit_is_understood() {
    let unit = read("deploy/systemd/weighbridge.service");
    for line in [
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "StateDirectory=weighbridge",
        "Restart=on-failure",
        "KillSignal=SIGTERM",
        "TimeoutStopSec=60",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    if !Command::new("systemd-analyze").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weighbridge.service");
    std::fs::write(&path, unit.replace("/usr/local/bin/weighbridge", env!("CARGO_BIN_EXE_weighbridge"))).unwrap();
    let output = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // It also tells of units of this host.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("weighbridge.service")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn kubernetes_scales_from_two_to_ten_by_what_the_service_tells() {
    let all = |path: &str| -> Vec<Value> {
        let text = read(path);
        text.split("\n---\n").map(|document| serde_saphyr::from_str(document).unwrap()).collect()
    };
    let [deployment, settings, service] = all("deploy/kubernetes/deployment.yaml").try_into().unwrap();
    assert!(deployment["spec"]["replicas"].is_null(), "the autoscaler sets them");
    let pod = &deployment["spec"]["template"];
    assert_eq!(pod["metadata"]["labels"], deployment["spec"]["selector"]["matchLabels"]);
    assert_eq!(pod["metadata"]["labels"], service["spec"]["selector"]);
    let container = &pod["spec"]["containers"][0];
    assert!(
        container["resources"]["requests"]["cpu"].is_string()
            && container["resources"]["requests"]["memory"].is_string()
    );
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/ready");
    assert!(settings["data"]["default.conf"].as_str().unwrap().contains("location = /metrics"));

    let hpa = &all("deploy/kubernetes/hpa.yaml")[0]["spec"];
    assert_eq!((&hpa["minReplicas"], &hpa["maxReplicas"]), (&json!(2), &json!(10)));
    assert_eq!(hpa["scaleTargetRef"]["name"], deployment["metadata"]["name"]);
    let watched: Vec<&str> =
        hpa["metrics"].as_array().unwrap().iter().map(|metric| metric["resource"]["name"].as_str().unwrap()).collect();
    assert_eq!(watched, ["cpu", "memory"]);

    let keda = &all("deploy/kubernetes/keda.yaml")[0]["spec"];
    assert_eq!((&keda["minReplicaCount"], &keda["maxReplicaCount"]), (&json!(2), &json!(10)));
    assert_eq!(keda["scaleTargetRef"]["name"], deployment["metadata"]["name"]);
    // The metrics that are asked for are those of a running service, which starts with the flags of the pod.
    let arguments = container["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    assert!(arguments.clone().any(|word| word == "--metrics-port=9700"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (_server, _) = server(&["serve", "--port=0", &format!("--metrics-port={port}")], &[]);
    let clock = Clock::start();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(since(clock) < PATIENCE, "no metrics");
        std::thread::sleep(Duration::from_millis(10));
    }
    // As the nginx of the pod asks: by the address.
    let page = ask(&format!("127.0.0.1:{port}"), &get("/metrics").replace("models.test", "127.0.0.1"));
    for trigger in keda["triggers"].as_array().unwrap() {
        let query = trigger["metadata"]["query"].as_str().unwrap();
        let name = query.strip_prefix("sum(").unwrap().strip_suffix(')').unwrap();
        assert!(page.contains(&format!("# TYPE {name} gauge")), "{name}: {page}");
    }
}
