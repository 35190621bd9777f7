//! What is between requests and a model elsewhere: a breaker, a budget of retries, and for clients of the same dialect the way past
//! the engine, byte by byte.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tokio::sync::OnceCell;
use weighbridge_engine::BoxFuture;
use weighbridge_engine_http::{HttpOptions, Relay, Relayed};
use weighbridge_serving::{Breaker, BreakerSettings, FaultClass, Pass, Permit, RetryBudget, ServeError, backoff};
use weighbridge_types::model_ref::EndpointRef;
use weighbridge_types::time::{Clock, Stamp};

use crate::dialect::{openai, push_event};
use crate::error::ApiError;
use crate::figures::count;
use crate::generate::entry;
use crate::service::{Inside, Service};

/// Times that a model elsewhere is asked for one answer at most.
const TRIES: u32 = 3;

/// Retries as a share of the requests for a model elsewhere.
const RETRY_SHARE: f64 = 0.2;

/// A server of models that speaks OpenAI's dialect, so that requests can be handed on as they are.
#[derive(Clone, Debug)]
pub struct RelayTo {
    /// The server and the name of the model there.
    pub endpoint: EndpointRef,
    /// How it is reached, with the key.
    pub options: HttpOptions,
}

/// What stands before a model elsewhere.
pub(crate) struct Upstream {
    pub(crate) breaker: Arc<Breaker>,
    retries: RetryBudget,
    to: Option<RelayTo>,
    relay: OnceCell<Relay>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("breaker", &self.breaker.state()).finish_non_exhaustive()
    }
}

impl Upstream {
    pub(crate) fn new(to: Option<RelayTo>, clock: Clock) -> Self {
        Self {
            breaker: Breaker::new(BreakerSettings::default(), clock),
            retries: RetryBudget::new(RETRY_SHARE),
            // Without the model's name there, nobody knows what to ask for.
            to: to.filter(|to| to.endpoint.model.is_some()),
            relay: OnceCell::new(),
        }
    }

    /// Whether requests in OpenAI's dialect are handed on as they are.
    pub(crate) fn relays(&self) -> bool {
        self.to.is_some()
    }
}

/// Asks what may be elsewhere: not while its breaker is open, and again where it failed, within the budget for that. What has answered
/// is never asked again.
pub(crate) async fn ask<'a, T>(
    service: &Service,
    model: &str,
    work: impl Fn() -> BoxFuture<'a, Result<T, ApiError>>,
) -> Result<T, ApiError> {
    let Some(upstream) = entry(service, model)?.upstream.as_ref() else { return work().await };
    upstream.retries.earn();
    let mut attempt = 0;
    loop {
        attempt += 1;
        let permit = upstream.breaker.enter();
        let permit = permit.map_err(|retry_after| ServeError::Open { upstream: model.to_owned(), retry_after })?;
        let error = match work().await {
            Ok(done) => {
                permit.succeeded();
                return Ok(done);
            }
            Err(error) => error,
        };
        let is_its_fault = matches!(error.class, FaultClass::Network | FaultClass::Timeout);
        if is_its_fault {
            Permit::failed(permit);
        }
        let is_worth_it = is_its_fault || error.status == StatusCode::TOO_MANY_REQUESTS;
        if attempt >= TRIES || !is_worth_it || !upstream.retries.spend() {
            return Err(named(error, model));
        }
        #[expect(clippy::cast_precision_loss, reason = "a share of the range is random enough")]
        let random = service.random() as f64 / u64::MAX as f64;
        tokio::time::sleep(backoff(attempt, random, error.retry_after)).await;
    }
}

/// The failure with the model that it is of: one service stands before many.
fn named(error: ApiError, model: &str) -> ApiError {
    if error.message.contains(&format!("`{model}`")) {
        return error;
    }
    ApiError { message: format!("`{model}`: {}", error.message), ..error }
}

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
    let Some((upstream, to)) = entry.upstream.as_ref().and_then(|upstream| Some((upstream, upstream.to.as_ref()?)))
    else {
        return Err(ApiError::invalid(format!("failed to hand the request on: `{model}` is not elsewhere")));
    };
    let body = renamed(body, to.endpoint.model.as_deref().unwrap_or_default())?;
    let relayed = ask(service, model, || {
        let body = body.clone();
        Box::pin(async move {
            let relay = upstream.relay.get_or_try_init(|| connect(to)).await?;
            let relayed = relay.send("POST", path, body, service.clock).await?;
            match relayed.status {
                // Its words may repeat the key, which is ours and not the client's.
                401 | 403 => Err(ApiError::new(
                    StatusCode::BAD_GATEWAY,
                    "upstream_refused",
                    format!("failed to ask the server of the model: it answered {} to our key", relayed.status),
                    FaultClass::Network,
                )),
                429 | 500.. => Err(refused(relayed).await),
                _ => Ok(relayed),
            }
        })
    })
    .await?;
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
        relayed: Some(relayed),
        model: model.to_owned(),
        arrived,
        is_first: true,
        is_events,
        _pass: pass,
        inside,
    };
    *response.body_mut() = Body::from_stream(answer);
    Ok(response)
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
    /// `None` once it has ended.
    relayed: Option<Relayed>,
    model: String,
    arrived: Stamp,
    is_first: bool,
    is_events: bool,
    _pass: Pass,
    inside: Inside,
}

impl Stream for Answer {
    type Item = Result<Bytes, ApiError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(relayed) = &mut this.relayed else { return Poll::Ready(None) };
        let polled = relayed.poll_next_unpin(cx);
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
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(failure))) => {
                let error = ApiError::from(failure);
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
