//! The shipped classifiers: a dense one on payloads, a convolutional one on bytes; alone, and in batches.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_engine_onnx::Classifier;

const PAYLOADS: [&str; 6] = [
    "maria.lopez@example.org",
    "calle mayor 12, 3 izq",
    "1442431887503330",
    "-1 union all select null,null,concat(0x71,version()),null#",
    "<img src=x onerror=\"javascript:alert(document.cookie)\">",
    "../../../../../../windows/system32/drivers/etc/hosts",
];

fn classify(criterion: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/network/network.onnx");
    let classifier = Classifier::open(path.as_ref(), 1).expect("the shipped classifier loads");
    let features = classifier.description().features.clone();
    let mut group = criterion.benchmark_group("network classifier");
    for count in [1_usize, 64] {
        let texts: Vec<&str> = PAYLOADS.iter().copied().cycle().take(count).collect();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} payloads, features and graph"), |bencher| {
            bencher.iter(|| classifier.run(texts.iter().flat_map(|text| features.row(text)).collect()));
        });
        group.bench_function(format!("{count} payloads, graph"), |bencher| {
            let rows: Vec<f32> = texts.iter().flat_map(|text| features.row(text)).collect();
            bencher.iter_batched(|| rows.clone(), |rows| classifier.run(rows), BatchSize::SmallInput);
        });
    }
    group.finish();
}

/// Images of 4096 bytes: 2.6 million products each.
fn convolve(criterion: &mut Criterion) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/bytes/bytes.onnx");
    let classifier = Classifier::open(path.as_ref(), 1).expect("the shipped classifier loads");
    let bytes: Vec<u8> = (0..4096_u32).map(|place| (place * place % 251).to_le_bytes()[0]).collect();
    let row = classifier.description().features.row_of_bytes(&bytes);
    let mut group = criterion.benchmark_group("byte classifier");
    for count in [1_usize, 16, 64] {
        let rows = row.repeat(count);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} images, graph"), |bencher| {
            bencher.iter_batched(|| rows.clone(), |rows| classifier.run(rows), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, classify, convolve);
criterion_main!(benches);
