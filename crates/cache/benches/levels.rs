//! What levels cost: 4 KiB of text-like values, in memory and on disk.
//!
//! A put of the acknowledged mode returns when the system has the bytes; one that writes behind when it is queued, so that its bench
//! counts the flush as well.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_cache::{Keep, Key, LevelSettings, Levels, Source, SystemWall, Tag, Writes};

/// Answers of a benchmark: their values take 41 MB.
const ANSWERS: u32 = 10_000;
const TAG: Tag = Tag::new(1, 1);
const WORDS: [&str; 16] = [
    "the", "alert", "shows", "a", "failed", "login", "from", "address", "10.0.0.", "user", "admin", "process", "which",
    "severity", "is", "low",
];

/// 4 KiB of words with some numbers between them: zstd makes a third of it.
fn value(seed: u32) -> Bytes {
    let mut text = String::with_capacity(4_200);
    let mut state = seed;
    while text.len() < 4_096 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(WORDS[(state >> 28) as usize]);
        if state >> 24 & 7 == 0 {
            text.push_str(&format!(" {}", state >> 8 & 0xffff));
        }
        text.push(' ');
    }
    text.truncate(4_096);
    text.into()
}

fn answers() -> Vec<(Key, Bytes)> {
    (0..ANSWERS).map(|number| (Key::of(&number).expect("a number has a form in JSON"), value(number))).collect()
}

fn levels(memory_bytes: u64) -> Levels {
    Levels::new(LevelSettings::memory(memory_bytes), Arc::new(SystemWall))
}

fn on_disk(folder: &Path, writes: Writes) -> Levels {
    levels(0).with_disk(folder, LevelSettings::disk(4 << 30), writes).expect("a folder for a benchmark")
}

fn memory(criterion: &mut Criterion) {
    let (answers, levels) = (answers(), levels(1 << 30));
    for (key, value) in &answers {
        levels.put(*key, value.clone(), Keep::tagged(TAG));
    }
    let mut group = criterion.benchmark_group("memory");
    group.throughput(Throughput::Elements(1));
    let mut turn = 0;
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            turn = (turn + 7_919) % answers.len();
            black_box(levels.get(&answers[turn].0, TAG))
        });
    });
    group.throughput(Throughput::Elements(2 * answers.len() as u64));
    group.bench_function("get_two_threads", |bencher| {
        bencher.iter(|| {
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| answers.iter().filter(|(key, _)| levels.get(key, TAG).is_some()).count());
                }
            });
        });
    });
}

fn disk(criterion: &mut Criterion) {
    let answers = answers();
    let mut group = criterion.benchmark_group("disk");
    group.sample_size(10).throughput(Throughput::Elements(answers.len() as u64));
    for (name, writes) in [("put_acknowledged", Writes::Acknowledged), ("put_behind_and_flush", Writes::Behind)] {
        group.bench_function(name, |bencher| {
            let folder = || tempfile::tempdir().expect("a folder for a benchmark");
            bencher.iter_batched(
                || {
                    let folder = folder();
                    (on_disk(folder.path(), writes), folder)
                },
                |(levels, folder)| {
                    for (key, value) in &answers {
                        levels.put(*key, value.clone(), Keep::tagged(TAG));
                    }
                    if writes == Writes::Behind {
                        levels.flush().expect("a folder that can be written");
                    }
                    (levels, folder)
                },
                BatchSize::PerIteration,
            );
        });
    }
    let folder = tempfile::tempdir().expect("a folder for a benchmark");
    let levels = on_disk(folder.path(), Writes::Acknowledged);
    for (key, value) in &answers {
        levels.put(*key, value.clone(), Keep::tagged(TAG));
    }
    drop(levels);
    group.bench_function("open", |bencher| bencher.iter(|| on_disk(folder.path(), Writes::Acknowledged)));
    let levels = on_disk(folder.path(), Writes::Acknowledged);
    group.bench_function("get_after_reopen", |bencher| {
        bencher.iter(|| {
            for (key, value) in &answers {
                let found = levels.get(key, TAG);
                assert!(found.is_some_and(|(found, source)| found.len() == value.len() && source == Source::Disk));
            }
        });
    });
}

criterion_group!(benches, memory, disk);
criterion_main!(benches);
