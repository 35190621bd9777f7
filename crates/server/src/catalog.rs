//! Models as clients of OpenAI and Ollama list and look at them.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use weighbridge_serving::Residence;
use weighbridge_types::record::EngineDescription;
use weighbridge_types::time::WallTime;

use crate::dialect::read;
use crate::error::ApiError;
use crate::generate::{entry, lend};
use crate::service::Service;

/// A model as OpenAI lists it.
pub(crate) fn listed(service: &Service, name: &str) -> Value {
    let created = modified(service, name).unix_millis() / 1000;
    json!({"id": name, "object": "model", "created": created, "owned_by": "weighbridge"})
}

/// Models as Ollama lists them. What is only known of a model in memory is left empty for others.
pub(crate) fn tagged(service: &Service, only_loaded: bool) -> Vec<Value> {
    let states = service.pool.states().into_iter();
    let shown = states.filter(|state| !only_loaded || state.residence == Residence::Loaded);
    shown
        .map(|state| {
            let described = service.pool.peek(&state.name).ok().flatten().map(|engine| engine.describe());
            let described = described.unwrap_or_default();
            let size = described.model_bytes.unwrap_or(state.bytes);
            let mut all = json!({
                "name": state.name,
                "model": state.name,
                "size": size,
                "digest": described.model_digest.as_deref().unwrap_or_default(),
                "details": details(service, &state.name, &described),
            });
            if only_loaded {
                // It takes no memory of a GPU, and nobody knows when it will go.
                all["size_vram"] = json!(0);
                all["context_length"] = json!(described.context_length);
            } else {
                all["modified_at"] = json!(modified(service, &state.name).to_string());
            }
            all
        })
        .collect()
}

/// One model as Ollama shows it. It is loaded for that.
pub(crate) async fn show(service: &Arc<Service>, key: &str, body: &[u8]) -> Result<Value, ApiError> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(alias = "name")]
        model: String,
    }
    let body: Body = read(body)?;
    let name = service.pool.resolve(&body.model)?;
    let (lent, _) = lend(service, &name, key).await?;
    let engine = lent.lease.engine();
    let (described, can) = (engine.describe(), engine.capabilities());
    let kinds = [("completion", !can.embed && !can.classify), ("tools", can.tools), ("embedding", can.embed)];
    let family = described.architecture.clone().unwrap_or_default();
    let mut facts = Map::from_iter([("general.architecture".to_owned(), json!(family))]);
    let mut tell = |name: String, value: Option<Value>| facts.extend(value.map(|value| (name, value)));
    tell("general.parameter_count".to_owned(), described.parameters.map(Value::from));
    tell(format!("{family}.context_length"), described.context_length.map(Value::from));
    Ok(json!({
        "modified_at": modified(service, &name).to_string(),
        "details": details(service, &name, &described),
        "model_info": facts,
        "capabilities": kinds.iter().filter(|(_, can)| *can).map(|(kind, _)| *kind).collect::<Vec<_>>(),
    }))
}

fn details(service: &Service, name: &str, described: &EngineDescription) -> Value {
    let family = described.architecture.as_deref().unwrap_or_default();
    json!({
        "parent_model": "",
        "format": entry(service, name).map_or("", |entry| entry.format),
        "family": family,
        "families": [family],
        "parameter_size": described.parameters.map(rounded).unwrap_or_default(),
        "quantization_level": described.quantization.as_deref().unwrap_or_default(),
    })
}

/// When the file of a model was changed; the start of the service for one without a file.
fn modified(service: &Service, name: &str) -> WallTime {
    entry(service, name).ok().and_then(|entry| entry.modified).unwrap_or(service.since)
}

/// A count as people write it: `7.6B`, `494.0M`.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn rounded(count: u64) -> String {
    let count = count as f64;
    let (share, unit) =
        [(1e9, "B"), (1e6, "M"), (1e3, "K")].into_iter().find(|(share, _)| count >= *share).unwrap_or((1.0, ""));
    format!("{:.1}{unit}", count / share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_written_as_people_do() {
        for (count, expected) in [(7_615_616_512, "7.6B"), (494_032_768, "494.0M"), (3_300_000, "3.3M"), (12, "12.0")] {
            assert_eq!(rounded(count), expected);
        }
    }
}
