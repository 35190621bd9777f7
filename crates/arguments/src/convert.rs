//! `convert`: documents as Markdown.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use weighbridge_types::units::{ByteSize, parse_duration};

use super::OutputArguments;

#[derive(Clone, Debug, Args)]
pub struct ConvertArguments {
    /// PDF, HTML, Markdown, DOCX, XLSX, CSV or text, ZIP files of them, or folders; what a file is is told from its content
    #[arg(value_name = "FILE", required_unless_present = "worker")]
    pub files: Vec<PathBuf>,
    /// Folder for the Markdown files; without it, that of a single file goes to standard output
    #[arg(long, value_name = "FOLDER")]
    pub to: Option<PathBuf>,
    #[command(flatten)]
    pub converting: ConvertingArguments,
    /// Convert what comes on standard input, for the process that started this one
    #[arg(long, hide = true)]
    pub worker: bool,
    #[command(flatten)]
    pub output: OutputArguments,
}

/// How files are converted, for each verb that does so.
#[derive(Clone, Debug, Args)]
pub struct ConvertingArguments {
    /// Processes that convert [default: one for each core]
    #[arg(long, value_name = "N")]
    pub converters: Option<usize>,
    /// Longest time for one file
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "60s")]
    pub file_time: Duration,
    /// Most memory for one file
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    pub file_memory: ByteSize,
    /// Largest file
    #[arg(long, value_name = "SIZE", default_value = "512MiB")]
    pub file_size: ByteSize,
}
