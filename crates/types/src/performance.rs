//! What `performance-benchmark` writes: a result for each test, and what the system should reach.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::Direction;
use crate::environment::Environment;

/// Version of the form of [`BenchmarkResult`].
pub const PERFORMANCE_VERSION: &str = "1.0";

/// What a test is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BenchmarkType {
    /// One request at a time.
    Inference,
    /// Memory over many requests.
    Memory,
    /// More and more requests at once.
    Concurrent,
    /// Prompts that were sent before.
    Cache,
    /// One request at a time, under the profiler.
    Profiling,
}

impl BenchmarkType {
    /// Name in files and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inference => "inference",
            Self::Memory => "memory",
            Self::Concurrent => "concurrent",
            Self::Cache => "cache",
            Self::Profiling => "profiling",
        }
    }
}

/// The requests of one level of concurrency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConcurrencyLevel {
    /// Requests in flight.
    pub concurrency: u64,
    /// Requests measured.
    pub n: u64,
    /// Mean latency, ms.
    pub avg_latency_ms: Option<f64>,
    /// 99th percentile of the latency, ms.
    pub p99_latency_ms: Option<f64>,
    /// Requests per second.
    pub throughput_rps: Option<f64>,
    /// Share of requests that failed.
    pub error_rate: Option<f64>,
}

/// The result of one test. Latency is from the release of a request to its last token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchmarkResult {
    /// Version of this form.
    #[serde(default = "version")]
    pub schema_version: String,
    /// What the test was about.
    pub benchmark_type: BenchmarkType,
    /// Wall time of the start, RFC 3339.
    #[serde(default)]
    pub timestamp: String,
    /// The back end of a baseline: `native`, `gguf`, `onnx`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Reference of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether the answers come from a script and not from a model.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scripted: bool,
    /// Requests measured.
    #[serde(default)]
    pub n: u64,
    /// Mean latency, ms.
    #[serde(default)]
    pub avg_latency_ms: Option<f64>,
    /// Median latency, ms.
    #[serde(default)]
    pub p50_latency_ms: Option<f64>,
    /// 90th percentile of the latency, ms.
    #[serde(default)]
    pub p90_latency_ms: Option<f64>,
    /// 95th percentile of the latency, ms.
    #[serde(default)]
    pub p95_latency_ms: Option<f64>,
    /// 99th percentile of the latency, ms.
    #[serde(default)]
    pub p99_latency_ms: Option<f64>,
    /// Requests that succeeded per second.
    #[serde(default)]
    pub throughput_rps: Option<f64>,
    /// Share of requests that failed.
    #[serde(default)]
    pub error_rate: Option<f64>,
    /// Most resident memory of the process, MB (10⁶ bytes).
    #[serde(default)]
    pub memory_usage_mb: Option<f64>,
    /// Memory that the weights take less than the same weights in single precision, percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_efficiency_percent: Option<f64>,
    /// Growth of memory per request, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_growth_bytes: Option<f64>,
    /// Time until the model was ready, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_loading_time_ms: Option<f64>,
    /// Share of the tokens of repeated prompts that were found in the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_hit_ratio: Option<f64>,
    /// Mean latency of prompts that were new, where others were sent before, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_miss_latency_ms: Option<f64>,
    /// Mean share of the host's processor time that was in use.
    #[serde(default)]
    pub cpu_utilization: Option<f64>,
    /// Largest share of the host's memory that was in use by the process.
    #[serde(default)]
    pub memory_utilization: Option<f64>,
    /// Why a figure above is null, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, String>,
    /// Figures of consecutive parts of the test, by their name: what the host's course does to them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, Vec<f64>>,
    /// Each level of concurrency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<ConcurrencyLevel>,
    /// Folder of the record that holds every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    /// What a reader must know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Host and program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

fn version() -> String {
    PERFORMANCE_VERSION.to_owned()
}

/// A figure of a [`BenchmarkResult`].
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// Its key.
    pub key: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its unit; empty for a share.
    pub unit: &'static str,
    /// Which way is better.
    pub direction: Direction,
    /// Its value.
    pub of: fn(&BenchmarkResult) -> Option<f64>,
}

