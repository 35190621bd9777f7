//! Requests that are handed on: the caller's bytes go out, and the answer's bytes come back as they are.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use weighbridge_engine::RequestFailure;
use weighbridge_types::model_ref::EndpointRef;
use weighbridge_types::request::FailureClass;
use weighbridge_types::time::{Clock, Stamp, WallTime};

use crate::client::{Client, ConnectionCounts, Reuse, Tried};
use crate::engine::base_url;
use crate::error::HttpError;
use crate::exchange::Exchange;
use crate::failure::{broken, failure, refused, retry_after};
use crate::http1::{Head, Piece};
use crate::options::HttpOptions;
use crate::preset::traits;
use crate::watchdog::{Limits, Watchdog};

/// Methods that are relayed. An answer to any other may be framed in another way (RFC 9112, 6.3), and no server of
/// models needs one.
const METHODS: [&str; 3] = ["GET", "POST", "DELETE"];

/// Header fields of an answer that may be passed on, beside those that begin with [`PASSED_PREFIX`]. A list of what is
/// let through: what is not known, cookies and fields of the connection among it, stays here.
const PASSED: [&str; 4] = ["content-type", "retry-after", "x-request-id", "openai-processing-ms"];
const PASSED_PREFIX: &str = "x-ratelimit-";

/// Room for chunks, bytes. Chunks of a stream share it and leave it to later ones, so that an event of 200 bytes costs
/// no allocation of its own.
const CHUNK_ROOM: usize = 4 << 10;

/// What stands between clients and a server: it hands a request on and gives the answer back, without a look into
/// either.
///
/// Requests carry the key and the header fields of the options and nothing of a client's head, so that a client's own
/// `Authorization` goes nowhere. Names are looked up once. Connections belong to the runtime that polled them first; a
/// relay serves one runtime. What concerns models, tokens and stamps in the options has no meaning here.
pub struct Relay {
    client: Arc<Client>,
    limits: Limits,
}

impl Relay {
    /// Prepares a relay: checks the URL and the options, resolves the host and reads the certificates. The server is
    /// asked nothing, so it may start later; a model in the reference is not looked at.
    ///
    /// # Errors
    /// When the URL or the options cannot be used, or the host is not known.
    pub async fn connect(endpoint: EndpointRef, options: HttpOptions) -> Result<Self, HttpError> {
        let traits = traits(endpoint.preset);
        let base = base_url(&endpoint, &traits)?;
        // Nobody reads the stamps, and a read without them is cheaper.
        let options = HttpOptions { kernel_stamps: false, ..options };
        let client = Client::new(base, traits.dialect, &options).await?;
        // Tokens are not seen here.
        let limits = Limits { first_token: None, stall: None, ..client.limits() };
        Ok(Self { client: Arc::new(client), limits })
    }

    /// Connections so far.
    #[must_use]
    pub fn connection_counts(&self) -> ConnectionCounts {
        self.client.counts()
    }

    /// Sends a request and waits for the head of its answer, of any status but a redirect.
    ///
    /// The path counts from the path of the base URL and may have a query: `/chat/completions`. A body goes out as
    /// JSON, copied once, since head and body in one write save a packet. A request on a kept connection that had died
    /// before any byte of an answer is sent once more on a new one. Dropping the future closes the connection.
    ///
    /// # Errors
    /// When method or path cannot be sent, no sound head came in time, the answer is a redirect, which is not
    /// followed, or it is compressed, which nobody asked for. No error holds the key.
    pub async fn send(&self, method: &str, path: &str, body: Bytes, clock: Clock) -> Result<Relayed, RequestFailure> {
        check_target(method, path)?;
        let request = self.client.request(method, &[&self.client.base().path, path].concat(), &body);
        drop(body);
        let answer = match self.try_send(&request, Reuse::Kept, clock).await {
            Err(Tried::StaleConnection) => self.try_send(&request, Reuse::Fresh, clock).await,
            tried => tried,
        };
        answer.map_err(|tried| self.client.failed(tried))
    }

