//! From a request for text to its answer: the one way that all dialects take.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::SelectAll;
use futures_util::{Stream, StreamExt};
use tokio::sync::mpsc;
use weighbridge_engine::{EngineEvent, EventKind, EventStream, Frame, GenerateRequest, Prompt, Sampling};
use weighbridge_serving::{FaultClass, Lease, Pass};
use weighbridge_types::request::Channel;
use weighbridge_types::time::Stamp;

use crate::answer::{Answered, Choice, Finish};
use crate::ask::Ask;
use crate::cached::{self, CacheUse};
use crate::dialect::Writer;
use crate::error::ApiError;
use crate::figures::count;
use crate::service::{Entry, Service};
use crate::upstream;

/// Chunks of an answer that wait for a client that reads slowly.
const CHUNKS: usize = 64;

/// Bytes of chunks that are put together while more frames are there already.
const CHUNK_BYTES: usize = 4 << 10;

/// Tokens that a template may add to each turn, for the length of an answer whose request names none.
const TURN_TOKENS: u64 = 16;

/// What one route makes of requests.
pub(crate) struct Call {
    pub(crate) arrived: Stamp,
    /// Name of the key.
    pub(crate) key: String,
    pub(crate) ask: Ask,
    /// Name of the model in the table.
    pub(crate) model: String,
}

/// Answers a request.
pub(crate) async fn generate(
    service: &Arc<Service>,
    headers: &HeaderMap,
    call: Call,
    mut writer: Box<dyn Writer>,
) -> Result<Response, ApiError> {
    let inside = service.enter();
    let entry = entry(service, &call.model)?;
    if call.ask.has_tools {
        let message = format!("failed to offer tools to `{}`: models here call none", call.model);
        return Err(ApiError::invalid(message));
    }
    let stored = cached::lookup(service, headers, &call).await;
    if let CacheUse::Hit(answered, source) = stored {
        count(&entry.figures.cache_hits, 1);
        let body = match call.ask.stream {
            true => replay(&answered, &mut *writer),
            false => writer.whole(&answered),
        };
        let kind = if call.ask.stream { writer.stream_type() } else { "application/json" };
        entry.figures.e2e.add(service.clock.now() - call.arrived);
        return Ok(respond(kind, Body::from(body), cached::label(Some(source))));
    }
    let label = match stored {
        CacheUse::Miss => "MISS",
        CacheUse::Bypass | CacheUse::Hit(..) => "BYPASS",
    };
    if call.ask.stream {
        let mut waits = Waits(Some(entry));
        let running = start(service, &call).await;
        waits.0 = None;
        let running = running?;
        let kind = writer.stream_type();
        let (sender, receiver) = mpsc::channel(CHUNKS);
        let service = Arc::clone(service);
        let keeps = label == "MISS";
        let is_whole = Arc::new(AtomicBool::new(false));
        let chunks = Chunks { receiver, is_whole: Arc::clone(&is_whole) };
        // A task of its own goes on while the client reads, and ends when it is gone.
        tokio::spawn(async move {
            let client = Client { sender, is_whole };
            let answered = pump(&service, &call, running, writer, &client).await;
            if let Some(answered) = answered.filter(|_| keeps) {
                cached::keep(&service, &call, &answered).await;
            }
            drop(inside);
        });
        return Ok(respond(kind, Body::from_stream(chunks), label));
    }
    let (answered, source) = match label {
        "MISS" => cached::compute(service, &call, whole(service, &call)).await?,
        _ => (whole(service, &call).await?, None),
    };
    drop(inside);
    Ok(respond("application/json", Body::from(writer.whole(&answered)), source.unwrap_or(label)))
}

pub(crate) fn entry<'a>(service: &'a Service, model: &str) -> Result<&'a Entry, ApiError> {
    service.entries.get(model).ok_or_else(|| {
        let message = format!("failed to find the model `{model}`");
        ApiError::new(StatusCode::NOT_FOUND, "model_not_found", message, FaultClass::Request)
    })
}

/// A model that was lent for a request, and the place that the request takes. The fields go in this order.
pub(crate) struct Lent {
    pub(crate) lease: Lease,
    _pass: Pass,
}

/// Waits for a place and for the model.
pub(crate) async fn lend(service: &Service, model: &str, key: &str) -> Result<(Lent, Duration), ApiError> {
    let entry = entry(service, model)?;
    let start = service.clock.now();
    let pass = entry.gate.enter(key).await?;
    let entered = service.clock.now();
    entry.figures.queue.add(entered - start);
    let lease = service.pool.lease(model).await?;
    let lent = service.clock.now();
    entry.figures.load.add(lent - entered);
    Ok((Lent { lease, _pass: pass }, lent - start))
}

