//! The client core: one server, its connections, and plain requests.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::response::Parts;
use hyper::{HeaderMap, Method, Request};
use rustls_pki_types::ServerName;
use serde::de::DeserializeOwned;
use tokio::time::Sleep;
use tokio_rustls::TlsConnector;
use weighbridge_engine::RequestFailure;
use weighbridge_types::request::FailureClass;
use weighbridge_types::time::{Clock, Stamp};

use crate::base_url::BaseUrl;
use crate::connection::{Dialer, Pool};
use crate::error::HttpError;
use crate::exchange::{Exchange, Step};
use crate::failure::{broken, failure, refused, root_cause, shown, wrong_kind};
use crate::options::HttpOptions;
use crate::preset::Dialect;
use crate::secret::Secret;
use crate::tls;

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

/// A client of one server.
pub(crate) struct Client {
    base: BaseUrl,
    dialer: Dialer,
    pool: Pool,
    headers: HeaderMap,
    key: Option<Secret>,
    limits: Limits,
    opened: AtomicU64,
    reused: AtomicU64,
    retried: AtomicU64,
}

/// Limits of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    first_byte: Duration,
    idle: Duration,
    total: Duration,
    pub(crate) largest_event: usize,
}

/// A whole answer, of any status.
pub(crate) struct Answer {
    pub(crate) parts: Box<Parts>,
    pub(crate) body: Vec<u8>,
}

/// A request under way, and the time its connection stood if it is a new one.
pub(crate) struct Begun {
    pub(crate) exchange: Exchange,
    pub(crate) connected: Option<Stamp>,
}

/// Which connection a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    Kept,
    Fresh,
}

