//! The flags that say what is watched of the server beside a load.

use clap::{Args, ValueEnum};

/// What is watched of the server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Server side")]
pub struct ObserveArguments {
    /// Where the server tells its metrics in Prometheus's form [default: the usual places of an endpoint]
    #[arg(long, value_name = "URL", aliases = ["server-metrics", "server-metrics-url"])]
    pub metrics_url: Option<String>,
    /// DCGM exporter of the server's GPUs [default: GPUs of this host, where the endpoint is on it]
    #[arg(long, value_name = "URL", aliases = ["gpu-telemetry"])]
    pub dcgm_url: Option<String>,
    /// Number of the server's first process on this host: its memory, threads and CPU are watched with its children's
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
    /// What the system under test costs an hour, for the cost of tokens
    #[arg(long, value_name = "USD")]
    pub price_per_hour: Option<f64>,
    /// State of the server's prompt cache that you declare; hits that contradict it are told
    #[arg(long, value_enum, value_name = "STATE")]
    pub cache: Option<DeclaredCache>,
}

/// The state of the server's prompt cache that a user declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeclaredCache {
    /// No prompt is in it.
    Cold,
    /// Every prompt, or its shared part, is in it.
    Warm,
    /// Prompts are meant to hit and to miss: sessions, shared prefixes.
    Mixed,
}
