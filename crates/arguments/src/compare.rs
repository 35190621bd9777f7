//! The flags of comparing runs.

use std::path::PathBuf;

use clap::Args;

use super::{OutputArguments, ResultsArguments, WebhookArguments};

/// Shown below the flags of `compare`.
const HELP: &str = "\
Examples:
  weighbridge compare old new                       all runs with these labels
  weighbridge compare old=results-a new=results-b   all runs of two folders
  weighbridge compare RUN_A,RUN_B,RUN_C RUN_D,RUN_E,RUN_F --gate ttft.p99,output_rate --markdown change.md

The first side is the baseline. The unit is the run: five or more a side make a verdict that holds.
Exits with 0 when no gating metric is worse or undecided, 1 when one is worse, 3 when one is undecided or missing.";

/// How a verdict is reached, and where it goes.
#[derive(Clone, Debug, Args)]
pub struct JudgingArguments {
    /// Changes up to this many percent count as none
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, allow_negative_numbers = true)]
    pub threshold: f64,
    /// Metrics that the verdict rests on, separated by commas, as ttft.p99 or ttft.p99@concurrency=4
    /// [default: the one that stands for each phase, and reliability]
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    pub gate: Vec<String>,
    /// Confidence of the intervals, between 0 and 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub confidence: f64,
    /// Show every metric, not only those that gate or changed
    #[arg(long)]
    pub all: bool,
    /// Also write the comparison as Markdown, fit for a pull request
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    /// Also write the comparison as a page with distributions
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub webhook: WebhookArguments,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct CompareRunsArguments {
    /// Sides, the baseline first: runs (name or folder), folders of runs, labels or result files of other tools, several
    /// separated by commas, NAME= before them names the side; or `baseline:NAME[@BRANCH]`
    #[arg(value_name = "SIDE", required = true, num_args = 2..)]
    pub sides: Vec<String>,
    #[command(flatten)]
    pub judging: JudgingArguments,
    /// Compare runs all the same that were not made alike, and say what differs
    #[arg(long)]
    pub force: bool,
    /// Chance with which the smallest detectable change is detected
    #[arg(long, value_name = "SHARE", default_value_t = 0.8)]
    pub power: f64,
    /// Resamples behind an interval
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub resamples: u32,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}
