//! The command line as typed, and the exit codes. Closed choices are enums, so that the parser lists them.
//!
//! It is a room of its own because what is derived for a parser is much code that runs once: built for size, the program is smaller by
//! more than half a megabyte.
#![expect(missing_docs, reason = "the text of a flag is its help; what holds flags needs no second one")]

mod ab;
mod answers;
mod baseline;
mod bench;
mod cache_bench;
mod compare;
mod config;
mod convert;
mod effective;
mod eval;
mod eval_compare;
mod eval_judge;
mod eval_matrix;
mod eval_run;
mod eval_stream;
pub mod exit;
mod foreign;
mod load;
mod memory;
mod memory_profile;
mod observe;
mod performance;
mod pipeline;
mod profile;
mod serve;
mod webhook;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, StyledStr, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use clap::{Args, Parser, Subcommand, ValueEnum};
use weighbridge_engine::device::{DeviceKind, Wanted};
use weighbridge_report::import::Format;
use weighbridge_types::units::ByteSize;

use crate::exit::Exit;

pub use ab::AbArguments;
pub use answers::AnswerArguments;
pub use baseline::{BaselineArguments, BaselineVerb, PromoteArguments, ShowArguments};
pub use bench::{AccelArguments, AccelWorkload, BenchArguments, BenchVerb, SwitchArguments};
pub use cache_bench::{
    CacheBenchVerb, CacheStatsArguments, EvaluationBenchArguments, ModelBenchArguments, PredictionBenchArguments,
    ReuseArguments, WorkloadsBenchArguments,
};
pub use compare::{CompareRunsArguments, JudgingArguments};
pub use config::{ConfigOutputArguments, ConfigVerb, Folder, Listen, NginxArguments, Upstream};
pub use convert::{ConvertArguments, ConvertingArguments};
pub use effective::settings;
pub use eval::{BleuTokenizer, EvalVerb, PredictionsForm, ScoreArguments};
pub use eval_compare::CompareArguments;
pub use eval_judge::{EvalJudgeArguments, JudgeFormArgument};
pub use eval_matrix::MatrixArguments;
pub use eval_run::{ChoicesArgument, EvalImportArguments, EvalListArguments, EvalRunArguments, PromptFormArgument};
pub use eval_stream::{ScenarioArgument, ShedArgument, StreamArguments, TimeUnitArgument};
pub use load::{
    Arrival, CacheArguments, CacheVerb, CalibrateArguments, CapacityAxis, ClientArguments, ColdStartArguments,
    DataArguments, LoadArguments, RunArguments, ScriptedServerArguments, SoakArguments, StressArguments,
    TargetArguments,
};
pub use memory::{MemoryPlanArguments, MemoryReportArguments, MemoryVerb};
pub use memory_profile::MemoryProfileArguments;
pub use observe::{DeclaredCache, ObserveArguments};
pub use performance::{
    Backend, BaselineBenchmarkArguments, BenchType, BenchmarkArguments, DoctorPerformanceArguments,
    MemoryBenchmarkArguments, MetricsExportArguments, MetricsFormat, MetricsVerb, MonitorArguments, MonitorFormat,
    PerformanceVerb, RegressArguments, ResultsCompareArguments, StressBenchmarkArguments, TestArguments,
};
pub use pipeline::{PipelineReportArguments, PipelineRunArguments, PipelineVerb};
pub use profile::{DiffArguments, ProfileArguments, ProfileFlag, ProfileVerb};
pub use serve::{ErrorsArguments, ServeArguments, StrategyArgument};
pub use webhook::WebhookArguments;

/// Weighs language models and the systems that serve them: how fast, how big, how good.
#[derive(Debug, Parser)]
#[command(
    name = "weighbridge",
    version,
    max_term_width = 100,
    after_help = after_help()
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

impl Arguments {
    /// Reads the command line. A flag that is known from another tool, and has no counterpart, is refused by name.
    ///
    /// # Errors
    /// When it is not understood, or asks for help: the error prints itself.
    pub fn read() -> Result<Self, clap::Error> {
        Self::of(std::env::args_os().collect())
    }

