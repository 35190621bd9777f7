//! From the bytes of an answer to signals.

use weighbridge_engine::RequestFailure;
use weighbridge_types::request::FailureClass;

use super::{Api, Signal, anthropic, ollama, openai};
use crate::failure::failure;
use crate::ndjson::LineParser;
use crate::options::Delivery;
use crate::sse::SseParser;

/// Reads one answer: cuts it into pieces and has the dialect's decoder read each.
pub(crate) struct Reader {
    framing: Framing,
    decoder: Decoder,
}

enum Framing {
    Events(SseParser),
    Lines(LineParser),
    Whole { body: Vec<u8>, limit: usize },
}

enum Decoder {
    OpenAi(openai::Decoder),
    Anthropic(anthropic::Decoder),
    Ollama,
}

impl Decoder {
    fn read(&mut self, event: &str, data: &str, signals: &mut Vec<Signal>) -> Result<(), RequestFailure> {
        match self {
            Self::OpenAi(decoder) => decoder.read(event, data, signals),
            Self::Anthropic(decoder) => decoder.read(data, signals),
            Self::Ollama => ollama::read(data, signals),
        }
    }
}

impl Reader {
    pub(crate) fn new(api: Api, delivery: Delivery, limit: usize) -> Self {
        let framing = match (delivery, api) {
            (Delivery::Whole, _) => Framing::Whole { body: Vec::new(), limit },
            (Delivery::Stream, Api::Ollama) => Framing::Lines(LineParser::new(limit)),
            (Delivery::Stream, Api::OpenAi | Api::Anthropic) => Framing::Events(SseParser::new(limit)),
        };
        let decoder = match api {
            Api::OpenAi => Decoder::OpenAi(openai::Decoder::default()),
            Api::Anthropic => Decoder::Anthropic(anthropic::Decoder::default()),
            Api::Ollama => Decoder::Ollama,
        };
        Self { framing, decoder }
    }

    /// The kind of content that is expected, for messages.
    pub(crate) fn wanted(&self) -> &'static str {
        match self.framing {
            Framing::Events(_) => "an event stream",
            Framing::Lines(_) => "lines of JSON",
            Framing::Whole { .. } => "JSON",
        }
    }

    /// Whether an answer of this content type can be read. A server that names none, or none that means anything, is
    /// given a chance.
    pub(crate) fn accepts(&self, content_type: &str) -> bool {
        let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let vague = matches!(kind.as_str(), "" | "text/plain" | "application/octet-stream");
        let json = kind == "application/json" || kind.ends_with("+json");
        vague
            || match self.framing {
                Framing::Events(_) => kind == "text/event-stream",
                Framing::Lines(_) => json || kind.ends_with("ndjson") || kind.ends_with("jsonl"),
                Framing::Whole { .. } => json,
            }
    }

    /// Takes bytes of the body.
    pub(crate) fn push(&mut self, bytes: &[u8], signals: &mut Vec<Signal>) -> Result<(), RequestFailure> {
        let decoder = &mut self.decoder;
        let mut read = Ok(());
        let mut piece = |event: &str, data: &str| {
            if read.is_ok() {
                read = decoder.read(event, data, signals);
            }
        };
        match &mut self.framing {
            Framing::Events(parser) => {
                parser.push(bytes, |event| piece(event.name, event.data)).map_err(|error| unreadable(&error))?;
            }
            Framing::Lines(parser) => {
                parser.push(bytes, |line| piece("", line)).map_err(|error| unreadable(&error))?;
            }
            Framing::Whole { body, limit } => {
                if body.len() + bytes.len() > *limit {
                    return Err(failure(FailureClass::Malformed, format!("the answer is larger than {limit} bytes")));
                }
                body.extend_from_slice(bytes);
            }
        }
        read
    }

    /// Takes the end of the body.
    pub(crate) fn finish(&mut self, signals: &mut Vec<Signal>) -> Result<(), RequestFailure> {
        let decoder = &mut self.decoder;
        match &mut self.framing {
            Framing::Events(_) => Ok(()),
            Framing::Lines(parser) => {
                let mut read = Ok(());
                parser.finish(|line| read = decoder.read("", line, signals)).map_err(|error| unreadable(&error))?;
                read
            }
            Framing::Whole { body, .. } => {
                let text = std::str::from_utf8(body).map_err(|error| unreadable(&error))?;
                decoder.read("", text, signals)?;
                signals.push(Signal::Done);
                Ok(())
            }
        }
    }
}

fn unreadable(error: &dyn std::error::Error) -> RequestFailure {
    failure(FailureClass::Malformed, error.to_string())
}
