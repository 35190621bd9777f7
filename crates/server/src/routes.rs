//! The routes and what all of them have in common: who asks, how often, and how refusals are written.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use weighbridge_serving::FaultClass;
use weighbridge_types::time::Stamp;

use crate::admin;
use crate::ask::Ask;
use crate::audit::Deed;
use crate::auth::Scope;
use crate::catalog;
use crate::counted;
use crate::dialect::{Writer, anthropic, ollama, openai};
use crate::error::ApiError;
use crate::generate::{Call, generate};
use crate::openapi::openapi;
use crate::run::Peer;
use crate::servers::Upstream;
use crate::service::Service;
use crate::upstream::forward;
use crate::vectors;
use crate::visitor;

type Shared = State<Arc<Service>>;

/// Where a request comes from; `None` without a connection.
type CameFrom = Option<Extension<Peer>>;

/// Bytes of a body that are read of who may not ask: enough that a client has sent its request before it is told so.
const REFUSED_BODY: usize = 64 << 10;

/// All routes of a service. Tests call it without a port.
pub fn app(service: Arc<Service>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completions))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", get(model))
        .route("/v1/messages", post(messages))
        .route("/v1/messages/count_tokens", post(count_tokens))
        .route("/api/generate", post(ollama_generate))
        .route("/api/chat", post(ollama_chat))
        .route("/api/embed", post(ollama_embed))
        .route("/api/embeddings", post(ollama_embeddings))
        .route("/api/show", post(ollama_show))
        .route("/api/tags", get(ollama_tags))
        .route("/api/ps", get(ollama_ps))
        .route("/api/version", get(ollama_version))
        .route("/api/v1/models", get(states))
        .route("/api/v1/models/load", post(load_several))
        .route("/api/v1/models/{model}/load", post(load))
        .route("/api/v1/models/{model}/unload", post(unload))
        .route("/api/v1/classify", post(classify))
        .route("/api/v1/health", get(health))
        .route("/api/v1/errors", get(errors))
        .route("/api/v1/audit", get(audit))
        .route("/api/v1/memory", get(memory))
        .route("/api/v1/cache", get(cache))
        .route("/api/v1/events", get(events))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/openapi.json", get(document))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(Arc::clone(&service), visited))
        .with_state(service)
}

/// Before every route: where no key is needed, pages of other sites are refused.
async fn visited(State(service): Shared, request: Request, next: Next) -> Response {
    if service.settings.keys.is_empty()
        && let Err(error) = visitor::check(request.uri(), request.headers(), &service.settings.hosts)
    {
        service.failed(None, &error);
        return Dialect::of(request.uri()).refuse(&error);
    }
    next.run(request).await
}

/// How a dialect writes refusals.
#[derive(Clone, Copy)]
enum Dialect {
    OpenAi,
    Anthropic,
    Ollama,
}

impl Dialect {
    /// That of a route by its path.
    fn of(uri: &Uri) -> Self {
        let path = uri.path();
        match path.starts_with("/api/") && !path.starts_with("/api/v1/") {
            true => Self::Ollama,
            false if path.starts_with("/v1/messages") => Self::Anthropic,
            false => Self::OpenAi,
        }
    }

    fn refuse(self, error: &ApiError) -> Response {
        let body = match self {
            Self::OpenAi => openai::failure(error),
            Self::Anthropic => anthropic::failure(error),
            Self::Ollama => ollama::failure(error),
        };
        let mut response = json_response(error.status, &body);
        if let Some(seconds) = error.retry_after_seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }

    /// Writes what came of a request down, and remembers it if it failed.
    fn answer(self, service: &Service, model: Option<&str>, result: Result<Response, ApiError>) -> Response {
        result.unwrap_or_else(|error| {
            service.failed(model, &error);
            self.refuse(&error)
        })
    }

