//! Everything that handlers share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio_util::sync::CancellationToken;
use weighbridge_cache::Answers;
use weighbridge_serving::{
    Buckets, Fault, FaultClass, FaultLog, Gate, GateSettings, Loader, ModelPool, ModelSettings, PoolSettings, Rate,
};
use weighbridge_types::time::{Clock, WallTime};

use crate::audit::{AuditLog, Deed};
use crate::auth::Keys;
use crate::error::ApiError;
use crate::figures::{Figures, count};
use crate::near::{NearAnswers, NearTexts};
use crate::servers::{Server, Upstream};
use crate::warm::Warmth;

/// What bounds the requests for one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModelLimits {
    /// Requests that are computed at once.
    pub running: usize,
    /// Requests that wait at most.
    pub waiting: usize,
    /// Longest wait for a place.
    pub queue_timeout: Duration,
}

/// A model that is served.
pub struct Served {
    /// What its user decided.
    pub settings: ModelSettings,
    /// Where it computes.
    pub origin: Origin,
    /// What bounds its requests.
    pub limits: ModelLimits,
    /// Form of its file: `gguf`, `safetensors`, `onnx`; empty for a model without one.
    pub format: &'static str,
    /// When its file was changed; `None` without one.
    pub modified: Option<WallTime>,
}

/// Where a model computes.
pub enum Origin {
    /// In this process; who makes it.
    Here(Arc<dyn Loader>),
    /// On servers that are alike; at least one.
    Elsewhere(Vec<Server>),
}

impl std::fmt::Debug for Served {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Served").field("settings", &self.settings).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Here(_) => f.write_str("Here"),
            Self::Elsewhere(servers) => f.debug_tuple("Elsewhere").field(servers).finish(),
        }
    }
}

/// What a service is made with.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// Who may ask; nobody is refused where there are no keys.
    pub keys: Keys,
    /// How often each key may ask; `None` sets no limit.
    pub rate: Option<Rate>,
    /// Requests of one key under way at once; `None` sets no limit. Without keys all are of one.
    pub most_per_key: Option<usize>,
    /// Tokens of an answer whose request names no limit.
    pub default_max_tokens: u32,
    /// Longest time from a request's arrival to its end.
    pub request_timeout: Duration,
    /// Longest time for which a client may take nothing of its answer.
    pub stall_timeout: Duration,
    /// Largest body of a request, bytes.
    pub largest_body: usize,
    /// Name of this instance among others; in health and metrics.
    pub instance: Option<String>,
    /// Answers that may be given again; `None` keeps none.
    pub answers: Option<Answers>,
    /// Names by which a service without keys may be called, beside this machine's own.
    pub hosts: Vec<String>,
    /// Takes the lines of the log, one for each call that administers the service; `None` writes none.
    pub log: Option<fn(&str)>,
    /// Whether they are given to texts that are nearly equal as well, and how that is checked; `None` gives them to equal requests
    /// alone.
    pub near: Option<NearAnswers>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            rate: None,
            most_per_key: None,
            default_max_tokens: 256,
            request_timeout: Duration::from_secs(600),
            stall_timeout: Duration::from_secs(30),
            largest_body: 8 << 20,
            instance: None,
            answers: None,
            hosts: Vec::new(),
            log: None,
            near: None,
        }
    }
}

/// One model's place in the service.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) gate: Gate,
    /// Of a model elsewhere: keeps requests away from it while it fails, and bounds what is asked again.
    pub(crate) upstream: Option<Upstream>,
    fallback: Option<String>,
    pub(crate) figures: Figures,
    /// Form of its file.
    pub(crate) format: &'static str,
    pub(crate) modified: Option<WallTime>,
    /// What decides its answers beside the request; `None` before its first load.
    revision: Mutex<Option<Arc<str>>>,
}

