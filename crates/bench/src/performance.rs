//! From the requests of a run to a result of `performance-benchmark`.
//!
//! Every figure is of the rows that the record keeps, by the formulas of the record. Percentiles are told at any count here,
//! because the form promises them; the record's own figures say where a percentile has too few values to be believed.

use serde::Serialize;
use weighbridge_stats::quantile_sorted;
use weighbridge_types::performance::{
    BenchmarkResult, BenchmarkType, ConcurrencyLevel, PerformanceTargets, TargetVerdict,
};
use weighbridge_types::request::{Outcome, RequestRow};
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::units::millis;

/// Parts of a run, one after the other.
const PARTS: usize = 5;

/// Requests of a part at least; a shorter run has fewer parts, or none.
const LEAST_OF_PART: usize = 4;

/// What some requests come to.
struct Figures {
    n: u64,
    latencies: Vec<f64>,
    failed: u64,
    rate: Option<f64>,
}

impl Figures {
    fn of(rows: &[&RequestRow]) -> Self {
        let succeeded = || rows.iter().filter(|row| row.outcome.is_success());
        let mut latencies: Vec<f64> = succeeded().filter_map(|row| row.timeline.e2e()).map(millis).collect();
        latencies.sort_by(f64::total_cmp);
        let failed = rows.iter().filter(|row| matches!(row.outcome, Outcome::Failed { .. })).count() as u64;
        let start = rows.iter().map(|row| row.life().0).min();
        let end = rows.iter().map(|row| row.life().1).max();
        let seconds = start.zip(end).map(|(start, end)| (end - start).as_secs_f64()).filter(|seconds| *seconds > 0.0);
        let rate = seconds.filter(|_| !latencies.is_empty()).map(|seconds| succeeded().count() as f64 / seconds);
        Self { n: rows.len() as u64, latencies, failed, rate }
    }

    fn mean(&self) -> Option<f64> {
        (!self.latencies.is_empty()).then(|| self.latencies.iter().sum::<f64>() / self.latencies.len() as f64)
    }

    fn quantile(&self, q: f64) -> Option<f64> {
        quantile_sorted(&self.latencies, q)
    }

    fn errors(&self) -> Option<f64> {
        (self.n > 0).then(|| self.failed as f64 / self.n as f64)
    }

    /// Those of a result, with their keys.
    fn all(&self) -> [(&'static str, Option<f64>); 6] {
        [
            ("avg_latency_ms", self.mean()),
            ("p50_latency_ms", self.quantile(0.5)),
            ("p90_latency_ms", self.quantile(0.9)),
            ("p95_latency_ms", self.quantile(0.95)),
            ("p99_latency_ms", self.quantile(0.99)),
            ("throughput_rps", self.rate),
        ]
    }
}

/// Rows that are measured, in the order of their release.
fn measured<'a>(rows: impl IntoIterator<Item = &'a RequestRow>) -> Vec<&'a RequestRow> {
    let mut rows: Vec<&RequestRow> = rows.into_iter().filter(|row| !row.warmup).collect();
    rows.sort_by_key(|row| row.timeline.released);
    rows
}

/// Puts the latency, rate and errors of these requests into a result, with those of their parts.
pub fn of_requests<'a>(result: &mut BenchmarkResult, rows: impl IntoIterator<Item = &'a RequestRow>) {
    let rows = measured(rows);
    let figures = Figures::of(&rows);
    result.n = figures.n;
    let [mean, p50, p90, p95, p99, rate] = figures.all().map(|(_, value)| value);
    (result.avg_latency_ms, result.p50_latency_ms, result.p90_latency_ms) = (mean, p50, p90);
    (result.p95_latency_ms, result.p99_latency_ms, result.throughput_rps) = (p95, p99, rate);
    result.error_rate = figures.errors();
    for (key, value) in figures.all() {
        if value.is_none() {
            result.unknown.insert(key.to_owned(), "no request succeeded".to_owned());
        }
    }
    let size = rows.len().div_ceil(PARTS).max(LEAST_OF_PART);
    if rows.len() < 2 * size {
        return;
    }
    // A short rest would be a part of its own that says little.
    let whole = rows.chunks(size).filter(|part| part.len() >= LEAST_OF_PART);
    for part in whole.map(Figures::of) {
        for (key, value) in part.all() {
            if let Some(value) = value {
                result.parts.entry(key.to_owned()).or_default().push(value);
            }
        }
    }
}