    /// Answers what needs no model, to those who may ask it.
    fn guarded(
        self,
        service: &Service,
        headers: &HeaderMap,
        scope: Scope,
        work: impl FnOnce() -> Result<Value, ApiError>,
    ) -> Response {
        let result = admit(service, headers, scope).and_then(|_| work());
        self.answer(service, None, result.map(|value| json_response(StatusCode::OK, &value)))
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A body of at most so many bytes that comes within the time for a request and never stands still for longer than a client may.
async fn body_of(service: &Service, body: Body, most: usize) -> Result<Bytes, ApiError> {
    let too_large = || {
        let message = format!("the body is larger than {most} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message, FaultClass::Request)
    };
    let late = |_| {
        let message = "failed to read the body: no more of it came in time";
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "timeout", message, FaultClass::Request)
    };
    if body.size_hint().lower() > most as u64 {
        return Err(too_large());
    }
    let whole = async {
        let mut chunks = body.into_data_stream();
        let mut whole = Vec::new();
        while let Some(chunk) =
            tokio::time::timeout(service.settings.stall_timeout, chunks.next()).await.map_err(late)?
        {
            let ended = |_| ApiError::invalid("failed to read the body: the connection ended before it did");
            whole.extend_from_slice(&chunk.map_err(ended)?);
            if whole.len() > most {
                return Err(too_large());
            }
        }
        Ok(Bytes::from(whole))
    };
    tokio::time::timeout(service.settings.request_timeout, whole).await.map_err(late)?
}

/// Who asks, and the body: not more than its beginning of who may not.
async fn admit_with_body(
    service: &Service,
    headers: &HeaderMap,
    scope: Scope,
    body: Body,
) -> Result<(String, Bytes), ApiError> {
    match admit(service, headers, scope) {
        Ok(key) => Ok((key, body_of(service, body, service.settings.largest_body).await?)),
        Err(error) => {
            drop(body_of(service, body, REFUSED_BODY).await);
            Err(error)
        }
    }
}

/// Who asks, if the key may and has not asked too often.
fn admit(service: &Service, headers: &HeaderMap, scope: Scope) -> Result<String, ApiError> {
    let key = service.settings.keys.check(headers, scope)?;
    if let Some(buckets) = service.buckets.as_ref().filter(|_| scope == Scope::Infer) {
        buckets.take(key)?;
    }
    Ok(key.to_owned())
}

/// The way of all requests for text.
async fn text(
    service: Arc<Service>,
    headers: HeaderMap,
    body: Body,
    dialect: Dialect,
    // Where the request goes on a server of the same dialect.
    relayed: Option<&'static str>,
    ask: impl Fn(&[u8], u64) -> Result<Ask, ApiError>,
    writer: impl Fn(&Ask, &str, Stamp) -> Box<dyn Writer>,
) -> Response {
    let arrived = service.clock.now();
    let mut model = None;
    let result = async {
        let (key, body) = admit_with_body(&service, &headers, Scope::Infer, body).await?;
        let mut instead_of: Option<String> = None;
        loop {
            let asked = ask(&body, service.random());
            let name = match &instead_of {
                Some(_) => model.clone().unwrap_or_default(),
                None => model_of(&service, &body, asked.as_ref())?,
            };
            model = Some(name.clone());
            let answered = if let Some(path) = relayed.filter(|_| is_relayed(&service, &name, asked.as_ref().ok())) {
                forward(&service, &name, &key, path, &body, arrived).await
            } else {
                let mut ask = asked?;
                if let Some(label) = headers.get("x-weighbridge-label").and_then(|value| value.to_str().ok()) {
                    ask.label = Some(label.to_owned());
                }
                let writer = writer(&ask, &name, arrived);
                let call = Call { arrived, key: key.clone(), ask, model: name.clone() };
                generate(&service, &headers, call, writer).await
            };
            // One step: what stands in for a model has nobody to stand in for it.
            let fallback = match &answered {
                Err(error) if instead_of.is_none() => service.fallback(&name, error),
                _ => None,
            };
            match (answered, fallback) {
                (Err(error), Some(fallback)) => {
                    service.failed(Some(&name), &error);
                    model = Some(fallback);
                    instead_of = Some(name);
                }
                (Ok(mut response), _) => {
                    if let Some(value) = instead_of.and_then(|name| HeaderValue::try_from(name).ok()) {
                        response.headers_mut().insert("x-weighbridge-instead-of", value);
                    }
                    return Ok(response);
                }
                (answered, None) => return answered,
            }
        }
    }
    .await;
    dialect.answer(&service, model.as_deref(), result)
}

/// The name in the table of the model that is asked for. A request that only a server elsewhere understands names it all the same.
fn model_of(service: &Service, body: &[u8], asked: Result<&Ask, &ApiError>) -> Result<String, ApiError> {
    #[derive(serde::Deserialize)]
    struct Named {
        model: String,
    }
    match asked {
        Ok(ask) => Ok(service.pool.resolve(&ask.model)?),
        Err(error) => {
            let named = serde_json::from_slice::<Named>(body).map_err(|_| error.clone())?;
            let name = service.pool.resolve(&named.model).map_err(|_| error.clone())?;
            let relays = service.entries.get(&name).and_then(|entry| entry.upstream.as_ref());
            if relays.is_some_and(Upstream::relays) { Ok(name) } else { Err(error.clone()) }
        }
    }
}

/// Whether a request is handed on as it is: to a server elsewhere, which may know more than is known here. An answer that may be kept
/// is asked for by way of the engine instead.
fn is_relayed(service: &Service, name: &str, asked: Option<&Ask>) -> bool {
    let upstream = service.entries.get(name).and_then(|entry| entry.upstream.as_ref());
    // Its engine here knows no tools and tells of no token but the chosen one.
    let is_simple = |ask: &Ask| ask.offer.is_none() && ask.logprobs.is_none();
    let is_kept = service.settings.answers.is_some() && asked.is_some_and(|ask| ask.is_repeatable() && is_simple(ask));
    upstream.is_some_and(Upstream::relays) && !is_kept
}

async fn chat(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    openai_text(service, headers, body, openai::Api::Chat).await
}

async fn completions(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    openai_text(service, headers, body, openai::Api::Completions).await
}

async fn openai_text(service: Arc<Service>, headers: HeaderMap, body: Body, api: openai::Api) -> Response {
    let number = service.random();
    let ask = move |body: &[u8], random| openai::ask(api, body, random);
    let writer = move |ask: &Ask, model: &str, _| {
        Box::new(openai::OpenAiWriter::new(api, ask, model, number)) as Box<dyn Writer>
    };
    let path = match api {
        openai::Api::Chat => "/chat/completions",
        openai::Api::Completions => "/completions",
    };
    text(service, headers, body, Dialect::OpenAi, Some(path), ask, writer).await
}

async fn messages(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    let number = service.random();
    let writer =
        move |_: &Ask, model: &str, _| Box::new(anthropic::AnthropicWriter::new(model, number)) as Box<dyn Writer>;
    text(service, headers, body, Dialect::Anthropic, None, anthropic::ask, writer).await
}

async fn ollama_generate(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    ollama_text(service, headers, body, ollama::Api::Generate).await
}

async fn ollama_chat(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    ollama_text(service, headers, body, ollama::Api::Chat).await
}

async fn ollama_text(service: Arc<Service>, headers: HeaderMap, body: Body, api: ollama::Api) -> Response {
    let clock = service.clock;
    let ask = move |body: &[u8], random| ollama::ask(api, body, random);
    let writer = move |_: &Ask, model: &str, arrived| {
        Box::new(ollama::OllamaWriter::new(api, model, clock, arrived)) as Box<dyn Writer>
    };
    text(service, headers, body, Dialect::Ollama, None, ask, writer).await
}

/// The way of all requests with a body that are not for text.
async fn asked<F: Future<Output = Result<Value, ApiError>>>(
    service: &Arc<Service>,
    headers: &HeaderMap,
    body: Body,
    dialect: Dialect,
    work: impl FnOnce(Arc<Service>, String, Bytes) -> F,
) -> Response {
    let result = async {
        let (key, body) = admit_with_body(service, headers, Scope::Infer, body).await?;
        work(Arc::clone(service), key, body).await
    }
    .await;
    dialect.answer(service, None, result.map(|value| json_response(StatusCode::OK, &value)))
}

async fn count_tokens(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    let work = async |service: Arc<Service>, key: String, body: Bytes| counted::count(&service, &key, &body).await;
    asked(&service, &headers, body, Dialect::Anthropic, work).await
}

async fn ollama_show(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    let work = async |service: Arc<Service>, key: String, body: Bytes| catalog::show(&service, &key, &body).await;
    asked(&service, &headers, body, Dialect::Ollama, work).await
}

async fn embeddings(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    embedded(service, headers, body, Dialect::OpenAi, vectors::Form::OpenAi).await
}

async fn ollama_embed(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    embedded(service, headers, body, Dialect::Ollama, vectors::Form::Ollama).await
}

async fn ollama_embeddings(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    embedded(service, headers, body, Dialect::Ollama, vectors::Form::OllamaOne).await
}

async fn embedded(
    service: Arc<Service>,
    headers: HeaderMap,
    body: Body,
    dialect: Dialect,
    form: vectors::Form,
) -> Response {
    let arrived = service.clock.now();
    let work = async |service: Arc<Service>, key: String, body: Bytes| {
        vectors::embed(&service, &key, &body, arrived, form).await
    };
    asked(&service, &headers, body, dialect, work).await
}

async fn classify(State(service): Shared, headers: HeaderMap, body: Body) -> Response {
    let arrived = service.clock.now();
    let result = async {
        let (key, body) = admit_with_body(&service, &headers, Scope::Infer, body).await?;
        let (value, cache) = vectors::classify(&service, &headers, &key, &body, arrived).await?;
        let mut response = json_response(StatusCode::OK, &value);
        response.headers_mut().insert("x-weighbridge-cache", HeaderValue::from_static(cache));
        Ok(response)
    }
    .await;
    Dialect::OpenAi.answer(&service, None, result)
}

async fn models(State(service): Shared, headers: HeaderMap) -> Response {
    Dialect::OpenAi.guarded(&service, &headers, Scope::Infer, || {
        let data: Vec<Value> =
            service.pool.states().iter().map(|state| catalog::listed(&service, &state.name)).collect();
        Ok(json!({"object": "list", "data": data}))
    })
}

async fn model(State(service): Shared, headers: HeaderMap, Path(name): Path<String>) -> Response {
    Dialect::OpenAi
        .guarded(&service, &headers, Scope::Infer, || Ok(catalog::listed(&service, &service.pool.resolve(&name)?)))
}

async fn states(State(service): Shared, headers: HeaderMap) -> Response {
    Dialect::OpenAi.guarded(&service, &headers, Scope::Infer, || Ok(admin::models(&service)))
}

async fn load(shared: Shared, peer: CameFrom, headers: HeaderMap, name: Path<String>) -> Response {
    administer(shared, peer, headers, name, "load").await
}

async fn unload(shared: Shared, peer: CameFrom, headers: HeaderMap, name: Path<String>) -> Response {
    administer(shared, peer, headers, name, "unload").await
}

/// What changes the service; it is written down whether it is done or refused.
async fn administer(
    State(service): Shared,
    peer: CameFrom,
    headers: HeaderMap,
    Path(name): Path<String>,
    what: &'static str,
) -> Response {
    let result = async {
        admit(&service, &headers, Scope::Admin)?;
        match what {
            "load" => admin::load(&service, &name).await,
            _ => admin::unload(&service, &name).await,
        }
    }
    .await;
    let peer = peer.map(|Extension(Peer(peer))| peer);
    service.done(Deed::new(service.settings.keys.name(&headers), peer, what, &name, &result));
    Dialect::OpenAi.answer(&service, Some(&name), result.map(|value| json_response(StatusCode::OK, &value)))
}

async fn load_several(State(service): Shared, peer: CameFrom, headers: HeaderMap, body: Body) -> Response {
    let (key, peer) = (service.settings.keys.name(&headers), peer.map(|Extension(Peer(peer))| peer));
    let result = async {
        let (_, body) = admit_with_body(&service, &headers, Scope::Admin, body).await?;
        admin::load_several(&service, &body, |name, result| {
            service.done(Deed::new(key, peer, "load", name, result));
        })
        .await
    }
    .await;
    if result.is_err() {
        service.done(Deed::new(key, peer, "load", "*", &result));
    }
    Dialect::OpenAi.answer(&service, None, result.map(|(status, value)| json_response(status, &value)))
}

async fn audit(State(service): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    Dialect::OpenAi.guarded(&service, &headers, Scope::Admin, || admin::audit(&service, query.as_deref()))
}

async fn errors(State(service): Shared, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    Dialect::OpenAi.guarded(&service, &headers, Scope::Admin, || admin::errors(&service, query.as_deref()))
}

async fn memory(State(service): Shared, headers: HeaderMap) -> Response {
    Dialect::OpenAi.guarded(&service, &headers, Scope::Infer, || Ok(admin::memory(&service)))
}

async fn cache(State(service): Shared, headers: HeaderMap) -> Response {
    Dialect::OpenAi.guarded(&service, &headers, Scope::Infer, || admin::cache(&service))
}

async fn events(State(service): Shared, headers: HeaderMap) -> Response {
    match admit(&service, &headers, Scope::Infer) {
        Ok(_) => admin::events(&service),
        Err(error) => Dialect::OpenAi.refuse(&error),
    }
}

/// Health is told without a key: probes have none, and it holds nothing secret.
async fn health(State(service): Shared) -> Response {
    let (status, value) = admin::health(&service);
    json_response(status, &value)
}

async fn ready(State(service): Shared) -> Response {
    let (status, value) = admin::ready(&service);
    json_response(status, &value)
}

async fn document() -> Response {
    json_response(StatusCode::OK, &openapi())
}

async fn ollama_tags(State(service): Shared, headers: HeaderMap) -> Response {
    Dialect::Ollama
        .guarded(&service, &headers, Scope::Infer, || Ok(json!({"models": catalog::tagged(&service, false)})))
}

async fn ollama_ps(State(service): Shared, headers: HeaderMap) -> Response {
    Dialect::Ollama.guarded(&service, &headers, Scope::Infer, || Ok(json!({"models": catalog::tagged(&service, true)})))
}

async fn ollama_version() -> Response {
    json_response(StatusCode::OK, &json!({"version": env!("CARGO_PKG_VERSION")}))
}

async fn unknown(uri: Uri) -> Response {
    let message = "no such route; `/openapi.json` lists them";
    Dialect::of(&uri).refuse(&ApiError::new(StatusCode::NOT_FOUND, "not_found", message, FaultClass::Request))
}

async fn not_allowed() -> Response {
    let message = "the route knows another method; `/openapi.json` lists them";
    Dialect::OpenAi.refuse(&ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", message, FaultClass::Request))
}
