//! `/v1/embeddings`, `/api/embed` and `/api/v1/classify`: texts in, vectors or classes out.

use std::sync::Arc;

use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use weighbridge_engine::{ClassifyRequest, EmbedRequest, Embedded};
use weighbridge_types::base64::base64;
use weighbridge_types::time::Stamp;

use crate::cached;
use crate::dialect::read;
use crate::error::ApiError;
use crate::figures::count;
use crate::generate::{entry, lend};
use crate::service::Service;

/// Texts of one request at most.
const MOST_TEXTS: usize = 2_048;

#[derive(Deserialize)]
struct Body {
    model: String,
    /// `prompt` in Ollama's older dialect.
    #[serde(alias = "prompt")]
    input: Input,
    encoding_format: Option<String>,
    dimensions: Option<usize>,
    /// Whether what is longer than the model reads is cut off; in Ollama's dialect.
    truncate: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    More(Vec<String>),
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    OpenAi,
    Ollama,
    /// One vector, as of Ollama's older route.
    OllamaOne,
}

impl Input {
    fn texts(self) -> Result<Vec<String>, ApiError> {
        let texts = match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        };
        if texts.is_empty() || texts.len() > MOST_TEXTS {
            return Err(ApiError::invalid(format!(
                "`input` holds {} texts, it must be 1 to {MOST_TEXTS}",
                texts.len()
            )));
        }
        Ok(texts)
    }
}

/// Whether a body asks for something of texts.
pub(crate) fn check(body: &[u8]) -> Result<(), ApiError> {
    read::<Body>(body)?.input.texts().map(drop)
}

/// The vectors of texts.
pub(crate) async fn embed(
    service: &Arc<Service>,
    key: &str,
    body: &[u8],
    arrived: Stamp,
    form: Form,
) -> Result<Value, ApiError> {
    let body: Body = read(body)?;
    let is_packed = match body.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(other) => {
            return Err(ApiError::invalid(format!("`encoding_format` is `{other}`; write float or base64")));
        }
    };
    let _inside = service.enter(key)?;
    let model = service.pool.resolve(&body.model)?;
    let texts = body.input.texts()?;
    let (lent, _) = lend(service, &model, key).await?;
    let embedded = lent.lease.engine().embed(EmbedRequest { inputs: texts }).await?;
    drop(lent);
    let length = embedded.first().map_or(0, |one| one.vector.len());
    if let Some(wanted) = body.dimensions.filter(|wanted| *wanted != length) {
        return Err(ApiError::invalid(format!("`dimensions` is {wanted}; vectors of `{model}` have {length}")));
    }
    if body.truncate == Some(false) && embedded.iter().any(|one| one.is_truncated) {
        return Err(ApiError::invalid(format!("a text is longer than `{model}` reads; send a shorter one")));
    }
    let tokens: u64 = embedded.iter().map(|one| u64::from(one.tokens)).sum();
    finished(service, &model, arrived, tokens)?;
    let nanos = u64::try_from((service.clock.now() - arrived).as_nanos()).unwrap_or(u64::MAX);
    Ok(match form {
        Form::OpenAi => openai(&model, &embedded, tokens, is_packed),
        Form::Ollama => json!({
            "model": model,
            "embeddings": embedded.iter().map(|one| &one.vector).collect::<Vec<_>>(),
            "total_duration": nanos,
            "load_duration": 0,
            "prompt_eval_count": tokens,
        }),
        Form::OllamaOne => json!({"embedding": embedded.first().map(|one| &one.vector)}),
    })
}

fn openai(model: &str, embedded: &[Embedded], tokens: u64, is_packed: bool) -> Value {
    let data: Vec<Value> = embedded
        .iter()
        .enumerate()
        .map(|(index, one)| {
            let vector = if is_packed { Value::String(packed(&one.vector)) } else { json!(one.vector) };
            json!({"object": "embedding", "index": index, "embedding": vector})
        })
        .collect();
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    json!({"object": "list", "data": data, "model": model, "usage": usage})
}

/// The classes of texts, and what the header says of the cache: equal texts have equal classes, each on its own.
pub(crate) async fn classify(
    service: &Arc<Service>,
    headers: &HeaderMap,
    key: &str,
    body: &[u8],
    arrived: Stamp,
) -> Result<(Value, &'static str), ApiError> {
    let body: Body = read(body)?;
    let _inside = service.enter(key)?;
    let model = service.pool.resolve(&body.model)?;
    let texts = body.input.texts()?;
    let (mut results, label) = cached::known_classes(service, headers, &model, &texts).await;
    let absent: Vec<usize> = (0..texts.len()).filter(|place| results[*place].is_none()).collect();
    if !absent.is_empty() {
        let inputs = absent.iter().map(|place| texts[*place].clone()).collect();
        for (place, classes) in absent.iter().zip(compute_classes(service, &model, key, inputs).await?) {
            if label != "BYPASS" {
                cached::keep_classes(service, &model, &texts[*place], &classes).await;
            }
            results[*place] = Some(classes);
        }
    }
    finished(service, &model, arrived, 0)?;
    let results: Vec<Value> = results.into_iter().flatten().collect();
    Ok((json!({"model": model, "results": results}), label))
}

async fn compute_classes(
    service: &Service,
    model: &str,
    key: &str,
    inputs: Vec<String>,
) -> Result<Vec<Value>, ApiError> {
    let (lent, _) = lend(service, model, key).await?;
    let engine = lent.lease.engine();
    cached::remember_revision(service, model, &**engine);
    let classes = engine.classes();
    let classified = engine.classify(ClassifyRequest { inputs }).await?;
    drop(lent);
    let told = classified.iter().map(|one| {
        let probabilities: Vec<f64> = one.log_probabilities.iter().map(|log| log.exp()).collect();
        let best = (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
        let label = best.and_then(|best| classes.get(best));
        let scores: serde_json::Map<String, Value> =
            classes.iter().cloned().zip(probabilities.iter().map(|p| json!(p))).collect();
        json!({"label": label, "probability": best.map(|best| probabilities[best]), "scores": scores})
    });
    Ok(told.collect())
}

fn finished(service: &Service, model: &str, arrived: Stamp, tokens: u64) -> Result<(), ApiError> {
    let figures = &entry(service, model)?.figures;
    figures.e2e.add(service.clock.now() - arrived);
    count(&figures.finished[0], 1);
    count(&figures.input_tokens, tokens);
    Ok(())
}

/// Little-endian floats in base 64, as OpenAI's clients ask for.
fn packed(vector: &[f32]) -> String {
    base64(&vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_packed_as_python_packs_them() {
        // base64.b64encode(struct.pack("<2f", 1.0, -2.5)), CPython 3.11.
        assert_eq!(packed(&[1.0, -2.5]), "AACAPwAAIMA=");
        assert_eq!(packed(&[]), "");
    }
}