impl Client {
    /// Resolves the host and prepares TLS; connects to nobody.
    pub(crate) async fn new(base: BaseUrl, dialect: Dialect, options: &HttpOptions) -> Result<Self, HttpError> {
        if options.key.is_some() && !base.secure && !base.is_loopback() && !options.key_in_clear {
            return Err(HttpError::KeyInClear { host: base.host });
        }
        let headers = headers(&base, dialect, options.key.as_ref())?;
        let no_host =
            |problem: String| HttpError::Unreachable { url: base.to_string(), class: FailureClass::Connect, problem };
        let lookup = tokio::net::lookup_host((base.host.as_str(), base.port));
        let addresses = match tokio::time::timeout(options.connect_timeout, lookup).await {
            Ok(found) => found.map_err(|error| no_host(root_cause(&error)))?.collect(),
            Err(_) => return Err(no_host("the host name was not resolved in time".to_owned())),
        };
        let tls = if base.secure {
            let name = ServerName::try_from(base.host.clone()).map_err(|error| no_host(error.to_string()))?;
            Some((TlsConnector::from(tls::client_config(options.ca_file.as_deref())?), name))
        } else {
            None
        };
        Ok(Self {
            dialer: Dialer::new(addresses, tls, options.connect_timeout),
            pool: Pool::new(options.idle_connections, options.keep_alive),
            headers,
            key: options.key.clone(),
            limits: Limits {
                first_byte: options.first_byte_timeout,
                idle: options.idle_timeout,
                total: options.total_timeout,
                largest_event: options.largest_event,
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

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
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
        shown(failure, self.key.as_ref())
    }

    /// The text of a body without the key.
    pub(crate) fn text(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        self.key.as_ref().map_or_else(|| text.to_string(), |key| key.redact(&text))
    }

    /// A request; the path counts from the server's root.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, RequestFailure> {
        let built = Request::builder().method(method).uri(path).body(Full::new(body));
        let mut request = built.map_err(|error| failure(FailureClass::ClientError, error.to_string()))?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }

    /// Begins a request on a kept connection if it may and there is one.
    pub(crate) async fn begin(
        &self,
        request: Request<Full<Bytes>>,
        clock: Clock,
        reuse: Reuse,
    ) -> Result<Begun, RequestFailure> {
        if reuse == Reuse::Kept {
            if let Some(link) = poll_fn(|cx| Poll::Ready(self.pool.take(cx))).await {
                self.reused.fetch_add(1, Ordering::Relaxed);
                return Ok(Begun { exchange: Exchange::begin(link, request, clock), connected: None });
            }
        } else {
            self.retried.fetch_add(1, Ordering::Relaxed);
        }
        let (link, stood) = self.dialer.open(clock).await?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        Ok(Begun { exchange: Exchange::begin(link, request, clock), connected: Some(stood) })
    }

    /// Makes a request and reads the whole answer, outside of any measurement.
    pub(crate) async fn fetch(&self, method: Method, path: &str, body: Bytes) -> Result<Answer, RequestFailure> {
        let answer = match self.try_fetch(&method, path, &body, Reuse::Kept).await {
            Err(Tried::StaleConnection) => self.try_fetch(&method, path, &body, Reuse::Fresh).await,
            tried => tried,
        };
        answer.map_err(|tried| match tried {
            Tried::StaleConnection => failure(FailureClass::Truncated, "the server closed the connection"),
            Tried::Failed(failure) => self.shown(failure),
        })
    }

    async fn try_fetch(&self, method: &Method, path: &str, body: &Bytes, reuse: Reuse) -> Result<Answer, Tried> {
        let clock = Clock::start();
        let request = self.request(method.clone(), path, body.clone())?;
        let Begun { mut exchange, connected } = self.begin(request, clock, reuse).await?;
        let mut watchdog = Watchdog::new(self.limits, clock, clock.now());
        let (mut head, mut text) = (None, Vec::new());
        loop {
            match watchdog.step(&mut exchange).await? {
                Step::Writing(_) => {}
                Step::Head { parts, .. } => head = Some(parts),
                Step::Data { bytes, .. } => {
                    if text.len() + bytes.len() > self.limits.largest_event {
                        let message = format!("the answer is larger than {} bytes", self.limits.largest_event);
                        return Err(Tried::Failed(failure(FailureClass::Malformed, message)));
                    }
                    text.extend_from_slice(&bytes);
                }
                Step::End(_) => break,
                Step::Broken { .. } if connected.is_none() && !exchange.is_answered() => {
                    return Err(Tried::StaleConnection);
                }
                Step::Broken { error, .. } => return Err(Tried::Failed(broken(&error, exchange.is_answered()))),
            }
        }
        exchange.into_link().into_iter().for_each(|link| self.pool.put(link));
        let Some(parts) = head else {
            return Err(Tried::Failed(failure(FailureClass::Truncated, "the answer has no head")));
        };
        Ok(Answer { parts, body: text })
    }

    /// The JSON of an answer with a good status.
    pub(crate) fn json<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, RequestFailure> {
        let (status, headers) = (answer.parts.status.as_u16(), &answer.parts.headers);
        if status >= 300 {
            return Err(self.shown(refused(status, headers, &self.text(&answer.body))));
        }
        let wrong = |_| self.shown(wrong_kind(headers, "the JSON that was expected", &self.text(&answer.body)));
        serde_json::from_slice(&answer.body).map_err(wrong)
    }
}

/// How a try to fetch ended.
enum Tried {
    /// The kept connection had died; nothing of the answer was lost.
    StaleConnection,
    Failed(RequestFailure),
}

impl From<RequestFailure> for Tried {
    fn from(failure: RequestFailure) -> Self {
        Self::Failed(failure)
    }
}

fn headers(base: &BaseUrl, dialect: Dialect, key: Option<&Secret>) -> Result<HeaderMap, HttpError> {
    let mut headers = HeaderMap::new();
    let host = HeaderValue::from_str(&base.authority)
        .map_err(|_| HttpError::Url { url: base.to_string(), problem: "its host is no header value" })?;
    headers.insert(HOST, host);
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("weighbridge/", env!("CARGO_PKG_VERSION"))));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json, application/x-ndjson"));
    if dialect == Dialect::Anthropic {
        headers.insert(HeaderName::from_static("anthropic-version"), HeaderValue::from_static("2023-06-01"));
    }
    if let Some(key) = key {
        let (name, value) = match dialect {
            Dialect::Anthropic => (HeaderName::from_static("x-api-key"), key.reveal().to_owned()),
            Dialect::OpenAi | Dialect::Ollama => (AUTHORIZATION, format!("Bearer {}", key.reveal())),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_| HttpError::KeyUnusable)?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// Ends a request that takes too long. One timer per request: it is set again only when it fires, so that a stream
/// of many frames costs no timer work.
pub(crate) struct Watchdog {
    limits: Limits,
    clock: Clock,
    begun: Stamp,
    timer: Pin<Box<Sleep>>,
}

impl Watchdog {
    pub(crate) fn new(limits: Limits, clock: Clock, begun: Stamp) -> Self {
        let first = begun.after(limits.first_byte.min(limits.idle).min(limits.total));
        Self { limits, clock, begun, timer: Box::pin(tokio::time::sleep_until(clock.instant(first))) }
    }

    /// The next step, or the failure of a limit passed.
    pub(crate) async fn step(&mut self, exchange: &mut Exchange) -> Result<Step, RequestFailure> {
        poll_fn(|cx| match exchange.poll_step(cx) {
            Poll::Ready(step) => Poll::Ready(Ok(step)),
            Poll::Pending => self.poll_limit(exchange, cx).map(Err),
        })
        .await
    }

    fn poll_limit(&mut self, exchange: &Exchange, cx: &mut Context<'_>) -> Poll<RequestFailure> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let answered = exchange.is_answered();
            let (limit, what) =
                if answered { (self.limits.idle, "silence of") } else { (self.limits.first_byte, "no answer within") };
            let due = exchange.last_activity().unwrap_or(self.begun).after(limit);
            let over = self.begun.after(self.limits.total);
            let now = self.clock.now();
            if now >= over {
                return Poll::Ready(timed_out("no end within", self.limits.total));
            }
            if now >= due {
                return Poll::Ready(timed_out(what, limit));
            }
            // The answer may begin before the next look, and then the shorter limit holds.
            let look = due.min(over).min(now.after(self.limits.idle));
            self.timer.as_mut().reset(self.clock.instant(look));
        }
        Poll::Pending
    }
}

fn timed_out(what: &str, limit: Duration) -> RequestFailure {
    failure(FailureClass::Timeout, format!("{what} {} s", limit.as_secs_f64()))
}