/// Puts each level of concurrency into a result; the highest stands for it.
pub fn of_levels(result: &mut BenchmarkResult, rows: &[RequestRow]) {
    let level = |row: &RequestRow| row.cell.get("concurrency").and_then(|text| text.parse::<u64>().ok());
    let mut levels: Vec<u64> = rows.iter().filter_map(level).collect();
    levels.sort_unstable();
    levels.dedup();
    for concurrency in levels {
        let of_level = || rows.iter().filter(move |row| level(row) == Some(concurrency));
        let figures = Figures::of(&measured(of_level()));
        result.levels.push(ConcurrencyLevel {
            concurrency,
            n: figures.n,
            avg_latency_ms: figures.mean(),
            p99_latency_ms: figures.quantile(0.99),
            throughput_rps: figures.rate,
            error_rate: figures.errors(),
        });
        result.parts.clear();
        of_requests(result, of_level());
    }
}

/// Puts the requests of a cache benchmark into a result: those that were sent before stand for it.
pub fn of_cache(result: &mut BenchmarkResult, rows: &[RequestRow]) {
    let of = |usage: &'static str| {
        rows.iter()
            .filter(move |row| row.cell.get("workload") == Some("repeated") && row.cell.get("use") == Some(usage))
    };
    of_requests(result, of("again"));
    result.throughput_rps = None;
    result.parts.remove("throughput_rps");
    let why = "prompts that were sent before are asked in turn with others".to_owned();
    result.unknown.insert("throughput_rps".to_owned(), why);
    result.cache_miss_latency_ms = Figures::of(&measured(of("fresh"))).mean();
    let tokens = measured(of("again")).into_iter().filter_map(|row| {
        let usage = row.usage?;
        Some((u64::from(usage.cached_input_tokens?), u64::from(usage.input_tokens)))
    });
    let (found, asked) = tokens.fold((0, 0), |sum, tokens| (sum.0 + tokens.0, sum.1 + tokens.1));
    result.cache_hit_ratio = (asked > 0).then(|| found as f64 / asked as f64);
    if asked == 0 {
        let why = "the target does not say which tokens came from a cache";
        result.unknown.insert("cache_hit_ratio".to_owned(), why.to_owned());
    }
}

/// Puts what process and host used into a result.
pub fn of_samples(result: &mut BenchmarkResult, samples: &[ResourceSample], host_bytes: Option<u64>) {
    let peak = samples.iter().filter_map(|sample| sample.rss_bytes).max();
    result.memory_usage_mb = peak.map(|bytes| bytes as f64 / 1e6);
    result.memory_utilization =
        peak.zip(host_bytes.filter(|bytes| *bytes > 0)).map(|(used, all)| used as f64 / all as f64);
    let shares: Vec<f64> = samples.iter().filter_map(|sample| sample.host_cpu_share).collect();
    result.cpu_utilization = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / shares.len() as f64);
    let known = [
        ("memory_usage_mb", result.memory_usage_mb),
        ("memory_utilization", result.memory_utilization),
        ("cpu_utilization", result.cpu_utilization),
    ];
    for (key, _) in known.into_iter().filter(|(_, value)| value.is_none()) {
        result.unknown.insert(key.to_owned(), "the system does not tell, or the test was too short".to_owned());
    }
}

/// Holds results against targets, each against the test that it is about.
#[must_use]
pub fn judge(results: &[BenchmarkResult], targets: &PerformanceTargets) -> Vec<TargetVerdict> {
    let all = targets.all();
    results.iter().flat_map(|result| all.iter().filter_map(|target| verdict(result, *target))).collect()
}

/// What a result says of a target; `None` where the target is not about its test.
fn verdict(result: &BenchmarkResult, (target, limit): (&'static str, f64)) -> Option<TargetVerdict> {
    let kind = result.benchmark_type;
    let is_loaded = result.model_loading_time_ms.is_some();
    let (measured, is_least, is_about) = match target {
        "inference_latency_ms" => (result.avg_latency_ms, false, kind == BenchmarkType::Inference),
        "throughput_rps" => (result.throughput_rps, true, kind == BenchmarkType::Concurrent),
        "memory_efficiency_mb" => (result.memory_usage_mb, false, kind != BenchmarkType::Cache),
        "model_loading_time_ms" => (result.model_loading_time_ms, false, is_loaded),
        "cache_hit_ratio" => (result.cache_hit_ratio, true, kind == BenchmarkType::Cache),
        "cpu_utilization" => (result.cpu_utilization, false, kind != BenchmarkType::Cache),
        "memory_utilization" => (result.memory_utilization, false, kind != BenchmarkType::Cache),
        _ => return None,
    };
    is_about.then(|| TargetVerdict {
        target: target.to_owned(),
        benchmark: result.name(),
        limit,
        measured,
        reached: measured.map(|value| if is_least { value >= limit } else { value <= limit }),
    })
}

/// What results point at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Name of the rule.
    pub rule: &'static str,
    /// The figures that say so.
    pub evidence: String,
    /// What to look at next.
    pub next: &'static str,
}

