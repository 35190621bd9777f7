//! The flags that hold answers under load against golden ones.

use clap::Args;

/// What the load does to the answers.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Answers")]
pub struct AnswerArguments {
    /// Asks the same prompts one at a time first, twice, and holds the answers of each load against them; a load that
    /// makes them worse makes the exit code 1. `-n` is the number of prompts, 100 where it is not given
    #[arg(long)]
    pub check_answers: bool,
    /// Share of the answers that a load may change beyond what differs one at a time
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, requires = "check_answers")]
    pub answer_tolerance: f64,
    /// Share of the expected answers that a load may lose; a file of `--data prompts:FILE` names them as `answer`
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, requires = "check_answers")]
    pub score_tolerance: f64,
    /// An answer must be the expected one and nothing else; else it is enough that it holds it
    #[arg(long, requires = "check_answers")]
    pub exact_answers: bool,
}
