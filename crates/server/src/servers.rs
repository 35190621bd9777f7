//! The servers of a model elsewhere: which of them is asked, and that another one is asked where one fails.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::future::select_ok;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};
use weighbridge_engine::{BoxFuture, Engine};
use weighbridge_engine_http::{HttpOptions, Relay};
use weighbridge_serving::{
    Balancer, Breaker, BreakerSettings, BreakerState, Chosen, FaultClass, LoadError, Loader, PeerSettings, PeerState,
    Permit, RetryBudget, ServeError, backoff,
};
use weighbridge_types::model_ref::EndpointRef;
use weighbridge_types::time::Clock;

use crate::error::ApiError;
use crate::generate::entry;
use crate::service::Service;

/// Times that the servers of a model are asked for one answer at most, unless there are more servers: each may be asked once.
const TRIES: u32 = 3;

/// Retries as a share of the requests for a model elsewhere. Asking a server that was not asked yet is none.
const RETRY_SHARE: f64 = 0.2;

/// A server of models that speaks OpenAI's dialect, so that requests can be handed on as they are.
#[derive(Clone, Debug)]
pub struct RelayTo {
    /// The server and the name of the model there.
    pub endpoint: EndpointRef,
    /// How it is reached, with the key.
    pub options: HttpOptions,
}

/// One of the servers of a model elsewhere.
pub struct Server {
    /// Where it is, as it is shown: without a secret.
    pub url: String,
    /// Its share, and when it is left out.
    pub settings: PeerSettings,
    /// Who reaches it.
    pub loader: Arc<dyn Loader>,
    /// Of one that speaks OpenAI's dialect: where requests go as they are; `None` for any other.
    pub relay: Option<RelayTo>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("url", &self.url).field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// What stands before a model elsewhere.
pub(crate) struct Upstream {
    balancer: Arc<Balancer>,
    retries: RetryBudget,
    peers: Vec<Peer>,
}

/// A server with what is known of it.
pub(crate) struct Peer {
    pub(crate) url: String,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) to: Option<RelayTo>,
    pub(crate) relay: OnceCell<Relay>,
    weight: u32,
    reached: Arc<Reached>,
}

/// A server as an engine, once it was reached.
struct Reached {
    loader: Arc<dyn Loader>,
    engine: Mutex<Option<Arc<dyn Engine>>>,
}

/// Reaches the server that answers first; the others are reached when they are asked.
struct AnyOf(Vec<Arc<Reached>>);

/// A server that answers. It has one request less when this is dropped.
pub(crate) struct Asked {
    chosen: Chosen,
    breaker: Arc<Breaker>,
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("servers", &self.balancer.states()).finish_non_exhaustive()
    }
}

impl Upstream {
    pub(crate) fn new(servers: Vec<Server>, clock: Clock) -> Self {
        let balancer = Balancer::new(servers.iter().map(|server| server.settings.clone()).collect(), clock);
        let peer = |server: Server| Peer {
            url: server.url,
            breaker: Breaker::new(BreakerSettings::default(), clock),
            // Without the model's name there, nobody knows what to ask for.
            to: server.relay.filter(|to| to.endpoint.model.is_some()),
            relay: OnceCell::new(),
            weight: server.settings.weight,
            reached: Arc::new(Reached { loader: server.loader, engine: Mutex::default() }),
        };
        let peers = servers.into_iter().map(peer).collect();
        Self { balancer, retries: RetryBudget::new(RETRY_SHARE), peers }
    }

    /// Who makes the model for the pool.
    pub(crate) fn loader(&self) -> Arc<dyn Loader> {
        Arc::new(AnyOf(self.peers.iter().map(|peer| Arc::clone(&peer.reached)).collect()))
    }

    /// Whether requests in OpenAI's dialect are handed on as they are.
    pub(crate) fn relays(&self) -> bool {
        self.peers.iter().all(|peer| peer.to.is_some())
    }

    /// Every server with how it stands.
    pub(crate) fn states(&self) -> Vec<(&Peer, PeerState)> {
        self.peers.iter().zip(self.balancer.states()).collect()
    }

    /// Every server as programs read it.
    pub(crate) fn shown(&self) -> Value {
        let shown = |(peer, state): (&Peer, PeerState)| {
            let mut shown = json!(state);
            shown["url"] = json!(peer.url);
            shown["weight"] = json!(peer.weight);
            shown["breaker"] = json!(peer.breaker.state());
            shown["breaker_opened"] = json!(peer.breaker.opened());
            shown
        };
        self.states().into_iter().map(shown).collect()
    }

    /// The places of the servers that are left alone, counted from 1.
    pub(crate) fn left_alone(&self) -> Vec<usize> {
        let is_off = |(peer, state): &(&Peer, PeerState)| state.is_out || peer.breaker.state() == BreakerState::Open;
        let states = self.states();
        states.iter().enumerate().filter(|(_, state)| is_off(state)).map(|(index, _)| index + 1).collect()
    }

