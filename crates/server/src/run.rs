//! Serves a router on a listener, with bounds on what a connection may do.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::stall::Impatient;

/// Pause after a connection could not be accepted, as without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Longest head of a request, bytes: beyond it the answer is 431. A hundred fields at most are read.
const LONGEST_HEAD: usize = 64 << 10;

/// What connections may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; others wait to be accepted.
    pub connections: usize,
    /// Longest time for a request's head, also between two requests on one connection.
    pub head_timeout: Duration,
    /// Longest time for which a peer may take nothing of what is written to it.
    pub stall_timeout: Duration,
    /// Longest time from the word to stop until the last answer is cut off.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let usual = Duration::from_secs(30);
        Self { connections: 16_384, head_timeout: usual, stall_timeout: usual, drain_timeout: usual }
    }
}

/// Serves until `shutdown` is told, then lets requests that have begun end. Connections that are still busy when the time for that
/// is over are cut; how many.
///
/// # Errors
/// None after it has begun: a connection that fails ends alone.
pub async fn run(listener: TcpListener, app: Router, limits: Limits, shutdown: CancellationToken) -> io::Result<usize> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let tracker = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            () = shutdown.cancelled() => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(_) => {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        // Small writes are what a stream of tokens consists of.
        drop(stream.set_nodelay(true));
        let service = OfPeer { service: TowerToHyperService::new(app.clone()), peer: Peer(peer) };
        let (shutdown, cut) = (shutdown.clone(), cut.clone());
        tracker.spawn(async move {
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(limits.head_timeout).keep_alive(true);
            server.max_header_size(LONGEST_HEAD);
            let connection =
                server.serve_connection(TokioIo::new(Impatient::new(stream, limits.stall_timeout)), service);
            tokio::pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => {}
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        _ = connection.as_mut() => {}
                        () = cut.cancelled() => {}
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    tracker.close();
    let drained = tokio::time::timeout(limits.drain_timeout, tracker.wait()).await.is_ok();
    let left = if drained { 0 } else { tracker.len() };
    cut.cancel();
    tracker.wait().await;
    Ok(left)
}

/// The other end of the connection that a request came on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// Lets handlers know where a request comes from.
struct OfPeer {
    service: TowerToHyperService<Router>,
    peer: Peer,
}

impl Service<hyper::Request<Incoming>> for OfPeer {
    type Response = Response;
    type Error = Infallible;
    type Future = <TowerToHyperService<Router> as Service<hyper::Request<Incoming>>>::Future;

    fn call(&self, mut request: hyper::Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.service.call(request)
    }
}
