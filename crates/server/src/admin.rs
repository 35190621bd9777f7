//! `/api/v1`: the models as they stand, loading and unloading them, health, what failed, and what happens.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use weighbridge_serving::{FaultClass, FaultLog, LoadReport, ModelState, Residence};
use weighbridge_telemetry::{MemoryParts, SystemRoot, memory_pressure};
use weighbridge_types::time::WallTime;
use weighbridge_types::units::parse_duration;

use crate::dialect::push_event;
use crate::error::ApiError;
use crate::near::NearTexts;
use crate::service::Service;

/// Longest wait for the last request of a model that is to be unloaded.
const UNLOAD_PATIENCE: Duration = Duration::from_secs(30);

/// Entries of a log that are told of at once.
const LATEST: usize = 50;

/// How often listeners are told how things stand, while nothing happens.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(1);

/// Every model as it stands, and the memory that they take.
pub(crate) fn models(service: &Service) -> Value {
    let states = service.pool.states();
    let pool = service.pool.settings();
    json!({
        "models": states.iter().map(|state| model(service, state)).collect::<Vec<_>>(),
        "models_count": states.iter().filter(|state| state.residence == Residence::Loaded).count(),
        "model_memory_bytes": states.iter().map(|state| state.bytes).sum::<u64>(),
        "memory_budget_bytes": pool.memory_budget,
        "max_concurrent_models": pool.max_models,
        "strategy": pool.strategy,
    })
}

/// One model as it stands, with its queue and the memory that its engine accounts for.
fn model(service: &Service, state: &ModelState) -> Value {
    let mut all = json!(state);
    if let Some(entry) = service.entries.get(&state.name) {
        all["queue"] = json!(entry.gate.state());
        if let Some(upstream) = &entry.upstream {
            all["servers"] = upstream.shown();
        }
    }
    let engine = service.pool.peek(&state.name).ok().flatten();
    all["memory"] = engine.and_then(|engine| engine.memory()).map_or(Value::Null, |memory| {
        json!({
            "weights_mapped": memory.weights_mapped,
            "weights_heap": memory.weights_heap,
            "kv_held": memory.kv_held,
            "kv_idle": memory.kv_idle,
            "kv_peak": memory.kv_peak,
            "scratch_held": memory.scratch_held,
        })
    });
    all
}

/// What this process takes: models, cache, and the rest of what the kernel says.
pub(crate) fn memory(service: &Service) -> Value {
    let states = service.pool.states();
    let models: u64 = states.iter().map(|state| state.bytes).sum();
    let levels = service.settings.answers.iter().flat_map(|answers| answers.report().levels);
    let cache: u64 = levels.filter(|level| level.name == "memory").filter_map(|level| level.bytes).sum();
    let parts = MemoryParts::read(&SystemRoot::host());
    let by_model: serde_json::Map<String, Value> = states
        .iter()
        .filter(|state| state.residence == Residence::Loaded && !state.is_remote)
        .map(|state| (state.name.clone(), json!(state.bytes)))
        .collect();
    json!({
        "models_count": states.iter().filter(|state| state.residence == Residence::Loaded).count(),
        "model_memory_mb": mib(models),
        "cache_memory_mb": mib(cache),
        // Models that are mapped and not read yet take less than they may.
        "system_memory_mb": parts.map(|parts| mib(parts.pss.saturating_sub(models + cache))),
        "total_memory_mb": parts.map(|parts| mib(parts.pss)),
        "by_model": by_model,
        "pss_bytes": parts.map(|parts| parts.pss),
        "pss_by_kind": parts.map(|parts| json!({"program": parts.program, "files": parts.files, "anonymous": parts.anonymous})),
        "pressure": memory_pressure(&SystemRoot::host()),
        "places": service.places(),
        "heap": parts.and_then(|parts| parts.heap).map(|heap| json!({"used": heap.used, "kept": heap.kept})),
    })
}

#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Loads a model.
pub(crate) async fn load(service: &Service, name: &str) -> Result<Value, ApiError> {
    loaded(service, name, service.pool.load(name).await?)
}

fn loaded(service: &Service, name: &str, report: LoadReport) -> Result<Value, ApiError> {
    Ok(json!({
        "model": service.pool.resolve(name)?,
        "was_loaded": report.was_loaded,
        "load_ms": report.load_time.as_secs_f64() * 1e3,
        "bytes": report.bytes,
    }))
}

/// Models that are to be loaded together at most.
const MOST_LOADS: usize = 64;

/// Loads several models, one after the other. One that fails leaves the others loaded, and the answer says of each how it went: 207
/// where not all went well. `done` is told of each.
pub(crate) async fn load_several(
    service: &Service,
    body: &[u8],
    done: impl Fn(&str, &Result<LoadReport, ApiError>),
) -> Result<(StatusCode, Value), ApiError> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        models: Vec<String>,
    }
    let Body { models } = crate::dialect::read(body)?;
    if models.is_empty() || models.len() > MOST_LOADS {
        let message = format!("`models` names {} models, it must be 1 to {MOST_LOADS}", models.len());
        return Err(ApiError::invalid(message));
    }
    let (mut sound, mut failed) = (Vec::new(), Vec::new());
    for (name, report) in service.pool.load_all(&models).await {
        let report = report.map_err(ApiError::from);
        done(&name, &report);
        match report {
            Ok(report) => sound.push(loaded(service, &name, report)?),
            Err(error) => {
                service.failed(Some(&name), &error);
                let status = error.status.as_u16();
                failed.push(json!({"model": name, "status": status, "code": error.code, "message": error.message}));
            }
        }
    }
    let status = if failed.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    Ok((status, json!({"loaded": sound, "failed": failed})))
}

