//! One generation: from a request to its events.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use tokio::time::Sleep;
use weighbridge_engine::{BoxFuture, EngineEvent, EventKind, EventStream, RequestFailure};
use weighbridge_types::time::{Clock, Stamp};

use crate::client::{Acquired, Client, Reuse};
use crate::dialect::{Call, Reader};
use crate::exchange::{Broken, Exchange};
use crate::failure::broken;
use crate::inbox::{Ended, Inbox};
use crate::options::Delivery;
use crate::watchdog::Watchdog;

/// Longest wait for the end of the body after the terminator, which is what lets the connection be used again. The
/// end usually comes with the terminator; a server that holds it back longer costs a new connection instead.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(50);

/// The events of a request that has been written down already; sending it begins with the first poll.
pub(crate) fn events(client: Arc<Client>, call: &Call, delivery: Delivery, clock: Clock) -> EventStream {
    let limits = client.limits();
    let reader = Reader::new(call.api, delivery, limits.largest_event);
    let request = client.request("POST", &[&client.base().path, call.path].concat(), &call.body);
    Box::pin(Generation {
        client,
        request,
        clock,
        state: State::Begin(Reuse::Kept),
        inbox: Inbox::new(reader, limits.largest_answer),
        write_told: false,
        sent_told: false,
    })
}

struct Generation {
    client: Arc<Client>,
    /// Head and body as they are sent.
    request: Bytes,
    clock: Clock,
    state: State,
    inbox: Inbox,
    /// Whether the first write was told, by this try or the one before it.
    write_told: bool,
    sent_told: bool,
}

enum State {
    Begin(Reuse),
    Acquiring(BoxFuture<'static, Result<Acquired, RequestFailure>>),
    Running(Box<Running>),
    /// The terminator came; the end of the body is awaited until the timer fires.
    Ending {
        running: Box<Running>,
        terminator: Stamp,
        patience: Pin<Box<Sleep>>,
    },
    Over,
}

struct Running {
    exchange: Exchange,
    watchdog: Watchdog,
    kept: bool,
}

impl Stream for Generation {
    type Item = EngineEvent;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<EngineEvent>> {
        let this = &mut *self;
        loop {
            if let Some(event) = this.inbox.pop() {
                return Poll::Ready(Some(event));
            }
            match std::mem::replace(&mut this.state, State::Over) {
                State::Over => return Poll::Ready(None),
                state => match this.advance(state, cx) {
                    (state, Poll::Ready(())) => this.state = state,
                    (state, Poll::Pending) => {
                        this.state = state;
                        // A write is worth telling though nothing more happens.
                        return this.inbox.pop().map_or(Poll::Pending, |event| Poll::Ready(Some(event)));
                    }
                },
            }
        }
    }
}

impl Generation {
    /// Goes on from a state as far as one step leads; pending in the state that is returned.
    fn advance(&mut self, state: State, cx: &mut Context<'_>) -> (State, Poll<()>) {
        match state {
            State::Begin(reuse) => (self.begin(reuse, cx), Poll::Ready(())),
            State::Acquiring(mut acquiring) => match acquiring.as_mut().poll(cx) {
                Poll::Pending => (State::Acquiring(acquiring), Poll::Pending),
                Poll::Ready(Ok(acquired)) => (self.run(acquired), Poll::Ready(())),
                Poll::Ready(Err(failure)) => (self.fail(self.clock.now(), failure, None), Poll::Ready(())),
            },
            State::Running(mut running) => match self.poll_answer(&mut running, cx) {
                Poll::Pending => (State::Running(running), Poll::Pending),
                Poll::Ready(read) => (self.heed(running, read), Poll::Ready(())),
            },
            State::Ending { mut running, terminator, mut patience } => {
                match Self::poll_end(&mut self.inbox, &mut running, &mut patience, cx) {
                    Poll::Pending => (State::Ending { running, terminator, patience }, Poll::Pending),
                    Poll::Ready(()) => (self.succeed(terminator, running), Poll::Ready(())),
                }
            }
            State::Over => (State::Over, Poll::Ready(())),
        }
    }

    fn begin(&mut self, reuse: Reuse, cx: &mut Context<'_>) -> State {
        if reuse == Reuse::Kept
            && let Some(acquired) = self.client.acquire_kept(cx)
        {
            return self.run(acquired);
        }
        let (client, clock) = (Arc::clone(&self.client), self.clock);
        State::Acquiring(Box::pin(async move { client.acquire(clock, reuse).await }))
    }

