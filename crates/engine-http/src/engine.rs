//! The engine: an endpoint that was reached and whose model is known.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use serde_json::Value;
use weighbridge_engine::{
    BoxFuture, Capabilities, Engine, EngineError, EngineEvent, EventKind, EventStream, GenerateRequest, RequestFailure,
    ScoreRequest, ScoredContinuation,
};
use weighbridge_types::model_ref::{EndpointRef, ModelRef};
use weighbridge_types::record::EngineDescription;
use weighbridge_types::request::FailureClass;

use crate::base_url::BaseUrl;
use crate::client::{Client, ConnectionCounts};
use crate::dialect::Writer;
use crate::error::HttpError;
use crate::fetch::Fetcher;
use crate::generation;
use crate::models::{choose_model, list_models};
use crate::options::{Delivery, HttpOptions};
use crate::preset::{Dialect, IgnoreEos, Traits, traits};
use crate::score;
use crate::scripted_server::SERVER_NAME;

/// An engine behind HTTP.
///
/// A generation's body is written when [`generate`](Engine::generate) is called; the connection is taken, and the
/// request sent, when its stream is first polled. The stream does all work of its request, also reading the socket,
/// so it must be polled promptly: stamps are taken when the bytes are read, and nobody else reads them. Connections
/// belong to the runtime that polled them first; an engine serves one runtime.
pub struct HttpEngine {
    client: Arc<Client>,
    writer: Writer,
    traits: Traits,
    delivery: Delivery,
    description: EngineDescription,
    fetcher: Fetcher,
}

impl HttpEngine {
    /// Reaches an endpoint: checks the URL, asks which models there are, and takes the one that was named, or the
    /// only one.
    ///
    /// # Errors
    /// When the URL or the options cannot be used, nobody answers, the answer is not this dialect's, or the model is
    /// not there.
    pub async fn connect(endpoint: EndpointRef, options: HttpOptions) -> Result<Self, HttpError> {
        let traits = traits(endpoint.preset);
        let base = base_url(&endpoint, &traits)?;
        let client = Client::new(base, traits.dialect, &options).await?;
        let listing = list_models(&client, traits.dialect).await;
        let listing = listing.map_err(|failure| HttpError::unreachable(&client.base().to_string(), failure))?;
        let url = client.base().to_string();
        let model = choose_model(&listing, endpoint.model.as_deref(), endpoint.preset, traits.models, &url)?;
        let (scripted, version) = identify(&client, &traits, &listing.server).await;
        let description = EngineDescription {
            engine: "http".to_owned(),
            engine_version: version,
            model_ref: reference(&endpoint, &model.name, &url),
            model: model.name.clone(),
            context_length: model.context_length,
            device: "remote".to_owned(),
            scripted,
            ..EngineDescription::default()
        };
        let writer = Writer::new(traits, &client.base().host, model.name, &options);
        let fetcher = Fetcher::new(client.base().clone(), traits.dialect, &options);
        Ok(Self { client: Arc::new(client), writer, traits, delivery: options.delivery, description, fetcher })
    }

    /// Connections so far.
    #[must_use]
    pub fn connection_counts(&self) -> ConnectionCounts {
        self.client.counts()
    }

    /// Fetches a page: `/path` from the server's root, or a whole URL, which may be another server's. Other servers
    /// are sent neither the key nor the header fields. Its connections are not those of the generations.
    ///
    /// # Errors
    /// When the place cannot be used, nobody answers in time, the status is no success, or the page is larger than
    /// [`HttpOptions::largest_event`].
    pub async fn get(&self, place: &str, timeout: Duration) -> Result<Vec<u8>, HttpError> {
        self.fetcher.get(place, timeout).await
    }

    /// Whether the server can be asked for this, as [`generate`](Engine::generate) would ask.
    ///
    /// # Errors
    /// Names the first value that is out of range, or that the server has no field for.
    pub fn check(&self, request: &GenerateRequest) -> Result<(), EngineError> {
        self.writer.write(request).map(drop)
    }
}

impl fmt::Debug for HttpEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpEngine").field("description", &self.description).finish_non_exhaustive()
    }
}

impl Engine for HttpEngine {
    fn describe(&self) -> EngineDescription {
        self.description.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            score: self.traits.score,
            token_prompts: self.traits.token_prompts,
            ignore_eos: self.traits.ignore_eos != IgnoreEos::No,
            constraint: self.traits.constraint,
            exact_tokens: self.writer.reports_counts() || self.delivery == Delivery::Whole,
            ..Capabilities::default()
        }
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        match self.writer.write(&request) {
            Ok(call) => generation::events(Arc::clone(&self.client), &call, self.delivery, request.clock),
            Err(error) => {
                let message = format!("{error}: {}", error.hint());
                let refusal = RequestFailure { class: FailureClass::ClientError, message, retry_after: None };
                let event = EngineEvent { at: request.clock.now(), kind: EventKind::Failed(refusal) };
                Box::pin(stream::iter([event]))
            }
        }
    }

    fn score(&self, request: ScoreRequest) -> BoxFuture<'_, Result<Vec<ScoredContinuation>, EngineError>> {
        Box::pin(async move {
            if !self.traits.score {
                let engine = self.description.engine.clone();
                return Err(EngineError::Unsupported { operation: "score texts", engine });
            }
            score::score(&self.client, &self.description.model, request).await
        })
    }
}

pub(crate) fn base_url(endpoint: &EndpointRef, traits: &Traits) -> Result<BaseUrl, HttpError> {
    let base = BaseUrl::parse(endpoint.url.as_deref().unwrap_or(traits.default_url))?;
    Ok(match traits.dialect {
        Dialect::OpenAi | Dialect::Anthropic => base.versioned(),
        Dialect::Ollama => base.without("/api"),
    })
}

/// The reference with what was found out.
fn reference(endpoint: &EndpointRef, model: &str, url: &str) -> String {
    let url = endpoint.url.as_ref().map(|_| url.to_owned());
    ModelRef::Endpoint(EndpointRef { preset: endpoint.preset, url, model: Some(model.to_owned()) }).to_string()
}

/// Whether the server is a scripted one, and its version: from its version page where it has one, else its header.
async fn identify(client: &Client, traits: &Traits, server: &str) -> (bool, Option<String>) {
    let scripted = server.starts_with(SERVER_NAME);
    let from_header = (!server.is_empty()).then(|| server.to_owned());
    let Some(place) = traits.version_at else { return (scripted, from_header) };
    let root = client.base().clone().without("/v1").path;
    // A server without the page is no worse: the version is only a label.
    let answer = client.fetch("GET", &format!("{root}{}", place.path), b"").await;
    let page = answer.and_then(|answer| client.json::<Value>(answer)).unwrap_or_default();
    let version = page.get(place.key).and_then(Value::as_str).map(str::to_owned);
    (scripted, version.or(from_header))
}
