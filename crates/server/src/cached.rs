//! Answers that are given again: only those that would be the same, and never in a run that measures.

use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::Value;
use weighbridge_cache::{Failure, Keep, Key, NearHit, Source, Tag};
use weighbridge_engine::Engine;

use crate::answer::Answered;
use crate::error::ApiError;
use crate::figures::count;
use crate::generate::Call;
use crate::near;
use crate::service::Service;

/// Form of the answers that are kept.
pub(crate) const TAG: Tag = Tag::new(1, 2);

/// Form of the classes that are kept.
const CLASSES: Tag = Tag::new(2, 1);

/// What the cache is to a request.
pub(crate) enum CacheUse {
    /// The answer.
    Hit(Answered, Source),
    /// The answer to a text that is nearly the same.
    Near(Answered, NearHit),
    /// It is kept once it is there.
    Miss,
    /// It is neither looked up nor kept.
    Bypass,
}

/// What the header says.
pub(crate) fn label(source: Option<Source>) -> &'static str {
    match source {
        Some(Source::Memory) => "HIT; memory",
        Some(Source::Disk) => "HIT; disk",
        Some(Source::Remote) => "HIT; remote",
        Some(Source::Joined) => "HIT; joined",
        Some(Source::Computed) | None => "MISS",
    }
}

/// Whether a client wants an answer of its own: `Cache-Control: no-store`, as our own loads send.
fn is_declined(headers: &HeaderMap) -> bool {
    let control = headers.get("cache-control").and_then(|value| value.to_str().ok());
    control.is_some_and(|value| value.contains("no-store") || value.contains("no-cache"))
}

/// Looks an answer up.
pub(crate) async fn lookup(service: &Service, headers: &HeaderMap, call: &Call) -> CacheUse {
    let Some(answers) = &service.settings.answers else { return CacheUse::Bypass };
    if !call.ask.is_repeatable() || is_declined(headers) {
        return CacheUse::Bypass;
    }
    if service.revision(&call.model).is_none()
        && let Ok(Some(engine)) = service.pool.peek(&call.model)
    {
        // Loaded by hand or at the start, and not asked yet.
        remember_revision(service, &call.model, &*engine);
    }
    let Some(key) = key(service, call) else { return CacheUse::Miss };
    let known = answers.get(key, TAG).await;
    if let Some((answered, source)) = known.and_then(|(bytes, source)| Some((Tag::decode(&bytes)?, source))) {
        if source != Source::Memory {
            // It was computed by an earlier process, or another one.
            near::note(service, call, key);
        }
        return CacheUse::Hit(answered, source);
    }
    let Some(hit) = near::find(service, call) else { return CacheUse::Miss };
    match answers.get(hit.key, TAG).await.and_then(|(bytes, _)| Tag::decode(&bytes)) {
        Some(answered) => CacheUse::Near(answered, hit),
        None => CacheUse::Miss,
    }
}

/// Computes an answer, once for all who ask for it at the same time, and keeps it. What the header says, unless it was computed
/// for this request.
pub(crate) async fn compute(
    service: &Arc<Service>,
    call: &Call,
    compute: impl Future<Output = Result<Answered, ApiError>> + Send,
) -> Result<(Answered, Option<&'static str>), ApiError> {
    if let Some(entry) = service.entries.get(&call.model) {
        count(&entry.figures.cache_misses, 1);
    }
    // Before its first load, what a model's revision is is not known.
    let (Some(answers), Some(key)) = (&service.settings.answers, key(service, call)) else {
        let answered = compute.await?;
        keep(service, call, &answered).await;
        return Ok((answered, None));
    };
    let computed = async {
        let answered = compute.await.map_err(|error| Arc::new(error) as Failure)?;
        Tag::encode(&answered).map_err(|error| Arc::new(error) as Failure)
    };
    match answers.get_or_compute(key, Keep::tagged(TAG), computed).await {
        Ok((bytes, source)) => {
            let answered = Tag::decode(&bytes).unwrap_or_default();
            if source == Source::Computed {
                near::note(service, call, key);
            }
            Ok((answered, Some(label(Some(source)))))
        }
        Err(failure) => {
            Err(failure.downcast_ref::<ApiError>().cloned().unwrap_or_else(|| ApiError::invalid(failure.to_string())))
        }
    }
}

/// Keeps an answer.
pub(crate) async fn keep(service: &Service, call: &Call, answered: &Answered) {
    if let (Some(answers), Some(key)) = (&service.settings.answers, key(service, call))
        && let Ok(bytes) = Tag::encode(answered)
    {
        answers.put(key, bytes, Keep::tagged(TAG)).await;
        near::note(service, call, key);
    }
}

/// The classes of texts that are known, and what the header says; `None` in place of a text that has to be computed.
pub(crate) async fn known_classes(
    service: &Service,
    headers: &HeaderMap,
    model: &str,
    texts: &[String],
) -> (Vec<Option<Value>>, &'static str) {
    let mut known = vec![None; texts.len()];
    let Some(answers) = service.settings.answers.as_ref().filter(|_| !is_declined(headers)) else {
        return (known, "BYPASS");
    };
    for (place, text) in known.iter_mut().zip(texts) {
        let Some(key) = class_key(service, model, text) else { break };
        *place = answers.get(key, CLASSES).await.and_then(|(bytes, _)| Tag::decode(&bytes));
    }
    let hits = known.iter().flatten().count();
    if let Some(entry) = service.entries.get(model) {
        count(&entry.figures.cache_hits, u64::from(hits == texts.len()));
        count(&entry.figures.cache_misses, u64::from(hits < texts.len()));
    }
    let label = match hits {
        0 => "MISS",
        _ if hits == texts.len() => "HIT",
        _ => "HIT; partly",
    };
    (known, label)
}

/// Keeps the classes of a text.
pub(crate) async fn keep_classes(service: &Service, model: &str, text: &str, classes: &Value) {
    if let (Some(answers), Some(key)) = (&service.settings.answers, class_key(service, model, text))
        && let Ok(bytes) = Tag::encode(classes)
    {
        answers.put(key, bytes, Keep::tagged(CLASSES)).await;
    }
}

fn class_key(service: &Service, model: &str, text: &str) -> Option<Key> {
    let revision = service.revision(model)?;
    Key::of(&("classes", model, &*revision, text)).ok()
}

/// Remembers what decides a model's answers beside the request: its file and its engine.
pub(crate) fn remember_revision(service: &Service, model: &str, engine: &dyn Engine) {
    if service.settings.answers.is_none() {
        return;
    }
    let described = engine.describe();
    let revision = [
        described.engine,
        described.engine_version.unwrap_or_default(),
        described.model,
        described.model_digest.unwrap_or_default(),
        described.quantization.unwrap_or_default(),
        described.device,
    ];
    service.set_revision(model, revision.join("\n"));
}

/// What an answer is kept under; `None` while the model's revision is not known.
fn key(service: &Service, call: &Call) -> Option<Key> {
    let revision = service.revision(&call.model)?;
    let max_tokens = call.ask.max_tokens.unwrap_or(service.settings.default_max_tokens);
    Key::of(&call.ask.canonical(&call.model, &revision, max_tokens)).ok()
}