/// Answers under way.
struct Running {
    /// The first token, or the end: it is known before the answer begins.
    first: Option<(usize, EngineEvent)>,
    events: SelectAll<Numbered>,
    choices: usize,
    lent: Lent,
    /// Time that the server took before the engine was asked, without the waits.
    before: Duration,
}

/// The events of one of several answers.
struct Numbered {
    choice: usize,
    events: EventStream,
}

impl Stream for Numbered {
    type Item = (usize, EngineEvent);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let choice = self.choice;
        self.events.poll_next_unpin(cx).map(|event| event.map(|event| (choice, event)))
    }
}

/// Begins, and waits for the first token, so that a failure before it has a status of its own.
async fn start(service: &Service, call: &Call) -> Result<Running, ApiError> {
    upstream::ask(service, &call.model, || {
        Box::pin(async {
            let mut running = begin(service, call).await?;
            first_of(&mut running).await?;
            Ok(running)
        })
    })
    .await
}

/// Reads up to the first token, or the end of an answer without one.
async fn first_of(running: &mut Running) -> Result<(), ApiError> {
    while let Some((choice, event)) = running.events.next().await {
        match event.kind {
            EventKind::Failed(failure) => return Err(failure.into()),
            EventKind::Frame(_) | EventKind::Finished { .. } | EventKind::Usage(_) => {
                running.first = Some((choice, event));
                return Ok(());
            }
            EventKind::Connected
            | EventKind::Resent
            | EventKind::FirstByteWritten
            | EventKind::Sent
            | EventKind::Headers { .. }
            | EventKind::Receipt(_) => {}
        }
    }
    Err(truncated())
}

fn truncated() -> ApiError {
    ApiError::new(StatusCode::BAD_GATEWAY, "truncated", "the model stopped without an end", FaultClass::Model)
}

async fn begin(service: &Service, call: &Call) -> Result<Running, ApiError> {
    let (lent, waited) = lend(service, &call.model, &call.key).await?;
    let engine = lent.lease.engine();
    let capabilities = engine.capabilities();
    if capabilities.classify || capabilities.embed {
        let instead = if capabilities.embed { "/v1/embeddings" } else { "/api/v1/classify" };
        let message = format!("failed to write text with `{}`: ask it at {instead}", call.model);
        return Err(ApiError::invalid(message));
    }
    cached::remember_revision(service, &call.model, &**engine);
    let grammar = call.ask.format.grammar()?;
    if grammar.is_some() && !capabilities.constraint {
        let message = format!("failed to hold `{}` to a form: its engine cannot; ask for text", call.model);
        return Err(ApiError::invalid(message));
    }
    let max_tokens = call.ask.max_tokens.unwrap_or_else(|| room(service, &**engine, &call.ask));
    let request = |choice: u64| GenerateRequest {
        sampling: Sampling { seed: call.ask.sampling.seed.wrapping_add(choice), ..call.ask.sampling.clone() },
        ignore_eos: call.ask.ignore_eos,
        stop: call.ask.stop.clone(),
        constraint: grammar.clone(),
        logprobs: call.ask.logprobs,
        priority: call.ask.priority,
        deadline: Some(call.arrived.after(service.settings.request_timeout)),
        ..GenerateRequest::new(call.ask.prompt.clone(), max_tokens, service.clock)
    };
    request(0).check()?;
    let before = service.clock.now() - call.arrived;
    let mut events = SelectAll::new();
    for choice in 0..call.ask.choices {
        let number = usize::try_from(choice).unwrap_or(usize::MAX);
        events.push(Numbered { choice: number, events: engine.generate(request(u64::from(choice))) });
    }
    Ok(Running { first: None, choices: events.len(), events, lent, before: before.saturating_sub(waited) })
}

/// Tokens of an answer whose request names no limit: the usual number, or what the prompt leaves of the context.
fn room(service: &Service, engine: &dyn weighbridge_engine::Engine, ask: &Ask) -> u32 {
    let usual = service.settings.default_max_tokens;
    let (Some(context), Some(tokenizer)) = (engine.describe().context_length, engine.tokenizer()) else {
        return usual;
    };
    let tokens = |text: &str| tokenizer.encode(text).map_or(0, |tokens| tokens.len() as u64);
    let taken = match &ask.prompt {
        Prompt::Text(text) => tokens(text) + TURN_TOKENS,
        Prompt::Tokens(tokens) => tokens.len() as u64,
        Prompt::Chat(turns) => turns.iter().map(|turn| tokens(&turn.content) + TURN_TOKENS).sum(),
    };
    let left = u64::from(context).saturating_sub(taken);
    usual.min(u32::try_from(left).unwrap_or(u32::MAX)).max(1)
}

