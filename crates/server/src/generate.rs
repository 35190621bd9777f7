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
use weighbridge_engine::tools::CallReader;
use weighbridge_engine::{
    Capabilities, Engine, EngineEvent, EventKind, EventStream, Frame, GenerateRequest, Prompt, Sampling, Tokenizer,
};
use weighbridge_serving::{FaultClass, Lease, Pass};
use weighbridge_types::request::{Channel, Usage};
use weighbridge_types::time::Stamp;

use crate::answer::{Answered, Call as ToolCall, Choice, Counts, Finish, Piece, Told};
use crate::ask::{Ask, Format};
use crate::cached::{self, CacheUse};
use crate::dialect::Writer;
use crate::error::ApiError;
use crate::figures::count;
use crate::near;
use crate::servers::{self, Asked, Peer};
use crate::service::{Entry, Service};

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
    let inside = service.enter(&call.key)?;
    let entry = entry(service, &call.model)?;
    let label = match cached::lookup(service, headers, &call).await {
        CacheUse::Hit(answered, source) => {
            count(&entry.figures.cache_hits, 1);
            return Ok(kept(service, entry, &call, &answered, &mut *writer, cached::label(Some(source))));
        }
        CacheUse::Near(answered, hit) => {
            count(&entry.figures.cache_near, 1);
            let mut response = kept(service, entry, &call, &answered, &mut *writer, "HIT-NEAR");
            if let Ok(similarity) = HeaderValue::from_str(&format!("{:.3}", hit.similarity())) {
                response.headers_mut().insert("x-weighbridge-similarity", similarity);
            }
            near::given(service, call, answered);
            return Ok(response);
        }
        CacheUse::Miss => "MISS",
        CacheUse::Bypass => "BYPASS",
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
    /// Of an engine in this process, where tokens are told.
    tokenizer: Option<Arc<dyn Tokenizer>>,
    lent: Lent,
    /// Of a model elsewhere: the server that answers.
    asked: Option<Asked>,
    /// Time that the server took before the engine was asked, without the waits.
    before: Duration,
}

