//! The description of the routes as an OpenAPI document.

use serde_json::{Map, Value, json};

/// Route, method, what it does, and whether it takes a body.
const ROUTES: [(&str, &str, &str, bool); 29] = [
    ("/v1/chat/completions", "post", "Answer a conversation, OpenAI's dialect.", true),
    ("/v1/completions", "post", "Continue a text, OpenAI's dialect.", true),
    ("/v1/embeddings", "post", "Vectors of texts, OpenAI's dialect.", true),
    ("/v1/models", "get", "List the models.", false),
    ("/v1/models/{model}", "get", "One model.", false),
    ("/v1/messages", "post", "Answer a conversation, Anthropic's dialect.", true),
    ("/v1/messages/count_tokens", "post", "Count the tokens of a conversation, Anthropic's dialect.", true),
    ("/api/generate", "post", "Answer a prompt, Ollama's dialect.", true),
    ("/api/chat", "post", "Answer a conversation, Ollama's dialect.", true),
    ("/api/embed", "post", "Vectors of texts, Ollama's dialect.", true),
    ("/api/embeddings", "post", "The vector of one text, Ollama's older dialect.", true),
    ("/api/show", "post", "What a model is, Ollama's dialect.", true),
    ("/api/tags", "get", "List the models, Ollama's dialect.", false),
    ("/api/ps", "get", "List the models in memory, Ollama's dialect.", false),
    ("/api/version", "get", "The version, Ollama's dialect.", false),
    ("/api/v1/models", "get", "Every model with its memory and its queue.", false),
    ("/api/v1/models/load", "post", "Load several models; 207 where not all could be.", true),
    ("/api/v1/models/{model}/load", "post", "Load a model.", false),
    ("/api/v1/models/{model}/unload", "post", "Unload a model once its last request has ended.", false),
    ("/api/v1/classify", "post", "Classes of texts.", true),
    ("/api/v1/health", "get", "How the service and its parts are.", false),
    ("/api/v1/errors", "get", "What failed within a time, by class.", false),
    ("/api/v1/audit", "get", "Who loaded and unloaded models within a time.", false),
    ("/api/v1/memory", "get", "What this process takes: models, cache and the rest.", false),
    ("/api/v1/cache", "get", "What the cache was of use for.", false),
    ("/api/v1/events", "get", "What happens, as server-sent events.", false),
    ("/health", "get", "How the service and its parts are.", false),
    ("/ready", "get", "Whether requests are welcome.", false),
    ("/openapi.json", "get", "This document.", false),
];

/// The document.
#[must_use]
pub fn openapi() -> Value {
    let mut paths = Map::new();
    for (path, method, summary, has_body) in ROUTES {
        paths.insert(path.to_owned(), json!({method: operation(path, summary, has_body)}));
    }
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Weighbridge", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": {"Any": {"type": "object"}},
        },
        "security": [{}, {"bearer": []}, {"key": []}],
    })
}

fn operation(path: &str, summary: &str, has_body: bool) -> Value {
    let content = |kind: &str| json!({kind: {"schema": {"$ref": "#/components/schemas/Any"}}});
    let kind = if path.ends_with("/events") { "text/event-stream" } else { "application/json" };
    let mut responses = Map::new();
    responses.insert("200".to_owned(), json!({"description": "Done.", "content": content(kind)}));
    responses.insert("default".to_owned(), json!({"description": "Refused.", "content": content("application/json")}));
    let mut operation = json!({"summary": summary, "responses": responses});
    if has_body {
        operation["requestBody"] = json!({"required": true, "content": content("application/json")});
    }
    if path.contains("{model}") {
        operation["parameters"] =
            json!([{"name": "model", "in": "path", "required": true, "schema": {"type": "string"}}]);
    }
    operation
}
