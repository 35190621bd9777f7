//! The cache of answers: a hit in memory, a hit on disk, a miss, keeping an answer, and keeping one where another must go.
//! `cargo bench -p weighbridge --bench cache_benchmark`.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use weighbridge_cache::{Cache, Key, Limits};

/// Bytes of an answer, as of a few hundred tokens.
const ANSWER: usize = 1_024;

/// Answers that are there.
const KEPT: u64 = 4_096;

/// What memory takes for an answer besides its bytes, rounded up.
const OVERHEAD: u64 = 256;

fn key(number: u64) -> Key {
    Key::of(&("bench", number)).expect("a number has a key")
}

/// A cache with answers, whose memory has room for some of them.
fn filled(memory_bytes: u64) -> (tempfile::TempDir, Cache) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let limits = Limits { memory_bytes, ..Limits::default() };
    let cache = Cache::open(folder.path(), limits).expect("a cache can be opened");
    (0..KEPT).for_each(|number| cache.put(key(number), &[7; ANSWER]).expect("an answer is kept"));
    (folder, cache)
}

fn cache(c: &mut Criterion) {
    let all = KEPT * (ANSWER as u64 + OVERHEAD);
    let mut group = c.benchmark_group("cache");
    group.throughput(Throughput::Elements(1));
    let keys: Vec<Key> = (0..2 * KEPT).map(key).collect();
    let mut place = 0;
    let mut next = |from: u64, count: u64| {
        place = (place + 1) % count;
        keys[usize::try_from(from + place).expect("a small number")]
    };
    for (name, memory, from) in [("hit in memory", all, 0), ("hit on disk", 0, 0), ("miss", all, KEPT)] {
        let (_folder, cache) = filled(memory);
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(cache.get(&next(from, KEPT)).expect("the cache can be read")));
        });
        let counts = cache.counts();
        let asked = counts.memory_hits + counts.disk_hits + counts.misses;
        println!(
            "cache/{name}: {} in memory, {} on disk, {} missed of {asked}",
            counts.memory_hits, counts.disk_hits, counts.misses
        );
    }
    for (name, memory) in [("keep", u64::MAX), ("keep, the oldest goes from memory", all / 8)] {
        let (_folder, cache) = filled(memory);
        let mut number = KEPT;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                number += 1;
                cache.put(key(number), &[7; ANSWER]).expect("an answer is kept");
            });
        });
    }
    group.finish();
}

criterion_group! {
    name = suite;
    config = Criterion::default().sample_size(20);
    targets = cache
}
criterion_main!(suite);