/// A step to more clients that gains less than this share is none, as the weigh-in has it.
const LEAST_GAIN: f64 = 0.15;

/// Errors that are worth a word.
const TOLD_ERRORS: f64 = 0.01;

/// A tail that is so many times the median is one.
const LONG_TAIL: f64 = 3.0;

/// Names what is wrong by fixed rules, each with the figures that it rests on.
#[must_use]
pub fn advise(results: &[BenchmarkResult], targets: &PerformanceTargets) -> Vec<Advice> {
    results.iter().flat_map(|result| advise_on(result, targets)).collect()
}

fn advise_on(result: &BenchmarkResult, targets: &PerformanceTargets) -> Vec<Advice> {
    let name = result.name();
    let mut found = Vec::new();
    let mut say = |rule, evidence, next| found.push(Advice { rule, evidence, next });
    for verdict in judge(std::slice::from_ref(result), targets).iter().filter(|verdict| verdict.reached == Some(false))
    {
        let Some(value) = verdict.measured else { continue };
        let (limit, target) = (verdict.limit, verdict.target.as_str());
        let (rule, next) = match target {
            "inference_latency_ms" => ("high latency", "see where the time goes: `--bench-type inference --profile`"),
            "model_loading_time_ms" => {
                ("slow loading", "see `model inspect` for the size, or quantize: `model quantize`")
            }
            "cache_hit_ratio" => {
                ("cache misses", "give the cache more room with `--prefix-cache`, and see `cache bench`")
            }
            "memory_efficiency_mb" => {
                ("much memory", "quantize the model, or see who allocates: `--bench-type memory --profile`")
            }
            "throughput_rps" => (
                "low throughput",
                "see the levels of `--bench-type concurrent`, and `bench --engines` for the back ends",
            ),
            "cpu_utilization" => {
                ("busy processor", "leave a core to the client with `--threads`, or measure on a quiet host")
            }
            _ => ("full host", "take a smaller model, or a host with more memory"),
        };
        say(rule, format!("{name}: {target} is {value:.4}, the target {limit}"), next);
    }
    if let Some((p50, p99)) = result.p50_latency_ms.zip(result.p99_latency_ms)
        && p50 > 0.0
        && p99 > LONG_TAIL * p50
    {
        let evidence = format!("{name}: p99 {p99:.1} ms is {:.1} times the median of {p50:.1} ms", p99 / p50);
        say(
            "long tail",
            evidence,
            "see what else ran meanwhile: `performance-benchmark monitor`, and the page of the record",
        );
    }
    if let Some(share) = result.error_rate.filter(|share| *share > TOLD_ERRORS) {
        let evidence = format!("{name}: {:.1} % of the requests failed", 100.0 * share);
        say("failing requests", evidence, "the record says which and why: `report show`");
    }
    let steps = result.levels.windows(2).filter_map(|pair| {
        let (before, after) = (pair[0].throughput_rps?, pair[1].throughput_rps?);
        (before > 0.0 && after / before - 1.0 < LEAST_GAIN).then(|| (&pair[0], &pair[1], after / before))
    });
    if let Some((before, after, ratio)) = steps.into_iter().next() {
        let (from, to) = (before.concurrency, after.concurrency);
        let evidence = format!("{name}: {to} clients carry {ratio:.2} times what {from} carry");
        say("contention", evidence, "more clients than this only wait: more threads, or another host");
    }
    if let Some(bytes) = result.memory_growth_bytes.filter(|bytes| *bytes > 0.0) {
        let evidence = format!("{name}: memory grew by {bytes:.0} bytes a request");
        say("growing memory", evidence, "whether that is a leak is decided by `memory-profile`");
    }
    found
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use weighbridge_types::metric::Cell;
    use weighbridge_types::request::{FailureClass, FinishReason};
    use weighbridge_types::time::Stamp;
    use weighbridge_types::timeline::{Channel, FrameStamp, Timeline};

    use super::*;

    /// A request that begins at `start` and takes `latency`, both ms.
    fn row(start: u64, latency: u64, cell: Cell) -> RequestRow {
        let at = |ms: u64| Stamp::default().after(Duration::from_millis(ms));
        let frame = FrameStamp { at: at(start + latency), tokens: 1, channel: Channel::Answer };
        let timeline = Timeline {
            planned: at(start),
            released: at(start),
            frames: vec![frame],
            ended: Some(at(start + latency)),
            ..Timeline::default()
        };
        RequestRow::new(start, cell, 1, timeline, Outcome::Succeeded { finish: FinishReason::Stop })
    }

    fn result(kind: BenchmarkType) -> BenchmarkResult {
        BenchmarkResult::new(kind, String::new())
    }

    #[test]
    fn figures_are_those_of_the_requests() {
        let mut rows: Vec<RequestRow> = (0..20).map(|i| row(10 * i, 10, Cell::default())).collect();
        rows.push(RequestRow { warmup: true, ..row(0, 500, Cell::default()) });
        rows[3].outcome = Outcome::Failed { class: FailureClass::Engine, message: String::new() };
        let mut found = result(BenchmarkType::Inference);
        of_requests(&mut found, &rows);
        assert_eq!((found.n, found.avg_latency_ms, found.p99_latency_ms), (20, Some(10.0), Some(10.0)));
        assert_eq!((found.error_rate, found.throughput_rps), (Some(0.05), Some(95.0)));
        assert_eq!(found.parts["avg_latency_ms"], [10.0; 5]);
        assert!((found.parts["throughput_rps"][0] - 75.0).abs() < 1e-9);
    }

    #[test]
    fn without_a_success_there_is_a_reason_and_no_number() {
        let mut rows = vec![row(0, 10, Cell::default())];
        rows[0].outcome = Outcome::Failed { class: FailureClass::Engine, message: String::new() };
        let mut found = result(BenchmarkType::Inference);
        of_requests(&mut found, &rows);
        assert_eq!((found.avg_latency_ms, found.throughput_rps, found.error_rate), (None, None, Some(1.0)));
        assert_eq!(found.unknown.len(), 6);
    }

    #[test]
    fn the_highest_level_stands_for_all() {
        let of = |level: u64| Cell::default().with("concurrency", level);
        let rows: Vec<RequestRow> = (0..12).map(|i| row(10 * i, 10 * (1 + i / 6), of(1 + 3 * (i / 6)))).collect();
        let mut found = result(BenchmarkType::Concurrent);
        of_levels(&mut found, &rows);
        let levels: Vec<_> =
            found.levels.iter().map(|level| (level.concurrency, level.n, level.avg_latency_ms)).collect();
        assert_eq!(levels, [(1, 6, Some(10.0)), (4, 6, Some(20.0))]);
        assert_eq!(found.avg_latency_ms, Some(20.0));
    }

    #[test]
    fn each_target_is_held_against_its_test() {
        let inference = BenchmarkResult { avg_latency_ms: Some(100.0), ..result(BenchmarkType::Inference) };
        let cache = BenchmarkResult { cache_hit_ratio: Some(0.7), ..result(BenchmarkType::Cache) };
        let found = judge(&[inference, cache], &PerformanceTargets::default());
        let of = |target: &str| {
            found.iter().filter(|verdict| verdict.target == target).map(|v| v.reached).collect::<Vec<_>>()
        };
        assert_eq!(of("inference_latency_ms"), [Some(true)]);
        assert_eq!(of("cache_hit_ratio"), [Some(false)]);
        assert_eq!(of("memory_efficiency_mb"), [None]);
        assert_eq!(of("throughput_rps"), []);
    }

    #[test]
    fn each_rule_names_its_evidence() {
        let level = |concurrency: u64, rate: f64| ConcurrencyLevel {
            concurrency,
            throughput_rps: Some(rate),
            ..ConcurrencyLevel::default()
        };
        let slow = BenchmarkResult {
            avg_latency_ms: Some(150.0),
            p50_latency_ms: Some(100.0),
            p99_latency_ms: Some(900.0),
            error_rate: Some(0.2),
            model_loading_time_ms: Some(9_000.0),
            ..result(BenchmarkType::Inference)
        };
        let crowded = BenchmarkResult {
            throughput_rps: Some(11.0),
            levels: vec![level(1, 10.0), level(2, 11.0)],
            ..result(BenchmarkType::Concurrent)
        };
        let growing = BenchmarkResult { memory_growth_bytes: Some(512.0), ..result(BenchmarkType::Memory) };
        let found = advise(&[slow, crowded, growing], &PerformanceTargets::default());
        let rules: Vec<&str> = found.iter().map(|advice| advice.rule).collect();
        let expected = [
            "high latency",
            "slow loading",
            "long tail",
            "failing requests",
            "low throughput",
            "contention",
            "growing memory",
        ];
        assert_eq!(rules, expected);
        assert!(found[0].evidence.contains("150") && found[5].evidence.contains("1.10"));
        let good = BenchmarkResult { avg_latency_ms: Some(10.0), ..result(BenchmarkType::Inference) };
        assert_eq!(advise(&[good], &PerformanceTargets::default()), []);
    }
}
