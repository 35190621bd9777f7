//! Limits on the time of a request.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Sleep;
use weighbridge_engine::RequestFailure;
use weighbridge_types::request::FailureClass;
use weighbridge_types::time::{Clock, Stamp};

use crate::exchange::Exchange;
use crate::failure::failure;

/// Limits of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) first_byte: Duration,
    pub(crate) idle: Duration,
    /// From the request to the first token.
    pub(crate) first_token: Option<Duration>,
    /// Between tokens.
    pub(crate) stall: Option<Duration>,
    pub(crate) total: Duration,
    /// Largest event, and largest answer that is not a stream, bytes.
    pub(crate) largest_event: usize,
    /// Largest body of a stream, bytes.
    pub(crate) largest_answer: u64,
}

/// Ends a request that takes too long. One timer per request: it is set again only when it fires, so that a stream
/// of many frames costs no timer work.
pub(crate) struct Watchdog {
    limits: Limits,
    clock: Clock,
    begun: Stamp,
    timer: Pin<Box<Sleep>>,
    /// When the timer is due.
    look: Stamp,
    /// Whom the timer wakes; `None` before it was polled.
    waker: Option<Waker>,
}

/// A limit and when it passes.
struct Due {
    at: Stamp,
    class: FailureClass,
    what: &'static str,
    limit: Duration,
}

impl Watchdog {
    pub(crate) fn new(limits: Limits, clock: Clock, begun: Stamp) -> Self {
        let first = limits.first_byte.min(limits.total).min(limits.first_token.unwrap_or(Duration::MAX));
        let first = begun.after(first.min(limits.shortest_silence()));
        let timer = Box::pin(tokio::time::sleep_until(clock.instant(first)));
        Self { limits, clock, begun, timer, look: first, waker: None }
    }

    /// The failure of a request that takes too long in all, or without a token, though something comes at every poll.
    pub(crate) fn check_busy(&self, exchange: &Exchange, last_token: Option<Stamp>) -> Result<(), RequestFailure> {
        let Some(now) = exchange.last_activity() else { return Ok(()) };
        let passed = [Some(self.total()), self.token(last_token)].into_iter().flatten().find(|due| now >= due.at);
        passed.map_or(Ok(()), |due| Err(due.failure()))
    }

    /// The failure of a limit that has passed. To be polled whenever the exchange is pending.
    pub(crate) fn poll_limit(
        &mut self,
        exchange: &Exchange,
        last_token: Option<Stamp>,
        cx: &mut Context<'_>,
    ) -> Poll<RequestFailure> {
        // A look at the clock is cheaper than one at the timer, and a stream is pending after each frame.
        let is_armed = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_armed && self.clock.now() < self.look {
            return Poll::Pending;
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            let dues = [Some(self.total()), self.token(last_token), Some(self.silence(exchange, last_token))];
            let now = self.clock.now();
            // The answer may begin before the next look, and then the shorter limit holds.
            self.look = now.after(self.limits.shortest_silence());
            for due in dues.into_iter().flatten() {
                if now >= due.at {
                    return Poll::Ready(due.failure());
                }
                self.look = self.look.min(due.at);
            }
            self.timer.as_mut().reset(self.clock.instant(self.look));
        }
        if !is_armed {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }

    fn total(&self) -> Due {
        let limit = self.limits.total;
        Due { at: self.begun.after(limit), class: FailureClass::Timeout, what: "no end within", limit }
    }

    /// When the next token must be there, if there is such a limit.
    fn token(&self, last_token: Option<Stamp>) -> Option<Due> {
        let (from, limit, class, what) = match last_token {
            None => (self.begun, self.limits.first_token?, FailureClass::TimeoutFirstToken, "no token within"),
            Some(at) => (at, self.limits.stall?, FailureClass::TimeoutStall, "the stream stalled: no token for"),
        };
        Some(Due { at: from.after(limit), class, what, limit })
    }

    /// When the next byte must be there.
    fn silence(&self, exchange: &Exchange, last_token: Option<Stamp>) -> Due {
        let (limit, what) = match exchange.is_answered() {
            true => (self.limits.idle, "silence of"),
            false => (self.limits.first_byte, "no answer within"),
        };
        let class = if last_token.is_some() { FailureClass::TimeoutStall } else { FailureClass::TimeoutFirstToken };
        Due { at: exchange.last_activity().unwrap_or(self.begun).after(limit), class, what, limit }
    }
}

impl Limits {
    /// The shortest of the limits that begin with something that comes.
    fn shortest_silence(&self) -> Duration {
        self.idle.min(self.stall.unwrap_or(Duration::MAX))
    }
}

impl Due {
    fn failure(&self) -> RequestFailure {
        failure(self.class, format!("{} {} s", self.what, self.limit.as_secs_f64()))
    }
}