    /// The server that is asked next, of those not `tried`. Where there is none, the time until one may be asked, if that helps.
    fn choose(&self, tried: &[usize]) -> Result<(Chosen, Permit), Option<Duration>> {
        let mut shut = tried.to_vec();
        let mut wait: Option<Duration> = None;
        while let Some(chosen) = self.balancer.choose(&shut) {
            match self.peers[chosen.index].breaker.enter() {
                Ok(permit) => return Ok((chosen, permit)),
                Err(after) => {
                    wait = Some(wait.map_or(after, |wait| wait.min(after)));
                    shut.push(chosen.index);
                    chosen.passed_over();
                }
            }
        }
        Err(wait)
    }
}

impl Peer {
    /// The server as an engine.
    pub(crate) async fn engine(&self, model: &str) -> Result<Arc<dyn Engine>, ApiError> {
        let reached = self.reached.engine().await;
        reached.map_err(|error| ServeError::Load { model: model.to_owned(), error }.into())
    }
}

impl Reached {
    async fn engine(&self) -> Result<Arc<dyn Engine>, LoadError> {
        let mut known = self.engine.lock().await;
        if let Some(engine) = &*known {
            return Ok(Arc::clone(engine));
        }
        let engine = self.loader.load().await?;
        *known = Some(Arc::clone(&engine));
        Ok(engine)
    }

    /// As if it had never been reached: a server that is loaded again may have another model.
    async fn anew(&self) -> Result<Arc<dyn Engine>, LoadError> {
        *self.engine.lock().await = None;
        self.engine().await
    }
}

impl Loader for AnyOf {
    fn load(&self) -> BoxFuture<'static, Result<Arc<dyn Engine>, LoadError>> {
        let servers = self.0.clone();
        Box::pin(async move { Ok(select_ok(servers.iter().map(|server| Box::pin(server.anew()))).await?.0) })
    }
}

impl Asked {
    /// The answer ended too early, though it had begun; nobody else is asked then.
    pub(crate) fn ended(&self, error: &ApiError) {
        if is_its_fault(error) {
            self.chosen.failed();
            self.breaker.cut();
        }
    }
}

/// Asks what may be elsewhere: the server with the least to do whose breaker is not open; where it fails another one at once, and again
/// where all have failed, within the budget for that. What has answered is never asked again.
pub(crate) async fn ask<'a, T>(
    service: &'a Service,
    model: &str,
    work: impl Fn(Option<&'a Peer>) -> BoxFuture<'a, Result<T, ApiError>>,
) -> Result<(T, Option<Asked>), ApiError> {
    let Some(upstream) = entry(service, model)?.upstream.as_ref() else { return Ok((work(None).await?, None)) };
    upstream.retries.earn();
    let deadline = service.clock.now().after(service.settings.request_timeout);
    let (mut tried, mut attempt, mut failure) = (Vec::new(), 0, None::<ApiError>);
    loop {
        let (chosen, permit) = match (upstream.choose(&tried), failure.take()) {
            (Ok(chosen), _) => chosen,
            (Err(wait), None) => {
                let retry_after = wait.unwrap_or(Duration::from_secs(1));
                return Err(ServeError::Open { upstream: model.to_owned(), retry_after }.into());
            }
            // All who may be asked were. One that was too slow is not asked for the same once more.
            (Err(_), Some(error)) => {
                if attempt >= TRIES || error.class == FaultClass::Timeout || !upstream.retries.spend() {
                    return Err(error);
                }
                tokio::time::sleep(wait_before(service, attempt, &error)).await;
                tried.clear();
                continue;
            }
        };
        attempt += 1;
        tried.push(chosen.index);
        let peer = &upstream.peers[chosen.index];
        let error = match work(Some(peer)).await {
            Ok(done) => {
                permit.succeeded();
                return Ok((done, Some(Asked { chosen, breaker: Arc::clone(&peer.breaker) })));
            }
            Err(error) => named(error, model),
        };
        let is_its_fault = is_its_fault(&error);
        if is_its_fault {
            permit.failed();
            chosen.failed();
        }
        let may_help = is_its_fault || error.status == StatusCode::TOO_MANY_REQUESTS;
        if !may_help || service.clock.now() >= deadline {
            return Err(error);
        }
        failure = Some(error);
    }
}

/// Whether a failure is that of the server elsewhere: not of the request, and not of a queue here.
fn is_its_fault(error: &ApiError) -> bool {
    matches!(error.class, FaultClass::Network | FaultClass::Timeout)
        && matches!(error.status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)
}

#[expect(clippy::cast_precision_loss, reason = "a share of the range is random enough")]
fn wait_before(service: &Service, attempt: u32, error: &ApiError) -> Duration {
    backoff(attempt, service.random() as f64 / u64::MAX as f64, error.retry_after)
}

/// The failure with the model that it is of: one service stands before many.
fn named(error: ApiError, model: &str) -> ApiError {
    if error.message.contains(&format!("`{model}`")) {
        return error;
    }
    ApiError { message: format!("`{model}`: {}", error.message), ..error }
}
