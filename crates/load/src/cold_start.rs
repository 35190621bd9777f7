//! Cold start: a server is spawned, watched until it serves steadily, stopped, and all of that again.

use std::net::ToSocketAddrs;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_engine::{Collector, Engine, Follow, GenerateRequest, Prompt};
use weighbridge_types::record::EngineDescription;
use weighbridge_types::start::StartRow;
use weighbridge_types::time::{Clock, Stamp};

use crate::error::LoadError;
use crate::setup::Target;

/// Time between two tries to reach a server that starts. It bounds how exactly the first two marks are known.
const LOOK: Duration = Duration::from_millis(5);

/// A server is steady when the end-to-end latency of this many requests in a row stays within the tolerance.
const STEADY_REQUESTS: usize = 5;

/// Tolerance around the median of those requests.
const STEADY_TOLERANCE: f64 = 0.1;

/// Requests after which a server that is not steady is taken as it is.
const MOST_REQUESTS: usize = 200;

/// Settings of a cold start.
#[derive(Clone, Debug, PartialEq)]
pub struct ColdStartSettings {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Host and port that it will listen on.
    pub address: (String, u16),
    /// How often it is started.
    pub starts: u32,
    /// Longest time from spawn to steady.
    pub limit: Duration,
    /// Prompt of every request.
    pub prompt: String,
    /// Output tokens of every request.
    pub output_tokens: u32,
}

/// Marks of one start, counted from the spawn. A mark that was not reached is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ColdStart {
    /// Its port accepted a connection.
    pub(crate) port: Option<Duration>,
    /// It answered as a server of its kind does: the engine connected.
    pub(crate) healthy: Option<Duration>,
    /// First token of the first request.
    pub(crate) first_token: Option<Duration>,
    /// Released the first of the requests whose latencies stayed alike.
    pub(crate) steady: Option<Duration>,
    /// End-to-end latency of the first request.
    pub(crate) first_e2e: Option<Duration>,
    /// Median end-to-end latency of the steady requests.
    pub(crate) steady_e2e: Option<Duration>,
    /// Why a mark was not reached.
    pub(crate) problem: Option<String>,
    /// What answered.
    pub(crate) engine: Option<EngineDescription>,
}

impl ColdStart {
    /// As the log holds it.
    pub(crate) fn row(&self, number: u32) -> StartRow {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        StartRow {
            number,
            port_s: seconds(self.port),
            healthy_s: seconds(self.healthy),
            first_token_s: seconds(self.first_token),
            steady_s: seconds(self.steady),
            first_e2e_s: seconds(self.first_e2e),
            steady_e2e_s: seconds(self.steady_e2e),
            problem: self.problem.clone(),
        }
    }
}

/// What became of the next start.
pub(crate) enum NextStart {
    /// The run was cancelled before it.
    Cancelled,
    /// It was made, however far it came.
    Made(Box<ColdStart>),
}

/// A process that is killed when it is dropped.
struct Server(Child);

