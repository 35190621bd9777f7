//! `scripted-server`: the ground truth of every client, in a process of its own.

use std::net::SocketAddr;

use weighbridge_engine_http::scripted_server::{ScriptedServer, ServerOptions};
use weighbridge_types::time::Clock;

use super::runtime;
use crate::arguments::ScriptedServerArguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

pub(super) fn run(arguments: &ScriptedServerArguments) -> Result<Exit, Failure> {
    let options = ServerOptions {
        bind: SocketAddr::from(([127, 0, 0, 1], arguments.port)),
        // Nobody reads it, and its memory stays flat.
        keep_log: false,
        ..ServerOptions::new(arguments.script.parse()?, Clock::start())
    };
    let server = ScriptedServer::start(options)?;
    output::data(&format!("{}\n", server.url()))?;
    output::talk("answers by a script, generates nothing; Ctrl-C ends it");
    runtime()?.block_on(tokio::signal::ctrl_c())?;
    Ok(Exit::Pass)
}