    async fn try_send(&self, request: &Bytes, reuse: Reuse, clock: Clock) -> Result<Relayed, Tried> {
        let acquired = self.client.acquire(clock, reuse).await?;
        let is_kept = acquired.connected.is_none();
        let exchange = acquired.begin(request.clone(), clock);
        let watchdog = Watchdog::new(self.limits, clock, clock.now());
        let mut running = Running { exchange, watchdog, is_kept };
        let mut gathered = Gathered::new(self.limits.largest_answer);
        let head = loop {
            poll_fn(|cx| running.poll_more(&mut gathered, cx)).await?;
            if let Some(head) = gathered.head.take() {
                break head;
            }
        };
        if (300..400).contains(&head.status) {
            return Err(Tried::Failed(refused(&head, "")));
        }
        let coding = head.field("content-encoding");
        if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
            let message = format!("the answer is encoded as `{coding}`, which was not asked for");
            return Err(Tried::Failed(failure(FailureClass::Malformed, message)));
        }
        let mut relayed = Relayed {
            status: head.status,
            content_type: head.field("content-type").to_owned(),
            retry_after: retry_after(head.field("retry-after"), WallTime::now()),
            head,
            client: Arc::clone(&self.client),
            running: Some(running),
            gathered,
        };
        relayed.keep_ended();
        Ok(relayed)
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("base", &self.client.base().to_string()).finish_non_exhaustive()
    }
}

/// Refuses what would end the request line, or what no server takes.
fn check_target(method: &str, path: &str) -> Result<(), RequestFailure> {
    let refuse = |problem: &str| Err(failure(FailureClass::ClientError, problem));
    if !METHODS.contains(&method) {
        return refuse("the method is none of GET, POST and DELETE");
    }
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !path.starts_with('/') || !is_plain {
        return refuse("the path does not begin with a slash, or holds characters that no request line can carry");
    }
    Ok(())
}

/// An answer whose head has come.
///
/// Its body is read by [`next`](Relayed::next), or as a stream. Only then is the socket read and the time watched: a
/// reader that waits holds the server back, and limits that passed meanwhile are found at its next call. The limits are
/// those on silence, on the time and on the size of a whole answer. Dropping it before the end closes the connection,
/// which is how a server learns that nobody wants the rest.
///
/// The body is what the server sent, without a look at it: a server that repeats the key within a body is not
/// corrected.
pub struct Relayed {
    /// Status code: 200 to 299, or 400 and above.
    pub status: u16,
    /// Kind of the body; empty when the server did not say.
    pub content_type: String,
    /// How long the server asks to wait before another try; `None` when it does not say.
    pub retry_after: Option<Duration>,
    head: Head,
    client: Arc<Client>,
    /// `None` once the body has ended, soundly or not.
    running: Option<Running>,
    gathered: Gathered,
}

impl Relayed {
    /// Header fields that may be passed on, in the server's order, names as it wrote them: `content-type`,
    /// `retry-after`, `x-request-id`, `openai-processing-ms` and all that begin with `x-ratelimit-`. Values that are no
    /// text are left out.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.head.fields().filter(|(name, _)| is_passed(name))
    }

    /// Bytes of the answer as text, without the key and whatever else is secret: for words of the server that are shown or kept.
    #[must_use]
    pub fn text(&self, bytes: &[u8]) -> String {
        self.client.text(bytes)
    }

    /// A header field of the answer, whether it may be passed on or not; empty where there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> &str {
        self.head.field(name)
    }

    /// The next part of the body: what one read of the connection gave. `None` at the sound end, when the connection is
    /// kept for another request, and after a failure. A future that is dropped loses nothing.
    ///
    /// A body whose only end is that of its connection cannot be told from a cut one.
    ///
    /// # Errors
    /// When the connection broke or the framing is unsound, the server was silent or busy for too long, or the answer
    /// is too large. What was read together with it is not given.
    pub async fn next(&mut self) -> Option<Result<Bytes, RequestFailure>> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, RequestFailure>>> {
        loop {
            if !self.gathered.body.is_empty() {
                return Poll::Ready(Some(Ok(self.gathered.body.split().freeze())));
            }
            let Some(running) = &mut self.running else { return Poll::Ready(None) };
            if let Err(tried) = ready!(running.poll_more(&mut self.gathered, cx)) {
                self.running = None;
                self.gathered.body.clear();
                return Poll::Ready(Some(Err(self.client.failed(tried))));
            }
            self.keep_ended();
        }
    }

    /// Keeps the connection as soon as the end was read: a reader that knows the length may never ask for the end.
    fn keep_ended(&mut self) {
        if self.gathered.is_ended
            && let Some(running) = self.running.take()
        {
            self.client.keep(running.exchange);
        }
    }
}

