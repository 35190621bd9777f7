//! What the recorder costs per request row: nanoseconds of the run's time in a burst, nanoseconds in the long run
//! (where the writing thread sets the pace), and bytes on disk.

#![expect(clippy::print_stdout, reason = "criterion knows no unit but time: the bytes are printed")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot run must stop")]

#[path = "../tests/it/rows.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod rows;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_store::{Recorder, RunFolder};
use weighbridge_types::event::{RunEvent, Sink};
use weighbridge_types::record::Phase;
use weighbridge_types::time::Clock;

/// Below the queue's bound, so that a burst never waits.
const BURST: u64 = 1000;
/// Rows whose size on disk is told.
const ROWS: u64 = 10_000;

fn recorder(results: &tempfile::TempDir) -> Recorder {
    let folder = RunFolder::create(results.path(), "bench", "bench", rows::NOON).unwrap();
    let mut recorder = Recorder::start(folder).unwrap();
    recorder.event(&RunEvent::PhaseStarted { phase: Phase::Latency, attempt: 1 }).unwrap();
    recorder
}

fn burst(recorder: &mut Recorder, events: &[RunEvent], clock: &Clock) -> Duration {
    let start = clock.now();
    events.iter().for_each(|event| recorder.event(event).unwrap());
    let spent = clock.now() - start;
    recorder.checkpoint(&rows::record("bench", "bench", 1.0)).unwrap();
    spent
}

fn row(criterion: &mut Criterion) {
    let clock = Clock::start();
    let mut group = criterion.benchmark_group("recorder");
    for tokens in [1, 64, 256] {
        let results = tempfile::tempdir().unwrap();
        let events: Vec<RunEvent> = (0..BURST).map(|id| rows::request(Phase::Latency, id, tokens)).collect();
        group.throughput(Throughput::Elements(1));
        group.bench_function(format!("burst/{tokens}_tokens"), |bencher| {
            let mut recorder = recorder(&results);
            bencher.iter_custom(|count| {
                let bursts = count.div_ceil(BURST);
                let spent: Duration = (0..bursts).map(|_| burst(&mut recorder, &events, &clock)).sum();
                spent.mul_f64(count as f64 / (bursts * BURST) as f64)
            });
        });
        group.bench_function(format!("sustained/{tokens}_tokens"), |bencher| {
            let mut recorder = recorder(&results);
            bencher.iter(|| recorder.event(&events[0]).unwrap());
        });
        let mut recorder = recorder(&results);
        (0..ROWS).for_each(|id| recorder.event(&rows::request(Phase::Latency, id, tokens)).unwrap());
        println!("{tokens} tokens: {} bytes/row on disk", recorder.close().unwrap().bytes / ROWS);
    }
    group.finish();
}

criterion_group!(benches, row);
criterion_main!(benches);
