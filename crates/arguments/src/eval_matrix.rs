//! The flags of a study.

use std::path::PathBuf;

use clap::Args;

use super::{OutputArguments, ResultsArguments};

/// Shown below the flags of `eval matrix`.
const MATRIX_HELP: &str = "\
A study file:
  study: example
  models:
    - tiny
    - {name: big, model: 'vllm:http://127.0.0.1:8000', price_per_hour: 2.5}
  tasks: [parity.yaml]
  cells_at_once: 2      # 2 by default
  cell_memory: 2GiB     # a cell beyond it fails alone
  repeat_cells: 1       # run again, to see whether answers repeat

Also: tasks_dirs, data_dirs, limit, num_fewshot, max_tokens, seed, concurrency, cache. Exits with 0 when every cell is
complete or failed alone at its memory, 4 when another one failed, 130 after Ctrl-C; --resume goes on.";

#[derive(Clone, Debug, Args)]
#[command(after_help = MATRIX_HELP)]
pub struct MatrixArguments {
    /// The study: models, tasks and bounds, in YAML or JSON
    #[arg(value_name = "FILE", required_unless_present = "resume")]
    pub file: Option<PathBuf>,
    /// Go on with a study: its folder, its name, its label, or `latest`
    #[arg(long, value_name = "RUN", conflicts_with = "file")]
    pub resume: Option<String>,
    /// A file of `serve`, whose `evaluation_service` bounds cells at once and documents in flight
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// List the cells, and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub results: ResultsArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}
