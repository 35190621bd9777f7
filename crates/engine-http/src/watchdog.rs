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

impl Watchdog {
    pub(crate) fn new(limits: Limits, clock: Clock, begun: Stamp) -> Self {
        let first = begun.after(limits.first_byte.min(limits.idle).min(limits.total));
        let timer = Box::pin(tokio::time::sleep_until(clock.instant(first)));
        Self { limits, clock, begun, timer, look: first, waker: None }
    }

    /// The failure of a request that takes too long in all, though something comes at every poll.
    pub(crate) fn check_total(&self, exchange: &Exchange) -> Result<(), RequestFailure> {
        let over = self.begun.after(self.limits.total);
        match exchange.last_activity() {
            Some(at) if at >= over => Err(timed_out("no end within", self.limits.total)),
            _ => Ok(()),
        }
    }

    /// The failure of a limit that has passed. To be polled whenever the exchange is pending.
    pub(crate) fn poll_limit(&mut self, exchange: &Exchange, cx: &mut Context<'_>) -> Poll<RequestFailure> {
        // A look at the clock is cheaper than one at the timer, and a stream is pending after each frame.
        let is_armed = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if is_armed && self.clock.now() < self.look {
            return Poll::Pending;
        }
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
            self.look = due.min(over).min(now.after(self.limits.idle));
            self.timer.as_mut().reset(self.clock.instant(self.look));
        }
        if !is_armed {
            self.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

fn timed_out(what: &str, limit: Duration) -> RequestFailure {
    failure(FailureClass::Timeout, format!("{what} {} s", limit.as_secs_f64()))
}