/// Unloads a model once its last request has ended.
pub(crate) async fn unload(service: &Service, name: &str) -> Result<Value, ApiError> {
    let was_loaded = service.pool.unload(name, UNLOAD_PATIENCE).await?;
    Ok(json!({"model": service.pool.resolve(name)?, "was_loaded": was_loaded}))
}

/// Whether the process lives, and how its parts are.
pub(crate) fn health(service: &Service) -> (StatusCode, Value) {
    let states = service.pool.states();
    let broken: Vec<&str> =
        states.iter().filter(|state| state.problem.is_some()).map(|state| state.name.as_str()).collect();
    let off: Vec<String> = service
        .settings
        .answers
        .iter()
        .flat_map(|answers| answers.report().levels)
        .filter_map(|level| level.off)
        .collect();
    // By their places: addresses are nobody's business who has no key.
    let left_alone: Vec<String> = states
        .iter()
        .filter_map(|state| Some((&state.name, service.entries.get(&state.name)?.upstream.as_ref()?)))
        .flat_map(|(name, upstream)| upstream.left_alone().into_iter().map(move |place| format!("{name}#{place}")))
        .collect();
    let status = match (service.is_ready(), broken.is_empty() && off.is_empty() && left_alone.is_empty()) {
        (false, _) if service.stopping.is_cancelled() => "draining",
        (false, _) => "starting",
        (true, false) => "degraded",
        (true, true) => "ok",
    };
    let value = json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "instance": service.settings.instance,
        "in_flight": service.in_flight(),
        "waiting": service.waiting(),
        "components": {
            "models": {"ok": broken.is_empty(), "failed": broken},
            "cache": {"ok": off.is_empty(), "off": off},
            "servers": {"ok": left_alone.is_empty(), "left_alone": left_alone},
        },
    });
    // A component that failed does not make a restart useful.
    (StatusCode::OK, value)
}

/// Whether requests are welcome: 503 before the start has ended and while the service drains.
pub(crate) fn ready(service: &Service) -> (StatusCode, Value) {
    let is_ready = service.is_ready();
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, json!({"ready": is_ready}))
}

/// How far back a query looks: an hour where it does not say.
fn span(query: Option<&str>) -> Result<(&str, Duration), ApiError> {
    let last = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("last="))).unwrap_or("1h");
    let span = parse_duration(last).map_err(|error| ApiError::invalid(format!("failed to {error}")))?;
    Ok((last, span))
}

/// Calls that administered the service within a time.
pub(crate) fn audit(service: &Service, query: Option<&str>) -> Result<Value, ApiError> {
    let (last, span) = span(query)?;
    let (latest, count) = service.audit.last(span, WallTime::now(), LATEST);
    Ok(json!({"last": last, "count": count, "latest": latest}))
}

/// What failed within a time, by class.
pub(crate) fn errors(service: &Service, query: Option<&str>) -> Result<Value, ApiError> {
    let (last, span) = span(query)?;
    let faults = service.faults.last(span, WallTime::now());
    let counts: serde_json::Map<String, Value> =
        FaultLog::count(&faults).iter().map(|count| (count.class.name().to_owned(), json!(count.count))).collect();
    Ok(json!({"last": last, "count": faults.len(), "by_class": counts, "latest": &faults[..faults.len().min(LATEST)]}))
}

/// What the cache was of use for.
pub(crate) fn cache(service: &Service) -> Result<Value, ApiError> {
    let Some(answers) = &service.settings.answers else {
        let message = "the cache is off; start with `--cache-memory SIZE`";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "cache_off", message, FaultClass::Request));
    };
    let report = answers.report();
    let mut all = json!(report);
    for (level, told) in report.levels.iter().zip(all["levels"].as_array_mut().into_iter().flatten()) {
        told["hit_ratio"] = json!(level.hit_ratio());
        told["meets_target"] = json!(level.meets_target());
    }
    all["warm"] = service.warmth.report();
    all["near"] = service.near.as_ref().map_or(Value::Null, NearTexts::report);
    Ok(all)
}

/// What happens, as events: what becomes of models at once, and how things stand every second.
pub(crate) fn events(service: &Arc<Service>) -> Response {
    let state = (Arc::clone(service), service.pool.events(), true);
    let chunks = stream::unfold(state, |(service, mut events, is_first)| async move {
        if service.stopping.is_cancelled() {
            return None;
        }
        let mut out = Vec::new();
        let told = match is_first {
            true => None,
            false => tokio::select! {
                event = events.recv() => Some(event),
                () = service.stopping.cancelled() => return None,
                () = tokio::time::sleep(SNAPSHOT_EVERY) => None,
            },
        };
        match told {
            Some(Ok(event)) => push_event(&mut out, Some("model"), &json!(event)),
            Some(Err(RecvError::Lagged(missed))) => push_event(&mut out, Some("missed"), &json!({"events": missed})),
            Some(Err(RecvError::Closed)) => return None,
            None => {
                let (_, health) = health(&service);
                push_event(&mut out, Some("state"), &health);
            }
        }
        Some((Ok::<_, std::convert::Infallible>(Bytes::from(out)), (service, events, false)))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
