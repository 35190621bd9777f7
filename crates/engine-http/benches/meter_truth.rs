//! Meter truth over loopback: what the client reports against what the scripted server did.
//!
//! 128 streams at once, TTFT 200 ms, ITL 20 ms, 64 tokens a request, five requests one after the other in each. Prints
//! the errors of TTFT and ITL against the server's own stamps and against the script: the mean with its sign, which is
//! the bias, and quantiles of the absolute values. Run it alone on a quiet machine:
//! `cargo bench -p weighbridge-engine-http --bench meter_truth [-- STREAMS [ROUNDS [user]]]`; `user` leaves the
//! kernel's stamps out.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use weighbridge_engine::{Collected, Collector, Engine, GenerateRequest, Message, Prompt, Role, collect};
use weighbridge_engine_http::scripted_server::{Played, ScriptedServer, ServerOptions};
use weighbridge_engine_http::{HttpEngine, HttpOptions};
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::request::ReceiveClock;
use weighbridge_types::time::Clock;

const TTFT: Duration = Duration::from_millis(200);
const ITL: Duration = Duration::from_millis(20);
const TOKENS: u32 = 64;

fn main() {
    // Cargo passes `--bench`; what is left are the counts.
    let mut counts = std::env::args().skip(1).filter_map(|argument| argument.parse().ok());
    let streams: usize = counts.next().unwrap_or(128);
    let rounds: usize = counts.next().unwrap_or(5);
    let kernel_stamps = !std::env::args().any(|argument| argument == "user");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(measure(streams, rounds, kernel_stamps));
}

async fn measure(streams: usize, rounds: usize, kernel_stamps: bool) {
    let clock = Clock::start();
    let script = format!("ttft={}ms,itl={}ms,tokens={TOKENS}", TTFT.as_millis(), ITL.as_millis());
    let options = ServerOptions::new(script.parse().expect("the script is sound"), clock);
    let server = ScriptedServer::start(options).expect("a loopback port is free");
    let endpoint = EndpointRef { preset: Preset::OpenAi, url: Some(server.url()), model: None };
    let engine = HttpEngine::connect(endpoint, HttpOptions { kernel_stamps, ..HttpOptions::default() })
        .await
        .expect("the server answers");
    let engine = Arc::new(engine);
    let tasks: Vec<_> = (0..streams)
        .map(|number| tokio::spawn(one_stream(Arc::clone(&engine), number, streams, rounds, clock)))
        .collect();
    let mut answers = HashMap::new();
    for task in tasks {
        answers.extend(task.await.expect("the stream's task ends"));
    }
    let mut errors = Errors::default();
    // The first round opens the connections and is no part of the figures.
    for played in server.take_played(streams * (rounds + 1)) {
        if !played.prompt.starts_with("round 0 ") {
            errors.compare(&played, &answers[&played.prompt]);
        }
    }
    println!("{streams} streams, {rounds} rounds, ttft {TTFT:?}, itl {ITL:?}, {TOKENS} tokens; errors in µs");
    println!("{:<36} {:>8} {:>9} {:>9} {:>9} {:>9}", "error of", "n", "mean", "|p50|", "|p99|", "|max|");
    errors.print();
    println!("connections: {:?}", engine.connection_counts());
}

/// One stream of the load: requests one after the other, the first one at the stream's place within a request's time,
/// so that the streams are spread as in a load that has run for a while.
async fn one_stream(
    engine: Arc<HttpEngine>,
    number: usize,
    streams: usize,
    rounds: usize,
    clock: Clock,
) -> Vec<(String, Collected)> {
    let place = number as f64 / streams as f64;
    tokio::time::sleep((TTFT + ITL * (TOKENS - 1)).mul_f64(place)).await;
    let mut answers = Vec::with_capacity(rounds + 1);
    for round in 0..=rounds {
        let prompt = format!("round {round} stream {number}");
        answers.push((prompt.clone(), request(&*engine, prompt, clock).await));
    }
    answers
}

async fn request(engine: &impl Engine, text: String, clock: Clock) -> Collected {
    let prompt = Prompt::Chat(vec![Message { role: Role::User, content: text }]);
    let now = clock.now();
    let events = engine.generate(GenerateRequest::new(prompt, TOKENS, clock));
    collect(events, Collector::new(now, now, TOKENS)).await
}

/// Errors in nanoseconds, with their sign.
#[derive(Default)]
struct Errors {
    ttft_to_server: Vec<i128>,
    itl_to_server: Vec<i128>,
    ttft_to_script: Vec<i128>,
    itl_to_script: Vec<i128>,
    read_after_write: Vec<i128>,
    write_after_due: Vec<i128>,
    /// From the kernel's stamp to the read, means of requests.
    delay: Vec<i128>,
    /// Requests whose frames the kernel did not all stamp.
    unstamped: usize,
}

fn error(got: Duration, truth: Duration) -> i128 {
    let nanos = |time: Duration| i128::try_from(time.as_nanos()).unwrap_or(i128::MAX);
    nanos(got) - nanos(truth)
}

impl Errors {
    fn compare(&mut self, truth: &Played, got: &Collected) {
        let writes: Vec<_> = truth.token_writes().collect();
        let frames = &got.timeline.frames;
        assert!(got.outcome.is_success() && frames.len() == writes.len(), "{:?}", got.outcome);
        let ttft = got.timeline.ttft().expect("a success has a token");
        let true_ttft = truth.ttft().expect("the server wrote a token");
        self.ttft_to_server.push(error(ttft, true_ttft));
        self.ttft_to_script.push(error(ttft, TTFT));
        let true_gaps = writes.windows(2).map(|pair| pair[1].at - pair[0].at);
        for (gap, true_gap) in got.timeline.chunk_gaps().zip(true_gaps) {
            self.itl_to_server.push(error(gap, true_gap));
            self.itl_to_script.push(error(gap, ITL));
        }
        for (frame, write) in frames.iter().zip(&writes) {
            self.read_after_write.push(error(frame.at - write.at, write.at - frame.at));
            self.write_after_due.push(error(write.at - write.due, Duration::ZERO));
        }
        let receipt = got.receipt.expect("an answer has a receipt");
        self.unstamped += usize::from(receipt.clock != ReceiveClock::Kernel);
        self.delay.extend(receipt.delay_mean_ns.map(i128::from));
    }

    fn print(self) {
        let rows = [
            ("TTFT, against the server's stamps", self.ttft_to_server),
            ("ITL, against the server's stamps", self.itl_to_server),
            ("TTFT, against the script", self.ttft_to_script),
            ("ITL, against the script", self.itl_to_script),
            ("server write to client's stamp", self.read_after_write),
            ("server's own lateness", self.write_after_due),
            ("kernel's stamp to read, by request", self.delay),
        ];
        for (name, mut values) in rows {
            let count = values.len().max(1);
            let bias = values.iter().sum::<i128>() as f64 / 1e3 / count as f64;
            values.iter_mut().for_each(|value| *value = value.abs());
            values.sort_unstable();
            // Nearest rank; the tool's own quantiles live in a room that this one does not know.
            let at = |percent: usize| {
                let value = values.get((count * percent).div_ceil(100) - 1);
                value.map_or(0.0, |&nanos| nanos as f64 / 1e3)
            };
            println!("{name:<36} {:>8} {bias:>+9.1} {:>9.1} {:>9.1} {:>9.1}", values.len(), at(50), at(99), at(100));
        }
        println!("requests not stamped by the kernel throughout: {}", self.unstamped);
    }
}
