//! The flags of comparing sides.

use std::path::PathBuf;

use clap::Args;

use super::eval::PredictionsForm;
use super::{OutputArguments, ResultsArguments};

/// Shown below the flags of `eval compare`.
const COMPARE_HELP: &str = "\
Examples:
  weighbridge eval compare RUN_A RUN_B
  weighbridge eval compare old.jsonl new.jsonl --metric accuracy --margin 0.01
  weighbridge eval compare a.csv b.csv c.csv --map cluster=subject

The first side is the baseline. Samples are paired by their content (runs) or their ids (files).
Exits with 0 when no metric is worse or undecided, 1 when one is worse, 3 when one is undecided;
`--metric` says which ones count. With --leaderboard it always exits with 0.";

#[derive(Clone, Debug, Args)]
#[command(after_help = COMPARE_HELP)]
pub struct CompareArguments {
    /// Runs of `eval run` (name, folder or `latest`), or files of predictions; the first is the baseline
    #[arg(value_name = "SIDE", required = true, num_args = 2..)]
    pub sides: Vec<String>,
    /// Differences within ± this do not matter, in the metric's unit
    #[arg(long, value_name = "SIZE", default_value_t = 0.0)]
    pub margin: f64,
    /// Only these metrics, separated by commas
    #[arg(long, value_name = "METRICS", value_delimiter = ',')]
    pub metric: Vec<String>,
    /// Leave out pairs in which a side has no answer, instead of counting it as wrong
    #[arg(long)]
    pub answered_only: bool,
    /// Rank the sides, with groups that the data do not tell apart, and judge nothing
    #[arg(long)]
    pub leaderboard: bool,
    /// Confidence of the intervals, between 0 and 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.95)]
    pub confidence: f64,
    /// Chance with which the smallest detectable difference is detected
    #[arg(long, value_name = "SHARE", default_value_t = 0.8)]
    pub power: f64,
    /// Resamples behind an interval that needs them
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub resamples: u32,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub seed: u64,
    /// Form of the files, where their names do not tell
    #[arg(long, value_enum, value_name = "FORM")]
    pub format: Option<PredictionsForm>,
    /// Which column of the files holds a field, as cluster=subject; may stand several times
    #[arg(long, value_name = "FIELD=COLUMN")]
    pub map: Vec<String>,
    /// Also write the comparison as Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}