    fn run(&mut self, acquired: Acquired) -> State {
        let kept = acquired.connected.is_none();
        if let Some(at) = acquired.connected {
            self.inbox.emit(at, EventKind::Connected);
        }
        let exchange = acquired.begin(self.request.clone(), self.clock);
        let watchdog = Watchdog::new(self.client.limits(), self.clock, self.clock.now());
        State::Running(Box::new(Running { exchange, watchdog, kept }))
    }

    /// Writes, reads once, and watches the time.
    fn poll_answer(&mut self, running: &mut Running, cx: &mut Context<'_>) -> Poll<Result<(), Trouble>> {
        let Running { exchange, watchdog, .. } = running;
        if !self.sent_told {
            exchange.poll_write(cx);
            self.tell_writes(exchange);
        }
        let inbox = &mut self.inbox;
        match exchange.poll_read(cx, |at, piece| inbox.take(at, piece)) {
            Poll::Ready(Ok(())) => {
                Poll::Ready(watchdog.check_busy(exchange, inbox.last_token()).map_err(Trouble::Limit))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(Trouble::Broken(error))),
            Poll::Pending => {
                watchdog.poll_limit(exchange, inbox.last_token(), cx).map(|failure| Err(Trouble::Limit(failure)))
            }
        }
    }

    fn tell_writes(&mut self, exchange: &Exchange) {
        if let Some(at) = exchange.marks().first_write.filter(|_| !self.write_told) {
            self.write_told = true;
            self.inbox.emit(at, EventKind::FirstByteWritten);
        }
        if let Some(at) = exchange.sent() {
            self.sent_told = true;
            self.inbox.emit(at, EventKind::Sent);
        }
    }

    /// Draws the consequences of what was read.
    fn heed(&mut self, running: Box<Running>, read: Result<(), Trouble>) -> State {
        let answered = running.exchange.is_answered();
        match (self.inbox.take_end(), read) {
            (Some((at, Ended::Failed(failure))), _) => self.fail(at, failure, Some(running)),
            (Some((at, Ended::Done)), Ok(())) if !self.inbox.body_ended() => {
                let patience = Box::pin(tokio::time::sleep(DRAIN_TIMEOUT));
                State::Ending { running, terminator: at, patience }
            }
            (Some((at, Ended::Done)), _) => self.succeed(at, running),
            (None, Ok(())) => State::Running(running),
            (None, Err(Trouble::Broken(_))) if running.kept && !answered => {
                self.sent_told = false;
                self.inbox.emit(self.clock.now(), EventKind::Resent);
                State::Begin(Reuse::Fresh)
            }
            (None, Err(Trouble::Broken(error))) => {
                let failure = self.inbox.refused().unwrap_or_else(|| broken(&error, answered));
                let at = running.exchange.marks().closed.unwrap_or_else(|| self.clock.now());
                self.fail(at, failure, Some(running))
            }
            (None, Err(Trouble::Limit(failure))) => self.fail(self.clock.now(), failure, Some(running)),
        }
    }

    /// Reads to the end of the body, so that the connection can be kept.
    fn poll_end(
        inbox: &mut Inbox,
        running: &mut Running,
        patience: &mut Pin<Box<Sleep>>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        while !inbox.body_ended() {
            if patience.as_mut().poll(cx).is_ready() {
                break;
            }
            if ready!(running.exchange.poll_read(cx, |at, piece| inbox.take(at, piece))).is_err() {
                break;
            }
        }
        Poll::Ready(())
    }

    fn succeed(&mut self, at: Stamp, running: Box<Running>) -> State {
        match self.inbox.success() {
            Ok(reason) => self.end(at, EventKind::Finished { reason }, Some(running)),
            Err(failure) => self.fail(at, failure, Some(running)),
        }
    }

    fn fail(&mut self, at: Stamp, failure: RequestFailure, running: Option<Box<Running>>) -> State {
        let failure = self.client.shown(failure);
        self.end(at, EventKind::Failed(failure), running)
    }

    /// Tells what is known only at the end, and gives the connection back if it is sound: also after a refusal that
    /// was read to its end.
    fn end(&mut self, at: Stamp, kind: EventKind, running: Option<Box<Running>>) -> State {
        self.inbox.emit_usage();
        if let Some(running) = running {
            if let Some(receipt) = running.exchange.marks().receipt() {
                self.inbox.emit(at, EventKind::Receipt(receipt));
            }
            self.client.keep(running.exchange);
        }
        self.inbox.emit(at, kind);
        State::Over
    }
}

/// Why an answer cannot be read further.
enum Trouble {
    Broken(Broken),
    Limit(RequestFailure),
}
