//! The flag of verbs that tell of a regression.

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
pub struct WebhookArguments {
    /// Where something got worse, post the verdict once as JSON to this address: https, or http on this machine
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
}
