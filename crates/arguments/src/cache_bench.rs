//! `cache bench` of our own caches, and `cache stats`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{LocalArguments, OutputArguments, positive};

/// A cache of ours.
#[derive(Clone, Debug, Subcommand)]
pub enum CacheBenchVerb {
    /// What the answers that `serve` keeps are worth: repeated, similar and mixed requests, each with the cache and without it
    Workloads(WorkloadsBenchArguments),
    /// What models in memory are worth: a pool with room for some of them, each use beside a load
    Model(ModelBenchArguments),
    /// What kept answers and classes are worth, by kind
    Prediction(PredictionBenchArguments),
    /// What kept scores are worth: files of predictions scored again
    Evaluation(EvaluationBenchArguments),
}

/// Prompts that come again.
#[derive(Clone, Copy, Debug, Args)]
pub struct ReuseArguments {
    /// Requests of each kind
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = positive)]
    pub requests: usize,
    /// Prompts that come again
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = positive)]
    pub pool: usize,
    /// Words of each prompt
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = positive)]
    pub words: usize,
    /// Tokens of each answer
    #[arg(long, value_name = "TOKENS", default_value_t = 16, value_parser = positive)]
    pub osl: usize,
    /// Seed of texts and order
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
}

/// Three workloads through the server.
#[derive(Clone, Debug, Args)]
pub struct WorkloadsBenchArguments {
    /// The model that is served
    #[arg(value_name = "MODEL", default_value = "tiny")]
    pub model: String,
    #[command(flatten)]
    pub reuse: ReuseArguments,
    /// Give kept answers to nearly equal prompts as well, as `serve --cache-near`, and tell how many of them differ
    #[arg(long, value_name = "SHARE")]
    pub near: Option<f64>,
    #[command(flatten)]
    pub local: LocalArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// Models that are asked for in turns.
#[derive(Clone, Debug, Args)]
pub struct ModelBenchArguments {
    /// The models [default: five times tiny]
    #[arg(value_name = "MODEL")]
    pub models: Vec<String>,
    /// Uses of a model
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = positive)]
    pub requests: usize,
    /// Models in memory at most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = positive)]
    pub max_models: usize,
    /// Seed of the order
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    #[command(flatten)]
    pub local: LocalArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// Answers and classes through the server.
#[derive(Clone, Debug, Args)]
pub struct PredictionBenchArguments {
    /// The model that answers
    #[arg(value_name = "MODEL", default_value = "tiny")]
    pub model: String,
    /// The classifier
    #[arg(long, value_name = "MODEL", default_value = "onnx:network")]
    pub classifier: String,
    #[command(flatten)]
    pub reuse: ReuseArguments,
    #[command(flatten)]
    pub local: LocalArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// Files of predictions, scored again and again.
#[derive(Clone, Debug, Args)]
pub struct EvaluationBenchArguments {
    /// Files of predictions, as for `eval score` [default: ones that are made]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Scorings
    #[arg(short = 'n', long, value_name = "N", default_value_t = 30, value_parser = positive)]
    pub requests: usize,
    /// Files that are made where none is named
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = positive)]
    pub pool: usize,
    /// Predictions in each of those
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = positive)]
    pub samples: usize,
    /// Seed of files and order
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// What a service's cache, or a folder of one, holds and was of use for.
#[derive(Clone, Debug, Args)]
pub struct CacheStatsArguments {
    /// A folder of kept answers [default: the running service]
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
    /// The service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8700", conflicts_with = "folder")]
    pub url: String,
    #[command(flatten)]
    pub output: OutputArguments,
}
