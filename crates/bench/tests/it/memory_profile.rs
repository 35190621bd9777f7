//! Cycles of a memory profile on scripted engines.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use weighbridge_bench::Subject;
use weighbridge_bench::memory_profile::{MemoryProfileError, MemoryProfileRun, MemoryReader, MemoryReadings};
use weighbridge_engine::Engine;
use weighbridge_engine::scripted::ScriptedEngine;
use weighbridge_telemetry::SystemRoot;
use weighbridge_types::memory_profile::{MemoryProfileSettings, Trim, Trims, Watched};
use weighbridge_types::time::Clock;

/// A group that holds 1,000 bytes without a file and 3,000 in all, and a folder to change that.
fn group(folder: &std::path::Path) -> MemoryReader {
    let group = folder.join("sys/fs/cgroup/server");
    std::fs::create_dir_all(&group).unwrap();
    std::fs::write(group.join("memory.stat"), "anon 1000\n").unwrap();
    std::fs::write(group.join("memory.current"), "3000\n").unwrap();
    let watched = Watched::ControlGroup { folder: "/sys/fs/cgroup/server".to_owned() };
    MemoryReader::new(&SystemRoot::at(folder), watched).unwrap()
}

fn profile(script: Option<&str>, reader: MemoryReader) -> MemoryProfileRun {
    let subject = script.map(|script| {
        let engine: Arc<dyn Engine> = Arc::new(ScriptedEngine::new(script.parse().unwrap()));
        Subject {
            model_ref: "scripted".to_owned(),
            load: Arc::new(move || {
                let engine = Arc::clone(&engine);
                Box::pin(async move { Ok(engine) })
            }),
            variants: Vec::new(),
        }
    });
    let settings = MemoryProfileSettings {
        cycles: 5,
        requests: 12,
        concurrency: 3,
        input_tokens: 4,
        output_tokens: 2,
        wait_s: 2.0,
        seed: 1,
    };
    MemoryProfileRun {
        subject,
        settings,
        request_limit: Duration::from_secs(60),
        reader,
        trim: false,
        clock: Clock::start(),
        cancel: CancellationToken::new(),
    }
}

async fn run(run: MemoryProfileRun) -> Result<MemoryReadings, MemoryProfileError> {
    run.run(&mut |_| {}).await
}

#[tokio::test(start_paused = true)]
async fn each_cycle_is_the_same_load_and_one_reading() {
    let folder = tempfile::tempdir().unwrap();
    let found = run(profile(Some("ttft=100ms,itl=100ms,fail_every=6"), group(folder.path()))).await.unwrap();
    let requests: Vec<_> = found.entries.iter().map(|entry| (entry.cycle, entry.requests, entry.failed)).collect();
    assert_eq!(requests, [(1, 12, 2), (2, 24, 2), (3, 36, 2), (4, 48, 2), (5, 60, 2)]);
    assert_eq!((found.start_bytes, found.entries[4].floor_bytes, found.entries[4].memory_delta), (1_000, 1_000, 0));
    assert_eq!(found.series.rss_bytes, [Some(3_000); 5]);
    assert_eq!(found.series.heap_bytes, [None; 5]);
    assert_eq!(found.notes, ["10 of 60 requests failed"]);
    // Each cycle has 10 sound requests of 200 ms, in places for three; waits do not count for the rate.
    let load = found.entries[0].load_s.unwrap();
    assert!((0.6..0.9).contains(&load), "{load}");
    assert!(found.entries[0].at_s > 2.0 + load);
    assert!((found.requests_per_hour().unwrap() * load / 3_600.0 - 12.0).abs() < 1.5);
}

#[tokio::test(start_paused = true)]
async fn memory_is_watched_without_a_load_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let stat = folder.path().join("sys/fs/cgroup/server/memory.stat");
    let watch = profile(None, group(folder.path()));
    let mut changed = |entry: &weighbridge_types::memory_profile::MemoryEntry| match entry.cycle {
        1 => std::fs::write(&stat, "anon 900\n").unwrap(),
        2 => std::fs::write(&stat, "anon 1300\n").unwrap(),
        3 => std::fs::remove_file(&stat).unwrap(),
        _ => {}
    };
    let found = watch.run(&mut changed).await.unwrap();
    let deltas: Vec<_> = found.entries.iter().map(|entry| entry.memory_delta).collect();
    assert_eq!(deltas, [0, -100, 400]);
    let growth = found.growth(299);
    assert_eq!((growth.grown_bytes, growth.peak_bytes, growth.warned_in_cycle), (300, 1_300, Some(3)));
    assert_eq!(found.growth(300).warned_in_cycle, None);
    assert_eq!(found.notes, ["control group `/sys/fs/cgroup/server` ended in cycle 4"]);
    assert!((found.entries[2].at_s - 6.0).abs() < 0.1 && found.requests_per_hour().is_none(), "{found:?}");
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[tokio::test(start_paused = true)]
async fn each_trim_is_between_two_readings() {
    let folder = tempfile::tempdir().unwrap();
    let found = run(MemoryProfileRun { trim: true, ..profile(Some("ttft=1ms"), group(folder.path())) }).await.unwrap();
    let trims: Vec<_> = found.entries.iter().filter_map(|entry| entry.trim).collect();
    assert_eq!(trims, [Trim { before_bytes: 1_000, after_bytes: 1_000 }; 5]);
    assert_eq!(found.trims, Some(Trims { given_back_bytes: Some(0), reason: None }));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_profiled_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = run(profile(Some("fail=error"), group(folder.path()))).await.unwrap_err();
    assert!(error.to_string().contains("no request succeeded"), "{error}");
    let nowhere = Watched::ControlGroup { folder: "/sys/fs/cgroup/none".to_owned() };
    let error = MemoryReader::new(&SystemRoot::at(folder.path()), nowhere).unwrap_err();
    assert!(error.to_string().contains("`/sys/fs/cgroup/none`"), "{error}");
    let gone = MemoryReader::new(&SystemRoot::at(folder.path()), Watched::Process { pid: 7 }).unwrap();
    let error = run(profile(None, gone)).await.unwrap_err();
    assert!(error.to_string().contains("process 7"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_profile_keeps_its_whole_cycles() {
    let folder = tempfile::tempdir().unwrap();
    let profile = profile(Some("ttft=10ms"), group(folder.path()));
    let cancel = profile.cancel.clone();
    let found = profile
        .run(&mut |entry| {
            if entry.cycle == 2 {
                cancel.cancel()
            }
        })
        .await
        .unwrap();
    assert_eq!(found.entries.len(), 2);
    assert_eq!(found.notes, ["interrupted in cycle 3, which is left out"]);
}
