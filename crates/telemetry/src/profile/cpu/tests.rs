use std::hint::black_box;
use std::sync::Mutex;

use weighbridge_engine::stage::Stage;

use super::*;
use crate::root::SystemRoot;
use crate::ticker::thread_cpu;

/// There is one timer in a process, and tests run side by side.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[inline(never)]
fn spin_until(is_over: &dyn Fn() -> bool) -> u64 {
    let mut value = 1_u64;
    while !is_over() {
        for _ in 0..10_000 {
            value = black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
    value
}

/// Samples a thread that works until `enough` samples were due, by its own processor time.
fn sampled(hertz: u32, cpu: Duration) -> Profile {
    let profiler = CpuProfiler::start(hertz).unwrap();
    let work = std::thread::Builder::new().name("spinner".to_owned()).spawn(move || {
        let _stage = Stage::Decode.enter();
        let root = SystemRoot::host();
        let start = thread_cpu(&root).unwrap();
        black_box(spin_until(&|| thread_cpu(&root).unwrap() - start >= cpu));
    });
    work.unwrap().join().unwrap();
    profiler.stop()
}

#[test]
fn a_busy_thread_is_seen_with_its_stage_at_the_rate_that_was_asked_for() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let profile = sampled(99, Duration::from_millis(500));
    let stacks = profile.stacks();
    let spun: u64 = stacks.iter().filter(|(frames, _)| frames[0] == "spinner").map(|(_, count)| count).sum();
    // 49.5 are due; timers of processor time run by the clock of the kernel, which may be as coarse as 10 ms.
    assert!((35..=65).contains(&spun), "{spun} of {}: {stacks:?}", profile.total());
    for (frames, _) in stacks.iter().filter(|(frames, _)| frames[0] == "spinner") {
        assert_eq!(frames[1], "[decode]", "{frames:?}");
    }
    let named = stacks.keys().filter(|frames| frames.iter().any(|name| name.contains("spin_until"))).count();
    assert!(named > 0, "{stacks:?}");
}

#[test]
fn there_is_one_at_a_time_and_another_after_it() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let first = CpuProfiler::start(99).unwrap();
    let error = CpuProfiler::start(99).unwrap_err();
    assert!(matches!(error, CpuError::Busy), "{error}");
    drop(first);
    assert_eq!(CpuProfiler::start(99).unwrap().stop().lost(), 0);
}

#[test]
fn samples_at_a_high_rate_are_whole() {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let profile = sampled(1000, Duration::from_millis(300));
    assert!(profile.total() > 20);
    for (frames, sample) in profile.samples() {
        assert!(frames.len() > 1, "{frames:?}");
        assert!(sample.at < Duration::from_secs(60));
    }
}
