//! One generation: from a request to its events.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use hyper::Method;
use hyper::header::CONTENT_TYPE;
use hyper::http::response::Parts;
use weighbridge_engine::{EngineEvent, EventKind, EventStream, RequestFailure};
use weighbridge_types::request::{FailureClass, FinishReason, Usage};
use weighbridge_types::time::{Clock, Stamp};

use crate::client::{Begun, Client, Reuse, Watchdog};
use crate::dialect::{Call, Reader, Signal};
use crate::exchange::{Exchange, Step};
use crate::failure::{broken, failure, header, refused, wrong_kind};
use crate::options::Delivery;

/// Longest wait for the end of the body after the terminator, which is what lets the connection be used again. The
/// end usually comes with the terminator; a server that holds it back longer costs a new connection instead.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(50);

/// Bytes of an answer that is not understood which are kept for the message.
const REFUSAL_BYTES: usize = 64 << 10;

/// The events of a request that has been written down already; sending it begins with the first poll.
pub(crate) fn events(client: Arc<Client>, call: Call, delivery: Delivery, clock: Clock) -> EventStream {
    let reader = Reader::new(call.api, delivery, client.limits().largest_event);
    let generation = Generation {
        client,
        call,
        clock,
        state: State::Begin(Reuse::Kept),
        queue: VecDeque::new(),
        signals: Vec::new(),
        reader,
        finish: None,
        usage: None,
        frames: 0,
        writing_told: false,
    };
    Box::pin(stream::unfold(Box::new(generation), |mut generation| async {
        let event = generation.next().await?;
        Some((event, generation))
    }))
}

struct Generation {
    client: Arc<Client>,
    call: Call,
    clock: Clock,
    state: State,
    /// Events that are ready to be handed out.
    queue: VecDeque<EngineEvent>,
    /// Signals of the bytes being read; kept for its room.
    signals: Vec<Signal>,
    reader: Reader,
    finish: Option<FinishReason>,
    usage: Option<(Stamp, Usage)>,
    frames: u64,
    /// Whether the first write was told, by this try or the one before it.
    writing_told: bool,
}

enum State {
    Begin(Reuse),
    Running(Box<Running>),
    /// The terminator came; the end of the body is awaited.
    Ending {
        running: Box<Running>,
        terminator: Stamp,
    },
    Over,
}

struct Running {
    exchange: Exchange,
    watchdog: Watchdog,
    kept: bool,
    /// An answer that will be a failure, collected for its message.
    refusal: Option<Refusal>,
}

struct Refusal {
    parts: Box<Parts>,
    body: Vec<u8>,
}