    /// The same of a command line that is given, the program's name first.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn of(line: Vec<OsString>) -> Result<Self, clap::Error> {
        Self::try_parse_from(foreign::spelled(line)).map_err(|mut error| {
            let flag = match error.get(ContextKind::InvalidArg) {
                Some(ContextValue::String(flag)) => flag.clone(),
                _ => return error,
            };
            if let Some(instead) = foreign::instead_of(&flag) {
                let tip = StyledStr::from(format!("`{flag}` of other tools has no counterpart here: {instead}"));
                error.remove(ContextKind::SuggestedArg);
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip]));
            }
            error
        })
    }
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Weigh a model in five phases and write a record with a report
    Bench(Box<BenchArguments>),
    /// Load an endpoint or engine: rates, concurrency, traces, and what it carries within an objective
    Load(Box<LoadArguments>),
    /// Put clients that each ask at a rate on a server, and see whether it stands that
    Stress(Box<StressArguments>),
    /// Load for hours; the record keeps every request and what this process and its host used
    Soak(Box<SoakArguments>),
    /// What a server's cache of prefixes saves, what our own caches do, and what they hold
    Cache {
        #[command(subcommand)]
        verb: CacheVerb,
    },
    /// Start a server again and again: time to its port, to healthy, to the first token, to steady
    ColdStart(ColdStartArguments),
    /// Find memory leaks: equal loads again and again, and whether what each leaves behind grows
    MemoryProfile(Box<MemoryProfileArguments>),
    /// Find hot paths: sample a running process, and show or compare profiles as hotspots and flame graphs
    Profile(ProfileArguments),
    /// Weigh this client on this host against a server with a known timeline, for later runs to rest on
    Calibrate(CalibrateArguments),
    /// Answer with a known timeline on 127.0.0.1, to test clients against
    ScriptedServer(ScriptedServerArguments),
    /// Serve models to clients of OpenAI, Anthropic and Ollama, within a budget of memory
    Serve(Box<ServeArguments>),
    /// Plan the memory of a host, and see what a running service takes
    Memory {
        #[command(subcommand)]
        verb: MemoryVerb,
    },
    /// What a running service says failed of late, by class
    Errors(ErrorsArguments),
    /// Look into model files, make them, convert them
    Model {
        #[command(subcommand)]
        verb: ModelVerb,
    },
    /// Run tasks against models, list them, and score files of predictions
    Eval {
        #[command(subcommand)]
        verb: EvalVerb,
    },
    /// Say whether figures changed between runs: ratios with intervals, a verdict, what would settle it
    Compare(Box<CompareRunsArguments>),
    /// Load two targets in turns until it is known which one is faster, after a test of this host
    Ab(Box<AbArguments>),
    /// Name runs that later ones are held against, per host and branch
    Baseline {
        #[command(subcommand)]
        verb: BaselineVerb,
    },
    /// Benchmarks under the names, flags and files of the older system
    PerformanceBenchmark {
        #[command(subcommand)]
        verb: PerformanceVerb,
    },
    /// Hold results of the document pipeline against those of a baseline
    Regress(RegressArguments),
    /// The state of this host for other programs
    Metrics {
        #[command(subcommand)]
        verb: MetricsVerb,
    },
    /// Show, export or check the record of a run
    Report {
        #[command(subcommand)]
        verb: ReportVerb,
    },
    /// Take in result files of other tools, with the definitions that their figures have
    Import(ImportArguments),
    /// List the runs of a results folder
    History(HistoryArguments),
    /// Check whether this host is set up for what a model needs
    Doctor {
        #[command(subcommand)]
        verb: DoctorVerb,
    },
    /// What would make figures of this host repeatable; nothing is changed
    System {
        #[command(subcommand)]
        verb: SystemVerb,
    },
    /// Turn documents into Markdown, each in a process with bounds (needs a build with the feature `documents`)
    Convert(ConvertArguments),
    /// Turn documents into a data set of grounded conversations (needs a build with the feature `documents`)
    Pipeline {
        #[command(subcommand)]
        verb: PipelineVerb,
    },
    /// Print files that put the service behind nginx, systemd or compose
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Print the versions of the stored forms, or one JSON schema
    Schema(SchemaArguments),
    /// List figures that an older system published, with what is wrong with them
    Reference(ReferenceArguments),
}

