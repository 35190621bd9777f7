//! The routes and what all of them have in common: who asks, how often, and how refusals are written.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use serde_json::{Value, json};
use weighbridge_serving::{FaultClass, Residence};
use weighbridge_types::time::{Stamp, WallTime};

use crate::admin;
use crate::ask::Ask;
use crate::auth::Scope;
use crate::dialect::{Writer, anthropic, ollama, openai};
use crate::error::ApiError;
use crate::generate::{Call, generate};
use crate::openapi::openapi;
use crate::service::Service;
use crate::upstream::forward;
use crate::vectors;

type Shared = State<Arc<Service>>;

/// A body, or why it could not be read.
type Read = Result<Bytes, BytesRejection>;

/// All routes of a service. Tests call it without a port.
pub fn app(service: Arc<Service>) -> Router {
    let largest = service.settings.largest_body;
    Router::new()
        .route("/v1/chat/completions", post(chat))
        .route("/v1/completions", post(completions))
        .route("/v1/embeddings", post(embeddings))
        .route("/v1/models", get(models))
        .route("/v1/models/{model}", get(model))
        .route("/v1/messages", post(messages))
        .route("/api/generate", post(ollama_generate))
        .route("/api/chat", post(ollama_chat))
        .route("/api/tags", get(ollama_tags))
        .route("/api/ps", get(ollama_ps))
        .route("/api/version", get(ollama_version))
        .route("/api/v1/models", get(states))
        .route("/api/v1/models/{model}/load", post(load))
        .route("/api/v1/models/{model}/unload", post(unload))
        .route("/api/v1/classify", post(classify))
        .route("/api/v1/health", get(health))
        .route("/api/v1/errors", get(errors))
        .route("/api/v1/memory", get(memory))
        .route("/api/v1/cache", get(cache))
        .route("/api/v1/events", get(events))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/openapi.json", get(document))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .layer(DefaultBodyLimit::max(largest))
        .with_state(service)
}

/// How a dialect writes refusals.
#[derive(Clone, Copy)]
enum Dialect {
    OpenAi,
    Anthropic,
    Ollama,
}

impl Dialect {
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

/// The body, or a refusal that says what is wrong with it.
fn body_of(service: &Service, body: Read) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let message = format!("the body is larger than {} bytes", service.settings.largest_body);
            return ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message, FaultClass::Request);
        }
        ApiError::invalid("failed to read the body: the connection ended before it did")
    })
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
    body: Read,
    dialect: Dialect,
    // Where the request goes on a server of the same dialect.
    relayed: Option<&'static str>,
    ask: impl FnOnce(&[u8], u64) -> Result<Ask, ApiError>,
    writer: impl FnOnce(&Ask, &str, Stamp) -> Box<dyn Writer>,
) -> Response {
    let arrived = service.clock.now();
    let mut model = None;
    let result = async {
        let key = admit(&service, &headers, Scope::Infer)?;
        let body = body_of(&service, body)?;
        let asked = ask(&body, service.random());
        if let Some(path) = relayed
            && let Some(name) = relayed_model(&service, &body, asked.as_ref().ok())
        {
            model = Some(name.clone());
            return forward(&service, &name, &key, path, &body, arrived).await;
        }
        let ask = asked?;
        let name = service.pool.resolve(&ask.model)?;
        model = Some(name.clone());
        let writer = writer(&ask, &name, arrived);
        generate(&service, &headers, Call { arrived, key, ask, model: name }, writer).await
    }
    .await;
    dialect.answer(&service, model.as_deref(), result)
}

/// The model of a request that is handed on as it is: one elsewhere, whose server may know more than is known here. An answer that
/// may be kept is asked for by way of the engine instead.
fn relayed_model(service: &Service, body: &[u8], asked: Option<&Ask>) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        model: String,
    }
    let name = match asked {
        Some(ask) => service.pool.resolve(&ask.model).ok()?,
        None => service.pool.resolve(&serde_json::from_slice::<Named>(body).ok()?.model).ok()?,
    };
    let upstream = service.entries.get(&name)?.upstream.as_ref()?;
    let is_kept = service.settings.answers.is_some() && asked.is_some_and(|ask| ask.is_repeatable() && !ask.has_tools);
    (upstream.relays() && !is_kept).then_some(name)
}

async fn chat(State(service): Shared, headers: HeaderMap, body: Read) -> Response {
    openai_text(service, headers, body, openai::Api::Chat).await
}

async fn completions(State(service): Shared, headers: HeaderMap, body: Read) -> Response {
    openai_text(service, headers, body, openai::Api::Completions).await
}

