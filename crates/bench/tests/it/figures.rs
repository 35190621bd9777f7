//! Every reported figure equals the script.

use std::sync::Arc;

use weighbridge_bench::{BenchSettings, Targets, gate};
use weighbridge_types::metric::{Cell, Flag, Provenance};
use weighbridge_types::record::{Phase, Record, Status, Verdict};
use weighbridge_types::request::Outcome;

use crate::support::{Memory, TestEngine, campaign, figure, root, settings, value, weigh};

fn check(record: &Record, key: &str, cell: &Cell, expected: f64) {
    let found = value(record, key, cell).unwrap_or_else(|| panic!("no {key} in {cell}"));
    assert!((found - expected).abs() < 1e-5 * expected.abs().max(1.0), "{key} in {cell}: {found}, not {expected}");
}

#[tokio::test(start_paused = true)]
async fn latency_equals_the_script() {
    let (record, _) = weigh(TestEngine::new("ttft=200ms,itl=20ms"), settings(&[Phase::Latency])).await;
    let cell = Cell::of(Phase::Latency).with("input_tokens", 128).with("output_tokens", 64);
    check(&record, "ttft.mean", &cell, 200.0);
    check(&record, "ttft.max", &cell, 200.0);
    check(&record, "itl.mean", &cell, 20.0);
    check(&record, "itl.p99", &cell, 20.0);
    check(&record, "tpot.mean", &cell, 20.0);
    check(&record, "e2e.mean", &cell, 200.0 + 63.0 * 20.0);
    check(&record, "decode_rate.mean", &cell, 50.0);
    check(&record, "prefill_rate.mean", &cell, 640.0);
    check(&record, "input_tokens.mean", &cell, 128.0);
    check(&record, "output_tokens.mean", &cell, 64.0);
    check(&record, "schedule_lag.max", &cell, 0.0);
    check(&record, "request_rate", &cell, 1.0 / 1.46);
    check(&record, "reliability", &cell, 100.0);
    let long = Cell::of(Phase::Latency).with("input_tokens", 512).with("output_tokens", 16);
    check(&record, "ttft_growth", &long, 1.0);
    let ttft = record.metric("ttft.mean", &cell).unwrap();
    assert_eq!((ttft.n, ttft.flags.as_slice()), (12, &[Flag::Scripted][..]));
    let interval = ttft.interval.as_ref().unwrap();
    assert!(interval.low <= 200.0 && 200.0 <= interval.high);
    let phase = record.phase(Phase::Latency).unwrap();
    assert_eq!((phase.status, phase.attempt), (Status::Complete, 1));
    assert!(phase.checks.iter().any(|check| check.name == "generation speed stable" && check.passed == Some(true)));
}

#[tokio::test(start_paused = true)]
async fn throughput_equals_the_script_and_scales_without_end() {
    let (record, _) = weigh(TestEngine::new("ttft=100ms,itl=10ms"), settings(&[Phase::Throughput])).await;
    for level in [1, 2, 4] {
        let cell = Cell::of(Phase::Throughput).with("concurrency", level);
        check(&record, "request_rate", &cell, f64::from(level) / 0.2);
        check(&record, "output_rate", &cell, f64::from(level) * 11.0 / 0.2);
        check(&record, "scaling", &cell, f64::from(level));
        check(&record, "concurrency", &cell, f64::from(level));
        check(&record, "little_residual", &cell, 0.0);
        check(&record, "e2e.mean", &cell, 200.0);
    }
    let knee = figure(&record, "knee_concurrency");
    assert_eq!((knee.value, knee.provenance), (None, Provenance::Unavailable));
    assert!(knee.reason.as_deref().unwrap().contains("concurrency 4"));
}

#[tokio::test(start_paused = true)]
async fn a_capacity_of_two_has_its_knee_at_two() {
    let engine = TestEngine::new("").with_capacity(2);
    let (record, _) = weigh(engine, settings(&[Phase::Throughput])).await;
    assert_eq!(figure(&record, "knee_concurrency").value, Some(2.0));
    let four = Cell::of(Phase::Throughput).with("concurrency", 4);
    check(&record, "request_rate", &four, 10.0);
    let key = record.phase(Phase::Throughput).unwrap().key_metric.clone().unwrap();
    assert_eq!(key.cell.get("concurrency"), Some("2"));
    assert!(record.findings.iter().any(|finding| finding.rule == "set-concurrency"));
}

