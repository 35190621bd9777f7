//! The flags of two targets in turns.

use std::ffi::OsString;

use clap::Args;

use super::{JudgingArguments, OutputArguments, ResultsArguments};

/// Shown below the flags of `ab`.
const HELP: &str = "\
Examples:
  weighbridge ab gguf:old.gguf gguf:new.gguf -- -c 2 -n 100 --isl 128 --osl 64
  weighbridge ab vllm:http://127.0.0.1:8000#a vllm:http://127.0.0.1:8001#b --gate ttft.p99 --precision 3 -- -c 8 -d 30s

Blocks of one load of each target, in random order and with the same seed; every load is a run of the results folder.
First the first target is set against itself: a host that tells it apart from itself is told so, with exit code 4.
Exits with 0 when no gating metric is worse or undecided, 1 when one is worse, 3 when one is undecided.";

#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct AbArguments {
    /// The target that the other is set against: tiny, gguf:FILE, vllm:URL#MODEL, …
    #[arg(value_name = "A")]
    pub a: String,
    /// The target that is judged
    #[arg(value_name = "B")]
    pub b: String,
    /// Blocks at most, each with a load of A and one of B
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub blocks: usize,
    /// Ends when the intervals of all gating metrics are at most this many percent wide to either side
    #[arg(long, value_name = "PERCENT", default_value_t = 2.5)]
    pub precision: f64,
    /// Blocks in which A is set against itself before; 0 leaves the test out
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub self_test: usize,
    #[command(flatten)]
    pub judging: JudgingArguments,
    /// Go on although the host tells A apart from itself
    #[arg(long)]
    pub force: bool,
    /// Seed of the first block; it decides prompts and the order within blocks
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Name of the runs, for their folders and the history
    #[arg(long, value_name = "TEXT", default_value = "ab")]
    pub label: String,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
    /// Flags of each load, as `load` takes them
    #[arg(last = true, value_name = "LOAD FLAGS")]
    pub load: Vec<OsString>,
}