async fn openai_text(service: Arc<Service>, headers: HeaderMap, body: Read, api: openai::Api) -> Response {
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

async fn messages(State(service): Shared, headers: HeaderMap, body: Read) -> Response {
    let number = service.random();
    let writer =
        move |_: &Ask, model: &str, _| Box::new(anthropic::AnthropicWriter::new(model, number)) as Box<dyn Writer>;
    text(service, headers, body, Dialect::Anthropic, None, anthropic::ask, writer).await
}

async fn ollama_generate(State(service): Shared, headers: HeaderMap, body: Read) -> Response {
    ollama_text(service, headers, body, ollama::Api::Generate).await
}

async fn ollama_chat(State(service): Shared, headers: HeaderMap, body: Read) -> Response {
    ollama_text(service, headers, body, ollama::Api::Chat).await
}

async fn ollama_text(service: Arc<Service>, headers: HeaderMap, body: Read, api: ollama::Api) -> Response {
    let clock = service.clock;
    let ask = move |body: &[u8], random| ollama::ask(api, body, random);
    let writer = move |_: &Ask, model: &str, arrived| {
        Box::new(ollama::OllamaWriter::new(api, model, clock, arrived)) as Box<dyn Writer>
    };
    text(service, headers, body, Dialect::Ollama, None, ask, writer).await
}

async fn embeddings(State(service): Shared, headers: HeaderMap, body: Read) -> Response {
    let arrived = service.clock.now();
    let result = async {
        let key = admit(&service, &headers, Scope::Infer)?;
        let body = body_of(&service, body)?;
        vectors::embed(&service, &key, &body, arrived).await
    }
    .await;
    Dialect::OpenAi.answer(&service, None, result.map(|value| json_response(StatusCode::OK, &value)))
}

async fn classify(State(service): Shared, headers: HeaderMap, body: Read) -> Response {
    let arrived = service.clock.now();
    let result = async {
        let key = admit(&service, &headers, Scope::Infer)?;
        let body = body_of(&service, body)?;
        vectors::classify(&service, &key, &body, arrived).await
    }
    .await;
    Dialect::OpenAi.answer(&service, None, result.map(|value| json_response(StatusCode::OK, &value)))
}

async fn models(State(service): Shared, headers: HeaderMap) -> Response {
    Dialect::OpenAi.guarded(&service, &headers, Scope::Infer, || {
        let data: Vec<Value> = service.pool.states().iter().map(|state| listed(&state.name)).collect();
        Ok(json!({"object": "list", "data": data}))
    })
}

async fn model(State(service): Shared, headers: HeaderMap, Path(name): Path<String>) -> Response {
    Dialect::OpenAi.guarded(&service, &headers, Scope::Infer, || Ok(listed(&service.pool.resolve(&name)?)))
}

fn listed(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": 0, "owned_by": "weighbridge"})
}

async fn states(State(service): Shared, headers: HeaderMap) -> Response {
    Dialect::OpenAi.guarded(&service, &headers, Scope::Infer, || Ok(admin::models(&service)))
}

async fn load(State(service): Shared, headers: HeaderMap, Path(name): Path<String>) -> Response {
    let result = async {
        admit(&service, &headers, Scope::Admin)?;
        admin::load(&service, &name).await
    }
    .await;
    Dialect::OpenAi.answer(&service, Some(&name), result.map(|value| json_response(StatusCode::OK, &value)))
}

async fn unload(State(service): Shared, headers: HeaderMap, Path(name): Path<String>) -> Response {
    let result = async {
        admit(&service, &headers, Scope::Admin)?;
        admin::unload(&service, &name).await
    }
    .await;
    Dialect::OpenAi.answer(&service, Some(&name), result.map(|value| json_response(StatusCode::OK, &value)))
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
    Dialect::Ollama.guarded(&service, &headers, Scope::Infer, || Ok(json!({"models": tagged(&service, false)})))
}

async fn ollama_ps(State(service): Shared, headers: HeaderMap) -> Response {
    Dialect::Ollama.guarded(&service, &headers, Scope::Infer, || Ok(json!({"models": tagged(&service, true)})))
}

async fn ollama_version() -> Response {
    json_response(StatusCode::OK, &json!({"version": env!("CARGO_PKG_VERSION")}))
}

/// Models as Ollama lists them.
fn tagged(service: &Service, only_loaded: bool) -> Vec<Value> {
    let states = service.pool.states().into_iter();
    let shown = states.filter(|state| !only_loaded || state.residence == Residence::Loaded);
    shown
        .map(|state| {
            let described = service.pool.peek(&state.name).ok().flatten().map(|engine| engine.describe());
            let described = described.unwrap_or_default();
            json!({
                "name": state.name,
                "model": state.name,
                "modified_at": WallTime::now().to_string(),
                "expires_at": WallTime::now().to_string(),
                "size": described.model_bytes.unwrap_or(state.bytes),
                "size_vram": 0,
                "digest": described.model_digest.unwrap_or_default(),
                "details": {
                    "format": "gguf",
                    "family": described.architecture.unwrap_or_default(),
                    "parameter_size": described.parameters.map(|count| count.to_string()).unwrap_or_default(),
                    "quantization_level": described.quantization.unwrap_or_default(),
                },
            })
        })
        .collect()
}

async fn unknown(uri: Uri) -> Response {
    let message = "no such route; `/openapi.json` lists them";
    let is_ollama = uri.path().starts_with("/api/") && !uri.path().starts_with("/api/v1/");
    let dialect = if is_ollama { Dialect::Ollama } else { Dialect::OpenAi };
    dialect.refuse(&ApiError::new(StatusCode::NOT_FOUND, "not_found", message, FaultClass::Request))
}

async fn not_allowed() -> Response {
    let message = "the route knows another method; `/openapi.json` lists them";
    Dialect::OpenAi.refuse(&ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "method", message, FaultClass::Request))
}
