//! The flags of `performance-benchmark`, named as the older system named them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{LocalArguments, OutputArguments, ProfileFlag, ResultsArguments, WebhookArguments};

/// Shown below the verbs.
const HELP: &str = "\
Examples:
  weighbridge performance-benchmark baseline --duration 30
  weighbridge performance-benchmark benchmark --bench-type inference --iterations 200
  weighbridge performance-benchmark compare --baseline performance_baseline/baseline_results.json \\
      --current benchmark_results/inference_benchmark.json --threshold 10 --report comparison.md

The same measurements as `bench`, `load`, `stress` and `memory-profile`, in the files of the older system. Every test keeps
a record in the results folder, which `compare`, `history` and `report` read.";

#[derive(Debug, Subcommand)]
#[command(after_help = HELP)]
pub enum PerformanceVerb {
    /// Measure every back end, and write what later results are held against
    Baseline(BaselineBenchmarkArguments),
    /// Run one type of benchmark, or all, and write a JSON file for each
    Benchmark(BenchmarkArguments),
    /// Hold a file of results against a baseline; exits with 1 on a regression
    Compare(ResultsCompareArguments),
    /// Watch processor and memory of this host, with an alert where a limit is crossed
    Monitor(MonitorArguments),
    /// Put clients that each ask at a rate on a model or server; exits with 1 where too many requests fail
    Stress(StressBenchmarkArguments),
    /// Memory after each of many equal loads, and whether it leaks
    MemoryProfile(MemoryBenchmarkArguments),
}

/// What the tests ask, and where records go.
#[derive(Clone, Debug, Args)]
pub struct TestArguments {
    /// Prompt tokens of a request
    #[arg(long, value_name = "TOKENS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub isl: u32,
    /// Output tokens of a request
    #[arg(long, value_name = "TOKENS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub osl: u32,
    /// Seed of the prompts
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Targets as JSON, such as {"inference_latency_ms": 80}; keys that are left out have their usual value
    #[arg(long, value_name = "FILE")]
    pub targets: Option<PathBuf>,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub local: LocalArguments,
    #[command(flatten)]
    pub format: OutputArguments,
}

/// A back end that a baseline measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// A GGUF file of the model inside this program, with 8 bits a weight.
    Gguf,
    /// An ONNX file of the network classifier inside this program.
    Onnx,
    /// The model inside this program, as it is.
    Native,
}

impl Backend {
    /// Name in results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gguf => "gguf",
            Self::Onnx => "onnx",
            Self::Native => "native",
        }
    }
}

#[derive(Clone, Debug, Args)]
pub struct BaselineBenchmarkArguments {
    /// Folder for baseline_results.json, performance_targets.json and baseline_report.md
    #[arg(short, long, value_name = "FOLDER", default_value = "performance_baseline")]
    pub output: PathBuf,
    /// Back ends, separated by commas
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',', default_value = "gguf,onnx")]
    pub backends: Vec<Backend>,
    /// Seconds of each test
    #[arg(short, long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub duration: u64,
    #[command(flatten)]
    pub test: TestArguments,
}

/// A type of benchmark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum BenchType {
    /// One request at a time.
    Inference,
    /// Memory over many requests.
    Memory,
    /// 1, 2, 4 and 8 requests at once.
    Concurrent,
    /// Prompts that were sent before, with a cache of prefixes.
    Cache,
    /// One request at a time, under the profiler; the flame graph goes to the folder of `--profile`.
    Profiling,
    /// Inference, memory, concurrent and cache.
    #[default]
    All,
}

#[derive(Clone, Debug, Args)]
pub struct BenchmarkArguments {
    /// What is measured
    #[arg(short, long, value_enum, value_name = "TYPE", default_value_t)]
    pub bench_type: BenchType,
    /// Requests that are measured, of each level and workload
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub iterations: u32,
    /// Folder for TYPE_benchmark.json and benchmark_report.html
    #[arg(short, long, value_name = "FOLDER", default_value = "benchmark_results")]
    pub output: PathBuf,
    /// Model reference: tiny, gguf:FILE, onnx:network, vllm:URL#MODEL, …
    #[arg(short, long, value_name = "MODEL", default_value = "tiny")]
    pub model: String,
    #[command(flatten)]
    pub profile: ProfileFlag,
    #[command(flatten)]
    pub test: TestArguments,
}

#[derive(Clone, Debug, Args)]
pub struct ResultsCompareArguments {
    /// File with one result or a list of them, or a folder of TYPE_benchmark.json files
    #[arg(short, long, value_name = "FILE")]
    pub current: PathBuf,
    /// The same with what it is held against
    #[arg(short, long, value_name = "FILE")]
    pub baseline: PathBuf,
    /// Changes up to this many percent count as none
    #[arg(short, long, value_name = "PERCENT", default_value_t = 10.0, allow_negative_numbers = true)]
    pub threshold: f64,
    /// Also write the comparison as Markdown, and as a page beside it
    #[arg(short, long, value_name = "FILE", num_args = 0..=1, default_missing_value = "comparison_report.md")]
    pub report: Option<PathBuf>,
    /// Exit with 1 as well where a figure is missing on one side
    #[arg(long)]
    pub ci: bool,
    #[command(flatten)]
    pub webhook: WebhookArguments,
    #[command(flatten)]
    pub format: OutputArguments,
}

