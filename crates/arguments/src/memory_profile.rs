//! `memory-profile`: whether memory leaks.

use std::path::PathBuf;

use clap::Args;
use weighbridge_types::units::ByteSize;

use super::{LocalArguments, OutputArguments, ProfileFlag};

const HELP: &str = "\
Examples:
  weighbridge memory-profile gguf:model.gguf --cycles 100 --requests 20
  weighbridge memory-profile vllm:http://127.0.0.1:8000 --pid 4711 --cycles 1000 --output memory.json --track
  weighbridge memory-profile openai:http://127.0.0.1:8000/v1#m --cgroup /sys/fs/cgroup/server --fail-on-leak
  weighbridge memory-profile --pid 4711 --cycles 120 --interval 1m
  weighbridge memory-profile tiny --trim --profile --profile-allocations

Exit codes with --fail-on-leak: 0 no leak, 1 a leak, 3 the readings do not decide. Without it: 0.";

/// Equal loads again and again, and the memory that each leaves.
#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct MemoryProfileArguments {
    /// Model reference; a model elsewhere needs --pid or --cgroup of its server. Without one, memory is only watched
    #[arg(value_name = "MODEL", required_unless_present_any = ["pid", "cgroup"])]
    pub model: Option<String>,
    /// Cycles: a load, the wait until it has drained, and a reading of memory at rest
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=4_000))]
    pub cycles: u64,
    /// Requests of a cycle
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub requests: u64,
    /// Requests in flight
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub concurrency: u64,
    /// Prompt tokens of a request
    #[arg(long, value_name = "TOKENS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub isl: u32,
    /// Output tokens of a request
    #[arg(long, value_name = "TOKENS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub osl: u32,
    /// Watch the memory of this process with its descendants
    #[arg(long, value_name = "PID", conflicts_with = "cgroup")]
    pub pid: Option<u32>,
    /// Watch the memory of a control group, such as /sys/fs/cgroup/server
    #[arg(long, value_name = "FOLDER")]
    pub cgroup: Option<String>,
    /// Quiet wait after the last request of a cycle; a number alone is seconds
    #[arg(long, value_name = "TIME", default_value = "100ms")]
    pub wait: String,
    /// Time of a cycle where memory is only watched; a number alone is seconds
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub interval: String,
    /// Cycles left out at the start [default: the first tenth]
    #[arg(long, value_name = "N")]
    pub warmup_cycles: Option<usize>,
    /// Growth per request that matters
    #[arg(long, value_name = "SIZE", default_value = "256B")]
    pub least_growth: ByteSize,
    /// Growth per hour that matters, percent of the memory at rest; beside a load it counts as well as --least-growth
    /// [default: 1 where memory is only watched]
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true)]
    pub least_hourly: Option<f64>,
    /// Longest time of a request; a number alone is seconds
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub request_timeout: String,
    /// Seed of the prompts and of the resamples
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Keep the series of resident memory and of the heap as well
    #[arg(long)]
    pub track: bool,
    /// Growth since the start of which to warn, with the ten places that allocated most where --profile-allocations samples them
    #[arg(long, value_name = "SIZE", default_value = "1GB")]
    pub warn_growth: ByteSize,
    /// Before each reading have the allocator of this process give back what it keeps, and say how much that was
    #[arg(long, conflicts_with_all = ["pid", "cgroup"])]
    pub trim: bool,
    #[command(flatten)]
    pub profile: ProfileFlag,
    /// Also write the profile as JSON: every cycle, the verdict, the host
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Exit with 1 where memory leaks, and with 3 where that is undecided
    #[arg(long)]
    pub fail_on_leak: bool,
    #[command(flatten)]
    pub local: LocalArguments,
    #[command(flatten)]
    pub format: OutputArguments,
}