impl Server {
    fn spawn(command: &[String]) -> Result<Self, LoadError> {
        let failed = |problem: String| LoadError::Traffic {
            problem,
            hint: "write the server's command after `--`, as in a shell without quotes".to_owned(),
        };
        let Some((program, arguments)) = command.split_first() else {
            return Err(failed("start nothing: no command was given".to_owned()));
        };
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(format!("start `{program}`: {error}")))?;
        Ok(Self(child))
    }

    /// How it ended, if it did.
    fn ended(&mut self) -> Option<String> {
        self.0.try_wait().ok().flatten().map(|status| format!("the server ended by itself: {status}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the server once and stops it, the port free before and after.
///
/// # Errors
/// When the command cannot be started, or something listens at the address already.
pub(crate) async fn one_start(
    settings: &ColdStartSettings,
    target: &Target,
    cancel: &CancellationToken,
) -> Result<NextStart, LoadError> {
    if cancel.is_cancelled() {
        return Ok(NextStart::Cancelled);
    }
    if accepts(settings).await {
        let (host, port) = &settings.address;
        return Err(LoadError::Traffic {
            problem: format!("start the server: something listens at `{host}:{port}` already"),
            hint: "stop it, or let the server listen on another port".to_owned(),
        });
    }
    let clock = Clock::start();
    let begin = clock.now();
    let mut server = Server::spawn(&settings.command)?;
    let mut start = ColdStart::default();
    let watched = watch(settings, target, cancel, clock, begin, &mut start, &mut server);
    if tokio::time::timeout(settings.limit, watched).await.is_err() {
        start.problem = Some(format!("not steady within {} s", settings.limit.as_secs_f64()));
    }
    drop(server);
    // The port must be free again before the next start can mean anything.
    while accepts(settings).await && !cancel.is_cancelled() {
        tokio::time::sleep(LOOK).await;
    }
    Ok(NextStart::Made(Box::new(start)))
}

/// Takes the marks one after the other; stops where the server ends.
async fn watch(
    settings: &ColdStartSettings,
    target: &Target,
    cancel: &CancellationToken,
    clock: Clock,
    begin: Stamp,
    start: &mut ColdStart,
    server: &mut Server,
) {
    let engine = loop {
        if cancel.is_cancelled() {
            start.problem = Some("interrupted".to_owned());
            return;
        }
        if let Some(ended) = server.ended() {
            start.problem = Some(ended);
            return;
        }
        if start.port.is_none() && accepts(settings).await {
            start.port = Some(clock.now() - begin);
        }
        if start.port.is_some()
            && let Ok(engine) = (target.load)().await
        {
            start.healthy = Some(clock.now() - begin);
            start.engine = Some(engine.describe());
            break engine;
        }
        tokio::time::sleep(LOOK).await;
    };
    requests_until_steady(settings, &engine, cancel, clock, begin, start).await;
}

async fn requests_until_steady(
    settings: &ColdStartSettings,
    engine: &Arc<dyn Engine>,
    cancel: &CancellationToken,
    clock: Clock,
    begin: Stamp,
    start: &mut ColdStart,
) {
    let follow = Follow { clock, limit: settings.limit, cancel: cancel.clone() };
    let mut latencies: Vec<(Stamp, Duration)> = Vec::new();
    for _ in 0..MOST_REQUESTS {
        let now = clock.now();
        let prompt = Prompt::Text(settings.prompt.clone());
        let request = GenerateRequest {
            ignore_eos: engine.capabilities().ignore_eos,
            ..GenerateRequest::new(prompt, settings.output_tokens, clock)
        };
        let collector = Collector::new(now, now, settings.output_tokens);
        let answer = follow.until_end(engine.generate(request), collector, now).await;
        let (Some(first), Some(e2e)) = (answer.timeline.frames.first(), answer.timeline.e2e()) else {
            start.problem = Some(format!("a request gave no token: {:?}", answer.outcome));
            return;
        };
        start.first_token.get_or_insert(first.at - begin);
        start.first_e2e.get_or_insert(e2e);
        latencies.push((now, e2e));
        if let Some((since, median)) = steady(&latencies) {
            start.steady = Some(since - begin);
            start.steady_e2e = Some(median);
            return;
        }
    }
    start.problem = Some(format!("its latency did not become steady within {MOST_REQUESTS} requests"));
}

/// Since when the last requests were alike, and their median.
fn steady(latencies: &[(Stamp, Duration)]) -> Option<(Stamp, Duration)> {
    let last = latencies.len().checked_sub(STEADY_REQUESTS).map(|from| &latencies[from..])?;
    let mut sorted: Vec<Duration> = last.iter().map(|(_, e2e)| *e2e).collect();
    sorted.sort_unstable();
    let median = sorted[STEADY_REQUESTS / 2];
    let tolerance = median.mul_f64(STEADY_TOLERANCE);
    let is_alike = sorted.iter().all(|e2e| e2e.abs_diff(median) <= tolerance);
    is_alike.then_some((last[0].0, median))
}

async fn accepts(settings: &ColdStartSettings) -> bool {
    let (host, port) = &settings.address;
    let Ok(addresses) = (host.as_str(), *port).to_socket_addrs() else { return false };
    tokio::net::TcpStream::connect(&*addresses.collect::<Vec<_>>()).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_alike_are_steady_since_the_first_of_them() {
        let series = |millis: &[u64]| -> Vec<(Stamp, Duration)> {
            let at = |index: usize| Stamp::from_nanos(index as u64);
            millis.iter().enumerate().map(|(index, ms)| (at(index), Duration::from_millis(*ms))).collect()
        };
        let check = |millis: &[u64], expected: Option<(u64, u64)>| {
            let found = steady(&series(millis)).map(|(since, median)| (since.as_nanos(), median.as_millis()));
            assert_eq!(found, expected.map(|(since, median)| (since, u128::from(median))), "{millis:?}");
        };
        check(&[10, 10, 10, 10], None);
        check(&[10, 10, 10, 10, 10], Some((0, 10)));
        check(&[900, 300, 100, 104, 97, 100, 101], Some((2, 100)));
        check(&[100, 100, 100, 100, 150], None);
    }
}
