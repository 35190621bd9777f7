//! Inference of the model that ships: loading, one request, percentiles, requests per second, errors.
//! `cargo bench -p weighbridge --bench inference_benchmark`.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use criterion::{Criterion, criterion_group, criterion_main};
use weighbridge_stats::Sorted;
use weighbridge_types::time::Clock;

mod tiny;

/// Requests of the percentiles.
const REQUESTS: u64 = 100;

fn loading(c: &mut Criterion) {
    c.bench_function("inference/load", |bencher| bencher.iter(tiny::load));
}

fn latency(c: &mut Criterion) {
    let (engine, runtime) = (tiny::load(), tiny::runtime());
    let mut number = 0;
    c.bench_function("inference/request", |bencher| {
        bencher.iter(|| {
            number += 1;
            runtime.block_on(tiny::ask(engine.as_ref(), number)).expect("a request is answered")
        });
    });
    let clock = Clock::start();
    let start = clock.now();
    let answers: Vec<Option<f64>> =
        (0..REQUESTS).map(|i| runtime.block_on(tiny::ask(engine.as_ref(), 1_000_000 + i))).collect();
    let seconds = (clock.now() - start).as_secs_f64();
    let latencies: Vec<f64> = answers.into_iter().flatten().collect();
    let failed = REQUESTS - latencies.len() as u64;
    let sorted = Sorted::new(latencies).expect("at least one request is answered");
    let quantile = |q| sorted.quantile(q).expect("a share of one");
    println!(
        "inference: {REQUESTS} requests, p50 {:.2} ms, p90 {:.2} ms, p99 {:.2} ms, {:.2} requests/s, {failed} failed",
        quantile(0.5),
        quantile(0.9),
        quantile(0.99),
        sorted.values().len() as f64 / seconds,
    );
}

criterion_group! {
    name = suite;
    config = Criterion::default().sample_size(20);
    targets = loading, latency
}
criterion_main!(suite);