/// Reads all answers to their end.
async fn whole(service: &Arc<Service>, call: &Call) -> Result<Answered, ApiError> {
    let mut running = start(service, call).await?;
    let mut progress = Progress::new(service, call, &running)?;
    if let Some((choice, event)) = running.first.take() {
        progress.take(choice, event)?;
    }
    while let Some((choice, event)) = running.events.next().await {
        progress.take(choice, event)?;
    }
    progress.end()
}

/// A stream's client that waits for the first token. Where it leaves before, it is counted.
struct Waits<'a>(Option<&'a Entry>);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(entry) = self.0 {
            count(&entry.figures.canceled, 1);
        }
    }
}

/// Who reads a stream.
struct Client {
    sender: mpsc::Sender<Bytes>,
    /// Whether the last chunk was handed over.
    is_whole: Arc<AtomicBool>,
}

impl Client {
    /// Hands the last chunk over; whether it was taken.
    async fn end(&self, service: &Service, chunk: &mut Vec<u8>) -> bool {
        let is_sent = send(service, &self.sender, chunk).await;
        self.is_whole.store(is_sent, Ordering::Release);
        is_sent
    }
}

/// Writes events as they come until the last one, a failure, or nobody reads; what was answered if all was.
async fn pump(
    service: &Arc<Service>,
    call: &Call,
    mut running: Running,
    mut writer: Box<dyn Writer>,
    client: &Client,
) -> Option<Answered> {
    let mut progress = Progress::new(service, call, &running).ok()?;
    let mut chunk = Vec::with_capacity(256);
    writer.begin(&mut chunk);
    let outcome = loop {
        let event = match running.first.take() {
            Some(first) => Some(first),
            None => tokio::select! {
                biased;
                event = running.events.next() => event,
                () = client.sender.closed() => {
                    count(&progress.entry.figures.canceled, 1);
                    return None;
                }
            },
        };
        let Some((choice, event)) = event else { break progress.end() };
        match progress.take(choice, event) {
            Ok(Step::Frame(frame)) => writer.frame(choice, &frame, &mut chunk),
            Ok(Step::Finished(finish)) => writer.finish(choice, finish, &mut chunk),
            Ok(Step::Nothing) => continue,
            Err(error) => break Err(error),
        }
        if chunk.len() < CHUNK_BYTES && has_more(&mut running.events, &mut progress, &mut *writer, &mut chunk) {
            break Err(progress.failure.take().unwrap_or_else(|| ApiError::invalid("the stream failed")));
        }
        if !send(service, &client.sender, &mut chunk).await {
            count(&progress.entry.figures.canceled, 1);
            return None;
        }
    };
    match outcome {
        Ok(answered) => {
            writer.end(answered.usage, &mut chunk);
            // The model is free before the client has read the end.
            drop(running);
            client.end(service, &mut chunk).await.then_some(answered)
        }
        Err(error) => {
            service.failed(Some(&call.model), &error);
            writer.fail(&error, &mut chunk);
            drop(running);
            client.end(service, &mut chunk).await;
            None
        }
    }
}

/// Writes the events that are there already into the same chunk: fewer and larger writes when the client is behind. Whether one of
/// them was a failure, which is then kept.
fn has_more(
    events: &mut SelectAll<Numbered>,
    progress: &mut Progress<'_>,
    writer: &mut dyn Writer,
    chunk: &mut Vec<u8>,
) -> bool {
    use futures_util::FutureExt;
    while chunk.len() < CHUNK_BYTES {
        let Some(Some((choice, event))) = events.next().now_or_never() else { return false };
        match progress.take(choice, event) {
            Ok(Step::Frame(frame)) => writer.frame(choice, &frame, chunk),
            Ok(Step::Finished(finish)) => writer.finish(choice, finish, chunk),
            Ok(Step::Nothing) => {}
            Err(error) => {
                progress.failure = Some(error);
                return true;
            }
        }
    }
    false
}

/// Hands a chunk to the client; whether it is still there and reads.
async fn send(service: &Service, sender: &mpsc::Sender<Bytes>, chunk: &mut Vec<u8>) -> bool {
    if chunk.is_empty() {
        return true;
    }
    let bytes = Bytes::from(std::mem::replace(chunk, Vec::with_capacity(256)));
    matches!(tokio::time::timeout(service.settings.stall_timeout, sender.send(bytes)).await, Ok(Ok(())))
}

/// What came of an event.
enum Step {
    Frame(Frame),
    Finished(Finish),
    Nothing,
}