/// Every figure that two results are compared by.
pub const FIGURES: [Figure; 10] = [
    lower("avg_latency_ms", "mean latency", "ms", |result| result.avg_latency_ms),
    lower("p50_latency_ms", "latency p50", "ms", |result| result.p50_latency_ms),
    lower("p90_latency_ms", "latency p90", "ms", |result| result.p90_latency_ms),
    lower("p95_latency_ms", "latency p95", "ms", |result| result.p95_latency_ms),
    lower("p99_latency_ms", "latency p99", "ms", |result| result.p99_latency_ms),
    higher("throughput_rps", "throughput", "requests/s", |result| result.throughput_rps),
    lower("error_rate", "errors", "", |result| result.error_rate),
    lower("memory_usage_mb", "memory", "MB", |result| result.memory_usage_mb),
    lower("model_loading_time_ms", "loading", "ms", |result| result.model_loading_time_ms),
    higher("cache_hit_ratio", "cache hits", "", |result| result.cache_hit_ratio),
];

const fn lower(
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    of: fn(&BenchmarkResult) -> Option<f64>,
) -> Figure {
    Figure { key, title, unit, direction: Direction::Lower, of }
}

const fn higher(
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    of: fn(&BenchmarkResult) -> Option<f64>,
) -> Figure {
    Figure { key, title, unit, direction: Direction::Higher, of }
}

impl BenchmarkResult {
    /// A result without figures.
    #[must_use]
    pub fn new(benchmark_type: BenchmarkType, timestamp: String) -> Self {
        Self {
            schema_version: version(),
            benchmark_type,
            timestamp,
            backend: None,
            model: None,
            scripted: false,
            n: 0,
            avg_latency_ms: None,
            p50_latency_ms: None,
            p90_latency_ms: None,
            p95_latency_ms: None,
            p99_latency_ms: None,
            throughput_rps: None,
            error_rate: None,
            memory_usage_mb: None,
            memory_efficiency_percent: None,
            memory_growth_bytes: None,
            model_loading_time_ms: None,
            cache_hit_ratio: None,
            cache_miss_latency_ms: None,
            cpu_utilization: None,
            memory_utilization: None,
            unknown: BTreeMap::new(),
            parts: BTreeMap::new(),
            levels: Vec::new(),
            record: None,
            notes: Vec::new(),
            environment: None,
        }
    }

    /// Name among others: the type, after the back end where there is one.
    #[must_use]
    pub fn name(&self) -> String {
        let backend = self.backend.as_ref().map(|backend| format!("{backend} "));
        backend.unwrap_or_default() + self.benchmark_type.name()
    }
}

/// What the system should reach. Keys that a file leaves out have their usual value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerformanceTargets {
    /// Mean latency of a request, ms, at most.
    pub inference_latency_ms: f64,
    /// Memory of the process, MB, at most.
    pub memory_efficiency_mb: f64,
    /// Requests per second, at least.
    pub throughput_rps: f64,
    /// Time until a model is ready, ms, at most.
    pub model_loading_time_ms: f64,
    /// Share of repeated prompts found in the cache, at least.
    pub cache_hit_ratio: f64,
    /// Share of the processor's time, at most.
    pub cpu_utilization: f64,
    /// Share of the host's memory, at most.
    pub memory_utilization: f64,
}

impl Default for PerformanceTargets {
    /// The older system's published targets; it names no size of memory, and 500 MB stands for it.
    fn default() -> Self {
        Self {
            inference_latency_ms: 100.0,
            memory_efficiency_mb: 500.0,
            throughput_rps: 1_000.0,
            model_loading_time_ms: 5_000.0,
            cache_hit_ratio: 0.8,
            cpu_utilization: 0.8,
            memory_utilization: 0.7,
        }
    }
}