#[tokio::test(start_paused = true)]
async fn faults_lower_reliability_and_every_request_is_counted() {
    let phases = [Phase::Validate, Phase::Latency, Phase::Throughput];
    let (record, sink) = weigh(TestEngine::new("fail_every=4,fail_after=3"), settings(&phases)).await;
    let cell = Cell::of(Phase::Throughput).with("concurrency", 1);
    check(&record, "failed", &cell, 10.0);
    check(&record, "reliability", &cell, 75.0);
    for phase in phases {
        let tally = record.phase(phase).unwrap().tally;
        let of_phase = |row: &&weighbridge_types::request::RequestRow| row.cell.get("phase") == Some(phase.name());
        let rows: Vec<_> = sink.rows.iter().filter(of_phase).filter(|row| !row.warmup).collect();
        assert!(tally.adds_up() && tally.failed > 0, "{tally:?}");
        assert_eq!(tally.scheduled, rows.len() as u64);
        assert_eq!(tally.succeeded, rows.iter().filter(|row| row.outcome.is_success()).count() as u64);
    }
    assert!(record.findings.iter().any(|finding| finding.rule == "requests-failed"));
    let reliability = record.targets.iter().find(|t| t.name == "reliability" && t.profile == "cpu").unwrap();
    assert_eq!(reliability.verdict, Verdict::Missed);
}

#[tokio::test(start_paused = true)]
async fn rows_arrive_when_nothing_is_in_flight_and_warm_up_is_marked() {
    let (_, sink) = weigh(TestEngine::new("ttft=100ms,itl=10ms"), settings(&[Phase::Latency])).await;
    let first: Vec<_> = sink.rows.iter().filter(|row| row.cell.get("input_tokens") == Some("128")).collect();
    assert_eq!(first.iter().filter(|row| row.warmup).count(), 1);
    assert!(first[0].warmup && first.len() == 13);
    assert!(first.windows(2).all(|pair| pair[0].timeline.ended.unwrap() <= pair[1].timeline.released));
    assert!(sink.rows.iter().all(|row| row.timeline.is_ordered()));
}

#[tokio::test(start_paused = true)]
async fn a_planted_leak_is_found_and_a_clean_engine_is_not_blamed() {
    for (bytes, is_clean) in [(1 << 20, false), (0, true)] {
        let folder = root();
        let engine = TestEngine::new("ttft=10ms,itl=1ms").leaking(&folder, bytes);
        let mut sink = Memory::default();
        let campaign = campaign(&Arc::new(engine), settings(&[Phase::Memory]), &folder);
        let record = campaign.run(None, &mut sink).await.unwrap();
        let check = &record.phase(Phase::Memory).unwrap().checks[0];
        assert_eq!(check.passed, Some(is_clean), "{check:?}");
        let has = |rule: &str| record.findings.iter().any(|finding| finding.rule == rule);
        assert_eq!((has("find-leak"), has("no-memory-growth")), (!is_clean, is_clean));
        let target = record.targets.iter().find(|t| t.name == "memory growth" && t.profile == "cpu").unwrap();
        let expected = if is_clean { Verdict::Met } else { Verdict::Missed };
        assert_eq!(target.verdict, expected, "{target:?}");
        let growth = figure(&record, "memory_growth.slope").value.unwrap();
        assert!((growth - bytes as f64).abs() < 200.0, "{growth}");
        assert_eq!(figure(&record, "request_high_water").value, Some(700.0));
        assert_eq!(figure(&record, "weights_mapped").value, Some(1010.0));
    }
}

