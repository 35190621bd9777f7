//! `pipeline`: documents become a data set.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConvertingArguments, LocalArguments, OutputArguments};

#[derive(Clone, Debug, Subcommand)]
pub enum PipelineVerb {
    /// Turn documents into conversations whose every answer cites bytes of its source, with a data card
    Run(Box<PipelineRunArguments>),
    /// What a run took and what became of everything, from its folder
    Report(PipelineReportArguments),
}

#[derive(Clone, Debug, Args)]
pub struct PipelineRunArguments {
    /// Documents: folders, ZIP files, or files
    #[arg(value_name = "INPUT", required = true)]
    pub inputs: Vec<PathBuf>,
    /// Folder of the data set; a run that was stopped goes on where it was
    #[arg(long, short, value_name = "FOLDER")]
    pub output: PathBuf,
    /// Settings as YAML or JSON; those that are not named keep their defaults
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Who reads and asks, such as tiny, gguf:FILE or openai:URL#MODEL [default: nobody, patterns and templates do the work]
    #[arg(long, short, value_name = "REF")]
    pub model: Option<String>,
    /// Chunks that are worked on at once [default: usable cores, with a model elsewhere 8]
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// Seed of splits and choices [default: that of the settings, else 0]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Licence of the documents, for the card and every record
    #[arg(long, value_name = "NAME")]
    pub licence: Option<String>,
    /// Say what would be read and with which settings, and stop
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub converting: ConvertingArguments,
    #[command(flatten)]
    pub local: LocalArguments,
    #[command(flatten)]
    pub output_form: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub struct PipelineReportArguments {
    /// Folder of a data set
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// A row for each stage
    #[arg(long)]
    pub stages: bool,
    #[command(flatten)]
    pub output: OutputArguments,
}
