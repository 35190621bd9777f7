//! Summarizes a load run of a length of your choice without holding it, and prints what that took.
//!
//!     cargo run --release -p weighbridge-summary --example flat_memory -- 5000000

#![expect(clippy::print_stdout, reason = "an example prints its answer")]

use weighbridge_summary::{Basis, LoadKind, LoadPlan, LoadSummary, TimeBins};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Phase;
use weighbridge_types::request::{Channel, FinishReason, FrameStamp, Outcome, RequestRow, Timeline};
use weighbridge_types::time::Stamp;

const TOKENS: u32 = 64;

/// The row of request `id`: 1,000 requests a second, 20 to 30 ms to the first token, then a token every 3 ms or so.
fn fill(row: &mut RequestRow, id: u64) {
    let start = id * 1_000_000;
    let noise = |salt: u64| (id.wrapping_add(salt)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
    row.id = id;
    row.timeline.planned = Stamp::from_nanos(start);
    row.timeline.released = Stamp::from_nanos(start + noise(1) / 20);
    let mut at = start + 20_000_000 + 10 * noise(2);
    row.timeline.frames.clear();
    for index in 0..TOKENS {
        row.timeline.frames.push(FrameStamp { at: Stamp::from_nanos(at), tokens: 1, channel: Channel::Answer });
        at += 2_500_000 + noise(u64::from(index) + 3);
    }
    row.timeline.ended = Some(Stamp::from_nanos(at));
}

fn main() {
    let count: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let plan = LoadPlan { kind: LoadKind::Open, ..LoadPlan::default() };
    let cell = Cell::of(Phase::Load).with("rate", 1_000);
    let outcome = Outcome::Succeeded { finish: FinishReason::Length };
    let mut row = RequestRow::new(0, cell, TOKENS, Timeline::default(), outcome);
    let mut first = TimeBins::new(&plan);
    for id in 0..count {
        fill(&mut row, id);
        first.push(&row);
    }
    let stages = first.stages();
    let mut second = LoadSummary::new(&stages, &plan, &Basis::default());
    for id in 0..count {
        fill(&mut row, id);
        second.push(&row);
    }
    let figures = second.finish();
    for metric in figures.metrics.iter().filter(|metric| ["ttft", "itl", "output_throughput"].contains(&&*metric.name))
    {
        println!("{} {:?} {} {:?}", metric.key(), metric.value, metric.unit, metric.flags);
    }
    figures.notes.iter().for_each(|note| println!("{note}"));
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("VmHWM")).for_each(|line| println!("{line}"));
}
