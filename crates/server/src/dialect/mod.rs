//! What clients write and read: three dialects over one way of answering.

pub(crate) mod anthropic;
pub(crate) mod ollama;
pub(crate) mod openai;

use serde::de::DeserializeOwned;
use weighbridge_engine::{Message, Role};

use crate::answer::{Answered, Choice, Counts, Piece};
use crate::error::ApiError;

/// Writes answers in a dialect. One is made per request; of a stream it is told in the order in which things happen.
pub(crate) trait Writer: Send {
    /// The type of a stream.
    fn stream_type(&self) -> &'static str;

    /// What comes before the first token.
    fn begin(&mut self, out: &mut Vec<u8>);

    /// Text of one answer.
    fn piece(&mut self, index: usize, piece: &Piece, out: &mut Vec<u8>);

    /// The end of one answer, with all that it was.
    fn finish(&mut self, index: usize, choice: &Choice, out: &mut Vec<u8>);

    /// The end of all.
    fn end(&mut self, usage: Counts, out: &mut Vec<u8>);

    /// The end by a failure, once the stream has begun.
    fn fail(&mut self, error: &ApiError, out: &mut Vec<u8>);

    /// An answer that is no stream.
    fn whole(&mut self, answered: &Answered) -> Vec<u8>;
}

/// Reads a body; says where it is wrong.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::invalid(format!("failed to read the body: {error}")))
}

/// Appends a text as JSON.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str) {
    // Writing text into memory cannot fail.
    drop(serde_json::to_writer(out, text));
}

/// Appends a value as one event.
pub(crate) fn push_event(out: &mut Vec<u8>, name: Option<&str>, value: &serde_json::Value) {
    if let Some(name) = name {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(name.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    drop(serde_json::to_writer(&mut *out, value));
    out.extend_from_slice(b"\n\n");
}

/// Whether a body is a request of a route, as the route itself would read it; `None` for a route that reads none. For whoever tests a
/// client without a model.
///
/// # Errors
/// What the client would be told.
pub fn check_body(route: &str, body: &[u8]) -> Option<Result<(), ApiError>> {
    let asked = match route {
        "/v1/chat/completions" => openai::ask(openai::Api::Chat, body, 0),
        "/v1/completions" => openai::ask(openai::Api::Completions, body, 0),
        "/v1/messages" => anthropic::ask(body, 0),
        "/v1/messages/count_tokens" => anthropic::ask_to_count(body, 0),
        "/api/generate" => ollama::ask(ollama::Api::Generate, body, 0),
        "/api/chat" => ollama::ask(ollama::Api::Chat, body, 0),
        _ => return None,
    };
    Some(asked.and_then(|asked| asked.grammar().map(drop)))
}

/// A turn of a conversation, by the name of who speaks.
pub(crate) fn turn(role: &str, content: String) -> Result<Message, ApiError> {
    let role = match role {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        other => {
            let message = format!("failed to read the role `{other}`; write system, user, assistant or tool");
            return Err(ApiError::invalid(message));
        }
    };
    Ok(Message { role, content })
}
