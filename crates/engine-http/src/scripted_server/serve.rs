//! Accepting connections and reading requests.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use weighbridge_engine::scripted::{Fault, Kept, PrefixCache};

use super::log::{Played, Written};
use super::metrics::{Metrics, Running};
use super::plan::{Asked, Ending, Plan, answer_at_once, plan};
use super::request::{Request, read};
use super::timer::Play;
use super::wire::Wire;
use super::{MODEL_NAME, Odd, ServerOptions};
use crate::receive::reset_on_close;
use crate::socket::Socket;

/// Answers that are kept until they are taken; beyond them the oldest are dropped.
const PLAYED_KEPT: usize = 100_000;

/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Characters of a prompt that are written down.
const PROMPT_KEPT: usize = 64;

/// Where it tells of itself.
const METRICS_PATH: &str = "/metrics";

/// Answers without delay that are kept ready. A load rarely asks for more kinds; others are made each time.
const READY_ANSWERS: usize = 64;

/// What the threads share.
#[derive(Debug)]
pub(super) struct Shared {
    options: ServerOptions,
    requests: AtomicU64,
    /// Beginnings of prompts, where the script has a cache.
    cache: PrefixCache,
    /// What requests leave, where the script leaks or hoards.
    kept: Kept,
    /// Sound answers without delay: bytes and tokens.
    ready: Mutex<HashMap<Asked, (Bytes, u32)>>,
    played: Mutex<VecDeque<Played>>,
    /// Told when a generation was written down.
    logged: Condvar,
    metrics: Metrics,
}

impl Shared {
    pub(super) fn new(options: ServerOptions) -> Self {
        Self {
            options,
            requests: AtomicU64::new(0),
            cache: PrefixCache::default(),
            kept: Kept::default(),
            ready: Mutex::new(HashMap::new()),
            played: Mutex::new(VecDeque::new()),
            logged: Condvar::new(),
            metrics: Metrics::new(),
        }
    }

    /// Counts a generation and writes it down; pages about the server are no such thing.
    pub(super) fn log(&self, played: Played) {
        if Wire::of(&played.path).is_none() {
            return;
        }
        self.metrics.played(&played);
        if !self.options.keep_log {
            return;
        }
        let mut all = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == PLAYED_KEPT {
            all.pop_front();
        }
        all.push_back(played);
        self.logged.notify_all();
    }

    pub(super) fn take_log(&self, at_least: usize, patience: Duration) -> Vec<Played> {
        let all = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.logged.wait_timeout_while(all, patience, |all| all.len() < at_least);
        let (mut all, _) = waited.unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *all).into()
    }

    /// What a request is answered with; and of a generation its place among those under way and whether a fault strikes.
    fn answer(&self, request: &Request) -> (Answer, Option<Running<'_>>, bool) {
        let Some(wire) = Wire::of(&request.path).filter(|_| request.method == "POST") else {
            let page = if request.path == METRICS_PATH { self.metrics_page() } else { page(&request.path) };
            return (Answer::of(page), None, false);
        };
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        self.kept.request(&self.options.script);
        let fault = self.options.script.fault.filter(|fault| fault.strikes(number));
        let asked = match self.options.script.cache {
            Some(_) => Asked::of(wire, request).looked_up(&self.cache, request),
            None => Asked::of(wire, request),
        };
        let (running, in_flight) = self.metrics.begin(asked.input());
        let asked = asked.spoiled(self.options.script.spoil.and_then(|spoil| spoil.strikes(number, in_flight)));
        (self.generation(asked, fault), Some(running), fault.is_some())
    }

    fn metrics_page(&self) -> Plan {
        answer_at_once("200 OK", "", "text/plain; version=0.0.4", &self.metrics.page())
    }

    fn generation(&self, asked: Asked, fault: Option<Fault>) -> Answer {
        let (script, odd) = (&self.options.script, &self.options.odd);
        if fault.is_some() || !script.ttft.is_zero() || !script.itl.is_zero() {
            return Answer::of(plan(script, odd, fault, asked));
        }
        let ready = || self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((bytes, tokens)) = ready().get(&asked) {
            let ending = Ending::of_sound_answers(odd);
            return Answer::AtOnce { bytes: bytes.clone(), tokens: *tokens, ending };
        }
        let answer = Answer::of(plan(script, odd, None, asked));
        if let Answer::AtOnce { bytes, tokens, .. } = &answer
            && ready().len() < READY_ANSWERS
        {
            ready().insert(asked, (bytes.clone(), *tokens));
        }
        answer
    }
}

