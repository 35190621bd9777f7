//! `serve` and what asks a running service.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use weighbridge_types::units::ByteSize;

use super::{LocalArguments, OutputArguments, positive};

const HELP: &str = "\
Examples:
  weighbridge serve
  weighbridge serve --model small=gguf:small.gguf --model big=gguf:big.gguf --memory-budget 4GiB
  weighbridge serve --model net=onnx:network --model far=openai:http://127.0.0.1:8000/v1#llama
  weighbridge serve --config serve.yaml --key-file keys.txt --host 0.0.0.0

Clients of OpenAI, Anthropic and Ollama work unchanged: point them at http://127.0.0.1:8700/v1, http://127.0.0.1:8700 and
http://127.0.0.1:8700. /openapi.json lists the routes; metrics are on a listener of their own.";

/// A server of models.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct ServeArguments {
    /// A model as NAME=REFERENCE, or a reference alone; may be given several times, endpoints of one NAME are its servers [default: tiny]
    #[arg(long, value_name = "NAME=REFERENCE")]
    pub model: Vec<String>,
    /// Models and limits in a YAML file; flags win over it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address to listen on; one that others reach needs `--key-file`
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8700)]
    pub port: u16,
    /// Port of 127.0.0.1 for `/metrics`; 0 takes a free one [default: none]
    #[arg(long, value_name = "PORT")]
    pub metrics_port: Option<u16>,
    /// A name by which others call a server without keys, as a proxy before it passes on; may be given several times
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// File with a key per line, as `NAME SCOPE KEY`; the scope is infer or admin, the key may be `sha256:` and its digest
    #[arg(long, value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Memory that all models in this process may take together [default: none]
    #[arg(long, value_name = "SIZE")]
    pub memory_budget: Option<ByteSize>,
    /// Models in memory at most [default: none]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub max_models: Option<usize>,
    /// What is done at the limit [default: lazy]
    #[arg(long, value_enum)]
    pub strategy: Option<StrategyArgument>,
    /// Requests that one model computes at once [default: 16]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub max_running: Option<usize>,
    /// Requests for one model that wait at most; others are refused with 503 [default: 256]
    #[arg(long, value_name = "N")]
    pub max_queue: Option<usize>,
    /// Longest wait for a place; a number alone is seconds [default: 60s]
    #[arg(long, value_name = "TIME")]
    pub queue_timeout: Option<String>,
    /// Longest time for one request [default: 10m]
    #[arg(long, value_name = "TIME")]
    pub request_timeout: Option<String>,
    /// Longest time for which a client may take nothing of its answer; its place is then given to others
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub stall_timeout: String,
    /// Longest time for the head of a request, also between two requests on one connection
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub head_timeout: String,
    /// Longest time from the word to stop until the last answer is cut off
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub drain_timeout: String,
    /// Requests per second of one key; beyond it they are refused with 429 [default: no limit]
    #[arg(long, value_name = "N")]
    pub rate: Option<f64>,
    /// Requests of one key under way at once; beyond it they are refused with 429 [default: no limit]
    #[arg(long, value_name = "N", value_parser = positive)]
    pub max_per_key: Option<usize>,
    /// Share of memory in use at which fewer requests are computed at once, and then models unloaded [default: 0.85]
    #[arg(long, value_name = "SHARE")]
    pub memory_pressure_threshold: Option<f64>,
    /// Keep answers that would be the same again, in so much memory [default: none are kept]
    #[arg(long, value_name = "SIZE")]
    pub cache_memory: Option<ByteSize>,
    /// Folder below the memory of the cache
    #[arg(long, value_name = "FOLDER")]
    pub cache_dir: Option<PathBuf>,
    /// Size of that folder [default: 4GiB]
    #[arg(long, value_name = "SIZE")]
    pub cache_disk: Option<ByteSize>,
    /// Server below both that several instances share: redis://HOST:PORT/DB or memcached://HOST:PORT
    #[arg(long, value_name = "URL")]
    pub cache_redis: Option<String>,
    /// Give kept answers to texts that are nearly equal as well: the share of a text's SimHash that must be, such as 0.9; some are
    /// checked against the model
    #[arg(long, value_name = "SHARE")]
    pub cache_near: Option<f64>,
    #[command(flatten)]
    pub local: LocalArguments,
}

/// What is done at the limit of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StrategyArgument {
    /// Load all models at the start, as far as they fit.
    Eager,
    /// Load models as they are asked for; the one used longest ago goes.
    Lazy,
    /// The one goes whose absence would cost least.
    Adaptive,
    /// Refuse what does not fit.
    Circuit,
}

/// What a running service says failed.
#[derive(Clone, Debug, Args)]
pub struct ErrorsArguments {
    /// How far back
    #[arg(long, value_name = "TIME", default_value = "1h")]
    pub last: String,
    /// The service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8700")]
    pub url: String,
    #[command(flatten)]
    pub output: OutputArguments,
}
