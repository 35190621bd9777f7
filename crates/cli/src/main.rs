//! The `weighbridge` command: arguments become settings, settings one library call, its outcome an exit code.

mod arguments;
mod build;
mod commands;
mod devices;
mod embedded;
mod environment;
mod exit;
mod failure;
mod live;
mod models_folder;
mod open_files;
mod output;
mod profiling;
mod progress;
mod readers;
mod registry;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = arguments::Arguments::read().unwrap_or_else(|error| error.exit());
    let environment = environment::Environment::read();
    let exit = commands::run(arguments, &environment).unwrap_or_else(|failure| {
        output::talk(&failure.text());
        failure.exit
    });
    exit.into()
}
