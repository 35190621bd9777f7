//! The flags of the load laboratory, with the names that users of other tools type.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{
    AnswerArguments, CacheBenchVerb, CacheStatsArguments, LocalArguments, ObserveArguments, OutputArguments,
    ProfileFlag, ResultsArguments,
};

/// Shown below the flags of `load`.
const LOAD_HELP: &str = "\
Examples:
  weighbridge load tiny -c 1,2,4 -d 10s
  weighbridge load vllm:http://127.0.0.1:8000 --rate 5,10 -d 60s --slo 'p99.ttft<200ms,error<1%'
  weighbridge load vllm:http://127.0.0.1:8000 --capacity -d 30s --slo 'p95.ttft<500ms'
  weighbridge load vllm:http://127.0.0.1:8000 --data mooncake:trace.jsonl --speed 2
  weighbridge load vllm:http://127.0.0.1:8000 -c 8,32 --check-answers
  weighbridge load vllm:http://127.0.0.1:8000 --rate 5 --until 'p99.ttft±5%' -d 10m

Flags of vLLM bench, AIPerf and GuideLLM work too, with - or _ between words.";

/// Which target, and what is asked of it.
#[derive(Clone, Debug, Args)]
pub struct TargetArguments {
    /// What to load: tiny, gguf:FILE, openai:URL#MODEL, vllm:URL#MODEL, scripted:ttft=20ms,itl=5ms, …
    #[arg(value_name = "TARGET")]
    pub target: Option<String>,
    /// Base URL of an endpoint, instead of TARGET
    #[arg(long, value_name = "URL", alias = "base-url", short_alias = 'u', conflicts_with = "target")]
    pub url: Option<String>,
    /// Model to ask the endpoint for
    #[arg(short, long, value_name = "NAME")]
    pub model: Option<String>,
    /// What answers at the URL: openai, vllm, tgi, sglang, llama-server, mlx, anthropic, ollama
    #[arg(long, value_name = "KIND", default_value = "openai", aliases = ["endpoint-type", "service-kind"])]
    pub backend: String,
    #[command(flatten)]
    pub local: LocalArguments,
}

/// What a capacity search varies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CapacityAxis {
    /// Requests per second, open loop.
    Rate,
    /// Requests in flight, closed loop.
    Concurrency,
}

/// How arrivals are spread around a rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Arrival {
    /// Independent of each other, as many users are.
    #[default]
    Poisson,
    /// Evenly spaced.
    #[value(alias = "fixed")]
    Constant,
    /// Gamma distributed, as `--burstiness` says.
    Gamma,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = LOAD_HELP)]
