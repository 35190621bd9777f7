//! The client core: one server, its connections, and plain requests.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio_rustls::TlsConnector;
use weighbridge_engine::RequestFailure;
use weighbridge_types::address::is_off_limits;
use weighbridge_types::request::FailureClass;
use weighbridge_types::time::{Clock, Stamp};

use crate::base_url::BaseUrl;
use crate::connection::Dialer;
use crate::error::HttpError;
use crate::exchange::Exchange;
use crate::failure::{broken, failure, refused, root_cause, shown, wrong_kind};
use crate::http1::{Head, Piece};
use crate::options::HttpOptions;
use crate::pool::{Place, Pool};
use crate::preset::Dialect;
use crate::request_head::{RequestHead, is_secret};
use crate::secret::{self, Secret};
use crate::tls;
use crate::transport::Transport;
use crate::watchdog::{Limits, Watchdog};

/// Connections of a client, counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// Connections opened.
    pub opened: u64,
    /// Requests sent on a kept connection.
    pub reused: u64,
    /// Requests sent once more on a new connection, since the kept one had died before any byte of an answer.
    /// Their latency counts from the first try.
    pub retried: u64,
}

/// Longest wait for what a server says of itself. A server that is busy with prompts still has a list of its models; one
/// that is silent for so long should be found out before anything is measured.
const ABOUT_ITSELF: Duration = Duration::from_secs(30);

/// A client of one server.
pub(crate) struct Client {
    base: BaseUrl,
    dialer: Dialer,
    pool: Arc<Pool>,
    head: RequestHead,
    /// The key, and the values of header fields that are secret.
    secrets: Vec<Secret>,
    limits: Limits,
    opened: AtomicU64,
    reused: AtomicU64,
    retried: AtomicU64,
}

/// A whole answer, of any status.
pub(crate) struct Answer {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
}

/// A connection for one request, and the time it stood if it is a new one.
pub(crate) struct Acquired {
    transport: Transport,
    pub(crate) connected: Option<Stamp>,
    place: Place,
}

impl Acquired {
    pub(crate) fn begin(self, request: Bytes, clock: Clock) -> Exchange {
        Exchange::begin(self.transport, request, clock, self.place)
    }
}

/// Which connection a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    Kept,
    Fresh,
}

impl Client {
    /// Resolves the host and prepares TLS; connects to nobody. Requests go to the addresses that are found here and to no others, and
    /// to none that is off limits, whatever the name.
    pub(crate) async fn new(base: BaseUrl, dialect: Dialect, options: &HttpOptions) -> Result<Self, HttpError> {
        let secrets = secrets(options);
        if !secrets.is_empty() && !base.secure && !base.is_loopback() && !options.key_in_clear {
            return Err(HttpError::KeyInClear { host: base.host });
        }
        let head = RequestHead::new(&base, dialect, options)?;
        let no_host =
            |problem: String| HttpError::Unreachable { url: base.to_string(), class: FailureClass::Connect, problem };
        let lookup = tokio::net::lookup_host((base.host.as_str(), base.port));
        let addresses: Vec<SocketAddr> = match tokio::time::timeout(options.connect_timeout, lookup).await {
            Ok(found) => found.map_err(|error| no_host(root_cause(&error)))?.collect(),
            Err(_) => return Err(no_host("the host name was not resolved in time".to_owned())),
        };
        if addresses.iter().any(|address| is_off_limits(address.ip())) {
            let problem = "it leads to a link-local address or to a metadata service, which is asked nothing";
            return Err(HttpError::Url { url: base.root(), problem });
        }
        let tls = if base.secure {
            let name = ServerName::try_from(base.host.clone()).map_err(|error| no_host(error.to_string()))?;
            Some((TlsConnector::from(tls::client_config(options.ca_file.as_deref())?), name))
        } else {
            None
        };
        let kept = if options.reuse_connections { options.idle_connections } else { 0 };
        let pool = match &options.pools {
            Some(pools) => pools.of(base.root()),
            None => Pool::new(kept, options.keep_alive, options.max_connections),
        };
        Ok(Self {
            dialer: Dialer::new(addresses, tls, options.connect_timeout, options.kernel_stamps),
            pool,
            head,
            secrets,
            limits: Limits {
                first_byte: options.first_byte_timeout,
                idle: options.idle_timeout,
                first_token: options.first_token_timeout,
                stall: options.stall_timeout,
                total: options.total_timeout,
                largest_event: options.largest_event,
                largest_answer: options.largest_answer,
            },
            opened: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            retried: AtomicU64::new(0),
            base,
        })
    }

