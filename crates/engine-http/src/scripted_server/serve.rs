//! Accepting connections and reading requests.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::log::Played;
use super::plan::{Plan, answer_at_once, plan};
use super::request::{Request, read};
use super::timer::Play;
use super::wire::Wire;
use super::{MODEL_NAME, Odd, ServerOptions};

/// Answers that are kept until they are taken; beyond them the oldest are dropped.
const PLAYED_KEPT: usize = 100_000;

/// Characters of a prompt that are written down.
const PROMPT_KEPT: usize = 64;

/// What the threads share.
#[derive(Debug)]
pub(super) struct Shared {
    options: ServerOptions,
    requests: AtomicU64,
    played: Mutex<VecDeque<Played>>,
    /// Told when a generation was written down.
    logged: Condvar,
}

impl Shared {
    pub(super) fn new(options: ServerOptions) -> Self {
        Self { options, requests: AtomicU64::new(0), played: Mutex::new(VecDeque::new()), logged: Condvar::new() }
    }

    /// Writes a generation down; pages about the server are no such thing.
    pub(super) fn log(&self, played: Played) {
        if Wire::of(&played.path).is_none() {
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

    fn plan(&self, request: &Request) -> Plan {
        let Some(wire) = Wire::of(&request.path).filter(|_| request.method == "POST") else {
            return page(&request.path);
        };
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let fault = self.options.script.fault.filter(|fault| number.is_multiple_of(fault.every));
        plan(&self.options.script, &self.options.odd, fault, wire, request)
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
            // A failed accept concerns one client, who sees it.
            let Ok((socket, _)) = listener.accept().await else { continue };
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
    let mut socket = TcpStream::from_std(socket)?;
    let mut buffer = Vec::new();
    let mut answered = 0_u32;
    while let Some(request) = read(&mut socket, &mut buffer).await? {
        let received = shared.options.clock.now();
        if answered > 0 && shared.options.odd.contains(&Odd::DropSecondRequest) {
            return Ok(());
        }
        let Plan { writes, ending } = shared.plan(&request);
        let prompt = request.prompt().chars().take(PROMPT_KEPT).collect();
        let played = Played { path: request.path, prompt, received, writes: Vec::new(), abandoned: false };
        let (done, written) = oneshot::channel();
        if plays.send(Play { socket: Arc::clone(&writing), writes, ending, played, done }).is_err() {
            return Ok(());
        }
        if written.await.is_err() {
            return Ok(());
        }
        answered += 1;
    }
    Ok(())
}