pub struct LoadArguments {
    #[command(flatten)]
    pub target: TargetArguments,
    #[command(flatten)]
    pub shape: ShapeArguments,
    #[command(flatten)]
    pub data: DataArguments,
    #[command(flatten)]
    pub client: ClientArguments,
    #[command(flatten)]
    pub observe: ObserveArguments,
    #[command(flatten)]
    pub judge: JudgeArguments,
    #[command(flatten)]
    pub answers: AnswerArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// What a run is called, where it goes and how it is shown.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Run")]
pub struct RunArguments {
    /// Name of the run, for the folder and the history
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Print what would be done, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Only these percentiles, besides those of the objective: 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99
    #[arg(long, value_name = "LIST", value_delimiter = ',', alias = "metric-percentiles")]
    pub percentiles: Vec<String>,
    /// Writes the run in a form of `report export` too, such as `csv=run.csv`; may be repeated
    #[arg(short = 'o', long = "output", value_name = "FORMAT=PATH")]
    pub exports: Vec<String>,
    #[command(flatten)]
    pub profile: ProfileFlag,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// When requests start, and when the load ends.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Load")]
pub struct ShapeArguments {
    /// Closed loop: requests in flight, one load for each level. With a rate: the most in flight
    #[arg(short, long, value_name = "LEVELS", value_delimiter = ',', aliases = ["max-concurrency", "num-concurrent"])]
    pub concurrency: Vec<u32>,
    /// Open loop: requests per second, one load for each rate; `inf` sends all at once
    #[arg(short, long, value_name = "RATES", value_delimiter = ',', aliases = ["request-rate", "qps"])]
    pub rate: Vec<String>,
    /// How arrivals are spread around a rate
    #[arg(long, value_enum, default_value_t, aliases = ["arrival-pattern", "rate-type"])]
    pub arrival: Arrival,
    /// Shape of gamma arrivals: 1 is Poisson, less comes in bursts, more is more even
    #[arg(long, value_name = "SHAPE", aliases = ["arrival-smoothness"])]
    pub burstiness: Option<f64>,
    /// Open loop in full: `ramp:1..50,60s`, `stages:10@30s,50@30s`, `burst:64,every=5s`, `diurnal:…`; may be repeated
    #[arg(long, value_name = "ARRIVALS", conflicts_with = "rate")]
    pub arrivals: Vec<String>,
    /// Requests of each load
    #[arg(
        short = 'n',
        long,
        value_name = "N",
        aliases = ["num-prompts", "request-count", "max-requests", "num-requests"]
    )]
    pub requests: Option<u64>,
    /// How often each load is made, in rounds of a seeded order; intervals are then between runs
    #[arg(long, value_name = "N", default_value_t = 1, alias = "num-runs")]
    pub runs: u32,
    /// Goes on until figures are known this well, as `p99.ttft±5%,request_throughput±2%` (or `+-`): it adds runs, or
    /// makes them longer, as a pilot tells. `--runs` (48), `-n` for each load and `-d` for everything (5m) bound it
    #[arg(long, value_name = "PRECISION", conflicts_with_all = ["capacity", "victim", "check_answers"])]
    pub until: Option<String>,
    /// Small requests beside each load, as `rate=1,isl=64,osl=32`, which run alone first: what does a neighbor see?
    #[arg(long, value_name = "STREAM")]
    pub victim: Option<String>,
    /// Time of each load, as 30s or 5m; a number alone is seconds
    #[arg(short, long, value_name = "TIME", aliases = ["benchmark-duration", "max-seconds"])]
    pub duration: Option<String>,
    /// What is left out at the start: `auto`, a count of requests, or a time
    #[arg(long, value_name = "WHAT", default_value = "auto", aliases = ["num-warmups", "warmup-request-count", "warmups"])]
    pub warmup: String,
    /// Longest time that requests in flight get to end
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub drain: String,
    /// Drop a request that would start later than this after its plan, instead of sending it late
    #[arg(long, value_name = "TIME")]
    pub drop_after: Option<String>,
}

/// What is asked.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Data")]
pub struct DataArguments {
    /// Prompt tokens: `128`, `100..200`, `normal:512,64`, `lognormal:512,0.5` or `128|512`
    #[arg(
        long,
        value_name = "LENGTHS",
        default_value = "128",
        aliases = ["input-len", "random-input-len", "synthetic-input-tokens-mean", "prompt-tokens", "prompt-tokens-mean"]
    )]
    pub isl: String,
    /// Output tokens, in the same forms
    #[arg(
        long,
        value_name = "LENGTHS",
        default_value = "128",
        aliases = ["output-len", "random-output-len", "output-tokens-mean", "output-tokens"]
    )]
    pub osl: String,
    /// Deviation of the prompt tokens around `--isl`
    #[arg(long, value_name = "TOKENS", aliases = ["synthetic-input-tokens-stddev", "prompt-tokens-stddev"])]
    pub isl_stddev: Option<f64>,
    /// Deviation of the output tokens around `--osl`
    #[arg(long, value_name = "TOKENS", aliases = ["output-tokens-stddev"])]
    pub osl_stddev: Option<f64>,
    /// Spreads both lengths evenly over ± this share of them
    #[arg(long, value_name = "SHARE", aliases = ["random-range-ratio"])]
    pub range_ratio: Option<f64>,
    /// Tokens of a prefix that all prompts share
    #[arg(long, value_name = "TOKENS", aliases = ["random-prefix-len", "prefix-prompt-length"])]
    pub prefix_len: Option<u32>,
    /// What to ask instead: `mooncake:FILE`, `sharegpt:FILE`, `messages:FILE`, `burstgpt:FILE`, `prompts:FILE`,
    /// `events:RUN`, or `input=512,output=128,turns=1..5,think=2s,…`
    #[arg(long, value_name = "KIND:FILE")]
    pub data: Option<String>,
    /// Plays a trace this many times as fast
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub speed: f64,
    /// Leaves the salt out, so that caches of prefixes may answer: a warm cache
    #[arg(long)]
    pub no_salt: bool,
    /// Seed of prompts, arrivals and sampling
    #[arg(long, value_name = "N", default_value_t = 42, aliases = ["random-seed"])]
    pub seed: u64,
    /// Sampling temperature
    #[arg(long, value_name = "T", default_value_t = 0.0)]
    pub temperature: f32,
    /// Lets the model end its answer, instead of asking for exactly the output tokens where the server can
    #[arg(long)]
    pub no_ignore_eos: bool,
    /// The default; taken so that other tools' command lines work
    #[arg(long, hide = true, conflicts_with = "no_ignore_eos")]
    pub ignore_eos: bool,
    /// Keeps the generated text in the events
    #[arg(long)]
    pub keep_text: bool,
    /// Counts the tokens of the answers again after the run: a `tokenizer.json`, a GGUF file or a model's folder. Keeps
    /// the text
    #[arg(long, value_name = "PATH")]
    pub tokenizer: Option<PathBuf>,
}

