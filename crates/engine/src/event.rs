//! What an engine reports while it generates.

use futures_util::stream;
use weighbridge_types::request::{Channel, FailureClass, FinishReason, Receipt, Usage};
use weighbridge_types::time::Stamp;

use crate::contract::EventStream;
use crate::error::EngineError;
use crate::request::GenerateRequest;

/// Something that happened to a request, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineEvent {
    /// When it happened: bytes received, before they were parsed; in process, when the token was chosen.
    pub at: Stamp,
    /// What happened.
    pub kind: EventKind,
}

impl EngineEvent {
    /// The one event of a request that an engine cannot serve.
    #[must_use]
    pub fn refused(request: &GenerateRequest, error: &EngineError) -> EventStream {
        let failure =
            RequestFailure { class: FailureClass::ClientError, message: error.to_string(), retry_after: None };
        let event = Self { at: request.clock.now(), kind: EventKind::Failed(failure) };
        Box::pin(stream::iter([event]))
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// A new connection stands. Not sent for a kept one, nor in process.
    Connected,
    /// The request is sent once more, on a new connection: the kept one had died before any byte of an answer. The stamps of
    /// the first try hold.
    Resent,
    /// The first byte of the request was written.
    FirstByteWritten,
    /// The last byte of the request was written.
    Sent,
    /// The response's headers came.
    Headers {
        /// HTTP status.
        status: u16,
    },
    /// Generated tokens came.
    Frame(Frame),
    /// Token counts came. A later report replaces an earlier one.
    Usage(Usage),
    /// Which clock stamped the frames, and how long they lay in the kernel. Sent once, before the end.
    Receipt(Receipt),
    /// The generation ended as it should. The stream ends after it.
    Finished {
        /// Why it ended.
        reason: FinishReason,
    },
    /// The generation failed. The stream ends after it.
    Failed(RequestFailure),
}

/// Generated tokens as they came: one token in process, one chunk over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// What the frame carries.
    pub channel: Channel,
    /// The text; may be empty in process while a character is incomplete, or for special tokens.
    pub text: String,
    /// How many tokens: exact in process; over HTTP 1 unless the server tells more.
    pub tokens: u32,
    /// Their ids, where known; else empty.
    pub token_ids: Vec<u32>,
    /// Natural log-probability of each token, where asked for; else empty.
    pub log_probabilities: Vec<f32>,
    /// What else is known of its token, where there is something: a pointer, since most frames of a load carry nothing.
    pub detail: Option<Box<FrameDetail>>,
}

/// What an engine in process tells of a frame's token beside its text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FrameDetail {
    /// The likeliest tokens at this place, the likeliest first, as many as were asked for; before sampling changed anything.
    pub likeliest: Vec<Likely>,
    /// Which of the request's stop texts this token completed, by its place among them; `None` for none.
    pub stop: Option<usize>,
}

/// A token that might have been chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likely {
    /// Its id.
    pub token: u32,
    /// Its natural log-probability.
    pub log_probability: f32,
}

impl Frame {
    /// One token of the answer.
    #[must_use]
    pub fn answer(text: impl Into<String>, tokens: u32) -> Self {
        Self {
            channel: Channel::Answer,
            text: text.into(),
            tokens,
            token_ids: Vec::new(),
            log_probabilities: Vec::new(),
            detail: None,
        }
    }
}

/// Why a generation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestFailure {
    /// The class.
    pub class: FailureClass,
    /// What was said; never a secret.
    pub message: String,
    /// How long the server asks to wait before another try; `None` when it does not say.
    pub retry_after: Option<std::time::Duration>,
}
