//! How long the figures of a load take, per request of 64 frames, once the log is parsed: both readings.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_summary::{Basis, LoadKind, LoadPlan, LoadSummary, Stages, TimeBins};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Phase;
use weighbridge_types::request::{Channel, FinishReason, FrameStamp, Outcome, RequestRow, Timeline, Usage};
use weighbridge_types::time::Stamp;

const TOKENS: u32 = 64;
const ROWS: u64 = 20_000;

fn request(id: u64) -> RequestRow {
    let start = id * 1_000_000;
    let at = |index: u32| Stamp::from_nanos(start + 20_000_000 + u64::from(index) * (3_000_000 + id * 7_919 % 100_000));
    let frames = (0..TOKENS).map(|index| FrameStamp { at: at(index), tokens: 1, channel: Channel::Answer }).collect();
    let timeline = Timeline {
        planned: Stamp::from_nanos(start),
        released: Stamp::from_nanos(start + 50_000),
        first_byte_written: Some(Stamp::from_nanos(start + 80_000)),
        sent: Some(Stamp::from_nanos(start + 90_000)),
        headers: Some(Stamp::from_nanos(start + 15_000_000)),
        frames,
        ended: Some(at(TOKENS)),
        ..Timeline::default()
    };
    let cell = Cell::of(Phase::Load).with("rate", 1_000);
    RequestRow {
        planned_input_tokens: Some(128),
        usage: Some(Usage { input_tokens: 128, output_tokens: TOKENS, ..Usage::default() }),
        ..RequestRow::new(id, cell, TOKENS, timeline, Outcome::Succeeded { finish: FinishReason::Length })
    }
}

fn plan() -> LoadPlan {
    LoadPlan { kind: LoadKind::Open, slo: "ttft<200ms,tpot<30ms".parse().unwrap_or_default(), ..LoadPlan::default() }
}

fn stages(rows: &[RequestRow]) -> Stages {
    let mut first = TimeBins::new(&plan());
    rows.iter().for_each(|row| first.push(row));
    first.stages()
}

fn bench(criterion: &mut Criterion) {
    let rows: Vec<RequestRow> = (0..ROWS).map(request).collect();
    let stages = stages(&rows);
    let mut group = criterion.benchmark_group("load");
    group.sample_size(10).throughput(Throughput::Elements(ROWS));
    group.bench_function("first reading", |bencher| bencher.iter(|| self::stages(black_box(&rows))));
    for (name, limit) in [("second reading, values kept", 1 << 24), ("second reading, histograms", 4_096)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut second = LoadSummary::with_limit(&stages, &plan(), &Basis::default(), limit);
                rows.iter().for_each(|row| second.push(black_box(row)));
                second
            });
        });
    }
    let mut second = LoadSummary::new(&stages, &plan(), &Basis::default());
    rows.iter().for_each(|row| second.push(row));
    group.bench_function("finish", |bencher| bencher.iter(|| second.clone().finish()));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
