//! A memory profile on the console and in its form.

use weighbridge_report::console::{Color, Width};
use weighbridge_report::{console, schema};
use weighbridge_types::environment::Environment;
use weighbridge_types::memory_profile::{
    AllocationSite, LeakOutcome, LeakRule, LeakVerdict, MEMORY_PROFILE_VERSION, MemoryEntry, MemoryGrowth,
    MemoryProfile, MemoryProfileSettings, MemorySeries, Ranged, Trim, Trims, Watched,
};

const MIB: f64 = 1_048_576.0;

fn ranged(value: f64, half: f64) -> Option<Ranged> {
    Some(Ranged { value, low: value - half, high: Some(value + half) })
}

/// Forty cycles of 500 requests on a server that leaks 512 bytes each.
fn leaking() -> MemoryProfile {
    let entry = |cycle: u64| MemoryEntry {
        cycle,
        requests: 500 * cycle,
        failed: 0,
        at_s: cycle as f64 * 1.5,
        load_s: Some(1.25),
        floor_bytes: (40 << 20) + 256_000 * cycle,
        memory_delta: 256_000,
        trim: None,
    };
    MemoryProfile {
        schema_version: MEMORY_PROFILE_VERSION.to_owned(),
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        model_ref: Some("vllm:http://127.0.0.1:8000#model".to_owned()),
        engine: None,
        watched: Watched::Process { pid: 4711 },
        settings: MemoryProfileSettings {
            cycles: 40,
            requests: 500,
            concurrency: 4,
            input_tokens: 32,
            output_tokens: 8,
            wait_s: 0.1,
            seed: 42,
        },
        start_bytes: 40 << 20,
        entries: (1..=40).map(entry).collect(),
        growth: None,
        trims: None,
        series: Some(MemorySeries { rss_bytes: vec![Some(90 << 20); 40], heap_bytes: vec![None; 40] }),
        verdict: LeakVerdict {
            outcome: LeakOutcome::Leak,
            reason: "memory grows to the end, by 512.3 B per request (509.3 to 515.3)".to_owned(),
            warmup_cycles: 4,
            judged_cycles: 36,
            bytes_per_request: ranged(512.3, 3.0),
            bytes_per_request_late: ranged(511.0, 8.0),
            mib_per_hour: ranged(703.5, 4.1),
            mib_per_hour_late: ranged(701.8, 11.0),
            trend_p: Some(1e-9),
            rest_bytes: Some(50.0 * MIB),
            limit_bytes: Some(16_384.0 * MIB),
            hours_to_limit: Some(Ranged { value: 23.2, low: 23.0, high: None }),
            rule: LeakRule {
                confidence: 0.95,
                significance: 0.05,
                least_bytes_per_request: Some(256.0),
                least_share_per_hour: None,
                warmup: "the first tenth of the cycles".to_owned(),
            },
        },
        notes: vec!["3 of 20000 requests failed".to_owned()],
        environment: Environment::default(),
    }
}

#[test]
fn the_console_fits_80_columns() {
    let text = console::memory_profile(&leaking(), Width::new(80), Color::Never);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_only_watched_is_told_by_the_hour() {
    let mut watched = leaking();
    watched.model_ref = None;
    watched.settings.wait_s = 60.0;
    let verdict = &mut watched.verdict;
    verdict.reason = "memory grows to the end, by 703.5 MiB per hour (699.4 to 707.6)".to_owned();
    (verdict.bytes_per_request, verdict.bytes_per_request_late, verdict.hours_to_limit) = (None, None, None);
    let text = console::memory_profile(&watched, Width::new(80), Color::Never);
    assert!(!text.contains("B per request (") && !text.contains("requests  at rest"), "{text}");
    assert!(text.contains("703.5 MiB per hour") && text.contains("40 readings, one in 1 min 0 s"), "{text}");
}

/// A profile that grew beyond what it should, with where that was asked for.
fn grown() -> MemoryProfile {
    let mut grown = leaking();
    for entry in &mut grown.entries {
        entry.trim = Some(Trim { before_bytes: 90 << 20, after_bytes: 88 << 20 });
    }
    grown.trims = Some(Trims { given_back_bytes: Some(80 << 20), reason: None });
    let site = |function: &str, bytes: u64, share| AllocationSite { function: function.to_owned(), bytes, share };
    grown.growth = Some(MemoryGrowth {
        grown_bytes: 1_100_000_000,
        peak_bytes: 1_200_000_000,
        warn_bytes: 1_000_000_000,
        warned_in_cycle: Some(37),
        sites: Some(vec![
            site("server::sessions::SessionTable::remember", 1_100_000_000, 0.91),
            site("<server::sessions::Answer as core::iter::traits::iterator::Iterator>::next", 90_000_000, 0.08),
        ]),
        sites_reason: None,
    });
    grown
}

#[test]
fn growth_is_warned_of_with_where_it_was_asked_for() {
    let mut grown = grown();
    let text = console::memory_profile(&grown, Width::new(80), Color::Never);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
    let form = serde_json::from_str(&schema::memory_profile()).unwrap();
    assert!(jsonschema::validator_for(&form).unwrap().is_valid(&serde_json::to_value(&grown).unwrap()));
    let growth = grown.growth.as_mut().unwrap();
    (growth.sites, growth.sites_reason) = (None, Some("allocations were not sampled".to_owned()));
    grown.trims = Some(Trims { given_back_bytes: None, reason: Some("no `malloc_trim`".to_owned()) });
    let text = console::memory_profile(&grown, Width::new(80), Color::Never);
    assert!(text.contains("not known: allocations were not sampled"), "{text}");
    assert!(text.contains("unavailable: no `malloc_trim`"), "{text}");
}

/// A profile as version 1.0 wrote it. It is never written again: whatever changes, this must stay readable.
#[test]
fn a_profile_of_version_1_0_is_read() {
    let text = include_str!("../golden/memory-profile-1.0.json");
    let read: MemoryProfile = serde_json::from_str(text).unwrap();
    assert_eq!((read.schema_version.as_str(), read.entries.len()), ("1.0", 3));
    assert!(read.growth.is_none() && read.trims.is_none() && read.entries[0].trim.is_none());
}

#[test]
fn the_form_has_a_schema_and_a_line_for_each_cycle() {
    let text = serde_json::to_string_pretty(&leaking()).unwrap();
    assert_eq!(text.lines().filter(|line| line.contains("memory_delta")).count(), 40);
    let form = serde_json::from_str(&schema::memory_profile()).unwrap();
    let validator = jsonschema::validator_for(&form).unwrap();
    assert!(validator.is_valid(&serde_json::from_str(&text).unwrap()));
    assert_eq!(serde_json::from_str::<MemoryProfile>(&text).unwrap(), leaking());
}
