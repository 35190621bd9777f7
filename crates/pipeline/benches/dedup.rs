//! Texts per second through the search for near duplicates, with its recall and precision on planted copies.

#![expect(clippy::print_stdout, reason = "it prints its figures")]

mod planted;

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use weighbridge_pipeline::dedup::{Shingles, Signer, cluster_texts};

fn main() {
    let mut criterion = Criterion::default().sample_size(10).configure_from_args();
    let (texts, family) = planted::planted(20_000, 4_000, 1);
    let bytes: usize = texts.iter().map(String::len).sum();
    let roots = cluster_texts(texts.iter().map(String::as_str), 0.7);
    let (recall, precision) = planted::recall_and_precision(&roots, &family);
    println!("20,000 texts, {bytes} bytes, 4,000 copies: recall {recall:.4}, precision {precision:.4}");
    let mut group = criterion.benchmark_group("dedup");
    group.throughput(Throughput::Elements(texts.len() as u64));
    group.bench_function("cluster_20000", |bencher| {
        bencher.iter(|| cluster_texts(black_box(&texts).iter().map(String::as_str), 0.7));
    });
    let signer = Signer::new();
    group.throughput(Throughput::Elements(1));
    group.bench_function("sign", |bencher| bencher.iter(|| signer.sign(&Shingles::of(black_box(&texts[0])))));
    group.finish();
    criterion.final_summary();
}