/// The service behind the routes. It is shared by all of them.
#[derive(Debug)]
pub struct Service {
    pub(crate) pool: ModelPool,
    pub(crate) entries: HashMap<String, Entry>,
    pub(crate) settings: ServiceSettings,
    pub(crate) buckets: Option<Buckets>,
    pub(crate) near: Option<NearTexts>,
    pub(crate) warmth: Warmth,
    pub(crate) faults: FaultLog,
    pub(crate) audit: AuditLog,
    /// When it was made.
    pub(crate) since: WallTime,
    pub(crate) clock: Clock,
    /// Told when the service ends; streams then finish, and nothing new begins.
    pub(crate) stopping: CancellationToken,
    is_ready: AtomicBool,
    in_flight: AtomicU64,
    /// Requests under way by the name of their key, where that is limited.
    by_key: Mutex<HashMap<String, usize>>,
    random: AtomicU64,
}

impl Service {
    /// A service of these models, none of which is loaded.
    ///
    /// # Panics
    /// When two models have one name: the edge checks its settings.
    #[must_use]
    pub fn new(settings: ServiceSettings, pool: PoolSettings, models: Vec<Served>, clock: Clock) -> Arc<Self> {
        let mut entries = HashMap::with_capacity(models.len());
        let mut loaders = Vec::with_capacity(models.len());
        for served in models {
            let ModelLimits { running, waiting, queue_timeout } = served.limits;
            let gate = Gate::new(GateSettings { running, waiting, patience: queue_timeout }, clock);
            let (upstream, loader) = match served.origin {
                Origin::Here(loader) => (None, loader),
                Origin::Elsewhere(servers) => {
                    let upstream = Upstream::new(servers, clock);
                    let loader = upstream.loader();
                    (Some(upstream), loader)
                }
            };
            let (format, modified) = (served.format, served.modified);
            let figures = Figures::default();
            let fallback = served.settings.fallback.clone();
            let entry = Entry { gate, upstream, fallback, figures, format, modified, revision: Mutex::default() };
            entries.insert(served.settings.name.clone(), entry);
            loaders.push((served.settings, loader));
        }
        let pool = ModelPool::new(pool, loaders, clock);
        let (_, wall) = clock.now_beside_wall();
        Arc::new(Self {
            pool,
            entries,
            buckets: settings.rate.map(|rate| Buckets::new(rate, clock)),
            near: settings.near.map(NearTexts::new),
            warmth: Warmth::default(),
            faults: FaultLog::default(),
            audit: AuditLog::default(),
            since: WallTime::now(),
            clock,
            stopping: CancellationToken::new(),
            is_ready: AtomicBool::new(false),
            in_flight: AtomicU64::new(0),
            by_key: Mutex::default(),
            random: AtomicU64::new(u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX)),
            settings,
        })
    }

    /// The models.
    #[must_use]
    pub fn pool(&self) -> &ModelPool {
        &self.pool
    }

    /// Told when the service is to end: whoever runs it cancels it, and streams of events heed it.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Says that what is to be there from the start is loaded.
    pub fn ready(&self) {
        self.is_ready.store(true, Ordering::Relaxed);
    }

    /// Whether requests are welcome.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Relaxed) && !self.stopping.is_cancelled()
    }

    /// Requests under way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Requests that wait for a place, over all models.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.entries.values().map(|entry| entry.gate.state().waiting).sum()
    }

    /// Requests that are computed at once at most, over all models: fewer than configured while memory is short.
    #[must_use]
    pub fn places(&self) -> usize {
        self.entries.values().map(|entry| entry.gate.state().places).sum()
    }

    /// Cuts how many requests are computed at once to a share of what is configured, since memory is short, or gives all
    /// places back with 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a share of a small count"
    )]
    pub fn throttle(&self, share: f64) {
        for entry in self.entries.values() {
            let places = entry.gate.settings().running as f64 * share.clamp(0.0, 1.0);
            entry.gate.resize(places.ceil() as usize);
        }
    }

    /// A number that no other request gets: the seed of one that names none, and part of its id.
    pub(crate) fn random(&self) -> u64 {
        // SplitMix64: the step and the mixing of Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
        let mut z = self.random.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// The model that stands in for one that could not answer, by no fault of the request: its server or its weights fail, it is left
    /// alone, or memory has no place for it. A queue that is full is no reason.
    pub(crate) fn fallback(&self, model: &str, error: &ApiError) -> Option<String> {
        use weighbridge_serving::FaultClass;
        let helps = match error.class {
            FaultClass::Network | FaultClass::Model | FaultClass::Memory => true,
            FaultClass::Timeout => error.status == axum::http::StatusCode::GATEWAY_TIMEOUT,
            FaultClass::Overload => error.code == "circuit_open",
            FaultClass::Request => false,
        };
        let fallback = self.entries.get(model)?.fallback.as_ref().filter(|_| helps)?;
        self.pool.resolve(fallback).ok()
    }

    /// Counts a failure and remembers it.
    pub(crate) fn failed(&self, model: Option<&str>, error: &ApiError) {
        if let Some(entry) = model.and_then(|model| self.entries.get(model)) {
            let class = FaultClass::ALL.iter().position(|class| *class == error.class);
            count(&entry.figures.failed[class.unwrap_or(0)], 1);
        }
        let unix_ms = WallTime::now().unix_millis();
        let (model, message) = (model.map(str::to_owned), kept(&error.message));
        self.faults.add(Fault { unix_ms, class: error.class, model, message });
    }

    /// Writes a call that administers the service down.
    pub(crate) fn done(&self, deed: Deed) {
        if let Some(log) = self.settings.log {
            log(&deed.line());
        }
        self.audit.add(deed);
    }

    pub(crate) fn revision(&self, model: &str) -> Option<Arc<str>> {
        self.entries.get(model)?.revision.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_revision(&self, model: &str, revision: String) {
        let Some(entry) = self.entries.get(model) else { return };
        let mut known = entry.revision.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_deref() != Some(revision.as_str()) {
            *known = Some(revision.into());
        }
    }

    /// Counts a request until its answer has ended; refuses it where its key has too many under way.
    pub(crate) fn enter(self: &Arc<Self>, key: &str) -> Result<Inside, ApiError> {
        let limited = match self.settings.most_per_key {
            None => None,
            Some(most) => {
                let mut by_key = self.by_key();
                let count = by_key.entry(key.to_owned()).or_default();
                if *count >= most {
                    let message = format!("the key has {most} requests under way; wait until one of them has ended");
                    let status = StatusCode::TOO_MANY_REQUESTS;
                    let error = ApiError::new(status, "too_many_at_once", message, FaultClass::Overload);
                    return Err(ApiError { retry_after: Some(Duration::from_secs(1)), ..error });
                }
                *count += 1;
                Some(key.to_owned())
            }
        };
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Ok(Inside { service: Arc::clone(self), limited })
    }

    fn by_key(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message as it is remembered: what a client sent stands in double quotes, where a reader of JSON repeats it, and may be a prompt.
/// Signs that a terminal obeys are left out.
fn kept(message: &str) -> String {
    let mut kept = match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => format!("{}\"…{}", &message[..first], &message[last..]),
        (Some(first), _) => format!("{}\"…", &message[..first]),
        (None, _) => message.to_owned(),
    };
    kept.retain(|sign| !sign.is_control());
    kept
}

/// A request under way.
pub(crate) struct Inside {
    service: Arc<Service>,
    /// The key, where it is counted.
    limited: Option<String>,
}

impl Inside {
    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.service.in_flight.fetch_sub(1, Ordering::Relaxed);
        if let Some(key) = &self.limited {
            let mut by_key = self.service.by_key();
            // A key that asks nothing leaves nothing behind.
            match by_key.get_mut(key) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) | None => drop(by_key.remove(key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sent_is_not_remembered() {
        let check = |message: &str, expected: &str| assert_eq!(kept(message), expected);
        check("failed to find the model `m`", "failed to find the model `m`");
        check("invalid type: string \"a \"secret\" text\", expected u32", "invalid type: string \"…\", expected u32");
        check("string \"cut", "string \"…");
        check("the model `\u{1b}[2J\n`", "the model `[2J`");
    }
}