impl Running {
    /// All answers have ended; a failure may be that of the server that was asked.
    fn ended(&self, error: Option<&ApiError>) {
        if let (Some(asked), Some(error)) = (&self.asked, error) {
            asked.ended(error);
        }
    }
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
    let (mut running, asked) = servers::ask(service, &call.model, |peer| {
        Box::pin(async move {
            let mut running = begin(service, call, peer).await?;
            first_of(&mut running).await?;
            Ok(running)
        })
    })
    .await?;
    running.asked = asked;
    Ok(running)
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

async fn begin(service: &Service, call: &Call, peer: Option<&Peer>) -> Result<Running, ApiError> {
    let (lent, waited) = lend(service, &call.model, &call.key).await?;
    cached::remember_revision(service, &call.model, &**lent.lease.engine());
    let elsewhere = match peer {
        Some(peer) => Some(peer.engine(&call.model).await?),
        None => None,
    };
    let engine = elsewhere.as_ref().unwrap_or(lent.lease.engine());
    let capabilities = engine.capabilities();
    if capabilities.classify || capabilities.embed {
        let instead = if capabilities.embed { "/v1/embeddings" } else { "/api/v1/classify" };
        let message = format!("failed to write text with `{}`: ask it at {instead}", call.model);
        return Err(ApiError::invalid(message));
    }
    check_capabilities(call, capabilities)?;
    let grammar = call.ask.grammar()?;
    // Earlier calls are left out where the template could not write them.
    let tools = call.ask.offer.as_ref().filter(|_| capabilities.tools).map(|offer| Arc::clone(&offer.tools));
    let max_tokens = call.ask.max_tokens.unwrap_or_else(|| room(service, &**engine, &call.ask));
    let request = |prompt: &Prompt, choice: u64| GenerateRequest {
        sampling: Sampling { seed: call.ask.sampling.seed.wrapping_add(choice), ..call.ask.sampling.clone() },
        ignore_eos: call.ask.ignore_eos,
        stop: call.ask.stop.clone(),
        constraint: grammar.clone(),
        tools: tools.clone(),
        logprobs: call.ask.logprobs,
        priority: call.ask.priority,
        deadline: Some(call.arrived.after(service.settings.request_timeout)),
        ..GenerateRequest::new(prompt.clone(), max_tokens, service.clock)
    };
    let before = service.clock.now() - call.arrived;
    let mut events = SelectAll::new();
    for prompt in &call.ask.prompts {
        for choice in 0..call.ask.choices {
            let request = request(prompt, u64::from(choice));
            request.check()?;
            events.push(Numbered { choice: events.len(), events: engine.generate(request) });
        }
    }
    let tokenizer = call.ask.logprobs.and_then(|_| engine.tokenizer());
    let before = before.saturating_sub(waited);
    Ok(Running { first: None, choices: events.len(), events, tokenizer, lent, asked: None, before })
}

/// Refuses by name what the engine of the model cannot do.
fn check_capabilities(call: &Call, capabilities: Capabilities) -> Result<(), ApiError> {
    let Call { ask, model, .. } = call;
    let refuse = |message: String| Err(ApiError::invalid(message));
    check_tools(model, ask, capabilities)?;
    let is_held =
        !matches!(ask.format, Format::Text) || ask.offer.as_ref().is_some_and(|offer| offer.schema().is_some());
    if is_held && !capabilities.constraint {
        return refuse(format!("failed to hold `{model}` to a form: its engine cannot; ask for text"));
    }
    // Engines elsewhere tell of the chosen token alone, if their servers do.
    let is_told = |count: u32| capabilities.likeliest || (count == 0 && !capabilities.in_process);
    match ask.logprobs {
        Some(count) if !is_told(count) => {
            refuse(format!("failed to tell log-probabilities of `{model}`: its engine gives none; ask without them"))
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses tools by the name of a model that cannot be offered any.
pub(crate) fn check_tools(model: &str, ask: &Ask, capabilities: Capabilities) -> Result<(), ApiError> {
    if capabilities.tools || !ask.has_tools() {
        return Ok(());
    }
    let why = match capabilities.in_process {
        true => "its chat template has no place for them",
        false => "only OpenAI's dialect takes them there",
    };
    Err(ApiError::invalid(format!("failed to offer tools to `{model}`: {why}")))
}

/// Tokens of an answer whose request names no limit: the usual number, or what the prompt leaves of the context.
fn room(service: &Service, engine: &dyn Engine, ask: &Ask) -> u32 {
    let usual = service.settings.default_max_tokens;
    let (Some(context), Some(tokenizer)) = (engine.describe().context_length, engine.tokenizer()) else {
        return usual;
    };
    let tokens = |text: &str| tokenizer.encode(text).map_or(0, |tokens| tokens.len() as u64);
    let tools = ask.offer.as_ref().filter(|_| engine.capabilities().tools).map(|offer| &*offer.tools);
    let taken = |prompt: &Prompt| match (engine.count_tokens(prompt, tools), prompt) {
        (Ok(count), _) => count as u64,
        (Err(_), Prompt::Text(text)) => tokens(text) + TURN_TOKENS,
        (Err(_), Prompt::Tokens(tokens)) => tokens.len() as u64,
        (Err(_), Prompt::Chat(turns)) => turns.iter().map(|turn| tokens(&turn.content) + TURN_TOKENS).sum(),
    };
    let taken = ask.prompts.iter().map(taken).max().unwrap_or(0);
    let left = u64::from(context).saturating_sub(taken);
    usual.min(u32::try_from(left).unwrap_or(u32::MAX)).max(1)
}

/// Reads all answers to their end.
pub(crate) async fn whole(service: &Arc<Service>, call: &Call) -> Result<Answered, ApiError> {
    let mut running = start(service, call).await?;
    let mut progress = Progress::new(service, call, &running)?;
    let answered = rest(&mut running, &mut progress).await;
    running.ended(answered.as_ref().err());
    answered
}

async fn rest(running: &mut Running, progress: &mut Progress<'_>) -> Result<Answered, ApiError> {
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
            Ok(Step::Nothing) => continue,
            Ok(step) => progress.write(choice, &step, &mut *writer, &mut chunk),
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
            running.ended(Some(&error));
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
            Ok(step) => progress.write(choice, &step, writer, chunk),
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
    Piece(Piece),
    /// The end of an answer, with the text that was held back.
    Finished(Piece),
    Nothing,
}

/// The answers so far, and the figures that they make.
struct Progress<'a> {
    service: &'a Service,
    entry: &'a Entry,
    arrived: Stamp,
    before: Duration,
    answered: Answered,
    /// What each answer took, as it was told last.
    usage: Vec<Option<Usage>>,
    /// Answers to each prompt.
    choices: usize,
    stops: &'a [String],
    /// What takes calls out of each answer; none where no tools are offered.
    readers: Vec<CallReader>,
    is_single: bool,
    tokenizer: Option<Arc<dyn Tokenizer>>,
    open: usize,
    last_token: Vec<Option<Stamp>>,
    is_first: bool,
    failure: Option<ApiError>,
}

impl<'a> Progress<'a> {
    fn new(service: &'a Service, call: &'a Call, running: &Running) -> Result<Self, ApiError> {
        let offer = call.ask.offer.as_ref().filter(|offer| !offer.tools.offered.is_empty());
        let readers = offer.map_or(0, |_| running.choices);
        Ok(Self {
            service,
            entry: entry(service, running.lent.lease.model())?,
            arrived: call.arrived,
            before: running.before,
            answered: Answered { choices: vec![Choice::default(); running.choices], ..Answered::default() },
            usage: vec![None; running.choices],
            choices: call.ask.choices as usize,
            stops: &call.ask.stop,
            readers: offer.iter().cycle().take(readers).map(|offer| CallReader::new(&offer.tools)).collect(),
            is_single: offer.is_some_and(|offer| offer.is_single),
            tokenizer: running.tokenizer.clone(),
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
                Ok(Step::Piece(self.piece(choice, frame)))
            }
            EventKind::Usage(usage) => {
                // Servers elsewhere count as they go: a later report replaces an earlier one.
                self.usage[choice] = Some(usage);
                Ok(Step::Nothing)
            }
            EventKind::Finished { reason } => {
                self.open -= 1;
                Ok(Step::Finished(self.finish(choice, Finish::from(reason))))
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

    /// Adds a frame to its answer; what of it may be shown.
    fn piece(&mut self, choice: usize, mut frame: Frame) -> Piece {
        let told = self.told(&frame);
        let whole = &mut self.answered.choices[choice];
        if let Some(stop) = frame.detail.as_ref().and_then(|detail| detail.stop) {
            whole.stop = self.stops.get(stop).cloned();
        }
        if frame.channel == Channel::Answer {
            if let Some(reader) = self.readers.get_mut(choice) {
                frame.text = reader.push(&frame.text);
            }
            whole.text.push_str(&frame.text);
        } else {
            whole.reasoning.push_str(&frame.text);
        }
        whole.told.extend_from_slice(&told);
        Piece { channel: frame.channel, text: frame.text, told }
    }

    /// What is told of a frame's tokens. Servers elsewhere tell no bytes of a token, only the text of all.
    fn told(&self, frame: &Frame) -> Vec<Told> {
        let bytes = |token: Option<u32>| match (&self.tokenizer, token) {
            (Some(tokenizer), Some(token)) => tokenizer.token_bytes(token),
            _ => frame.text.clone().into_bytes(),
        };
        let likeliest = frame.detail.as_ref().map(|detail| &detail.likeliest[..]).unwrap_or_default();
        let likeliest = || likeliest.iter().map(|likely| (bytes(Some(likely.token)), likely.log_probability)).collect();
        let told = |(place, &logprob): (usize, &f32)| Told {
            bytes: bytes(frame.token_ids.get(place).copied()),
            logprob,
            likeliest: likeliest(),
        };
        frame.log_probabilities.iter().enumerate().map(told).collect()
    }

    /// Ends an answer; the text that was held back.
    fn finish(&mut self, choice: usize, finish: Finish) -> Piece {
        let (rest, mut calls) = self.readers.get_mut(choice).map(CallReader::finish).unwrap_or_default();
        if self.is_single {
            calls.truncate(1);
        }
        let whole = &mut self.answered.choices[choice];
        whole.text.push_str(&rest);
        let call = |call: weighbridge_engine::tools::ToolCall| ToolCall {
            name: call.name,
            arguments: call.arguments.to_string(),
        };
        whole.calls = calls.into_iter().map(call).collect();
        // A call that the limit cut short is none, and what stands before it was cut short as well.
        let is_call = finish == Finish::Stop && !whole.calls.is_empty();
        whole.finish = if is_call { Finish::Calls } else { finish };
        Piece::answer(rest)
    }

    /// Writes a step down.
    fn write(&self, choice: usize, step: &Step, writer: &mut dyn Writer, chunk: &mut Vec<u8>) {
        match step {
            Step::Nothing => {}
            Step::Piece(piece) => writer.piece(choice, piece, chunk),
            Step::Finished(rest) => {
                if !rest.text.is_empty() {
                    writer.piece(choice, rest, chunk);
                }
                writer.finish(choice, &self.answered.choices[choice], chunk);
            }
        }
    }

    /// All answers, once each has ended.
    fn end(&mut self) -> Result<Answered, ApiError> {
        if self.open > 0 {
            return Err(truncated());
        }
        let mut counts = Counts::default();
        for (place, usage) in self.usage.iter().enumerate() {
            usage.iter().for_each(|usage| counts.add(*usage, place % self.choices == 0));
        }
        self.answered.usage = counts;
        let figures = &self.entry.figures;
        figures.e2e.add(self.service.clock.now() - self.arrived);
        for choice in &self.answered.choices {
            let place = match choice.finish {
                Finish::Stop | Finish::Calls => 0,
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

/// An answer that is there already, whole or as a stream.
fn kept(
    service: &Service,
    entry: &Entry,
    call: &Call,
    answered: &Answered,
    writer: &mut dyn Writer,
    label: &'static str,
) -> Response {
    let (kind, body) = match call.ask.stream {
        true => (writer.stream_type(), replay(answered, writer)),
        false => ("application/json", writer.whole(answered)),
    };
    entry.figures.e2e.add(service.clock.now() - call.arrived);
    respond(kind, Body::from(body), label)
}

/// A stream of an answer that is there already.
fn replay(answered: &Answered, writer: &mut dyn Writer) -> Vec<u8> {
    let mut out = Vec::new();
    writer.begin(&mut out);
    for (index, choice) in answered.choices.iter().enumerate() {
        if !choice.reasoning.is_empty() {
            let thought = Piece { channel: Channel::Reasoning, ..Piece::answer(choice.reasoning.clone()) };
            writer.piece(index, &thought, &mut out);
        }
        let piece = Piece { told: choice.told.clone(), ..Piece::answer(choice.text.clone()) };
        writer.piece(index, &piece, &mut out);
        writer.finish(index, choice, &mut out);
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
