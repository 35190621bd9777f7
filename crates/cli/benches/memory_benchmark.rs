//! Memory of the model that ships: what loading and a request allocate, the peak, what requests leave behind.
//! `cargo bench -p weighbridge --bench memory_benchmark`. Every allocation of the process is counted, the bench's own as well.
#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(unsafe_code, reason = "an allocator that counts must be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

use criterion::{Criterion, criterion_group, criterion_main};

mod tiny;

/// Requests between two readings of what is live.
const REQUESTS: u64 = 50;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);
static PEAK: AtomicI64 = AtomicI64::new(0);

struct Counting;

fn gained(bytes: usize) {
    ALLOCATIONS.fetch_add(1, Relaxed);
    ALLOCATED.fetch_add(bytes as u64, Relaxed);
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

fn lost(bytes: usize) {
    LIVE.fetch_sub(i64::try_from(bytes).unwrap_or(i64::MAX), Relaxed);
}

// SAFETY: every call goes to the system's allocator unchanged; counting neither allocates nor touches the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        gained(layout.size());
        // SAFETY: the caller's promises are those of the system's allocator.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        lost(layout.size());
        // SAFETY: the pointer came from the system's allocator with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        lost(layout.size());
        gained(size);
        // SAFETY: as in `dealloc`, and the caller's promise on the size.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Runs something; allocations, bytes allocated, bytes that it left.
fn counted<T>(work: impl FnOnce() -> T) -> (T, u64, u64, i64) {
    let before = (ALLOCATIONS.load(Relaxed), ALLOCATED.load(Relaxed), LIVE.load(Relaxed));
    let done = work();
    let live = LIVE.load(Relaxed) - before.2;
    (done, ALLOCATIONS.load(Relaxed) - before.0, ALLOCATED.load(Relaxed) - before.1, live)
}

fn memory(c: &mut Criterion) {
    let runtime = tiny::runtime();
    let (engine, count, bytes, live) = counted(tiny::load);
    println!("memory/load: {count} allocations, {bytes} bytes, {live} bytes kept");
    let mut number = 0;
    let mut ask = || {
        number += 1;
        assert!(runtime.block_on(tiny::ask(engine.as_ref(), number)).is_some(), "a request failed");
    };
    // What is made once, such as tables of the first request, is no part of a request.
    (0..REQUESTS).for_each(|_| ask());
    PEAK.store(LIVE.load(Relaxed), Relaxed);
    let rest = LIVE.load(Relaxed);
    let ((), count, bytes, left) = counted(|| (0..REQUESTS).for_each(|_| ask()));
    println!(
        "memory/request: {:.1} allocations, {:.0} bytes, peak {} bytes above rest, {left} bytes left by {REQUESTS} requests",
        count as f64 / REQUESTS as f64,
        bytes as f64 / REQUESTS as f64,
        PEAK.load(Relaxed) - rest,
    );
    let file = std::fs::metadata(tiny::file()).expect("the model ships").len();
    let score = file as f64 / (file as f64 + live.max(0) as f64);
    println!("memory/efficiency: {:.1} % of what a loaded model takes is its file of {file} bytes", 100.0 * score);
    c.bench_function("memory/request", |bencher| bencher.iter(&mut ask));
}

criterion_group! {
    name = suite;
    config = Criterion::default().sample_size(20);
    targets = memory
}
criterion_main!(suite);