/// An answer to be given.
enum Answer {
    /// Without delay: written by the thread that read the request.
    AtOnce { bytes: Bytes, tokens: u32, ending: Ending },
    /// Over time: written by the thread that keeps time.
    Timed(Plan),
}

impl Answer {
    fn of(plan: Plan) -> Self {
        match plan.at_once() {
            Some((bytes, tokens)) => Self::AtOnce { bytes, tokens, ending: plan.ending },
            None => Self::Timed(plan),
        }
    }
}

/// Answers that every kind of server gives about itself.
fn page(path: &str) -> Plan {
    let (status, body) = match path {
        "/v1/models" => ("200 OK", json!({"object": "list", "data": [{"id": MODEL_NAME, "object": "model"}]})),
        "/api/tags" => ("200 OK", json!({"models": [{"name": MODEL_NAME}]})),
        "/version" | "/api/version" => ("200 OK", json!({"version": env!("CARGO_PKG_VERSION")})),
        _ => ("404 Not Found", json!({"error": {"message": "the scripted server has no such page"}})),
    };
    answer_at_once(status, "", "application/json", &body.to_string())
}

/// Serves until told to stop; connections end with it.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    shared: Arc<Shared>,
    plays: SyncSender<Play>,
    stopped: oneshot::Receiver<()>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let accept = async {
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                // It may be short of files, and then the next try fails at once too.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (shared, plays) = (Arc::clone(&shared), plays.clone());
            tokio::spawn(async move {
                // What goes wrong on a connection ends it, which the client sees too.
                let _ = converse(socket, &shared, &plays).await;
            });
        }
    };
    tokio::select! {
        () = accept => {}
        _ = stopped => {}
    }
}

async fn converse(socket: TcpStream, shared: &Shared, plays: &SyncSender<Play>) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = socket.into_std()?;
    let writing = Arc::new(socket.try_clone()?);
    let mut socket = Socket::new(TcpStream::from_std(socket)?, shared.options.clock, shared.options.kernel_stamps);
    let mut buffer = Vec::new();
    let mut answered = 0_u32;
    while let Some(request) = read(&mut socket, &mut buffer).await? {
        if answered > 0 && shared.options.odd.contains(&Odd::DropSecondRequest) {
            return Ok(());
        }
        let (answer, running, faulted) = shared.answer(&request);
        let prompt =
            if shared.options.keep_log { request.prompt().chars().take(PROMPT_KEPT).collect() } else { String::new() };
        let received = request.received;
        let mut played = Played { path: request.path, prompt, received, writes: Vec::new(), abandoned: false, faulted };
        let ending = match answer {
            Answer::AtOnce { bytes, tokens, ending } => {
                let written = Written { due: received, at: shared.options.clock.now(), tokens };
                played.writes.push(written);
                socket.write_all(&bytes).await?;
                shared.log(played);
                ending
            }
            Answer::Timed(Plan { writes, ending }) => {
                let (done, written) = oneshot::channel();
                let play = Play { socket: Arc::clone(&writing), writes, ending, played, done };
                if plays.send(play).is_err() {
                    return Ok(());
                }
                let Ok(ending) = written.await else { return Ok(()) };
                ending
            }
        };
        drop(running);
        match ending {
            Ending::KeepAlive => answered += 1,
            Ending::Reset => return reset_on_close(&*writing),
            // The client may have gone already, and then it fails.
            Ending::Close | Ending::Endless(_) => return socket.shutdown().await,
        }
    }
    Ok(())
}
