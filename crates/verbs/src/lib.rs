//! What each verb of the command line does: arguments become settings, settings one library call, its outcome an exit code.
//!
//! It is a room apart from the binary because the last step of linking optimizes everything as the binary's package says, and this
//! is code that runs once: built for size, the program is a megabyte smaller.

mod build;
mod commands;
mod devices;
mod embedded;
mod environment;
mod failure;
mod limits;
mod live;
mod models_folder;
mod open_files;
mod output;
mod profiling;
mod progress;
mod readers;
mod registry;

use std::process::ExitCode;

use weighbridge_arguments as arguments;
use weighbridge_arguments::exit;

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = arguments::Arguments::read().unwrap_or_else(|error| error.exit());
    let exit = run(arguments).unwrap_or_else(|failure| {
        output::fail(&failure.text());
        failure.exit
    });
    exit.into()
}

fn run(arguments: arguments::Arguments) -> Result<exit::Exit, failure::Failure> {
    let environment = environment::Environment::read()?;
    output::set_level(environment.log_level);
    if output::says(output::Level::Debug) {
        let settings = environment.settings().into_iter().chain(arguments::settings());
        settings.for_each(|setting| output::debug(|| setting));
    }
    commands::run(arguments, &environment)
}