#[tokio::test(start_paused = true)]
async fn memory_elsewhere_is_unavailable_and_never_zero() {
    let (record, _) = weigh(TestEngine::new(""), settings(&[Phase::Memory])).await;
    let phase = record.phase(Phase::Memory).unwrap();
    assert_eq!(phase.status, Status::Skipped);
    for name in ["rss_peak", "weights_mapped", "kv_cache_peak", "memory_growth.slope", "instances"] {
        let metric = figure(&record, name);
        assert_eq!((metric.value, metric.provenance), (None, Provenance::Unavailable), "{name}");
        assert!(metric.reason.as_deref().unwrap().contains("not compute in this process"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_model_that_knows_is_always_right_and_a_script_never() {
    let (knowing, _) = weigh(TestEngine::new("").knowing(), settings(&[Phase::Quality])).await;
    let cell = Cell::of(Phase::Quality).with("variant", "script");
    check(&knowing, "accuracy", &cell, 1.0);
    check(&knowing, "perplexity", &cell, 4.0);
    assert!(knowing.findings.iter().any(|finding| finding.rule == "better-than-chance"));
    assert_eq!(knowing.metric("accuracy", &cell).unwrap().n, 40);
    let (script, _) = weigh(TestEngine::new(""), settings(&[Phase::Quality])).await;
    check(&script, "accuracy", &cell, 0.0);
    let perplexity = script.metric("perplexity", &cell).unwrap();
    assert!(perplexity.value.is_none() && perplexity.reason.is_some());
    assert!(script.findings.iter().any(|finding| finding.rule == "near-chance"));
}

#[tokio::test(start_paused = true)]
async fn repetitions_are_the_unit_of_replication() {
    let twice = BenchSettings { runs: 2, ..settings(&[Phase::Latency]) };
    let (record, sink) = weigh(TestEngine::new("ttft=200ms,itl=20ms"), twice).await;
    let cell = Cell::of(Phase::Latency).with("input_tokens", 128).with("output_tokens", 64);
    let ttft = record.metric("ttft.mean", &cell).unwrap();
    assert_eq!((ttft.n, ttft.n_effective), (24, Some(2.0)));
    assert_eq!(ttft.interval.as_ref().unwrap().method, "student_t_of_runs");
    let runs: std::collections::BTreeSet<_> = sink.rows.iter().filter_map(|row| row.cell.get("run")).collect();
    assert_eq!(runs.into_iter().collect::<Vec<_>>(), ["1", "2"]);
}

#[tokio::test(start_paused = true)]
async fn the_users_targets_gate() {
    let text = "targets:\n  - metric: ttft.mean\n    below: 100\n    cell: { phase: latency, input_tokens: 128 }\n";
    let folder = root();
    let engine = Arc::new(TestEngine::new("ttft=200ms,itl=20ms"));
    let mut campaign = campaign(&engine, settings(&[Phase::Latency]), &folder);
    campaign.targets = Targets::default().and(Targets::from_text(text).unwrap());
    let record = campaign.run(None, &mut Memory::default()).await.unwrap();
    assert_eq!(gate(&record), weighbridge_bench::Gate::Failed);
    let own = record.targets.iter().find(|target| target.profile == "own").unwrap();
    assert_eq!((own.verdict, own.observed.as_str()), (Verdict::Missed, "200.0 ms"));
}

#[tokio::test(start_paused = true)]
async fn the_record_reads_back_as_written() {
    let (record, sink) = weigh(TestEngine::new(""), settings(&Phase::ALL)).await;
    let text = serde_json::to_string(&record).unwrap();
    assert_eq!(Record::from_json(&text).unwrap(), record);
    assert_eq!(sink.checkpoints.last(), Some(&record));
    let sum: f64 = record.phases.iter().filter_map(|phase| phase.duration_s).sum();
    assert!((record.duration_s - sum).abs() < 1e-9);
    assert_eq!(record.phase(Phase::Validate).unwrap().checks.len(), 7);
    assert!(record.phase(Phase::Latency).unwrap().estimated_s.is_some());
}

/// The same seed gives the same prompts in the same order, whatever the number of threads.
#[test]
fn requests_do_not_depend_on_threads() {
    let prompts = |threads: usize, seed: u64| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_time().build().unwrap();
        let engine = Arc::new(TestEngine::new("ttft=1us,itl=0us"));
        let folder = root();
        let settings = BenchSettings { seed, ..settings(&[Phase::Latency, Phase::Throughput]) };
        let mut sink = Memory::default();
        runtime.block_on(campaign(&engine, settings, &folder).run(None, &mut sink)).unwrap();
        assert!(sink.rows.iter().all(|row| matches!(row.outcome, Outcome::Succeeded { .. })));
        engine.prompts.lock().unwrap().clone()
    };
    let one = prompts(1, 42);
    assert_eq!(one, prompts(4, 42));
    assert_ne!(one, prompts(1, 43));
    let mut different = one.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), one.len(), "no prompt is asked twice");
}
