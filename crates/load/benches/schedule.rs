//! The schedule of an open loop as it is kept: Poisson arrivals against a scripted server on this host, over several
//! seeds. Prints for each seed how late requests were released, and the Kolmogorov–Smirnov test of the times between the
//! releases, planned and real, against the exponential distribution that the rate asks for. Two columns say what moves
//! the real ones: how far apart two starts come that were planned at once, and the share of the host's CPU time that the
//! hypervisor took. Run it alone on a quiet machine:
//! `cargo bench -p weighbridge-load --bench schedule [-- RATE [SECONDS [SEEDS [THREADS]]]]`; 1000, 10, 10 and what a load
//! takes when left out.

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
use weighbridge_telemetry::SystemRoot;
use weighbridge_telemetry::health::HealthWatch;
use weighbridge_types::metric::Cell;
use weighbridge_types::model_ref::{EndpointRef, Preset};
use weighbridge_types::record::Phase;
use weighbridge_types::time::{Clock, Stamp, WallTime};
use weighbridge_workload::{Arrivals, PlannedTurn, Session, Traffic};

/// Planned gaps below this, in seconds, are two starts at once: how far apart they really are is what one start costs.
const TOGETHER: f64 = 10e-6;

/// Significance below which the times between releases are not those of the process asked for.
const LEVEL: f64 = 0.01;

fn main() {
    // Cargo passes `--bench`; what is left are the numbers.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u32>().ok());
    let rate = numbers.next().unwrap_or(1000);
    let seconds = numbers.next().unwrap_or(10);
    let seeds = numbers.next().unwrap_or(10);
    let threads = numbers.next().map_or(Reactors::usual_count(), |threads| threads as usize);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    println!("poisson, {rate} requests/s, {seconds} s a seed, {threads} client threads; lag of the release in ms");
    println!(
        "{:>4} {:>7} {:>7} {:>7} {:>7} {:>9} {:>9} {:>7} {:>10} {:>9} {:>8}",
        "seed", "n", "p50", "p99", "max", "plan's D", "real D", "p", "at gap, ms", "start, ms", "stolen %"
    );
    let (mut worst_lag, mut rejected) = (0.0_f64, 0);
    for seed in 1..=u64::from(seeds) {
        let (p99, p) = runtime.block_on(one(seed, rate, Duration::from_secs(seconds.into()), threads));
        worst_lag = worst_lag.max(p99);
        rejected += u32::from(p < LEVEL);
    }
    println!("largest p99 {worst_lag:.3} ms; {rejected} of {seeds} seeds rejected at {LEVEL}");
}

/// Drives a load, prints its line, and returns the p99 of the lag in ms and the p-value of the gaps.
async fn one(seed: u64, rate: u32, time: Duration, threads: usize) -> (f64, f64) {
    let clock = Clock::start();
    let script = "ttft=5ms,itl=1ms,tokens=1".parse().expect("the script is sound");
    let server = ScriptedServer::start(ServerOptions::new(script, clock)).expect("a loopback port is free");
    let reactors = Reactors::start(threads).expect("a thread is to be had");
    let endpoint = EndpointRef { preset: Preset::OpenAi, url: Some(server.url()), model: None };
    // As a load does it: each event loop has connections of its own.
    let mut engines: Vec<Arc<dyn Engine>> = Vec::new();
    for reactor in reactors.handles() {
        let connecting = HttpEngine::connect(endpoint.clone(), HttpOptions::default());
        let engine = reactor.spawn(connecting).await.expect("the task ends").expect("the server answers");
        engines.push(Arc::new(engine));
    }
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
    let mut host = HealthWatch::start(&SystemRoot::host(), Vec::new(), clock.now(), WallTime::now());
    let driving = drive.start(&engines, &handles).expect("threads are to be had");
    let rows = driving.gather().await;
    let stolen = host.sample(clock.now(), WallTime::now()).steal_share;
    let ms = |time: Duration| 1e3 * time.as_secs_f64();
    let lags = Sorted::new(rows.iter().map(|row| ms(row.timeline.schedule_lag())).collect()).expect("rows came");
    let exponential = |gap: f64| -f64::exp_m1(-gap * f64::from(rate));
    let planned = gaps(rows.iter().map(|row| row.timeline.planned).collect());
    let released = gaps(rows.iter().map(|row| row.timeline.released).collect());
    let together = planned.iter().zip(&released).filter(|(plan, _)| **plan < TOGETHER).map(|(_, real)| 1e3 * real);
    let together = Sorted::new(together.collect()).expect("some starts fall together");
    let plan = ks_one_sample(&Sorted::new(planned).expect("two rows came"), exponential);
    let real = Sorted::new(released).expect("two rows came");
    let test = ks_one_sample(&real, exponential);
    let at = |q| lags.quantile(q).expect("the quantile is sound");
    let (p50, p99, max) = (at(0.5), at(0.99), at(1.0));
    println!(
        "{seed:>4} {:>7} {p50:>7.3} {p99:>7.3} {max:>7.3} {:>9.5} {:>9.5} {:>7.4} {:>10.3} {:>9.3} {:>8.1}",
        rows.len(),
        plan.distance,
        test.distance,
        test.p,
        1e3 * farthest(&real, exponential),
        together.quantile(0.5).expect("the quantile is sound"),
        1e2 * stolen.unwrap_or(f64::NAN),
    );
    (p99, test.p)
}

/// Times between stamps, in seconds, in the order of time.
fn gaps(mut stamps: Vec<Stamp>) -> Vec<f64> {
    stamps.sort_unstable();
    stamps.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect()
}

/// The value at which a sample is farthest from its distribution.
fn farthest(sample: &Sorted, cdf: impl Fn(f64) -> f64) -> f64 {
    let n = sample.values().len() as f64;
    let away = |(index, &value): (usize, &f64)| {
        let expected = cdf(value);
        (expected - index as f64 / n).max((index + 1) as f64 / n - expected)
    };
    let values = sample.values().iter().enumerate();
    values.map(|at| (away(at), *at.1)).max_by(|a, b| a.0.total_cmp(&b.0)).map_or(f64::NAN, |(_, value)| value)
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