    pub(crate) fn base(&self) -> &BaseUrl {
        &self.base
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    pub(crate) fn counts(&self) -> ConnectionCounts {
        ConnectionCounts {
            opened: self.opened.load(Ordering::Relaxed),
            reused: self.reused.load(Ordering::Relaxed),
            retried: self.retried.load(Ordering::Relaxed),
        }
    }

    /// The failure as it may be shown.
    pub(crate) fn shown(&self, failure: RequestFailure) -> RequestFailure {
        shown(failure, &self.secrets)
    }

    /// The text of a body without the secrets.
    pub(crate) fn text(&self, body: &[u8]) -> String {
        secret::redact_all(&self.secrets, &String::from_utf8_lossy(body))
    }

    /// A request; the path counts from the server's root.
    pub(crate) fn request(&self, method: &str, path: &str, body: &[u8]) -> Bytes {
        self.head.request(method, path, body)
    }

    /// A connection that can be had at once: a kept one.
    pub(crate) fn acquire_kept(&self, cx: &mut Context<'_>) -> Option<Acquired> {
        let place = self.pool.try_enter()?;
        let transport = self.pool.take(cx)?;
        self.reused.fetch_add(1, Ordering::Relaxed);
        Some(Acquired { transport, connected: None, place })
    }

    /// Waits for a place if places are limited, and opens a connection unless it may take a kept one.
    pub(crate) async fn acquire(&self, clock: Clock, reuse: Reuse) -> Result<Acquired, RequestFailure> {
        let place = self.pool.enter().await;
        match reuse {
            Reuse::Kept => {
                if let Some(transport) = poll_fn(|cx| Poll::Ready(self.pool.take(cx))).await {
                    self.reused.fetch_add(1, Ordering::Relaxed);
                    return Ok(Acquired { transport, connected: None, place });
                }
            }
            Reuse::Fresh => drop(self.retried.fetch_add(1, Ordering::Relaxed)),
        }
        self.pool.make_room();
        let (transport, stood) = self.dialer.open(clock).await?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Acquired { transport, connected: Some(stood), place })
    }

    /// Keeps the connection of an answer that was read to its end.
    pub(crate) fn keep(&self, exchange: Exchange) {
        if let Some((transport, place)) = exchange.into_reusable() {
            self.pool.put(transport);
            // Only now may the next request have the place: it finds the connection.
            drop(place);
        }
    }

    /// Makes a request and reads the whole answer, outside of any measurement.
    pub(crate) async fn fetch(&self, method: &str, path: &str, body: &[u8]) -> Result<Answer, RequestFailure> {
        let request = self.request(method, path, body);
        let patience = if method == "GET" { ABOUT_ITSELF } else { Duration::MAX };
        let limits = Limits {
            first_byte: self.limits.first_byte.min(patience),
            idle: self.limits.idle.min(patience),
            first_token: None,
            stall: None,
            ..self.limits
        };
        let answer = match self.try_fetch(&request, Reuse::Kept, limits).await {
            Err(Tried::StaleConnection) => self.try_fetch(&request, Reuse::Fresh, limits).await,
            tried => tried,
        };
        answer.map_err(|tried| self.failed(tried))
    }

    /// The failure of the last try, as it may be shown.
    pub(crate) fn failed(&self, tried: Tried) -> RequestFailure {
        match tried {
            Tried::StaleConnection => failure(FailureClass::Truncated, "the server closed the connection"),
            Tried::Failed(failure) => self.shown(failure),
        }
    }

    async fn try_fetch(&self, request: &Bytes, reuse: Reuse, limits: Limits) -> Result<Answer, Tried> {
        let clock = Clock::start();
        let acquired = self.acquire(clock, reuse).await?;
        let is_kept = acquired.connected.is_none();
        let mut exchange = acquired.begin(request.clone(), clock);
        let mut watchdog = Watchdog::new(limits, clock, clock.now());
        let (mut head, mut body, mut ended, mut is_large) = (None, Vec::new(), false, false);
        while !ended {
            let read = poll_fn(|cx| {
                exchange.poll_write(cx);
                let read = exchange.poll_read(cx, |_, piece| match piece {
                    Piece::Head(came) => head = Some(came),
                    Piece::Data(bytes) if body.len() + bytes.len() > self.limits.largest_event => is_large = true,
                    Piece::Data(bytes) => body.extend_from_slice(bytes),
                    Piece::End => ended = true,
                    Piece::Nothing => {}
                });
                match read {
                    Poll::Ready(read) => Poll::Ready(Ok(read)),
                    Poll::Pending => watchdog.poll_limit(&exchange, None, cx).map(Err),
                }
            });
            if let Err(error) = read.await? {
                let stale = is_kept && !exchange.is_answered();
                let failed = Tried::Failed(broken(&error, exchange.is_answered()));
                return Err(if stale { Tried::StaleConnection } else { failed });
            }
            if is_large {
                let message = format!("the answer is larger than {} bytes", self.limits.largest_event);
                return Err(Tried::Failed(failure(FailureClass::Malformed, message)));
            }
        }
        self.keep(exchange);
        match head {
            Some(head) => Ok(Answer { head, body }),
            None => Err(Tried::Failed(failure(FailureClass::Truncated, "the answer has no head"))),
        }
    }

    /// The answer, if its status is good.
    pub(crate) fn accept(&self, answer: Answer) -> Result<Answer, RequestFailure> {
        if answer.head.status >= 300 {
            return Err(self.shown(refused(&answer.head, &self.text(&answer.body))));
        }
        Ok(answer)
    }

    /// The JSON of an answer with a good status.
    pub(crate) fn json<T: DeserializeOwned>(&self, answer: Answer) -> Result<T, RequestFailure> {
        let Answer { head, body } = self.accept(answer)?;
        let wrong = |_| self.shown(wrong_kind(&head, "the JSON that was expected", &self.text(&body)));
        serde_json::from_slice(&body).map_err(wrong)
    }
}

/// How a try to fetch ended.
pub(crate) enum Tried {
    /// The kept connection had died; nothing of the answer was lost.
    StaleConnection,
    Failed(RequestFailure),
}

impl From<RequestFailure> for Tried {
    fn from(failure: RequestFailure) -> Self {
        Self::Failed(failure)
    }
}

fn secrets(options: &HttpOptions) -> Vec<Secret> {
    let fields = options.headers.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone());
    options.key.clone().into_iter().chain(fields).collect()
}
