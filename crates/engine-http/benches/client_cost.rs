//! What a request costs the client: processor time, requests per second and memory, against a scripted server in
//! another process.
//!
//! Run it alone on a quiet machine: `cargo bench -p weighbridge-engine-http --bench client_cost`, or one case with
//! `-- STREAMS TOKENS SECONDS [SCRIPT [THREADS]]`.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use weighbridge_engine::{Collector, Engine, GenerateRequest, Message, Prompt, Role, collect};
use weighbridge_engine_http::scripted_server::{ScriptedServer, ServerOptions};
use weighbridge_engine_http::{HttpEngine, HttpOptions};
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::time::Clock;

/// Answers without delay.
const MAX_SPEED: &str = "ttft=0s,itl=0s";
/// The pace of a usual model.
const PACED: &str = "ttft=200ms,itl=20ms";

#[derive(Clone, Debug)]
struct Case {
    streams: usize,
    tokens: u32,
    seconds: u64,
    script: String,
    threads: usize,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [serve, script] = &arguments[..]
        && serve == "serve"
    {
        return serve_until_closed(script);
    }
    let case = |streams, tokens, seconds, script: &str| Case {
        streams,
        tokens,
        seconds,
        script: script.to_owned(),
        threads: 1,
    };
    let cases = match &arguments[..] {
        [streams, tokens, seconds, rest @ ..] => {
            let count = |text: &String| text.parse().expect("a count is a number");
            let script = rest.first().map_or(MAX_SPEED, String::as_str);
            let threads = rest.get(1).map_or(1, |text| text.parse().expect("a count is a number"));
            let tokens = tokens.parse().expect("a count is a number");
            vec![Case { threads, ..case(count(streams), tokens, seconds.parse().expect("seconds"), script) }]
        }
        _ => vec![case(64, 64, 5, MAX_SPEED), case(16, 1024, 5, MAX_SPEED), case(512, 64, 10, PACED)],
    };
    println!(
        "{:>7} {:>6} {:>7} {:<24} {:>9} {:>10} {:>14} {:>9} {:>9} {:>8}",
        "streams", "tokens", "threads", "script", "requests", "requests/s", "cpu s / 1000", "user", "system", "peak MB"
    );
    // Each in a process of its own, so that the peak of memory is the case's.
    match &cases[..] {
        [only] => run(only),
        all => all.iter().for_each(run_apart),
    }
}

fn itself(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("the bench knows its file"));
    command.args(arguments);
    command
}

fn run_apart(case: &Case) {
    let counts = [case.streams.to_string(), case.tokens.to_string(), case.seconds.to_string()];
    let output = itself(&[&counts[0], &counts[1], &counts[2], &case.script]).output().expect("the bench runs");
    print!("{}", String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default());
    println!();
}

fn serve_until_closed(script: &str) {
    let options = ServerOptions::new(script.parse().expect("the script is sound"), Clock::start());
    let server = ScriptedServer::start(ServerOptions { keep_log: false, ..options }).expect("a port is free");
    println!("{}", server.url());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(script: &str) -> Self {
        let spawned = itself(&["serve", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = spawned.expect("the server starts");
        let mut url = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output is piped"));
        output.read_line(&mut url).expect("it says where it listens");
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn run(case: &Case) {
    let server = Server::start(&case.script);
    let runtime = if case.threads == 1 {
        tokio::runtime::Builder::new_current_thread().enable_all().build()
    } else {
        tokio::runtime::Builder::new_multi_thread().worker_threads(case.threads).enable_all().build()
    };
    runtime.expect("a runtime starts").block_on(measure(case, &server.url));
}

async fn measure(case: &Case, url: &str) {
    let endpoint = EndpointRef { preset: Preset::OpenAi, url: Some(url.to_owned()), model: None };
    let engine = Arc::new(HttpEngine::connect(endpoint, HttpOptions::default()).await.expect("the server answers"));
    let clock = Clock::start();
    let before = cpu();
    let begun = clock.now();
    let end = begun.after(Duration::from_secs(case.seconds));
    let tasks: Vec<_> = (0..case.streams)
        .map(|number| {
            let (engine, tokens, streams) = (Arc::clone(&engine), case.tokens, case.streams);
            let paced = case.script != MAX_SPEED;
            tokio::spawn(async move {
                if paced {
                    // Spread as in a load that has run for a while.
                    tokio::time::sleep(Duration::from_millis(1460).mul_f64(number as f64 / streams as f64)).await;
                }
                let mut requests = 0_u64;
                while clock.now() < end {
                    request(&*engine, tokens, clock).await;
                    requests += 1;
                }
                requests
            })
        })
        .collect();
    let mut requests = 0;
    for task in tasks {
        requests += task.await.expect("the stream's task ends");
    }
    let elapsed = (clock.now() - begun).as_secs_f64();
    let after = cpu();
    let per_thousand = |seconds: f64| seconds * 1000.0 / requests as f64;
    let (user, system) = (per_thousand(after.0 - before.0), per_thousand(after.1 - before.1));
    let peak = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel counts").max_rss() as f64 / 1024.0;
    println!(
        "{:>7} {:>6} {:>7} {:<24} {requests:>9} {:>10.0} {:>14.4} {user:>9.4} {system:>9.4} {peak:>8.1}",
        case.streams,
        case.tokens,
        case.threads,
        case.script,
        requests as f64 / elapsed,
        user + system,
    );
}

async fn request(engine: &impl Engine, tokens: u32, clock: Clock) {
    let prompt = Prompt::Chat(vec![Message { role: Role::User, content: "say something".to_owned() }]);
    let now = clock.now();
    let events = engine.generate(GenerateRequest::new(prompt, tokens, clock));
    let collected = collect(events, Collector::new(now, now, tokens)).await;
    assert!(collected.outcome.is_success() && collected.timeline.frames.len() == tokens as usize, "{collected:?}");
}

/// User and system time of this process, seconds.
fn cpu() -> (f64, f64) {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel counts");
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    (seconds(usage.user_time()), seconds(usage.system_time()))
}
