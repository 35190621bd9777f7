//! What making a session costs: a driver makes up to 15,000 of them a second beside its own work.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use weighbridge_workload::{Arrivals, Part, Synthetic, SyntheticSettings, TextPool, Traffic};

fn sessions(criterion: &mut Criterion) {
    let pool = Arc::new(TextPool::default());
    let cases = [
        ("128 in", "input=128,output=64"),
        ("1024 in", "input=1024,output=64"),
        ("8192 in", "input=8192,output=64"),
        ("lognormal with shared prefix", "input=lognormal:512,0.5,output=64,prefix=8x1024,cancel=0.1@1s"),
        ("conversation of 8", "input=128,output=64,turns=8,think=exponential:2s"),
    ];
    for (name, text) in cases {
        let parts = vec![text.parse::<Part>().expect("the case is well formed")];
        let settings = SyntheticSettings { parts, seed: 1, salt: Some(2), sessions: None, distinct: None };
        let load = Synthetic::new(settings, Arc::clone(&pool)).expect("the settings are in range");
        let mut index = 0;
        criterion.bench_function(&format!("session/{name}"), |bencher| {
            bencher.iter(|| {
                index += 1;
                black_box(load.session(index))
            });
        });
    }
}

fn arrivals(criterion: &mut Criterion) {
    for text in
        ["poisson:1000", "gamma:1000,burstiness=0.5", "ramp:1..1000,60s", "diurnal:mean=9,amplitude=9,period=1m"]
    {
        let arrivals: Arrivals = text.parse().expect("the case is well formed");
        let mut times = arrivals.times(1);
        criterion.bench_function(&format!("arrival/{text}"), |bencher| bencher.iter(|| black_box(times.next())));
    }
}

criterion_group!(benches, sessions, arrivals);
criterion_main!(benches);