impl Generation {
    async fn next(&mut self) -> Option<EngineEvent> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            self.state = match std::mem::replace(&mut self.state, State::Over) {
                State::Begin(reuse) => self.begin(reuse).await,
                State::Running(running) => self.run(running).await,
                State::Ending { running, terminator } => self.end(running, terminator).await,
                State::Over => return None,
            };
        }
    }

    fn emit(&mut self, at: Stamp, kind: EventKind) {
        self.queue.push_back(EngineEvent { at, kind });
    }

    fn fail(&mut self, at: Stamp, failure: RequestFailure) -> State {
        if let Some((at, usage)) = self.usage.take() {
            self.emit(at, EventKind::Usage(usage));
        }
        let failure = self.client.shown(failure);
        self.emit(at, EventKind::Failed(failure));
        State::Over
    }

    async fn begin(&mut self, reuse: Reuse) -> State {
        let path = format!("{}{}", self.client.base().path, self.call.path);
        let request = match self.client.request(Method::POST, &path, self.call.body.clone()) {
            Ok(request) => request,
            Err(failure) => return self.fail(self.clock.now(), failure),
        };
        match self.client.begin(request, self.clock, reuse).await {
            Ok(Begun { exchange, connected }) => {
                if let Some(at) = connected {
                    self.emit(at, EventKind::Connected);
                }
                let watchdog = Watchdog::new(self.client.limits(), self.clock, self.clock.now());
                State::Running(Box::new(Running { exchange, watchdog, kept: connected.is_none(), refusal: None }))
            }
            Err(failure) => self.fail(self.clock.now(), failure),
        }
    }

    async fn run(&mut self, mut running: Box<Running>) -> State {
        let step = match running.watchdog.step(&mut running.exchange).await {
            Ok(step) => step,
            Err(failure) => return self.fail(self.clock.now(), failure),
        };
        match step {
            Step::Writing(at) => {
                if !std::mem::replace(&mut self.writing_told, true) {
                    self.emit(at, EventKind::FirstByteWritten);
                }
            }
            Step::Head { at, sent, parts } => {
                if let Some(sent) = sent {
                    self.emit(sent, EventKind::Sent);
                }
                self.emit(at, EventKind::Headers { status: parts.status.as_u16() });
                let readable = self.reader.accepts(header(&parts.headers, CONTENT_TYPE));
                if parts.status.as_u16() >= 300 || !readable {
                    running.refusal = Some(Refusal { parts, body: Vec::new() });
                }
            }
            Step::Data { at, bytes } => return self.take(running, at, &bytes),
            Step::End(at) => return self.close(running, at),
            Step::Broken { .. } if running.kept && !running.exchange.is_answered() => {
                return State::Begin(Reuse::Fresh);
            }
            Step::Broken { at, error } => {
                let failure = match running.refusal {
                    Some(refusal) => self.refuse(&refusal),
                    None => broken(&error, running.exchange.is_answered()),
                };
                return self.fail(at, failure);
            }
        }
        State::Running(running)
    }

    /// Takes a part of the body.
    fn take(&mut self, mut running: Box<Running>, at: Stamp, bytes: &[u8]) -> State {
        if let Some(refusal) = &mut running.refusal {
            let room = REFUSAL_BYTES.saturating_sub(refusal.body.len()).min(bytes.len());
            refusal.body.extend_from_slice(&bytes[..room]);
            if room < bytes.len() {
                let failure = self.refuse(refusal);
                return self.fail(at, failure);
            }
            return State::Running(running);
        }
        let read = self.reader.push(bytes, &mut self.signals);
        match self.heed_signals(at) {
            Some(Ended::Failed(failure)) => self.fail(at, failure),
            Some(Ended::Done) => State::Ending { running, terminator: at },
            None => match read {
                Ok(()) => State::Running(running),
                Err(failure) => self.fail(at, failure),
            },
        }
    }

    /// Takes the end of the body where no terminator came before it.
    fn close(&mut self, running: Box<Running>, at: Stamp) -> State {
        if let Some(refusal) = &running.refusal {
            let failure = self.refuse(refusal);
            self.keep(running.exchange);
            return self.fail(at, failure);
        }
        let read = self.reader.finish(&mut self.signals);
        let ended = self.heed_signals(at);
        if let (None, Err(failure)) = (&ended, read) {
            return self.fail(at, failure);
        }
        self.keep(running.exchange);
        match ended {
            Some(Ended::Failed(failure)) => self.fail(at, failure),
            // The reason was given: only the terminator's mark is missing.
            Some(Ended::Done) => self.succeed(at),
            None if self.finish.is_some() => self.succeed(at),
            None => {
                let message = format!("the stream ended without a terminator after {} frames", self.frames);
                self.fail(at, failure(FailureClass::Truncated, message))
            }
        }
    }

    /// Turns the signals read into events. Everything after an end is passed over.
    fn heed_signals(&mut self, at: Stamp) -> Option<Ended> {
        let mut signals = std::mem::take(&mut self.signals);
        let mut ended = None;
        for signal in signals.drain(..) {
            match signal {
                Signal::Frame(frame) => {
                    self.frames += 1;
                    self.emit(at, EventKind::Frame(frame));
                }
                Signal::Usage(usage) => self.usage = Some((at, usage)),
                Signal::Finish(reason) => self.finish = Some(reason),
                Signal::Done => ended = Some(Ended::Done),
                Signal::Failed(failure) => ended = Some(Ended::Failed(failure)),
            }
            if ended.is_some() {
                break;
            }
        }
        self.signals = signals;
        ended
    }

    /// Reads to the end of the body, so that the connection can be kept, and tells the end.
    async fn end(&mut self, mut running: Box<Running>, terminator: Stamp) -> State {
        let drain = async {
            loop {
                match running.watchdog.step(&mut running.exchange).await {
                    Ok(Step::End(_)) => return true,
                    Ok(Step::Broken { .. }) | Err(_) => return false,
                    Ok(Step::Data { .. } | Step::Head { .. } | Step::Writing(_)) => {}
                }
            }
        };
        if matches!(tokio::time::timeout(DRAIN_TIMEOUT, drain).await, Ok(true)) {
            self.keep(running.exchange);
        }
        self.succeed(terminator)
    }

    fn keep(&self, exchange: Exchange) {
        if let Some(link) = exchange.into_link() {
            self.client.pool().put(link);
        }
    }

    fn succeed(&mut self, at: Stamp) -> State {
        let reason = self.finish.unwrap_or(FinishReason::Other);
        if self.frames == 0 {
            let message = format!("the answer holds no token (finish reason: {reason:?})");
            return self.fail(at, failure(FailureClass::Empty, message));
        }
        if let Some((at, usage)) = self.usage.take() {
            self.emit(at, EventKind::Usage(usage));
        }
        self.emit(at, EventKind::Finished { reason });
        State::Over
    }

    fn refuse(&self, refusal: &Refusal) -> RequestFailure {
        let (status, headers) = (refusal.parts.status.as_u16(), &refusal.parts.headers);
        let text = self.client.text(&refusal.body);
        if status >= 300 { refused(status, headers, &text) } else { wrong_kind(headers, self.reader.wanted(), &text) }
    }
}

/// How the bytes of an answer ended it.
enum Ended {
    Done,
    Failed(RequestFailure),
}