impl Stream for Relayed {
    type Item = Result<Bytes, RequestFailure>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_chunk(cx)
    }
}

impl fmt::Debug for Relayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relayed")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

fn is_passed(name: &str) -> bool {
    let begins = name.get(..PASSED_PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PASSED_PREFIX));
    begins || PASSED.iter().any(|passed| name.eq_ignore_ascii_case(passed))
}

/// A request under way on its connection.
struct Running {
    exchange: Exchange,
    watchdog: Watchdog,
    is_kept: bool,
}

impl Running {
    /// Writes, reads once, and watches time and size.
    fn poll_more(&mut self, gathered: &mut Gathered, cx: &mut Context<'_>) -> Poll<Result<(), Tried>> {
        let Self { exchange, watchdog, .. } = self;
        exchange.poll_write(cx);
        match exchange.poll_read(cx, |at, piece| gathered.take(at, piece)) {
            Poll::Ready(Ok(())) if gathered.is_large() => {
                let message = format!("the answer is larger than {} bytes", gathered.largest);
                Poll::Ready(Err(Tried::Failed(failure(FailureClass::Malformed, message))))
            }
            Poll::Ready(Ok(())) if gathered.is_ended => Poll::Ready(Ok(())),
            Poll::Ready(Ok(())) => Poll::Ready(watchdog.check_busy(exchange, gathered.last).map_err(Tried::Failed)),
            Poll::Ready(Err(_)) if self.is_kept && !exchange.is_answered() => Poll::Ready(Err(Tried::StaleConnection)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(Tried::Failed(broken(&error, exchange.is_answered())))),
            Poll::Pending => watchdog.poll_limit(exchange, gathered.last, cx).map(|failure| Err(failure.into())),
        }
    }
}

/// What has come of an answer and was not given yet.
struct Gathered {
    head: Option<Head>,
    body: BytesMut,
    /// Bytes of the body, given ones among them, and the most that there may be.
    total: u64,
    largest: u64,
    /// When the last part of the body came.
    last: Option<Stamp>,
    is_ended: bool,
}

impl Gathered {
    fn new(largest: u64) -> Self {
        let body = BytesMut::with_capacity(CHUNK_ROOM);
        Self { head: None, body, total: 0, largest, last: None, is_ended: false }
    }

    fn take(&mut self, at: Stamp, piece: Piece<'_>) {
        match piece {
            Piece::Head(head) => self.head = Some(head),
            Piece::Data(bytes) => {
                self.total += bytes.len() as u64;
                self.last = Some(at);
                self.body.extend_from_slice(bytes);
            }
            Piece::End => self.is_ended = true,
            Piece::Nothing => {}
        }
    }

    fn is_large(&self) -> bool {
        self.total > self.largest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_request_line_can_carry_is_sent() {
        let check = |method: &str, path: &str, expected: bool| {
            assert_eq!(check_target(method, path).is_ok(), expected, "{method} {path:?}");
        };
        check("POST", "/chat/completions", true);
        check("GET", "/models?limit=1&after=%20", true);
        check("DELETE", "/", true);
        check("HEAD", "/models", false);
        check("post", "/models", false);
        check("POST / HTTP/1.1\r\nx:", "/models", false);
        check("POST", "", false);
        check("POST", "models", false);
        check("POST", "http://elsewhere/models", false);
        check("POST", "/a b", false);
        check("POST", "/a\r\nauthorization: x", false);
        check("POST", "/a#b", false);
        check("POST", "/ä", false);
    }

    #[test]
    fn fields_are_let_through_by_a_list() {
        let check = |name: &str, expected: bool| assert_eq!(is_passed(name), expected, "{name}");
        check("Content-Type", true);
        check("RETRY-AFTER", true);
        check("x-request-id", true);
        check("openai-processing-ms", true);
        check("X-RateLimit-Remaining-Tokens", true);
        check("x-ratelimit", false);
        check("x-ratelimiü", false);
        check("set-cookie", false);
        check("connection", false);
        check("content-length", false);
        check("server", false);
        check("", false);
    }
}
