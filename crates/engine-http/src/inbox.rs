//! What has come of an answer: its pieces turned into events.

use std::cell::RefCell;
use std::collections::VecDeque;

use weighbridge_engine::{EngineEvent, EventKind, RequestFailure};
use weighbridge_types::request::{FailureClass, FinishReason, Usage};
use weighbridge_types::time::Stamp;

use crate::dialect::{Reader, Signal};
use crate::failure::{failure, refused, wrong_kind};
use crate::http1::{Head, Piece};

/// Bytes of an answer that is not understood which are kept for the message.
const REFUSAL_BYTES: usize = 64 << 10;

/// Queues that a thread keeps for later answers, and their room at most: full-speed answers of a thousand frames.
const SPARE_QUEUES: usize = 64;
const SPARE_ROOM: usize = 2048;

thread_local! {
    /// Queues of answers that have ended, so that growing one is not a part of every request.
    static SPARE: RefCell<Vec<VecDeque<EngineEvent>>> = const { RefCell::new(Vec::new()) };
}

/// Reads one answer and queues its events.
pub(crate) struct Inbox {
    /// Events that are ready to be handed out.
    queue: VecDeque<EngineEvent>,
    reader: Reader,
    /// Signals of the bytes being read; kept for its room.
    signals: Vec<Signal>,
    /// An answer that will be a failure, collected for its message.
    refusal: Option<Refusal>,
    finish: Option<FinishReason>,
    usage: Option<(Stamp, Usage)>,
    frames: u64,
    /// When the last frame with tokens came.
    last_token: Option<Stamp>,
    body_bytes: u64,
    largest_answer: u64,
    /// How the answer ended, and when that was read.
    ended: Option<(Stamp, Ended)>,
    /// When the end of the body was read.
    body_ended: Option<Stamp>,
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut queue = std::mem::take(&mut self.queue);
        queue.clear();
        if (1..=SPARE_ROOM).contains(&queue.capacity()) {
            // A thread that ends has no use for it.
            let _ = SPARE.try_with(|spare| {
                let mut spare = spare.borrow_mut();
                if spare.len() < SPARE_QUEUES {
                    spare.push(queue);
                }
            });
        }
    }
}

/// How an answer ended.
pub(crate) enum Ended {
    /// As it should; the end of the body may be still to come.
    Done,
    Failed(RequestFailure),
}

struct Refusal {
    head: Head,
    body: Vec<u8>,
}

impl Inbox {
    pub(crate) fn new(reader: Reader, largest_answer: u64) -> Self {
        Self {
            queue: SPARE.with_borrow_mut(Vec::pop).unwrap_or_default(),
            reader,
            signals: Vec::new(),
            refusal: None,
            finish: None,
            usage: None,
            frames: 0,
            last_token: None,
            body_bytes: 0,
            largest_answer,
            ended: None,
            body_ended: None,
        }
    }

    pub(crate) fn pop(&mut self) -> Option<EngineEvent> {
        self.queue.pop_front()
    }

    pub(crate) fn emit(&mut self, at: Stamp, kind: EventKind) {
        self.queue.push_back(EngineEvent { at, kind });
    }

    /// When the last frame with tokens came; `None` before the first one.
    pub(crate) fn last_token(&self) -> Option<Stamp> {
        self.last_token
    }

    pub(crate) fn body_ended(&self) -> bool {
        self.body_ended.is_some()
    }

    /// How the answer ended, once it has: by its terminator, by a failure, or by the end of its body.
    pub(crate) fn take_end(&mut self) -> Option<(Stamp, Ended)> {
        if self.ended.is_none() {
            let at = self.body_ended?;
            self.ended = Some((at, self.close(at)));
        }
        self.ended.take()
    }

