//! Matrix products alone: `cargo bench -p weighbridge-engine-local --bench kernels`.
//!
//! One thread, weights of GPT-2's feed-forward shape, in every format and with every instruction set of this machine.
//! Throughput counts products, so that formats and batch sizes compare.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_engine_local::formats::Bytes;
use weighbridge_engine_local::kernels::{Activations, Compute, Isa, Quantized};
use weighbridge_engine_local::quant::BlockType;
use weighbridge_engine_local::weights::Tensor;

const ROWS: usize = 3072;
const COLUMNS: usize = 768;

fn weight(block_type: BlockType) -> Tensor {
    let row_bytes = block_type.row_bytes(COLUMNS).expect("768 columns are whole blocks of every format");
    let values: Vec<f32> = (0..COLUMNS).map(|i| (i * 7919 % 2003) as f32 / 1001.0 - 1.0).collect();
    let mut row = vec![0; row_bytes];
    block_type.quantize(&values, &mut row);
    Tensor::new("w", vec![ROWS, COLUMNS], block_type, Bytes::copy_from(&row.repeat(ROWS))).expect("the shapes fit")
}

fn products(criterion: &mut Criterion) {
    for block_type in BlockType::ALL {
        let weight = weight(block_type);
        let mut group = criterion.benchmark_group(block_type.name());
        for isa in Isa::available() {
            let mut compute = Compute::new(isa, 1, None).expect("no thread is started");
            for positions in [1, 4, 8, 128] {
                let x: Vec<f32> = (0..positions * COLUMNS).map(|i| (i * 31 % 199) as f32 / 99.0 - 1.0).collect();
                let (mut out, mut blocks) = (vec![0.0; positions * ROWS], Quantized::default());
                group.throughput(Throughput::Elements((positions * ROWS * COLUMNS) as u64));
                group.bench_function(BenchmarkId::new(isa.name(), positions), |bencher| {
                    bencher.iter(|| {
                        let mut x = Activations::new(&x, COLUMNS, &mut blocks);
                        compute.matmul(&weight, &mut x, &mut out);
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, products);
criterion_main!(benches);