#[derive(Clone, Debug, Subcommand)]
pub enum DoctorVerb {
    /// NVIDIA driver, CUDA, devices and their memory; exits with 1 where something is missing
    Gpu(OutputArguments),
    /// What results of `performance-benchmark` point at, by fixed rules; exits with 1 where they point at something
    Performance(DoctorPerformanceArguments),
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub enum SystemVerb {
    /// Print settings with the commands that make them and take them back
    Plan {
        #[command(subcommand)]
        verb: PlanVerb,
    },
}

#[derive(Clone, Copy, Debug, Subcommand)]
pub enum PlanVerb {
    /// Power limit, clocks and modes of NVIDIA devices
    Gpu(OutputArguments),
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Console,
    /// For programs: one JSON document on stdout.
    Json,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct OutputArguments {
    /// How the result is printed on stdout
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub output_format: OutputFormat,
}

#[derive(Clone, Debug, Args)]
pub struct ResultsArguments {
    /// Folder that holds the records of runs
    #[arg(long, value_name = "FOLDER", default_value = "results")]
    pub output_dir: PathBuf,
}

/// What a model in this process computes with.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct LocalArguments {
    /// Threads of a model in this process [default: usable cores; of a classifier 1]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Keep each thread of a model in this process on a core of its own
    #[arg(long)]
    pub pin: bool,
    /// Memory for beginnings of prompts that a model in this process computed already [default: none, so that every
    /// prompt is computed]
    #[arg(long, value_name = "SIZE")]
    pub prefix_cache: Option<ByteSize>,
    /// Memory for keys and values of a model in this process; requests wait where it ends [default: no limit]
    #[arg(long, value_name = "SIZE")]
    pub kv_limit: Option<ByteSize>,
    /// Device of a model in this process; auto takes a GPU where there is one
    #[arg(long, value_enum, default_value_t)]
    pub device: Device,
}

/// Which device computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// A GPU where there is one that this build can use, else the processor with a warning.
    Auto,
    /// An NVIDIA GPU; refused where there is none, and by a build without the support.
    Cuda,
    /// An Apple GPU; refused where there is none, and by a build without the support.
    Metal,
}

impl Device {
    /// What the engine room is asked for.
    pub const fn wanted(self) -> Wanted {
        match self {
            Self::Auto => Wanted::Auto,
            Self::Cpu => Wanted::Kind(DeviceKind::Cpu),
            Self::Cuda => Wanted::Kind(DeviceKind::Cuda),
            Self::Metal => Wanted::Kind(DeviceKind::Metal),
        }
    }

    /// Name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Auto => "auto",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

/// A shape of which random weights can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shape {
    /// GPT-2 with 124 million parameters.
    #[value(name = "gpt2-124m")]
    Gpt2Small,
    /// Qwen2.5 with 0.5 billion parameters.
    #[value(name = "qwen2.5-0.5b")]
    Qwen25Half,
    /// Llama with 1.1 billion parameters.
    #[value(name = "llama-1.1b")]
    Llama1B,
    /// The model inside this program.
    Tiny,
}

/// Several models in one process.
#[derive(Clone, Debug, clap::Args)]
pub struct TogetherArguments {
    /// Load all at the same time and keep them, with the memory that they take together
    #[arg(long)]
    pub together: bool,
    /// Size of the models' files together; one that does not fit beside those before it is refused, the others go on
    #[arg(long, value_name = "SIZE", requires = "together")]
    pub memory_limit: Option<ByteSize>,
    /// Requests to each model, all models and requests at once
    #[arg(long, value_name = "N", requires = "together", value_parser = positive)]
    pub requests: Option<usize>,
    /// Tokens of an answer at most
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub max_tokens: u32,
    /// Longest time for one request, seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    request_timeout: u64,
}

