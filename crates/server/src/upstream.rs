//! For clients of the dialect of a server elsewhere: the way past the engine, byte by byte.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use weighbridge_engine_http::sse::SseParser;
use weighbridge_engine_http::{Relay, Relayed};
use weighbridge_serving::{FaultClass, Pass};
use weighbridge_types::time::Stamp;

use crate::dialect::{openai, push_event};
use crate::error::ApiError;
use crate::figures::count;
use crate::generate::entry;
use crate::servers::{Asked, Peer, RelayTo, ask};
use crate::service::{Inside, Service};

/// Bytes before the first token that are held back at most: roles and marks of life.
const LEAD_BYTES: usize = 64 << 10;

/// Hands a request on, and its answer back as it comes.
pub(crate) async fn forward(
    service: &Arc<Service>,
    model: &str,
    key: &str,
    path: &'static str,
    body: &[u8],
    arrived: Stamp,
) -> Result<Response, ApiError> {
    let inside = service.enter(key)?;
    let entry = entry(service, model)?;
    let pass = entry.gate.enter(key).await?;
    entry.figures.queue.add(service.clock.now() - arrived);
    let (begun, asked) = ask(service, model, |peer| Box::pin(begin(service, model, peer, path, body))).await?;
    let (lead, relayed) = begun;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(relayed.status).unwrap_or(StatusCode::BAD_GATEWAY);
    for (name, value) in relayed.fields() {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert("x-weighbridge-cache", HeaderValue::from_static("BYPASS"));
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    let is_events = relayed.content_type.starts_with("text/event-stream");
    let answer = Answer {
        lead: Some(lead).filter(|lead| !lead.is_empty()),
        relayed: Some(relayed),
        model: model.to_owned(),
        arrived,
        is_first: true,
        is_events,
        asked,
        _pass: pass,
        inside,
    };
    *response.body_mut() = Body::from_stream(answer);
    Ok(response)
}

/// Asks one server, and waits for what tells that it answers: its first token, or the beginning of a whole answer. Until then nothing
/// has gone to the client, so that another server can be asked.
async fn begin(
    service: &Service,
    model: &str,
    peer: Option<&Peer>,
    path: &'static str,
    body: &[u8],
) -> Result<(Bytes, Relayed), ApiError> {
    let Some((peer, to)) = peer.and_then(|peer| Some((peer, peer.to.as_ref()?))) else {
        return Err(ApiError::invalid(format!("failed to hand the request on: `{model}` is not elsewhere")));
    };
    let body = renamed(body, to.endpoint.model.as_deref().unwrap_or_default())?;
    let relay = peer.relay.get_or_try_init(|| connect(to)).await?;
    let mut relayed = relay.send("POST", path, body, service.clock).await?;
    match relayed.status {
        // Its words may repeat the key, which is ours and not the client's.
        401 | 403 => Err(ApiError::new(
            StatusCode::BAD_GATEWAY,
            "upstream_refused",
            format!("failed to ask the server of the model: it answered {} to our key", relayed.status),
            FaultClass::Network,
        )),
        429 | 500.. => Err(refused(relayed).await),
        200..300 => Ok((lead(&mut relayed).await?, relayed)),
        _ => Ok((Bytes::new(), relayed)),
    }
}

/// Reads a success up to its first token, or the beginning of an answer that is whole.
async fn lead(relayed: &mut Relayed) -> Result<Bytes, ApiError> {
    let is_events = relayed.content_type.starts_with("text/event-stream");
    let mut events = SseParser::new(LEAD_BYTES);
    let mut lead = BytesMut::new();
    while lead.len() < LEAD_BYTES {
        let Some(chunk) = relayed.next().await else { break };
        let chunk = chunk?;
        let mut told = if is_events { Told::Nothing } else { begins(&chunk) };
        if is_events {
            let read = events.push(&chunk, |event| {
                if told == Told::Nothing {
                    told = tells(event.data);
                }
            });
            told = read.map_or(Told::Garbage, |()| told);
        }
        lead.extend_from_slice(&chunk);
        match told {
            Told::Nothing => {}
            Told::Answer => return Ok(lead.freeze()),
            Told::Garbage => return Err(broken("its answer is not OpenAI's dialect")),
            Told::Failure(said) => return Err(broken(&relayed.text(said.as_bytes()))),
        }
    }
    if lead.is_empty() {
        return Err(broken("its answer is empty"));
    }
    Ok(lead.freeze())
}

/// What a part of an answer tells.
#[derive(PartialEq)]
enum Told {
    /// Nothing yet: a role, a mark of life.
    Nothing,
    Answer,
    Garbage,
    Failure(String),
}

/// Whether the data of an event of OpenAI's dialect hold a token or an end; `None` where they are of no such dialect, or a failure.
#[must_use]
pub fn holds_token(data: &str) -> Option<bool> {
    match tells(data) {
        Told::Nothing => Some(false),
        Told::Answer => Some(true),
        Told::Garbage | Told::Failure(_) => None,
    }
}

/// What the beginning of a whole answer tells.
fn begins(chunk: &[u8]) -> Told {
    match chunk.trim_ascii_start().first() {
        None => Told::Nothing,
        Some(b'{') => Told::Answer,
        Some(_) => Told::Garbage,
    }
}

/// What the data of an event tell.
fn tells(data: &str) -> Told {
    if data.trim() == "[DONE]" {
        return Told::Answer;
    }
    let Some(event) = serde_json::from_str::<Value>(data).ok().filter(Value::is_object) else { return Told::Garbage };
    if !event["error"].is_null() {
        return Told::Failure(event["error"]["message"].as_str().unwrap_or("it sent an error").to_owned());
    }
    let Some(choices) = event["choices"].as_array() else { return Told::Answer };
    let holds = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    let has_begun = choices.iter().any(|choice| {
        let delta = choice["delta"].as_object();
        let delta = delta.is_some_and(|delta| delta.iter().any(|(name, value)| name != "role" && holds(value)));
        delta || holds(&choice["text"]) || holds(&choice["finish_reason"])
    });
    if has_begun { Told::Answer } else { Told::Nothing }
}

/// A server that answered, but not as it should.
fn broken(problem: &str) -> ApiError {
    let message = format!("the server of the model failed: {problem}");
    ApiError::new(StatusCode::BAD_GATEWAY, "upstream_failed", message, FaultClass::Network)
}

async fn connect(to: &RelayTo) -> Result<Relay, ApiError> {
    Relay::connect(to.endpoint.clone(), to.options.clone()).await.map_err(|error| {
        ApiError::new(
            StatusCode::BAD_GATEWAY,
            "upstream_unreachable",
            format!("failed to {error}"),
            FaultClass::Network,
        )
    })
}

/// The body with the name that the model has there.
fn renamed(body: &[u8], model: &str) -> Result<Bytes, ApiError> {
    let mut body: Value = crate::dialect::read(body)?;
    body["model"] = Value::from(model);
    Ok(body.to_string().into())
}

/// A refusal of the server, as ours: its words are passed on, as far as they are text, and without our key.
async fn refused(mut relayed: Relayed) -> ApiError {
    let mut text = Vec::new();
    while let Some(Ok(chunk)) = relayed.next().await
        && text.len() < 4 << 10
    {
        text.extend_from_slice(&chunk);
    }
    let said: Option<Value> = serde_json::from_str(&relayed.text(&text)).ok();
    let said = said.and_then(|said| said["error"]["message"].as_str().map(str::to_owned)).unwrap_or_default();
    let message = format!("failed to ask the server of the model: it answered {}: {said}", relayed.status);
    let (status, code, class) = match relayed.status {
        429 => (StatusCode::TOO_MANY_REQUESTS, "rate_limited", FaultClass::Overload),
        _ => (StatusCode::BAD_GATEWAY, "upstream_failed", FaultClass::Network),
    };
    ApiError { retry_after: relayed.retry_after, ..ApiError::new(status, code, message, class) }
}

/// An answer that is handed back. The place among the requests is held until it has ended.
struct Answer {
    /// What came up to the first token; it goes out first.
    lead: Option<Bytes>,
    /// `None` once it has ended.
    relayed: Option<Relayed>,
    model: String,
    arrived: Stamp,
    is_first: bool,
    is_events: bool,
    asked: Option<Asked>,
    _pass: Pass,
    inside: Inside,
}

impl Stream for Answer {
    type Item = Result<Bytes, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(relayed) = &mut this.relayed else { return Poll::Ready(None) };
        let polled = match this.lead.take() {
            Some(lead) => Poll::Ready(Some(Ok(lead))),
            None => relayed.poll_next_unpin(cx),
        };
        let service = this.inside.service();
        let Some(entry) = service.entries.get(&this.model) else { return polled.map_err(ApiError::from) };
        match polled {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(chunk))) => {
                if std::mem::take(&mut this.is_first) {
                    entry.figures.ttft.add(service.clock.now() - this.arrived);
                }
                Poll::Ready(Some(Ok(chunk)))
            }
            Poll::Ready(None) => {
                entry.figures.e2e.add(service.clock.now() - this.arrived);
                count(&entry.figures.finished[2], 1);
                this.relayed = None;
                this.asked = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(failure))) => {
                let error = ApiError::from(failure);
                if let Some(asked) = this.asked.take() {
                    asked.ended(&error);
                }
                service.failed(Some(&this.model), &error);
                this.relayed = None;
                if this.is_events {
                    let mut event = Vec::new();
                    push_event(&mut event, None, &openai::failure(&error));
                    return Poll::Ready(Some(Ok(event.into())));
                }
                // The connection is cut: half an answer must not look whole.
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_begins_with_its_first_token() {
        let check = |data: &str, expected: bool| assert_eq!(tells(data) == Told::Answer, expected, "{data}");
        check(r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, false);
        check(r#"{"choices":[{"delta":{"role":"assistant","content":null,"tool_calls":[]}}]}"#, false);
        check(r#"{"choices":[],"prompt_filter_results":[]}"#, false);
        check(r#"{"choices":[{"delta":{"content":"a"}}]}"#, true);
        check(r#"{"choices":[{"delta":{"reasoning_content":"a"}}]}"#, true);
        check(r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, true);
        check(r#"{"choices":[{"text":"a"}]}"#, true);
        check(r#"{"choices":[{"text":"","finish_reason":"stop"}]}"#, true);
        check("[DONE]", true);
        assert!(tells("7") == Told::Garbage && tells("<html>") == Told::Garbage && begins(b" <html>") == Told::Garbage);
        assert!(tells(r#"{"error":{"message":"no"}}"#) == Told::Failure("no".to_owned()));
        assert!(begins(b"  ") == Told::Nothing && begins(b"\n{") == Told::Answer);
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_server_sends_is_told_apart(data in ".{0,80}", content in ".{0,9}", role in ".{0,9}") {
            let _ = holds_token(&data);
            let event = serde_json::json!({"choices": [{"delta": {"role": role, "content": content}}]}).to_string();
            proptest::prop_assert_eq!(holds_token(&event), Some(!content.is_empty()));
        }
    }
}