/// The answers so far, and the figures that they make.
struct Progress<'a> {
    service: &'a Service,
    entry: &'a Entry,
    arrived: Stamp,
    before: Duration,
    answered: Answered,
    open: usize,
    last_token: Vec<Option<Stamp>>,
    is_first: bool,
    failure: Option<ApiError>,
}

impl<'a> Progress<'a> {
    fn new(service: &'a Service, call: &Call, running: &Running) -> Result<Self, ApiError> {
        Ok(Self {
            service,
            entry: entry(service, running.lent.lease.model())?,
            arrived: call.arrived,
            before: running.before,
            answered: Answered { choices: vec![Choice::default(); running.choices], ..Answered::default() },
            open: running.choices,
            last_token: vec![None; running.choices],
            is_first: true,
            failure: None,
        })
    }

    fn take(&mut self, choice: usize, event: EngineEvent) -> Result<Step, ApiError> {
        let figures = &self.entry.figures;
        match event.kind {
            EventKind::Frame(frame) => {
                if frame.tokens > 0 {
                    if self.is_first {
                        self.is_first = false;
                        let now = self.service.clock.now();
                        self.answered.first_token = Some(now);
                        figures.ttft.add(now - self.arrived);
                        figures.overhead.add(self.before + (now - event.at));
                    }
                    if let Some(last) = self.last_token[choice].replace(event.at) {
                        figures.itl.add(event.at - last);
                    }
                }
                let whole = &mut self.answered.choices[choice];
                let text = if frame.channel == Channel::Answer { &mut whole.text } else { &mut whole.reasoning };
                text.push_str(&frame.text);
                let logprobs = frame.log_probabilities.iter().map(|logprob| (frame.text.clone(), *logprob));
                whole.logprobs.extend(logprobs);
                Ok(Step::Frame(frame))
            }
            EventKind::Usage(usage) => {
                // A later report replaces an earlier one only where servers elsewhere count as they go; in process there is one.
                self.answered.usage.add(usage);
                Ok(Step::Nothing)
            }
            EventKind::Finished { reason } => {
                let finish = Finish::from(reason);
                self.answered.choices[choice].finish = finish;
                self.open -= 1;
                Ok(Step::Finished(finish))
            }
            EventKind::Failed(failure) => Err(failure.into()),
            EventKind::Connected
            | EventKind::Resent
            | EventKind::FirstByteWritten
            | EventKind::Sent
            | EventKind::Headers { .. }
            | EventKind::Receipt(_) => Ok(Step::Nothing),
        }
    }

    /// All answers, once each has ended.
    fn end(&mut self) -> Result<Answered, ApiError> {
        if self.open > 0 {
            return Err(truncated());
        }
        let figures = &self.entry.figures;
        figures.e2e.add(self.service.clock.now() - self.arrived);
        for choice in &self.answered.choices {
            let place = match choice.finish {
                Finish::Stop => 0,
                Finish::Length => 1,
                Finish::Other => 2,
            };
            count(&figures.finished[place], 1);
        }
        count(&figures.input_tokens, u64::from(self.answered.usage.input));
        count(&figures.output_tokens, u64::from(self.answered.usage.output));
        Ok(std::mem::take(&mut self.answered))
    }
}

/// A stream of an answer that is there already.
fn replay(answered: &Answered, writer: &mut dyn Writer) -> Vec<u8> {
    let mut out = Vec::new();
    writer.begin(&mut out);
    for (index, choice) in answered.choices.iter().enumerate() {
        if !choice.reasoning.is_empty() {
            let thought = Frame { channel: Channel::Reasoning, ..Frame::answer(choice.reasoning.clone(), 1) };
            writer.frame(index, &thought, &mut out);
        }
        writer.frame(index, &Frame::answer(choice.text.clone(), 1), &mut out);
        writer.finish(index, choice.finish, &mut out);
    }
    writer.end(answered.usage, &mut out);
    out
}

fn respond(kind: &'static str, body: Body, cache: &'static str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-weighbridge-cache", HeaderValue::from_static(cache));
    // For a proxy before it that would gather a stream.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Chunks as a body.
struct Chunks {
    receiver: mpsc::Receiver<Bytes>,
    is_whole: Arc<AtomicBool>,
}

impl Stream for Chunks {
    type Item = Result<Bytes, io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(cx).map(|chunk| match chunk {
            Some(chunk) => Some(Ok(chunk)),
            None if self.is_whole.load(Ordering::Acquire) => None,
            // A stream that was given up must not end as one that is whole does: the connection is cut.
            None => Some(Err(io::Error::other("the client took nothing for too long"))),
        })
    }
}
