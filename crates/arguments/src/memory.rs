//! `memory`: plans for a host, and what a running service takes.

use clap::{Args, Subcommand};
use weighbridge_types::units::ByteSize;

use super::OutputArguments;

#[derive(Clone, Debug, Subcommand)]
pub enum MemoryVerb {
    /// Split the memory of this host into shares; nothing is reserved
    Plan(MemoryPlanArguments),
    /// What a running service takes: models, cache and the rest, which add up to what the kernel says
    Report(MemoryReportArguments),
}

#[derive(Clone, Debug, Args)]
pub struct MemoryPlanArguments {
    /// Memory to split [default: that of this host]
    #[arg(long, value_name = "SIZE")]
    pub total: Option<ByteSize>,
    /// Per cent of system, model, evaluation and cache, such as 20-50-20-10 [default: 31 models, 39 processing, 20 cache, 10
    /// system]
    #[arg(long, value_name = "A-B-C-D")]
    pub scheme: Option<String>,
    #[command(flatten)]
    pub output: OutputArguments,
}

#[derive(Clone, Debug, Args)]
pub struct MemoryReportArguments {
    /// The service
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8700")]
    pub url: String,
    #[command(flatten)]
    pub output: OutputArguments,
}
