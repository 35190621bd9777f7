//! What a summary costs: quantiles, automatic intervals and bootstraps over samples of a usual size.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_stats::hierarchical::{Center, Nest, ratio};
use weighbridge_stats::trend::theil_sen_blocks;
use weighbridge_stats::{BlockScheme, Confidence, Resampling, Sorted, batch_means, block_bootstrap_quantile};

/// Values without order or period: multiples of the golden ratio, folded into [1, 2).
fn values(n: usize) -> Vec<f64> {
    (0..n).map(|i| 1.0 + (i as f64 * 0.618_033_988_749_895).fract()).collect()
}

fn describe(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("describe");
    for n in [1_000, 100_000] {
        let sample = values(n);
        group.throughput(Throughput::Elements(n as u64));
        group.bench_with_input(BenchmarkId::new("percentile_grid", n), &sample, |bench, sample| {
            bench.iter(|| Sorted::new(black_box(sample).clone()).map(|sorted| sorted.percentile_grid()));
        });
        group.bench_with_input(BenchmarkId::new("batch_means", n), &sample, |bench, sample| {
            bench.iter(|| batch_means(black_box(sample), Confidence::P95));
        });
    }
}

fn resample(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("resample");
    group.sample_size(10);
    let resampling = Resampling::new(1);
    for n in [1_000, 10_000] {
        let sample = values(n);
        group.bench_with_input(BenchmarkId::new("median_by_blocks", n), &sample, |bench, sample| {
            let scheme = BlockScheme::Stationary;
            bench.iter(|| block_bootstrap_quantile(black_box(sample), 0.5, scheme, Confidence::P95, resampling));
        });
    }
    let x: Vec<f64> = (0..256_u32).map(f64::from).collect();
    let y = values(256);
    group.bench_function("slope_by_blocks/256", |bench| {
        bench.iter(|| theil_sen_blocks(black_box(&x), &y, Confidence::P95, resampling));
    });
    let side = Nest::of_runs((0..5).map(|_| values(200)));
    group.bench_function("ratio_of_medians/5x200", |bench| {
        bench.iter(|| ratio(black_box(&side), &side, Center::Median, Confidence::P95, resampling));
    });
}

criterion_group!(benches, describe, resample);
criterion_main!(benches);