/// How the client behaves.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Client")]
pub struct ClientArguments {
    /// Longest time of one request
    #[arg(long, value_name = "TIME", default_value = "10m", aliases = ["request-timeout", "request-timeout-seconds"])]
    pub timeout: String,
    /// Longest wait for a connection to an endpoint, with the TLS handshake
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub connect_timeout: String,
    /// Longest wait of an endpoint's request for its first token [default: as `--timeout`]
    #[arg(long, value_name = "TIME")]
    pub first_token_timeout: Option<String>,
    /// Longest silence of an endpoint's stream between two tokens
    #[arg(long, value_name = "TIME", default_value = "2m")]
    pub stall_timeout: String,
    /// PEM file of certificate authorities to trust beside the usual ones
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<std::path::PathBuf>,
    /// Tries after a failed one; the waits count in what the user sees
    #[arg(long, value_name = "N", default_value_t = 0, aliases = ["max-retries"])]
    pub retries: u32,
    /// Event loops of the client [default: one for every four cores, but two where there are two]
    #[arg(long, value_name = "N")]
    pub client_threads: Option<u32>,
    /// Header field sent with every request, as `NAME: VALUE`; may be repeated. Keys come from the environment
    #[arg(short = 'H', long, value_name = "FIELD")]
    pub header: Vec<String>,
    /// JSON object whose members are put into every request body
    #[arg(long, value_name = "JSON", aliases = ["extra-inputs"])]
    pub extra_body: Option<String>,
    /// Opens a connection for every request
    #[arg(long)]
    pub no_keep_alive: bool,
    /// Stamps answers in this program instead of in the kernel
    #[arg(long)]
    pub no_kernel_stamps: bool,
    /// A request released later than this after its plan is marked as disturbed by the client
    #[arg(long, value_name = "TIME", default_value = "5ms")]
    pub lag_limit: String,
    /// Share of disturbed requests above which the run is no measurement (exit code 4)
    #[arg(long, value_name = "SHARE", default_value_t = 0.05)]
    pub disturbed_limit: f64,
    /// Shows a progress bar instead of the live view
    #[arg(long)]
    pub no_live: bool,
}

/// What it is judged by.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Objective")]
pub struct JudgeArguments {
    /// Service-level objective: `p99.ttft<200ms,p95.tpot<30ms,error<1%`; a missed one makes the exit code 1
    #[arg(long, value_name = "LIMITS")]
    pub slo: Option<String>,
    /// The same in the form of other tools: `ttft:200 tpot:50 e2el:1000`
    #[arg(long, value_name = "LIMITS", num_args = 1.., conflicts_with = "slo")]
    pub goodput: Vec<String>,
    /// Searches for the largest load within the objective
    #[arg(long, value_enum, value_name = "WHAT", num_args = 0..=1, default_missing_value = "rate")]
    pub capacity: Option<CapacityAxis>,
    /// The first load of the search
    #[arg(long, value_name = "LOAD", default_value_t = 1.0, requires = "capacity")]
    pub start: f64,
    /// The largest load that the search tries
    #[arg(long, value_name = "LOAD", requires = "capacity")]
    pub most: Option<f64>,
    /// The search ends when its bracket is this narrow
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, requires = "capacity")]
    pub precision: f64,
    /// Loads that the search makes at most
    #[arg(long, value_name = "N", default_value_t = 16, requires = "capacity")]
    pub max_loads: usize,
}

