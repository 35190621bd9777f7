//! Leaks found, and not found, on real memory through the program.

use serde_json::Value;
use weighbridge_types::memory_profile::{LeakOutcome, MemoryProfile};

use crate::support::{Endpoint, run};

/// 20,000 requests in 40 cycles, on a script that waits for nothing.
const LOAD: [&str; 9] =
    ["--cycles", "40", "--requests", "500", "--concurrency", "16", "--wait", "10ms", "--fail-on-leak"];

/// What the program says of a script's memory, and its exit code.
fn profile(script: &str, more: &[&str]) -> (Option<i32>, MemoryProfile) {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [&["memory-profile", script, "--output", "memory.json"], &LOAD[..], more].concat();
    let ran = run(folder.path(), &arguments);
    let text = std::fs::read_to_string(folder.path().join("memory.json")).unwrap_or_default();
    let lines = text.lines().filter(|line| line.contains("memory_delta")).count();
    assert_eq!(lines, 40, "{}", ran.stderr);
    (ran.code, serde_json::from_str(&text).unwrap())
}

#[test]
fn a_script_that_leaks_512_bytes_is_caught() {
    let (code, found) = profile("scripted:ttft=0ms,itl=0ms,leak=512B", &["--track"]);
    assert_eq!((code, found.verdict.outcome), (Some(1), LeakOutcome::Leak), "{:?}", found.verdict);
    let slope = found.verdict.bytes_per_request.unwrap();
    // What leaks also fills holes that the heap has: a byte of slack, a fifth of a per cent.
    assert!(slope.low <= 513.0 && slope.high >= Some(511.0), "{slope:?}");
    assert!(slope.low > 500.0 && slope.high < Some(524.0), "{slope:?}");
    assert!(found.verdict.hours_to_limit.is_some() && found.verdict.mib_per_hour.is_some());
    let series = found.series.unwrap();
    assert_eq!((series.rss_bytes.len(), series.heap_bytes.len()), (40, 40));
    assert_eq!((found.entries.len(), found.entries[39].requests), (40, 20_000));
    let grown: i64 = found.entries.iter().map(|entry| entry.memory_delta).sum();
    assert_eq!(found.start_bytes.checked_add_signed(grown), Some(found.entries[39].floor_bytes));
}

#[test]
fn scripts_that_keep_nothing_or_level_off_are_cleared() {
    for script in ["scripted:ttft=0ms,itl=0ms", "scripted:ttft=0ms,itl=0ms,hoard=64MiB"] {
        let (code, found) = profile(script, &[]);
        assert_eq!((code, found.verdict.outcome), (Some(0), LeakOutcome::NoLeak), "{script} {:?}", found.verdict);
        assert!(found.series.is_none());
    }
}

