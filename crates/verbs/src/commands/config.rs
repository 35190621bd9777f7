//! `config`: files that put the service behind others.

mod nginx;

use crate::arguments::{ConfigOutputArguments, ConfigVerb};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// The unit for systemd.
const SYSTEMD: &str = include_str!("../../../../deploy/systemd/weighbridge.service");

/// The compose file.
const COMPOSE: &str = include_str!("../../../../deploy/compose/compose.yaml");

pub(super) fn run(verb: &ConfigVerb) -> Result<Exit, Failure> {
    match verb {
        ConfigVerb::Nginx(arguments) => write(&nginx::file(arguments), &arguments.output),
        ConfigVerb::Systemd(to) => write(SYSTEMD, to),
        ConfigVerb::Compose(to) => write(COMPOSE, to),
    }
}

fn write(text: &str, to: &ConfigOutputArguments) -> Result<Exit, Failure> {
    match &to.output {
        Some(path) => output::file(path, text)?,
        None => output::data(text)?,
    }
    Ok(Exit::Pass)
}
