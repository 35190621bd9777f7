//! How long the figures of a run take: they are computed between phases, and again by the validator.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use weighbridge_summary::{Basis, Rows, summarize};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Phase;
use weighbridge_types::request::{Channel, FinishReason, FrameStamp, Outcome, RequestRow, Timeline, Usage};
use weighbridge_types::time::Stamp;

const TOKENS: u32 = 64;

fn request(id: u64) -> RequestRow {
    let start = id * 1_000_000;
    let at = |index: u32| Stamp::from_nanos(start + 20_000_000 + u64::from(index) * (3_000_000 + id * 7_919 % 100_000));
    let frames = (0..TOKENS).map(|index| FrameStamp { at: at(index), tokens: 1, channel: Channel::Answer }).collect();
    RequestRow {
        planned_input_tokens: Some(128),
        usage: Some(Usage { input_tokens: 128, output_tokens: TOKENS, ..Usage::default() }),
        ..RequestRow::new(
            id,
            Cell::of(Phase::Throughput).with("concurrency", 1 << (id / 2_500)),
            TOKENS,
            Timeline {
                planned: Stamp::from_nanos(start),
                released: Stamp::from_nanos(start),
                frames,
                ended: Some(at(TOKENS)),
                ..Timeline::default()
            },
            Outcome::Succeeded { finish: FinishReason::Length },
        )
    }
}

fn bench(criterion: &mut Criterion) {
    let rows = Rows { requests: (0..10_000).map(request).collect(), ..Rows::default() };
    let mut group = criterion.benchmark_group("summary");
    group.sample_size(10);
    group.bench_function("10k requests of 64 tokens", |bencher| {
        bencher.iter(|| summarize(black_box(&rows), &Basis::default()));
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
