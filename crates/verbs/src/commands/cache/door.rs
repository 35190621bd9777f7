//! The service in this process, asked over the loopback interface with its cache and without it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use weighbridge_cache::{Answers, AnswersSettings, LevelSettings, Levels, SystemWall};
use weighbridge_engine::RequestFailure;
use weighbridge_engine_http::{HttpOptions, Relay, Secret};
use weighbridge_load::Reused;
use weighbridge_server::{Limits, ModelLimits, NearAnswers, Origin, Served, Service, ServiceSettings, app, run};
use weighbridge_serving::{LoadErrorKind, ModelSettings, PoolSettings, ServeError};
use weighbridge_types::model_ref::{EndpointRef, ModelRef, Preset};
use weighbridge_types::time::Clock;

use super::super::serve::loader::ReferenceLoader;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::registry::Registry;

/// Memory for answers: nothing has to go while a bench runs.
const MEMORY: u64 = 256 << 20;

/// A service and two ways to ask it.
pub(super) struct Door {
    service: Arc<Service>,
    answers: Answers,
    /// Takes kept answers.
    kept: Relay,
    /// Asks for answers of its own, as whoever measures does.
    own: Relay,
    clock: Clock,
}

/// One request, asked both ways.
pub(super) struct Pair {
    pub(super) row: Reused,
    /// What the service said of its cache.
    pub(super) label: String,
    pub(super) with: Value,
    pub(super) without: Value,
}

impl Door {
    /// Serves models on a free port and loads them.
    pub(super) async fn open(
        models: Vec<(&str, ModelRef)>,
        near: Option<NearAnswers>,
        registry: &Registry,
    ) -> Result<Self, Failure> {
        let clock = Clock::start();
        let levels = Levels::new(LevelSettings::memory(MEMORY), Arc::new(SystemWall));
        let answers = Answers::new(levels, AnswersSettings::default(), clock);
        let settings = ServiceSettings { answers: Some(answers.clone()), near, ..ServiceSettings::default() };
        let names: Vec<String> = models.iter().map(|(name, _)| (*name).to_owned()).collect();
        let served = models.into_iter().map(|(name, reference)| Served {
            settings: ModelSettings::new(name.to_owned()),
            origin: Origin::Here(Arc::new(ReferenceLoader::new(registry, reference, None))),
            limits: ModelLimits { running: 1, waiting: 16, queue_timeout: Duration::from_secs(60) },
            format: "",
            modified: None,
        });
        let service = Service::new(settings, PoolSettings::default(), served.collect(), clock);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(run(listener, app(Arc::clone(&service)), Limits::default(), service.stopping()));
        for name in &names {
            service.pool().load(name).await.map_err(not_loaded)?;
        }
        service.ready();
        let (kept, own) = (connect(&url, "max-age=3600").await?, connect(&url, "no-store").await?);
        Ok(Self { service, answers, kept, own, clock })
    }

    /// Asks both ways, in this order.
    pub(super) async fn pair(&self, path: &str, body: &Value, own_first: bool) -> Result<Pair, Failure> {
        let body = body.to_string();
        let (kept, own) = match own_first {
            true => {
                let own = self.ask(&self.own, path, &body).await?;
                (self.ask(&self.kept, path, &body).await?, own)
            }
            false => (self.ask(&self.kept, path, &body).await?, self.ask(&self.own, path, &body).await?),
        };
        let row = Reused { is_hit: kept.1.starts_with("HIT"), with_s: kept.0, without_s: own.0 };
        Ok(Pair { row, label: kept.1, with: kept.2, without: own.2 })
    }

    /// Bytes that kept answers take.
    pub(super) fn bytes(&self) -> u64 {
        self.answers.report().levels.iter().filter_map(|level| level.bytes).sum()
    }

    /// Ends the service.
    pub(super) fn close(self) {
        self.service.stopping().cancel();
    }

    /// Seconds to the end of the answer, what was said of the cache, and the answer.
    async fn ask(&self, relay: &Relay, path: &str, body: &str) -> Result<(f64, String, Value), Failure> {
        let body = body.to_owned().into();
        let start = self.clock.now();
        let mut answer = relay.send("POST", path, body, self.clock).await.map_err(failed)?;
        let mut whole = Vec::new();
        while let Some(part) = answer.next().await {
            whole.extend_from_slice(&part.map_err(failed)?);
        }
        let seconds = (self.clock.now() - start).as_secs_f64();
        if answer.status != 200 {
            let what = format!("ask the model: {}", String::from_utf8_lossy(&whole));
            return Err(Failure::new(Exit::Invalid, what, "ask it for fewer tokens with fewer `--words`"));
        }
        Ok((seconds, answer.field("x-weighbridge-cache").to_owned(), serde_json::from_slice(&whole)?))
    }
}

/// Routes count from the root with this preset.
async fn connect(url: &str, control: &str) -> Result<Relay, Failure> {
    let endpoint = EndpointRef { preset: Preset::Ollama, url: Some(url.to_owned()), model: None };
    let headers = vec![("cache-control".to_owned(), Secret::new(control))];
    Ok(Relay::connect(endpoint, HttpOptions { headers, ..HttpOptions::default() }).await?)
}

/// A model that cannot be had: a file that is absent or broken is a matter of what was typed.
pub(super) fn not_loaded(error: ServeError) -> Failure {
    match error {
        ServeError::Load { error, .. } if error.kind == LoadErrorKind::Broken => {
            Failure::usage(error.problem, error.hint)
        }
        error => Failure::from_error(Exit::Invalid, &error, error.hint()),
    }
}

fn failed(failure: RequestFailure) -> Failure {
    Failure::new(Exit::Invalid, format!("ask the model: {}", failure.message), "try a smaller model, or fewer requests")
}