/// Clients that each ask at a rate: does the server stand it?
#[derive(Clone, Debug, Args)]
pub struct StressArguments {
    #[command(flatten)]
    pub target: TargetArguments,
    /// Clients at once: the most requests in flight
    #[arg(short, long, value_name = "N", default_value_t = 20)]
    pub clients: u32,
    /// Requests per second of each client
    #[arg(short, long, value_name = "RATE", default_value_t = 2.0)]
    pub rate: f64,
    /// Time of the load; a number alone is seconds
    #[arg(short, long, value_name = "TIME", default_value = "300")]
    pub duration: String,
    /// Share of the requests that must succeed
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub success: f64,
    #[command(flatten)]
    pub data: DataArguments,
    #[command(flatten)]
    pub client: ClientArguments,
    #[command(flatten)]
    pub observe: ObserveArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// A load for hours.
#[derive(Clone, Debug, Args)]
pub struct SoakArguments {
    #[command(flatten)]
    pub target: TargetArguments,
    /// Requests in flight
    #[arg(short, long, value_name = "N", default_value_t = 4)]
    pub concurrency: u32,
    /// Requests per second instead, open loop
    #[arg(short, long, value_name = "RATE")]
    pub rate: Option<f64>,
    /// Time of the load; a number alone is seconds
    #[arg(short, long, value_name = "TIME", default_value = "24h")]
    pub duration: String,
    /// Longest age of the record on disk
    #[arg(long, value_name = "TIME", default_value = "60s")]
    pub checkpoint: String,
    /// Pause of a place after a failed request, so that a server that is away is not hammered
    #[arg(long, value_name = "TIME", default_value = "100ms")]
    pub failure_pause: String,
    #[command(flatten)]
    pub data: DataArguments,
    #[command(flatten)]
    pub client: ClientArguments,
    #[command(flatten)]
    pub observe: ObserveArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

/// What to do about a cache.
#[derive(Debug, Subcommand)]
pub enum CacheVerb {
    /// Send prompts again, each beside a new one: hit and miss latency, hit share, and whether the server caches; or weigh a
    /// cache of our own
    Bench(Box<CacheArguments>),
    /// What the levels of a running service's cache, or a folder, hold and were of use for
    Stats(CacheStatsArguments),
    /// Read every answer that `eval run --cache` kept, and compare it with its checksum
    Verify {
        /// The folder of the cache
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        #[command(flatten)]
        output: OutputArguments,
    },
}

/// Prompts that were sent before, each beside a new one.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CacheArguments {
    #[command(subcommand)]
    pub verb: Option<CacheBenchVerb>,
    #[command(flatten)]
    pub target: TargetArguments,
    /// Pairs of a new prompt and one sent before, for each of the workloads repeated, similar and mixed
    #[arg(short = 'n', long, value_name = "N", default_value_t = 30)]
    pub pairs: u32,
    /// Prompts, and shared beginnings, that are sent again in turn
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub pool: u32,
    /// Tokens of each prompt; a shared beginning has three quarters of them
    #[arg(long, value_name = "TOKENS", default_value_t = 512)]
    pub isl: u32,
    /// Tokens of each answer
    #[arg(long, value_name = "TOKENS", default_value_t = 4)]
    pub osl: u32,
    /// Seed of texts and order
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    #[command(flatten)]
    pub client: ClientArguments,
    #[command(flatten)]
    pub observe: ObserveArguments,
    #[command(flatten)]
    pub run: RunArguments,
}

#[derive(Clone, Debug, Args)]
pub struct CalibrateArguments {
    /// About twenty seconds instead of a minute, with fewer streams
    #[arg(long)]
    pub quick: bool,
    /// Numbers of streams at which errors are measured, separated by commas
    #[arg(long, value_name = "LEVELS", value_delimiter = ',')]
    pub streams: Vec<u32>,
    /// Event loops of the client [default: one for every four cores, but two where there are two]
    #[arg(long, value_name = "N")]
    pub client_threads: Option<u32>,
    /// Seed of the arrivals
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// A server that is started again and again.
#[derive(Clone, Debug, Args)]
pub struct ColdStartArguments {
    /// The server that the command starts, such as `vllm:http://127.0.0.1:8000`
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// How often it is started
    #[arg(short = 'n', long, value_name = "N", default_value_t = 3)]
    pub starts: u32,
    /// Longest time from start to steady; a number alone is seconds
    #[arg(long, value_name = "TIME", default_value = "10m")]
    pub limit: String,
    /// Name of the run, for the folder and the history
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// Output tokens of each request
    #[arg(long, value_name = "TOKENS", default_value_t = 16)]
    pub osl: u32,
    /// The server's command, after `--`
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub command: Vec<String>,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// A server with a known timeline.
#[derive(Clone, Debug, Args)]
pub struct ScriptedServerArguments {
    /// The timeline of every answer
    #[arg(value_name = "SCRIPT", default_value = "ttft=20ms,itl=5ms")]
    pub script: String,
    /// Port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
}
