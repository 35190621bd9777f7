//! A loopback server that plays a known timeline: the ground truth for the client and for a host's calibration.
//!
//! It speaks every dialect of this crate on `127.0.0.1`, follows the same [`Script`] as the scripted engine, and
//! writes down when it was asked and when it wrote what. It generates nothing and says so: its `Server` header and
//! its only model are called scripted. On `/metrics` it tells, in vLLM's names, what it really did.
//!
//! Two threads do the work, so that whoever is measured keeps a runtime of their own: one accepts and reads, and
//! writes what is due at once; one writes at the due times. With `ttft=0s,itl=0s` answers are kept ready and go out in
//! one write, so that the server is never what limits a load. Where the kernel stamps arrivals, time to first token
//! counts from its stamp of the request. The writer sleeps until shortly before a time is due and spins the rest, since timers
//! wake too late by tens of microseconds; it therefore costs part of a core while streams are under way.
//!
//! ```no_run
//! use weighbridge_engine_http::scripted_server::{ScriptedServer, ServerOptions};
//! use weighbridge_types::time::Clock;
//!
//! let options = ServerOptions::new("ttft=200ms,itl=20ms,tokens=64".parse()?, Clock::start());
//! let server = ScriptedServer::start(options)?;
//! println!("{}", server.url());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod log;
mod metrics;
mod plan;
mod request;
mod serve;
mod stream;
mod timer;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;
use weighbridge_engine::scripted::Script;
use weighbridge_types::time::Clock;

pub use log::{Played, Written};
use serve::Shared;

/// What the server calls itself.
pub const SERVER_NAME: &str = "weighbridge-scripted";

/// Name of its only model.
pub const MODEL_NAME: &str = "scripted";

/// Plays for which the writer has room before readers wait for it.
const QUEUED_PLAYS: usize = 4096;

/// Longest wait for an answer to be written down.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// What the server does.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The timeline of every answer. Time to first token counts from the moment when the request came.
    pub script: Script,
    /// What is odd about its streams.
    pub odd: Vec<Odd>,
    /// Clock of the stamps it writes down; a meter that shares it can subtract them from its own.
    pub clock: Clock,
    /// Where it listens; port 0 takes a free one.
    pub bind: SocketAddr,
    /// Whether it writes down what it played. Without, its memory stays flat and it answers faster.
    pub keep_log: bool,
    /// Whether the kernel stamps the arrival of requests, where it can.
    pub kernel_stamps: bool,
}

impl ServerOptions {
    /// Nothing odd, on a free port of 127.0.0.1, with a log.
    #[must_use]
    pub fn new(script: Script, clock: Clock) -> Self {
        let bind = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { script, odd: Vec::new(), clock, bind, keep_log: true, kernel_stamps: true }
    }
}

/// Something odd but legal about a stream, or about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    /// A frame that only names the role comes at once.
    RoleFrame,
    /// Frames without text come before the first token and after each frame.
    EmptyFrames,
    /// Comments come before the first token and after each frame.
    Comments,
    /// Lines end with CRLF, and no space follows `data:`.
    CrlfWithoutSpace,
    /// Text holds characters of several bytes, and each event is written in two pieces, cut within one.
    SplitCharacters,
    /// So many frames come in one write.
    FramesPerWrite(u32),
    /// Headers come with the first token.
    LateHeaders,
    /// The closing frames (finish reason, usage, terminator) come this much after the last token.
    LateEnd(Duration),
    /// The terminator is left out.
    NoTerminator,
    /// The stream ends without finish reason and terminator.
    NoEnd,
    /// The server closes the connection after each answer without having said so.
    CloseAfterAnswer,
    /// The server closes a kept connection when a second request comes, without an answer.
    DropSecondRequest,
}

/// A running server. Dropping it stops it and cuts its connections.
#[derive(Debug)]
pub struct ScriptedServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl ScriptedServer {
    /// Starts a server; it runs until it is dropped.
    ///
    /// # Errors
    /// When the port is taken, or no thread is to be had.
    pub fn start(options: ServerOptions) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(options.bind)?;
        widen_backlog(&listener)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let clock = options.clock;
        let shared = Arc::new(Shared::new(options));
        let (plays, queue) = std::sync::mpsc::sync_channel(QUEUED_PLAYS);
        let (stop, stopped) = oneshot::channel();
        let log = Arc::clone(&shared);
        let writer = std::thread::Builder::new()
            .name("scripted-writer".to_owned())
            .spawn(move || timer::run(&queue, clock, |played| log.log(played)))?;
        let served = Arc::clone(&shared);
        let reader = std::thread::Builder::new()
            .name("scripted-reader".to_owned())
            .spawn(move || runtime.block_on(serve::serve(listener, served, plays, stopped)))?;
        Ok(Self { address, shared, stop: Some(stop), threads: vec![reader, writer] })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its root URL, `http://127.0.0.1:PORT`; presets add their own path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Takes the generations that were played since the last call, in the order in which they ended. Waits until there
    /// are at least so many, since a client can see an end before the server has written it down; gives what there is
    /// after five seconds.
    pub fn take_played(&self, at_least: usize) -> Vec<Played> {
        self.shared.take_log(at_least, LOG_PATIENCE)
    }
}

/// Lets as many connections wait as the system allows: the usual 128 drops packets of a load that begins with hundreds of
/// streams, and each of those then connects a second late.
fn widen_backlog(listener: &std::net::TcpListener) -> io::Result<()> {
    #[cfg(unix)]
    {
        use nix::sys::socket::{Backlog, listen};
        listen(listener, Backlog::new(4096).unwrap_or(Backlog::MAXCONN))?;
    }
    #[cfg(not(unix))]
    let _ = listener;
    Ok(())
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}
