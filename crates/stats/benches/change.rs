//! What a page of histories costs: change points of 40 metrics over 10,000 runs each.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_stats::change::mean::mean_changes;
use weighbridge_stats::change::rank::rank_changes;
use weighbridge_stats::change::{ChangeSettings, change_points};

const RUNS: u32 = 10_000;
const METRICS: u32 = 40;

/// A level that moves by some percent every few hundred runs, under noise of 3 %.
fn history(metric: u32) -> Vec<f64> {
    let length = 100 + 40 * metric;
    // The middle bits of a product: without order or period over the runs.
    let uniform = |run: u32, salt: u32| {
        let mixed = (run ^ (metric << 16) ^ (salt << 24)).wrapping_mul(2_654_435_761);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(2_246_822_519);
        f64::from((mixed ^ (mixed >> 13)) >> 8) / f64::from(1_u32 << 24)
    };
    (0..RUNS)
        .map(|run| {
            let level = 100.0 * (1.0 + 0.15 * uniform(run / length, 9));
            let normal: f64 = (0..12).map(|salt| uniform(run, salt)).sum::<f64>() - 6.0;
            level * (1.0 + 0.03 * normal)
        })
        .collect()
}

fn histories(criterion: &mut Criterion) {
    let settings = ChangeSettings::default();
    let noisy: Vec<Vec<f64>> = (0..METRICS).map(history).collect();
    // The worst case: a change in every segment that could hold one.
    let restless: Vec<Vec<f64>> = noisy
        .iter()
        .map(|series| series.iter().enumerate().map(|(run, value)| value + (run / 5 % 2) as f64 * 1e3).collect())
        .collect();
    let mut group = criterion.benchmark_group("change");
    group.sample_size(10);
    group.throughput(Throughput::Elements(u64::from(RUNS) * u64::from(METRICS)));
    for (name, set) in [("noisy", &noisy), ("restless", &restless)] {
        group.bench_function(format!("change_points/{name}/{RUNS}x{METRICS}"), |bench| {
            bench.iter(|| set.iter().map(|series| change_points(black_box(series), settings)).collect::<Vec<_>>());
        });
    }
    group.bench_function(format!("mean_changes/noisy/{RUNS}x{METRICS}"), |bench| {
        bench.iter(|| noisy.iter().map(|series| mean_changes(black_box(series), settings)).collect::<Vec<_>>());
    });
    group.bench_function(format!("rank_changes/noisy/{RUNS}x{METRICS}"), |bench| {
        bench.iter(|| noisy.iter().map(|series| rank_changes(black_box(series), settings)).collect::<Vec<_>>());
    });
}

criterion_group!(benches, histories);
criterion_main!(benches);
