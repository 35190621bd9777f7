//! The schedule of an open loop as it is kept: Poisson arrivals against a scripted server on this host, over several
//! seeds. Prints for each seed how late requests were released, and the Kolmogorov–Smirnov test of the times between the
//! real releases against the exponential distribution that the rate asks for. Run it alone on a quiet machine:
//! `cargo bench -p weighbridge-load --bench schedule [-- RATE [SECONDS [SEEDS]]]`; 1000, 10 and 10 when left out.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use weighbridge_engine::{Engine, Message, Prompt, Role, Sampling};
use weighbridge_engine_http::scripted_server::{ScriptedServer, ServerOptions};
use weighbridge_engine_http::{HttpEngine, HttpOptions};
use weighbridge_load::{Drive, DriveLimits, Pace, Pacing, Reactors, RetryPolicy};
use weighbridge_stats::Sorted;
use weighbridge_stats::kolmogorov::ks_one_sample;
use weighbridge_types::metric::Cell;
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::record::Phase;
use weighbridge_types::time::Clock;
use weighbridge_workload::{Arrivals, PlannedTurn, Session, Traffic};

/// Significance below which the times between releases are not those of the process asked for.
const LEVEL: f64 = 0.01;

fn main() {
    // Cargo passes `--bench`; what is left are the numbers.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let rate = numbers.next().unwrap_or(1000);
    let seconds = numbers.next().unwrap_or(10);
    let seeds = numbers.next().unwrap_or(10);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    println!("poisson, {rate} requests/s, {seconds} s a seed; lag of the release in ms");
    println!("{:>4} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9}", "seed", "n", "p50", "p99", "max", "KS D", "p");
    let (mut worst_lag, mut rejected) = (0.0_f64, 0);
    for seed in 1..=u64::from(seeds) {
        let (p99, p) = runtime.block_on(one(seed, rate, Duration::from_secs(seconds.into())));
        worst_lag = worst_lag.max(p99);
        rejected += u32::from(p < LEVEL);
    }
    println!("largest p99 {worst_lag:.3} ms; {rejected} of {seeds} seeds rejected at {LEVEL}");
}

/// Drives a load, prints its line, and returns the p99 of the lag in ms and the p-value of the gaps.
async fn one(seed: u64, rate: u32, time: Duration) -> (f64, f64) {
    let clock = Clock::start();
    let script = "ttft=5ms,itl=1ms,tokens=1".parse().expect("the script is sound");
    let server = ScriptedServer::start(ServerOptions::new(script, clock)).expect("a loopback port is free");
    let reactors = Reactors::start(1).expect("a thread is to be had");
    let endpoint = EndpointRef { preset: Preset::OpenAi, url: Some(server.url()), model: None };
    let connecting = HttpEngine::connect(endpoint, HttpOptions::default());
    let engine = reactors.handles()[0].spawn(connecting).await.expect("the task ends").expect("the server answers");
    let arrivals: Arrivals = format!("poisson:{rate}").parse().expect("the rate is sound");
    let drive = Drive {
        probe: None,
        cell: Cell::of(Phase::Load),
        traffic: Arc::new(Short),
        first: 0,
        warmup_sessions: 0,
        pace: Pace::Open { starts: Box::new(arrivals.times(seed)), most: None },
        limits: DriveLimits { duration: Some(time), ..DriveLimits::default() },
        retry: RetryPolicy::default(),
        sampling: Sampling::default(),
        ignore_eos: false,
        keep_text: false,
        pacing: Pacing::Thread,
        clock,
        cancel: CancellationToken::new(),
    };
    let handles: Vec<Handle> = reactors.handles();
    let driving = drive.start(&[Arc::new(engine) as Arc<dyn Engine>], &handles).expect("threads are to be had");
    let rows = driving.gather().await;
    let ms = |time: Duration| 1e3 * time.as_secs_f64();
    let lags = Sorted::new(rows.iter().map(|row| ms(row.timeline.schedule_lag())).collect()).expect("rows came");
    let mut released: Vec<_> = rows.iter().map(|row| row.timeline.released).collect();
    released.sort_unstable();
    let gaps = released.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    let gaps = Sorted::new(gaps).expect("two rows came");
    let test = ks_one_sample(&gaps, |gap| -f64::exp_m1(-gap * f64::from(rate)));
    let at = |q| lags.quantile(q).expect("the quantile is sound");
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    println!("{seed:>4} {:>8} {p50:>8.3} {p99:>8.3} {max:>8.3} {:>9.5} {:>9.4}", rows.len(), test.distance, test.p);
    (p99, test.p)
}

/// Short requests without end.
#[derive(Debug)]
struct Short;

impl Traffic for Short {
    fn session(&self, _index: u64) -> Option<Session> {
        let prompt = Prompt::Chat(vec![Message { role: Role::User, content: "word".to_owned() }]);
        Some(Session::single(PlannedTurn::new(prompt, None, 1)))
    }
}