impl PerformanceTargets {
    /// Each target with its value.
    #[must_use]
    pub const fn all(&self) -> [(&'static str, f64); 7] {
        [
            ("inference_latency_ms", self.inference_latency_ms),
            ("memory_efficiency_mb", self.memory_efficiency_mb),
            ("throughput_rps", self.throughput_rps),
            ("model_loading_time_ms", self.model_loading_time_ms),
            ("cache_hit_ratio", self.cache_hit_ratio),
            ("cpu_utilization", self.cpu_utilization),
            ("memory_utilization", self.memory_utilization),
        ]
    }

    /// The first target whose value cannot be meant, with its value and what it must be.
    #[must_use]
    pub fn wrong(&self) -> Option<(&'static str, f64, &'static str)> {
        self.all().into_iter().find_map(|(name, value)| {
            let is_share = matches!(name, "cache_hit_ratio" | "cpu_utilization" | "memory_utilization");
            let range = if is_share { "a share, above 0 and at most 1" } else { "a number above 0" };
            let fits = value.is_finite() && value > 0.0 && (!is_share || value <= 1.0);
            (!fits).then_some((name, value, range))
        })
    }
}

/// Whether a target is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TargetVerdict {
    /// Name of the target.
    pub target: String,
    /// The test that decides it.
    pub benchmark: String,
    /// The limit.
    pub limit: f64,
    /// What was measured; `None` where it was not.
    pub measured: Option<f64>,
    /// Whether it is reached; `None` where nothing was measured.
    pub reached: Option<bool>,
}

/// What became of a figure between two results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Worse by more than the threshold, and by more than chance explains.
    Regression,
    /// Better by more than the threshold, and by more than chance explains.
    Improvement,
    /// Within the threshold.
    Unchanged,
    /// Beyond the threshold, but parts of one run differ by as much.
    WithinNoise,
    /// One side lacks it.
    Missing,
}

impl Change {
    /// The words in tables.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Improvement => "improvement",
            Self::Unchanged => "unchanged",
            Self::WithinNoise => "within noise",
            Self::Missing => "missing",
        }
    }
}

/// A figure of two results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedFigure {
    /// The test.
    pub benchmark: String,
    /// Key of the figure; the test itself where a side lacks it.
    pub figure: String,
    /// Its unit.
    pub unit: String,
    /// Value of the baseline.
    pub baseline: Option<f64>,
    /// Value now.
    pub current: Option<f64>,
    /// Change from the baseline, percent with its sign; `None` without a ratio.
    pub change_percent: Option<f64>,
    /// What parts of one run differ by, percent; `None` where it is not known.
    pub noise_percent: Option<f64>,
    /// What became of it.
    pub change: Change,
    /// Why it is called so.
    pub because: String,
}

/// Results against those of a baseline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResultsComparison {
    /// Version of this form.
    pub schema_version: String,
    /// Changes up to this many percent count as none.
    pub threshold_percent: f64,
    /// Every figure, in the order of the tests.
    pub figures: Vec<ComparedFigure>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl ResultsComparison {
    /// Figures that changed in this way.
    #[must_use]
    pub fn count(&self, change: Change) -> usize {
        self.figures.iter().filter(|figure| figure.change == change).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_a_file_are_checked() {
        let read = |text: &str| serde_json::from_str::<PerformanceTargets>(text);
        let own = read(r#"{"inference_latency_ms": 80, "cache_hit_ratio": 0.85}"#).unwrap();
        assert_eq!(own, PerformanceTargets { inference_latency_ms: 80.0, cache_hit_ratio: 0.85, ..Default::default() });
        assert!(read(r#"{"latency": 80}"#).unwrap_err().to_string().contains("latency"));
        assert!(read(r#"{"cpu_utilization": "much"}"#).is_err());
        assert_eq!(own.wrong(), None);
        let wrong = PerformanceTargets { cpu_utilization: 75.0, ..own };
        assert_eq!(wrong.wrong(), Some(("cpu_utilization", 75.0, "a share, above 0 and at most 1")));
    }

    #[test]
    fn a_result_of_the_documented_keys_alone_is_read() {
        let text = r#"{"benchmark_type":"inference","timestamp":"2025-07-01T00:00:00Z","avg_latency_ms":45.2,
            "p50_latency_ms":42.1,"p90_latency_ms":68.3,"p99_latency_ms":124.7,"throughput_rps":125.6,
            "error_rate":0.002,"memory_usage_mb":256}"#;
        let result: BenchmarkResult = serde_json::from_str(text).unwrap();
        let had: Vec<_> = FIGURES.iter().filter(|figure| (figure.of)(&result).is_some()).map(|f| f.key).collect();
        assert_eq!(had.len(), 7);
        assert_eq!(result.name(), "inference");
    }
}
