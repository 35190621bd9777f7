//! What a summary costs: quantiles, automatic intervals and bootstraps over samples of a usual size.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_stats::classify::resample::{count_bootstrap, replicates_interval};
use weighbridge_stats::classify::{Average, Confusion, Marginals, Ranking};
use weighbridge_stats::hierarchical::{Center, Nest, ratio};
use weighbridge_stats::trend::theil_sen_blocks;
use weighbridge_stats::{BlockScheme, Confidence, Method, Resampling, Sorted, batch_means, block_bootstrap_quantile};

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

/// Figures of the metric engine: rows a second of coded labels and rankings; a bootstrap of F1 by counts.
fn classify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("classify");
    group.sample_size(10);
    let rows = 1_000_000_u32;
    let n = rows as usize;
    let scores: Vec<f64> = values(n).into_iter().map(|value| value - 1.0).collect();
    let positive: Vec<bool> = scores.iter().enumerate().map(|(i, score)| (i * 7 % 10) as f64 / 10.0 < *score).collect();
    group.throughput(Throughput::Elements(n as u64));
    for classes in [2_u32, 10] {
        let truth: Vec<u32> = (0..rows).map(|i| i.wrapping_mul(2_654_435_761) >> 8).map(|i| i % classes).collect();
        let right = |(i, &label): (usize, &u32)| if i % 5 == 0 { (label + 1) % classes } else { label };
        let predicted: Vec<u32> = truth.iter().enumerate().map(right).collect();
        group.bench_function(BenchmarkId::new("all_label_scores", classes), |bench| {
            bench.iter(|| {
                let confusion = Confusion::of_codes(classes as usize, black_box(&truth), &predicted).ok()?;
                let sums = confusion.marginals();
                Some((sums.accuracy(), sums.averaged(Average::Macro), sums.mcc(), sums.kappa()))
            });
        });
    }
    group.bench_function("roc_auc", |bench| {
        bench.iter(|| Ranking::new(black_box(&scores), &positive).map(|ranking| ranking.roc_auc()));
    });
    group.throughput(Throughput::Elements(100_000));
    group.bench_function("f1_bootstrap/50000x100000", |bench| {
        let resampling = Resampling::new(1).with_count(100_000);
        bench.iter(|| {
            let mut sums = Marginals::default();
            let counts = [18_000, 3_000, 0, 4_000, 25_000, 0];
            let replicates = count_bootstrap(black_box(&counts), resampling, 1, |drawn, out| {
                sums.fill(2, drawn);
                out[0] = sums.class(1).f1;
            });
            replicates
                .into_iter()
                .map(|list| replicates_interval(list, 0.877, 50_000, Confidence::P95, Method::CountBootstrap))
                .collect::<Vec<_>>()
        });
    });
}

criterion_group!(benches, describe, resample, classify);
criterion_main!(benches);