/// How samples are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MonitorFormat {
    /// For people.
    #[default]
    Console,
    /// A JSON document on each line.
    Json,
    /// CSV with a heading.
    Csv,
}

#[derive(Clone, Debug, Args)]
pub struct MonitorArguments {
    /// Seconds to watch; 0 watches until Ctrl-C
    #[arg(short, long, value_name = "SECONDS", default_value_t = 300)]
    pub duration: u64,
    /// Seconds between samples; a sample is the mean since the one before
    #[arg(short, long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub interval: u64,
    /// How samples are printed
    #[arg(short, long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: MonitorFormat,
    /// Also write every sample to a file, in the same format
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Targets as JSON; cpu_utilization and memory_utilization are the limits of the alerts
    #[arg(long, value_name = "FILE")]
    pub targets: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub struct StressBenchmarkArguments {
    /// Clients at once
    #[arg(short, long, value_name = "N", default_value_t = 20)]
    pub clients: u32,
    /// Seconds of the load
    #[arg(short, long, value_name = "SECONDS", default_value_t = 300)]
    pub duration: u64,
    /// Requests per second of each client
    #[arg(short, long, value_name = "RATE", default_value_t = 2.0)]
    pub rate: f64,
    /// Model reference, or the name of the model where --target is a URL
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,
    /// URL of an OpenAI-compatible server, or a reference such as vllm:http://127.0.0.1:8000
    #[arg(long, value_name = "URL")]
    pub target: Option<String>,
    /// Further flags of `weighbridge stress`, after `--`
    #[arg(last = true, value_name = "FLAGS")]
    pub more: Vec<OsString>,
}

#[derive(Clone, Debug, Args)]
pub struct MemoryBenchmarkArguments {
    /// Cycles: a load, and a reading of memory at rest
    #[arg(short, long, value_name = "N", default_value_t = 100)]
    pub cycles: u64,
    /// Keep the series of resident memory and of the heap as well
    #[arg(long)]
    pub track: bool,
    /// Growth since the start of which to warn, with the ten places that allocated most where --profile-allocations samples them
    #[arg(long, value_name = "SIZE", default_value = "1GB")]
    pub warn_growth: String,
    /// Before each reading have the allocator give back what it keeps, and say how much that was
    #[arg(long)]
    pub trim: bool,
    #[command(flatten)]
    pub profile: ProfileFlag,
    /// Also write the profile as JSON
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Exit with 1 where memory leaks, and with 3 where that is undecided
    #[arg(long)]
    pub fail_on_leak: bool,
    /// Model reference
    #[arg(short, long, value_name = "MODEL", default_value = "tiny")]
    pub model: String,
    /// Further flags of `weighbridge memory-profile`, after `--`
    #[arg(last = true, value_name = "FLAGS")]
    pub more: Vec<OsString>,
}

#[derive(Clone, Debug, Args)]
pub struct RegressArguments {
    /// Results of the pipeline matrix that are held to be good: a JSON list of runs
    #[arg(value_name = "BASELINE")]
    pub baseline: PathBuf,
    /// Results that are judged
    #[arg(value_name = "CURRENT")]
    pub current: PathBuf,
    /// Loss of documents per hour that fails, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 10.0, allow_negative_numbers = true)]
    pub throughput_threshold: f64,
    /// Loss of quality that fails, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, allow_negative_numbers = true)]
    pub quality_threshold: f64,
    /// Growth of memory that fails, percent
    #[arg(long, value_name = "PERCENT", default_value_t = 15.0, allow_negative_numbers = true)]
    pub memory_threshold: f64,
    #[command(flatten)]
    pub webhook: WebhookArguments,
    #[command(flatten)]
    pub format: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub struct DoctorPerformanceArguments {
    /// File with one result or a list of them, or a folder of TYPE_benchmark.json files
    #[arg(value_name = "RESULTS", default_value = "benchmark_results")]
    pub results: PathBuf,
    /// Targets as JSON
    #[arg(long, value_name = "FILE")]
    pub targets: Option<PathBuf>,
    #[command(flatten)]
    pub format: OutputArguments,
}

/// What to do with metrics.
#[derive(Debug, Subcommand)]
pub enum MetricsVerb {
    /// Write the state of this host and the figures of the newest run for other programs
    Export(MetricsExportArguments),
}

/// A form of metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum MetricsFormat {
    /// Prometheus text exposition.
    #[default]
    Prometheus,
    /// One JSON document.
    Json,
}

#[derive(Clone, Debug, Args)]
pub struct MetricsExportArguments {
    /// Form
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    pub format: MetricsFormat,
    /// File to write instead of stdout
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub results: ResultsArguments,
}
