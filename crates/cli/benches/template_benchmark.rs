//! A suite to copy: replace the work, keep the form. `cargo bench -p weighbridge --bench template_benchmark`.
//!
//! A suite is named in Cargo.toml below `[[bench]]` with `harness = false`. What is set up once stays outside of `iter`, what
//! each turn needs anew goes into `iter_batched`, and the compiler must not see that a result is not used: give it back or pass
//! it to `black_box`. Speed is never asserted in a test, because a machine that others use would fail it.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_stats::Sorted;

/// Values of one turn.
const VALUES: u32 = 10_000;

fn sorting(c: &mut Criterion) {
    let values: Vec<f64> = (0..VALUES).map(|i| f64::from(i.wrapping_mul(2_654_435_761) % 1_000)).collect();
    let mut group = c.benchmark_group("template");
    group.throughput(Throughput::Elements(u64::from(VALUES)));
    group.bench_function("sort", |bencher| {
        bencher.iter_batched(|| values.clone(), |values| black_box(Sorted::new(values)), BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(suite, sorting);
criterion_main!(suite);