/// A script that keeps 1 MiB of each request: what it plants is found by the function that asked for it.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn growth_beyond_a_limit_is_told_at_once_with_where_it_was_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let profile = |arguments: &[&str]| {
        let ran = run(folder.path(), arguments);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let text = std::fs::read_to_string(folder.path().join("memory.json")).unwrap();
        let growth = serde_json::from_str::<MemoryProfile>(&text).unwrap().growth.unwrap();
        (ran, growth)
    };
    let load = ["--requests", "10", "--wait", "1ms", "--concurrency", "2", "--output", "memory.json"];
    let script = ["memory-profile", "scripted:ttft=0ms,itl=0ms,leak=1MiB", "--cycles", "4"];
    let sampled = ["--warn-growth", "25MB", "--profile=flames", "--profile-allocations"];
    let (ran, growth) = profile(&[&script[..], &load, &sampled].concat());
    assert!(ran.stderr.contains("warning: memory has grown by 0.0"), "{}", ran.stderr);
    assert_eq!(ran.stderr.matches("beyond --warn-growth 0.025 GB").count(), 1, "{}", ran.stderr);
    assert_eq!((growth.warned_in_cycle, growth.warn_bytes), (Some(3), 25_000_000));
    assert!((38 << 20..60 << 20).contains(&growth.grown_bytes), "{growth:?}");
    let site = &growth.sites.as_ref().unwrap()[0];
    assert!(site.function.contains("kept::Held::leak") && site.share > 0.5, "{growth:?}");
    assert!(ran.stdout.contains("kept::Held::leak"), "{}", ran.stdout);
    for file in ["memory_profile_profile.svg", "memory_profile_allocations_profile.svg"] {
        assert!(folder.path().join("flames").join(file).exists(), "{file}: {}", ran.stderr);
    }
    // The verb of the suite says the same; without samples it says that there are none.
    let suite = ["performance-benchmark", "memory-profile", "--model", script[1], "--cycles", "4", "--output"];
    let suite = [&suite[..], &["memory.json", "--warn-growth", "25MB", "--", "--requests", "10", "--wait", "1ms"]];
    let (ran, growth) = profile(&suite.concat());
    assert!(ran.stderr.contains("beyond --warn-growth") && growth.sites.is_none(), "{}", ran.stderr);
    assert!(growth.sites_reason.unwrap().contains("--profile-allocations"));
    let (ran, growth) = profile(&[&script[..], &load].concat());
    assert!(!ran.stderr.contains("warning") && growth.warn_bytes == 1_000_000_000, "{}", ran.stderr);
    assert_eq!(growth.warned_in_cycle, None);
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn trims_give_back_what_the_allocator_keeps() {
    let folder = tempfile::tempdir().unwrap();
    // Its blocks are kept in a ring and freed out of order of size, so that the heap has holes.
    let script = ["memory-profile", "scripted:ttft=0ms,itl=0ms,hoard=32MiB", "--cycles", "8", "--requests", "2000"];
    let load = ["--wait", "1ms", "--concurrency", "16", "--output-format", "json", "--trim"];
    let ran = run(folder.path(), &[&script[..], &load].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found: MemoryProfile = serde_json::from_str(&ran.stdout).unwrap();
    let trims = found.trims.unwrap();
    let sum: u64 = found.entries.iter().map(|entry| entry.trim.unwrap()).map(|t| t.before_bytes - t.after_bytes).sum();
    assert_eq!(trims.given_back_bytes, Some(sum));
    assert!(sum > 1 << 20, "{trims:?} {:?}", found.entries);
    let other = run(folder.path(), &["memory-profile", "--pid", "1", "--trim"]);
    assert!(other.code == Some(2) && other.stderr.contains("--pid"), "{}", other.stderr);
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_is_watched_by_its_process_number() {
    // The server runs in this process, beside other tests: only that its memory is read and asked for is sure.
    let (endpoint, folder) = (Endpoint::start("ttft=0ms,itl=0ms"), tempfile::tempdir().unwrap());
    let (reference, pid) = (endpoint.reference(), std::process::id().to_string());
    let load = ["--cycles", "3", "--requests", "20", "--wait", "1ms", "--output-format", "json", "--fail-on-leak"];
    let ran = run(folder.path(), &[&["memory-profile", &reference, "--pid", &pid], &load[..]].concat());
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["watched"]["pid"], &json["entries"][2]["requests"]), (&std::process::id().into(), &60.into()));
    assert!(json["verdict"]["reason"].as_str().unwrap().contains("at least 30 are needed"), "{json}");
    let watch = ["memory-profile", "--pid", &pid, "--cycles", "35", "--interval", "10ms", "--output-format", "json"];
    let ran = run(folder.path(), &watch);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found: MemoryProfile = serde_json::from_str(&ran.stdout).unwrap();
    assert!(found.model_ref.is_none() && found.entries.len() == 35 && found.verdict.mib_per_hour.is_some());
}

#[test]
fn what_cannot_be_measured_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let check = |arguments: &[&str], code, words: &str| {
        let ran = run(folder.path(), &[&["memory-profile"], arguments].concat());
        assert_eq!(ran.code, Some(code), "{arguments:?} {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{arguments:?} {}", ran.stderr);
    };
    check(&[], 2, "MODEL");
    check(&["openai:http://127.0.0.1:9/v1#m"], 2, "--pid");
    check(&["--pid", "4194305"], 4, "process 4194305");
    check(&["--cgroup", "/sys/fs/cgroup/none"], 4, "control group `/sys/fs/cgroup/none`");
    check(&["scripted:fail=error", "--cycles", "40"], 4, "no request succeeded");
    check(&["scripted:", "--cycles", "0"], 2, "1..=4000");
    check(&["scripted:", "--wait", "soon"], 2, "`soon`");
    check(&["scripted:", "--least-hourly", "-3"], 2, "-3");
    check(&["scripted:", "--output", "none/file.json"], 2, "none/file.json");
    check(&["scripted:leak=lots"], 2, "`leak=lots`");
}
