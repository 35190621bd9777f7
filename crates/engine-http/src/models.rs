//! Which models a server has.

use serde_json::Value;
use weighbridge_engine::RequestFailure;
use weighbridge_types::model_ref::Preset;

use crate::client::Client;
use crate::error::HttpError;
use crate::failure::wrong_kind;
use crate::preset::{Dialect, ModelList};

/// A model that a server lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedModel {
    pub(crate) name: String,
    pub(crate) context_length: Option<u32>,
}

/// A server's answer to the question for its models.
pub(crate) struct Listing {
    /// `None` where the server says that it has no list.
    models: Option<Vec<ListedModel>>,
    /// What the server calls itself; empty where it does not say.
    pub(crate) server: String,
}

pub(crate) async fn list_models(client: &Client, dialect: Dialect) -> Result<Listing, RequestFailure> {
    let base = &client.base().path;
    let path = match dialect {
        Dialect::OpenAi => format!("{base}/models"),
        Dialect::Anthropic => format!("{base}/models?limit=1000"),
        Dialect::Ollama => format!("{base}/api/tags"),
    };
    let answer = client.fetch("GET", &path, b"").await?;
    let server = answer.head.field("server").to_owned();
    let is_json = answer.head.field("content-type").contains("json");
    if is_json && matches!(answer.head.status, 404 | 405 | 501) {
        return Ok(Listing { models: None, server });
    }
    let (head, text) = (answer.head.clone(), client.text(&answer.body));
    let page: Value = client.json(answer)?;
    match models_in(&page) {
        Some(models) => Ok(Listing { models: Some(models), server }),
        None => Err(client.shown(wrong_kind(&head, "a list of models", &text))),
    }
}

/// The models of a list: `data[].id` as OpenAI and Anthropic have it, `models[].name` as Ollama has it.
fn models_in(page: &Value) -> Option<Vec<ListedModel>> {
    let list = page.get("data").or_else(|| page.get("models"))?.as_array()?;
    let model = |item: &Value| {
        let name = item.get("id").or_else(|| item.get("name"))?.as_str()?.to_owned();
        let context = item.get("max_model_len").and_then(Value::as_u64);
        Some(ListedModel { name, context_length: context.and_then(|tokens| u32::try_from(tokens).ok()) })
    };
    Some(list.iter().filter_map(model).collect())
}

/// The model to ask for: the one that was named, or the only one.
pub(crate) fn choose_model(
    listing: &Listing,
    named: Option<&str>,
    preset: Preset,
    list: ModelList,
    url: &str,
) -> Result<ListedModel, HttpError> {
    let models = listing.models.as_deref().unwrap_or_default();
    let available = || models.iter().map(|model| model.name.clone()).collect();
    let Some(named) = named else {
        return match models {
            [only] => Ok(only.clone()),
            _ => Err(HttpError::ModelNotNamed { url: url.to_owned(), available: available() }),
        };
    };
    let same = |model: &&ListedModel| {
        model.name == named || (preset == Preset::Ollama && model.name.strip_suffix(":latest") == Some(named))
    };
    match models.iter().find(same) {
        Some(model) => Ok(model.clone()),
        None if list == ModelList::Partial || listing.models.is_none() => {
            Ok(ListedModel { name: named.to_owned(), context_length: None })
        }
        None => Err(HttpError::ModelNotFound { url: url.to_owned(), model: named.to_owned(), available: available() }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn choose(names: Option<&[&str]>, named: Option<&str>, preset: Preset) -> Result<String, String> {
        let model = |name: &&str| ListedModel { name: (*name).to_owned(), context_length: None };
        let models = names.map(|names| names.iter().map(model).collect());
        let listing = Listing { models, server: String::new() };
        let list = crate::preset::traits(preset).models;
        choose_model(&listing, named, preset, list, "http://h")
            .map(|model| model.name)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_only_model_or_the_named_one_is_taken() {
        let check = |names, named, preset, expected: &str| {
            assert_eq!(choose(names, named, preset).as_deref(), Ok(expected));
        };
        check(Some(&["a"]), None, Preset::Vllm, "a");
        check(Some(&["a", "b"]), Some("b"), Preset::Vllm, "b");
        check(Some(&["b:latest"]), Some("b"), Preset::Ollama, "b:latest");
        check(Some(&["b-20260101"]), Some("b"), Preset::Anthropic, "b");
        check(None, Some("b"), Preset::OpenAi, "b");
    }

    #[test]
    fn otherwise_the_names_are_listed() {
        let check = |names, named, parts: &[&str]| {
            let error = choose(names, named, Preset::Vllm).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        };
        check(Some(&["a", "b"]), None, &["`a`, `b`"]);
        check(Some(&["a", "b"]), Some("c"), &["`c`", "`a`, `b`"]);
        check(Some(&[]), None, &["no model"]);
        check(None, None, &["no model"]);
    }

    #[test]
    fn lists_are_read_in_each_form() {
        let check = |page: Value, expected: Option<&[&str]>| {
            let names = models_in(&page).map(|models| models.into_iter().map(|model| model.name).collect::<Vec<_>>());
            assert_eq!(names, expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect()));
        };
        check(json!({"object": "list", "data": [{"id": "a", "max_model_len": 4096}]}), Some(&["a"]));
        check(json!({"models": [{"name": "a:latest"}]}), Some(&["a:latest"]));
        check(json!({"data": []}), Some(&[]));
        check(json!({"hello": "world"}), None);
        check(json!("text"), None);
    }
}