    /// Takes a piece of the answer. Everything after an end is passed over.
    pub(crate) fn take(&mut self, at: Stamp, piece: Piece<'_>) {
        match piece {
            Piece::Head(head) => {
                self.emit(at, EventKind::Headers { status: head.status });
                if head.status >= 300 || !self.reader.accepts(head.field("content-type")) {
                    self.refusal = Some(Refusal { head, body: Vec::new() });
                }
            }
            Piece::Data(bytes) if self.ended.is_none() => self.take_data(at, bytes),
            Piece::End => self.body_ended = Some(at),
            Piece::Data(_) | Piece::Nothing => {}
        }
    }

    fn take_data(&mut self, at: Stamp, bytes: &[u8]) {
        if let Some(refusal) = &mut self.refusal {
            let room = REFUSAL_BYTES.saturating_sub(refusal.body.len()).min(bytes.len());
            refusal.body.extend_from_slice(&bytes[..room]);
            if room < bytes.len() {
                self.ended = self.refused().map(|failure| (at, Ended::Failed(failure)));
            }
            return;
        }
        self.body_bytes += bytes.len() as u64;
        if self.body_bytes > self.largest_answer {
            let message = format!("the answer is larger than {} bytes", self.largest_answer);
            self.ended = Some((at, Ended::Failed(failure(FailureClass::Malformed, message))));
            return;
        }
        let read = self.reader.push(bytes, &mut self.signals);
        self.heed_signals(at);
        if let (None, Err(failure)) = (&self.ended, read) {
            self.ended = Some((at, Ended::Failed(failure)));
        }
    }

    /// What the end of the body means where no terminator came before it.
    fn close(&mut self, at: Stamp) -> Ended {
        if let Some(failure) = self.refused() {
            return Ended::Failed(failure);
        }
        let read = self.reader.finish(&mut self.signals);
        self.heed_signals(at);
        match (self.ended.take(), read) {
            (Some((_, ended)), _) => ended,
            (None, Err(failure)) => Ended::Failed(failure),
            // The reason was given: only the terminator's mark is missing.
            (None, Ok(())) if self.finish.is_some() => Ended::Done,
            (None, Ok(())) => {
                let message = format!("the stream ended without a terminator after {} frames", self.frames);
                Ended::Failed(failure(FailureClass::Truncated, message))
            }
        }
    }

    /// Turns the signals read into events.
    fn heed_signals(&mut self, at: Stamp) {
        for signal in self.signals.drain(..) {
            match signal {
                Signal::Frame(frame) => {
                    self.frames += 1;
                    self.last_token = Some(at);
                    self.queue.push_back(EngineEvent { at, kind: EventKind::Frame(frame) });
                }
                Signal::Usage(usage) => self.usage = Some((at, usage)),
                Signal::Finish(reason) => self.finish = Some(reason),
                Signal::Done => self.ended = Some((at, Ended::Done)),
                Signal::Failed(failure) => self.ended = Some((at, Ended::Failed(failure))),
            }
            if self.ended.is_some() {
                break;
            }
        }
    }

    /// The failure of an answer that cannot be a success, by what came of it.
    pub(crate) fn refused(&self) -> Option<RequestFailure> {
        let Refusal { head, body } = self.refusal.as_ref()?;
        let text = String::from_utf8_lossy(body);
        Some(if head.status >= 300 { refused(head, &text) } else { wrong_kind(head, self.reader.wanted(), &text) })
    }

    /// Why a success ended; a failure if it holds no token.
    pub(crate) fn success(&self) -> Result<FinishReason, RequestFailure> {
        let reason = self.finish.unwrap_or(FinishReason::Other);
        if self.frames == 0 {
            let message = format!("the answer holds no token (finish reason: {reason:?})");
            return Err(failure(FailureClass::Empty, message));
        }
        Ok(reason)
    }

    /// Queues the last counts that came.
    pub(crate) fn emit_usage(&mut self) {
        if let Some((at, usage)) = self.usage.take() {
            self.emit(at, EventKind::Usage(usage));
        }
    }
}
