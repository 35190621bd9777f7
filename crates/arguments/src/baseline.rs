//! The flags of baselines.

use clap::{Args, Subcommand};

use super::{OutputArguments, ResultsArguments};

#[derive(Debug, Subcommand)]
pub enum BaselineVerb {
    /// Make runs the baseline of this name, where there is none yet
    Set(BaselineArguments),
    /// Put other runs in the place of a baseline, with a reason; worse ones only with --approve
    Promote(PromoteArguments),
    /// Show baselines, and where they come from
    Show(ShowArguments),
}

#[derive(Clone, Debug, Args)]
pub struct BaselineArguments {
    /// Name of the baseline; later `baseline:NAME` names it in `compare`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Its runs: names of runs of the results folder or a label, several separated by commas
    #[arg(value_name = "RUNS")]
    pub runs: String,
    /// Branch that it stands for
    #[arg(long, value_name = "NAME", default_value = "main")]
    pub branch: String,
    /// Why, for later readers
    #[arg(long, value_name = "TEXT")]
    pub because: Option<String>,
    #[command(flatten)]
    pub results: ResultsArguments,
}

#[derive(Clone, Debug, Args)]
pub struct PromoteArguments {
    #[command(flatten)]
    pub baseline: BaselineArguments,
    /// Take them although they are worse, or do not compare
    #[arg(long, requires = "because")]
    pub approve: bool,
}

#[derive(Clone, Debug, Args)]
pub struct ShowArguments {
    /// Only baselines of this name
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}
