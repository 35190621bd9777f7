//! Answers that were kept from earlier requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use weighbridge_cache::{Cache, CacheError, Key};
use weighbridge_types::record::EngineDescription;
use weighbridge_types::sample::SampleAnswer;

use super::ask::Asked;
use super::settings::Form;

/// A cache of answers, and what went wrong with it: a run does not end because an answer could not be kept.
#[derive(Debug)]
pub(crate) struct KeptAnswers {
    cache: Cache,
    /// What every request of the run has in common: the model and the form of prompts.
    common: serde_json::Value,
    problem: Mutex<Option<String>>,
}

/// An answer as it is kept. Failures are not.
#[derive(Serialize, Deserialize)]
struct Kept {
    answers: Vec<SampleAnswer>,
    latency_ms: f64,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl KeptAnswers {
    pub(crate) fn new(cache: Cache, engine: &EngineDescription, form: Form) -> Self {
        // A digest names a model better than the path of its file.
        let reference = if engine.model_digest.is_some() { None } else { Some(&engine.model_ref) };
        let common = json!({
            "engine": engine.engine,
            "engine_version": engine.engine_version,
            "model": engine.model,
            "model_ref": reference,
            "model_digest": engine.model_digest,
            "form": form,
        });
        Self { cache, common, problem: Mutex::new(None) }
    }

    /// The key of a question. Its content address already holds prompt, parameters and repeat.
    pub(crate) fn key(&self, sample_id: &str) -> Option<Key> {
        self.take(Key::of(&json!({"common": self.common, "sample": sample_id})))
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Asked> {
        let bytes = self.take(self.cache.get(key)).flatten()?;
        // What cannot be read is of another version, and as good as absent.
        let kept: Kept = serde_json::from_slice(&bytes).ok()?;
        let latency = Duration::try_from_secs_f64(kept.latency_ms / 1e3).ok()?;
        Some(Asked {
            answers: kept.answers,
            failure: None,
            latency,
            cached: true,
            input_tokens: kept.input_tokens,
            output_tokens: kept.output_tokens,
        })
    }

    pub(crate) fn put(&self, key: Key, asked: &Asked) {
        let kept = Kept {
            answers: asked.answers.clone(),
            latency_ms: asked.latency.as_secs_f64() * 1e3,
            input_tokens: asked.input_tokens,
            output_tokens: asked.output_tokens,
        };
        self.take(serde_json::to_vec(&kept).map_err(CacheError::from).and_then(|bytes| self.cache.put(key, &bytes)));
    }

    /// The first thing that went wrong, as a note.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone();
        problem.map(|problem| format!("answers were not kept: failed to {problem}"))
    }

    fn take<T>(&self, result: Result<T, CacheError>) -> Option<T> {
        let error = match result {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.to_string());
        None
    }
}