impl TogetherArguments {
    /// Longest time for one request.
    pub fn request_timeout(&self) -> std::time::Duration {
        std::time::Duration::from_secs(self.request_timeout)
    }
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|count| *count > 0).ok_or_else(|| "it must be a whole number from 1 on".to_owned())
}

#[derive(Debug, Subcommand)]
pub enum ModelVerb {
    /// List the kinds of model, whether they work here, and the tiers
    List {
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Time how long models take until they are ready
    Load {
        /// Model references; `all` takes one of each kind that works here
        #[arg(required = true, value_name = "MODEL")]
        models: Vec<String>,
        #[command(flatten)]
        together: TogetherArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Show what a model file holds
    Inspect {
        /// GGUF or ONNX file, safetensors folder, `onnx:FOLDER`, `tiny`, or a classifier inside: `onnx:network`, `malware`, `email`, `bytes`
        #[arg(value_name = "FILE")]
        path: PathBuf,
        /// List every tensor
        #[arg(long)]
        tensors: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Make vectors of texts with an encoder, and see how alike they are; as JSON, a document on each line for each text
    Embed {
        /// Reference of an encoder: `onnx:FOLDER`
        #[arg(value_name = "MODEL")]
        model: String,
        /// A text; may be given several times
        #[arg(long, value_name = "TEXT")]
        text: Vec<String>,
        /// File with a text on each line
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Make a file of a real shape with seeded random weights, to measure speed without a download
    Synth {
        /// Shape of the model
        #[arg(long, value_enum)]
        shape: Shape,
        /// Type of the weights: f32, f16, q8_0, q4_0 or q4_k
        #[arg(long, value_name = "TYPE", default_value = "q8_0")]
        quant: String,
        /// Seed of the weights
        #[arg(long, value_name = "N", default_value_t = 42)]
        seed: u64,
        /// File to write
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Convert a model to fewer bits, and measure what that costs
    Quantize {
        /// GGUF file, safetensors folder, or `tiny`
        #[arg(value_name = "IN")]
        input: PathBuf,
        /// File to write
        #[arg(value_name = "OUT")]
        output_path: PathBuf,
        /// Type to convert to: f16, q8_0, q4_0 or q4_k
        #[arg(long, value_name = "TYPE")]
        to: String,
        /// Leave out perplexity and task accuracy before and after
        #[arg(long)]
        no_quality: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
}

/// A form of report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One self-contained page.
    Html,
    /// Markdown.
    Markdown,
    /// Every metric as a line.
    Csv,
    /// Every document of a campaign: phase reports, tracker, final report, JSON files.
    All,
    /// vLLM `bench serve` JSON, a file per cell, with detailed arrays.
    Vllm,
    /// AIPerf `profile_export_aiperf.json`, a file per cell.
    Aiperf,
    /// AIPerf `profile_export.jsonl`, a line per request.
    #[value(name = "aiperf-jsonl")]
    AiperfRows,
    /// llama-bench JSON, from cells with known lengths.
    LlamaBench,
    /// SQL for two tables.
    Sql,
    /// Prometheus text exposition.
    Prometheus,
    /// JUnit XML: targets and checks as test cases.
    Junit,
    /// github-action-benchmark, a file per direction.
    GithubAction,
    /// Bencher metric format, our intervals as bounds.
    Bencher,
    /// Short Markdown for the page of a CI job.
    JobSummary,
}

#[derive(Debug, Subcommand)]
pub enum ReportVerb {
    /// Print the report of a run again
    Show {
        /// Folder of the run, its record.json, its name, or `latest`
        run: String,
        #[command(flatten)]
        results: ResultsArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Recompute what can be recomputed; exit code 1 when the record contradicts itself
    Check {
        /// Folder of the run, its record.json, its name, or `latest`
        run: String,
        #[command(flatten)]
        results: ResultsArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Make the figures of a load whose client was killed, or could not write any more, from the requests that were durable
    ///
    /// The record then says that the run was interrupted, and its figures are those that the run itself would have made of
    /// these requests. A weigh-in that was killed goes on with `bench --resume`.
    Recover {
        /// Folder of the run, its record.json, its name, or `latest`
        run: String,
        #[command(flatten)]
        results: ResultsArguments,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Write the report of a run in another form
    Export {
        /// Folder of the run, its record.json, its name, or `latest`
        run: String,
        /// The form
        #[arg(long, value_enum, default_value = "html")]
        format: ExportFormat,
        /// File to write; a folder where the form has several files [default: stdout, or the run's `reports` folder]
        #[arg(short = 'o', long = "output", value_name = "PATH")]
        path: Option<PathBuf>,
        #[command(flatten)]
        results: ResultsArguments,
    },
}

#[derive(Clone, Debug, Args)]
pub struct ImportArguments {
    /// Result files; each becomes a run of the results folder
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// What the files are, instead of what their shape tells
    #[arg(long, value_name = "FORMAT", value_parser = import_format())]
    pub format: Option<Format>,
    /// Name of the runs, for the folder and the history [default: the file's name]
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// The parser of a format's name; it lists the names in the help.
fn import_format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::name)).try_map(|name| name.parse::<Format>())
}

#[derive(Clone, Debug, Args)]
pub struct HistoryArguments {
    /// Only runs with this label
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Only runs of the model with this name
    #[arg(long, value_name = "TEXT")]
    pub model: Option<String>,
    /// At most this many, newest first
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
    /// Instead of a list: where the level of each metric moved and stayed, over the runs that were made like the newest one
    /// that matches, or like RUN
    #[arg(long, value_name = "RUN", num_args = 0..=1, default_missing_value = "")]
    pub changes: Option<String>,
    /// Only these metrics, separated by commas, as ttft.p99 or ttft.p99@concurrency=4
    #[arg(long, value_name = "METRICS", value_delimiter = ',', requires = "changes")]
    pub metric: Vec<String>,
    /// A value that a metric must not reach, as ttft.p99=200 in its unit: in how many days it would; may stand several times
    #[arg(long, value_name = "METRIC=VALUE", requires = "changes")]
    pub until: Vec<String>,
    /// Exit with 1 where the last change of a metric is for the worse and no older than this many runs
    #[arg(long, value_name = "RUNS", requires = "changes")]
    pub fail_on_worse: Option<usize>,
    /// Makes the loads again whose level moved for the worse, so often, and says whether that confirms it; with
    /// `--fail-on-worse` only what is confirmed counts
    #[arg(long, value_name = "RUNS", requires = "changes")]
    pub confirm: Option<u32>,
    /// Also show metrics that did not move
    #[arg(long, requires = "changes")]
    pub all: bool,
    /// Also write the history as a page with a chart for each metric
    #[arg(long, value_name = "FILE", requires = "changes")]
    pub html: Option<PathBuf>,
    /// Where `--confirm` confirms a change for the worse, post that once as JSON to this address: https, or http on this machine
    #[arg(long, value_name = "URL", requires = "confirm")]
    pub webhook: Option<String>,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// A stored form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaName {
    /// `record.json`.
    Record,
    /// One line of the event log.
    Events,
    /// What `compare` prints as JSON.
    Comparison,
    /// What `memory-profile` writes.
    MemoryProfile,
    /// A result of `performance-benchmark`.
    Performance,
    /// What `--webhook` posts.
    Alert,
}

#[derive(Clone, Debug, Args)]
pub struct SchemaArguments {
    /// The form whose JSON schema is printed
    #[arg(value_enum)]
    pub name: Option<SchemaName>,
}

#[derive(Clone, Debug, Args)]
pub struct ReferenceArguments {
    /// Only figures that contradict themselves
    #[arg(long)]
    pub inconsistent: bool,
    #[command(flatten)]
    pub output: OutputArguments,
}

fn after_help() -> String {
    let start = "Start with `weighbridge bench`: it weighs the model inside this program and writes a report.";
    let codes: Vec<String> = Exit::ALL.iter().map(|exit| format!("  {:>3}  {}", exit.code(), exit.meaning())).collect();
    format!("{start}\n\nExit codes:\n{}", codes.join("\n"))
}
