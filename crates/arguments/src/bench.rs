//! What `bench` accepts.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Device, LocalArguments, OutputArguments, ProfileFlag, ResultsArguments};

#[derive(Clone, Debug, Subcommand)]
pub enum BenchVerb {
    /// Set devices side by side on a transformer, a convolutional network, and both at once
    Accel(AccelArguments),
    /// Change from one model to another and back, as `serve` does where memory holds one of them
    Switch(SwitchArguments),
}

#[derive(Clone, Debug, Args)]
pub struct SwitchArguments {
    /// The model that is loaded first
    #[arg(long, value_name = "REF")]
    pub from: String,
    /// The model that takes its place
    #[arg(long, value_name = "REF")]
    pub to: String,
    /// Changes there and back
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub cycles: u32,
    /// What the slowest change is to stay below; the exit code is 1 where it does not
    #[arg(long, value_name = "TIME", default_value = "5s")]
    pub target: String,
    /// Beyond it, a change is called critical
    #[arg(long, value_name = "TIME", default_value = "20s")]
    pub critical: String,
    #[command(flatten)]
    pub local: LocalArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub struct AccelArguments {
    /// Devices, separated by commas; the first is what the others are set against, one that is absent is n/a
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',', default_value = "cpu,cuda")]
    pub device: Vec<Device>,
    /// Kinds of work, separated by commas [default: all three]
    #[arg(long, value_enum, value_name = "LIST", value_delimiter = ',')]
    pub workload: Vec<AccelWorkload>,
    /// The model that writes text
    #[arg(long, value_name = "REF", default_value = "tiny")]
    pub model: String,
    /// Rounds that count; one before them warms up
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub rounds: u32,
    /// Seed of prompts and images
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Threads of the processor [default: usable cores; of a classifier 1]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AccelWorkload {
    /// Requests to a language model.
    Transformer,
    /// Batches of images to a convolutional network.
    Cnn,
    /// Both at the same time.
    Mixed,
}

#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArguments {
    #[command(subcommand)]
    pub verb: Option<BenchVerb>,
    /// What to weigh: tiny, gguf:FILE, safetensors:FOLDER, openai:URL#MODEL, … [default: tiny]
    #[arg(value_name = "MODEL")]
    pub model: Option<String>,
    /// The same as MODEL, as a flag
    #[arg(long = "model", value_name = "REF", conflicts_with = "model")]
    pub model_flag: Option<String>,
    /// Fewer repetitions: under 30 seconds for the model inside this program
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// More repetitions, longer prompts, 1,000 memory iterations
    #[arg(long)]
    pub full: bool,
    /// Phases to run, separated by commas: validate, latency, memory, throughput, quality
    #[arg(long, value_name = "PHASES", value_delimiter = ',')]
    pub phases: Vec<String>,
    /// File with targets (YAML or JSON); a missed one makes the exit code 1
    #[arg(long, value_name = "FILE")]
    pub targets: Option<PathBuf>,
    /// Name of the run, for the folder and the history
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// How often every phase is repeated, each time with other prompts [default: 1; with --engines 5]
    #[arg(long, value_name = "N")]
    pub runs: Option<u32>,
    /// Seed of prompts, order and sampling
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Measured requests per latency cell instead of the mode's number
    #[arg(long, value_name = "N")]
    pub requests: Option<u32>,
    /// Concurrency levels of the throughput phase instead of the mode's, separated by commas
    #[arg(long, value_name = "LEVELS", value_delimiter = ',')]
    pub concurrency: Vec<u32>,
    /// Input/output lengths of the latency phase instead of the mode's, as 128/64,512/128
    #[arg(long, value_name = "LENGTHS", value_delimiter = ',')]
    pub lengths: Vec<String>,
    /// Engines to set side by side on the model, separated by commas: local, llama-cpp, candle, or references such as
    /// onnx:FOLDER and openai:URL#MODEL; the first is what the others are set against
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with_all = ["phases", "variants", "targets", "resume", "full"])]
    pub engines: Vec<String>,
    /// Differences between engines up to this many percent count as none
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, requires = "engines")]
    pub threshold: f64,
    /// Quantizations that the quality phase sets side by side; `none` for the model as it is
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub variants: Vec<String>,
    #[command(flatten)]
    pub local: LocalArguments,
    /// Continue a run with its own settings: its folder, its name, or `latest`
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["quick", "full", "label", "runs", "seed", "requests", "concurrency", "lengths"]
    )]
    pub resume: Option<String>,
    /// Print what would be done, and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub profile: ProfileFlag,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}
