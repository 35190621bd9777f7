//! The flags of the load laboratory, with the names that users of other tools type.

use clap::Args;

use super::{Device, OutputArguments, ResultsArguments};

/// Which target, and what is asked of it.
#[derive(Clone, Debug, Args)]
pub(crate) struct TargetArguments {
    /// What to load: tiny, gguf:FILE, openai:URL#MODEL, vllm:URL#MODEL, scripted:ttft=20ms,itl=5ms, …
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<String>,
    /// Base URL of an endpoint, instead of TARGET
    #[arg(long, value_name = "URL", alias = "base-url", short_alias = 'u', conflicts_with = "target")]
    pub(crate) url: Option<String>,
    /// Model to ask the endpoint for
    #[arg(short, long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// What answers at the URL: openai, vllm, tgi, sglang, llama-server, mlx, anthropic, ollama
    #[arg(long, value_name = "KIND", default_value = "openai", aliases = ["endpoint-type", "service-kind"])]
    pub(crate) backend: String,
    /// Threads of a model in this process [default: usable cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Device of a model in this process
    #[arg(long, value_enum, default_value_t)]
    pub(crate) device: Device,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LoadArguments {
    #[command(flatten)]
    pub(crate) target: TargetArguments,
    /// Closed loop: requests in flight, one load for each level, separated by commas
    #[arg(short, long, value_name = "LEVELS", value_delimiter = ',', aliases = ["max-concurrency"])]
    pub(crate) concurrency: Vec<u32>,
    /// Open loop: requests per second, one load for each rate, separated by commas
    #[arg(long, value_name = "RATES", value_delimiter = ',', aliases = ["request-rate"])]
    pub(crate) rate: Vec<String>,
    /// Requests of each load
    #[arg(short = 'n', long, value_name = "N", aliases = ["num-prompts", "request-count", "max-requests", "num-requests"])]
    pub(crate) requests: Option<u64>,
    /// Time of each load, as 30s or 5m; a number alone is seconds
    #[arg(long, value_name = "TIME", aliases = ["benchmark-duration", "max-seconds"])]
    pub(crate) duration: Option<String>,
    /// Prompt tokens
    #[arg(long, value_name = "TOKENS", default_value = "128", aliases = ["input-len", "random-input-len", "synthetic-input-tokens-mean"])]
    pub(crate) isl: String,
    /// Output tokens
    #[arg(long, value_name = "TOKENS", default_value = "128", aliases = ["output-len", "random-output-len", "output-tokens-mean"])]
    pub(crate) osl: String,
    /// Seed of prompts, arrivals and sampling
    #[arg(long, value_name = "N", default_value_t = 42, aliases = ["random-seed"])]
    pub(crate) seed: u64,
    /// Event loops of the client [default: one for every four cores]
    #[arg(long, value_name = "N")]
    pub(crate) client_threads: Option<u32>,
    /// Name of the run, for the folder and the history
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Print what would be done, and stop
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) results: ResultsArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CalibrateArguments {
    /// About ten seconds instead of half a minute, with fewer streams
    #[arg(long)]
    pub(crate) quick: bool,
    /// Numbers of streams at which errors are measured, separated by commas
    #[arg(long, value_name = "LEVELS", value_delimiter = ',')]
    pub(crate) streams: Vec<u32>,
    /// Event loops of the client [default: one for every four cores]
    #[arg(long, value_name = "N")]
    pub(crate) client_threads: Option<u32>,
    /// Seed of the arrivals
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) results: ResultsArguments,
    #[command(flatten)]
    pub(crate) output: OutputArguments,
}

/// A server with a known timeline.
#[derive(Clone, Debug, Args)]
pub(crate) struct ScriptedServerArguments {
    /// The timeline of every answer
    #[arg(value_name = "SCRIPT", default_value = "ttft=20ms,itl=5ms")]
    pub(crate) script: String,
    /// Port of 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
}
