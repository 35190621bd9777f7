//! The languages of servers: how a request is written and what an answer means.
//!
//! Each dialect has two halves: `write` makes the path and body of a request, and a `Decoder` turns the pieces of an
//! answer (events, lines, or the whole) into signals. Decoders hold no clock; whoever feeds them has the stamps.

pub(crate) mod anthropic;
pub(crate) mod ollama;
pub(crate) mod openai;
mod reader;
mod skeleton;
mod write;

use weighbridge_engine::{Frame, RequestFailure};
use weighbridge_types::request::{Channel, FinishReason, Usage};

pub(crate) use reader::Reader;
pub(crate) use write::{Call, Writer};

/// What a piece of an answer means. Role-only, empty and keep-alive pieces mean nothing.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Signal {
    /// Generated tokens.
    Frame(Frame),
    /// Token counts; a later signal replaces an earlier one.
    Usage(Usage),
    /// Why the generation ends; the terminator is still to come.
    Finish(FinishReason),
    /// The terminator.
    Done,
    /// The server reports an error.
    Failed(RequestFailure),
}

/// The API of an answer: its form, and where its terminator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    /// OpenAI chat and text completions; their answers differ by a field.
    OpenAi,
    Anthropic,
    /// Ollama generate and chat.
    Ollama,
}

/// A frame of text, if there is text.
fn text_frame(channel: Channel, text: Option<String>) -> Option<Signal> {
    let text = text.filter(|text| !text.is_empty())?;
    Some(Signal::Frame(Frame { channel, ..Frame::answer(text, 1) }))
}

/// The counts that a server sent, where it sent both.
fn usage(input: Option<u64>, output: Option<u64>, cached: Option<u64>, reasoning: Option<u64>) -> Option<Usage> {
    let count = |tokens: u64| u32::try_from(tokens).unwrap_or(u32::MAX);
    Some(Usage {
        input_tokens: count(input?),
        output_tokens: count(output?),
        cached_input_tokens: cached.map(count),
        reasoning_tokens: reasoning.map(count),
    })
}
