//! More and more clients of one engine: requests per second at 1, 2, 4 and 8, and where more clients gain little.
//! `cargo bench -p weighbridge --bench concurrent_benchmark`.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::future::join_all;
use weighbridge_types::time::Clock;

mod tiny;

const CLIENTS: [u64; 4] = [1, 2, 4, 8];

/// Requests of each client in the search of the limit.
const EACH: u64 = 8;

/// A step that gains less than this share is no gain, as the weigh-in has it.
const LEAST_GAIN: f64 = 0.15;

fn concurrent(c: &mut Criterion) {
    let (engine, runtime) = (tiny::load(), tiny::runtime());
    let mut number = 0;
    let mut together = |clients: u64| {
        number += clients;
        let requests = (0..clients).map(|client| {
            let (engine, number) = (Arc::clone(&engine), number + client);
            async move { tiny::ask(engine.as_ref(), number).await }
        });
        let answers = runtime.block_on(join_all(requests));
        assert!(answers.iter().all(Option::is_some), "a request failed");
    };
    let mut group = c.benchmark_group("concurrent");
    for clients in CLIENTS {
        group.throughput(Throughput::Elements(clients));
        let of = BenchmarkId::from_parameter(clients);
        group.bench_with_input(of, &clients, |bencher, &clients| bencher.iter(|| together(clients)));
    }
    group.finish();
    let clock = Clock::start();
    let rates: Vec<f64> = CLIENTS
        .iter()
        .map(|&clients| {
            let start = clock.now();
            (0..EACH).for_each(|_| together(clients));
            (clients * EACH) as f64 / (clock.now() - start).as_secs_f64()
        })
        .collect();
    for (clients, rate) in CLIENTS.iter().zip(&rates) {
        println!("concurrent: {clients} clients, {rate:.2} requests/s, {:.2} times one client", rate / rates[0]);
    }
    let knee = rates.windows(2).position(|pair| pair[1] / pair[0] - 1.0 < LEAST_GAIN);
    match knee {
        Some(place) => println!("concurrent: beyond {} clients more gain less than 15 %", CLIENTS[place]),
        None => println!("concurrent: each step up to 8 clients gains at least 15 %"),
    }
}

criterion_group! {
    name = suite;
    config = Criterion::default().sample_size(10);
    targets = concurrent
}
criterion_main!(suite);
