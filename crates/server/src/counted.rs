//! How many tokens a request is, without an answer.

use std::sync::Arc;

use serde_json::{Value, json};
use weighbridge_serving::FaultClass;

use crate::dialect::anthropic;
use crate::error::ApiError;
use crate::generate::{check_tools, lend};
use crate::service::Service;

/// Tokens of a request to `/v1/messages`, as its model would read it.
pub(crate) async fn count(service: &Arc<Service>, key: &str, body: &[u8]) -> Result<Value, ApiError> {
    let ask = anthropic::ask_to_count(body, 0)?;
    let name = service.pool.resolve(&ask.model)?;
    let (lent, _) = lend(service, &name, key).await?;
    let engine = Arc::clone(lent.lease.engine());
    check_tools(&name, &ask, engine.capabilities())?;
    // A prompt of some megabytes takes a while.
    let counted = tokio::task::spawn_blocking(move || {
        let tools = ask.offer.as_ref().filter(|_| engine.capabilities().tools).map(|offer| &*offer.tools);
        ask.prompts.iter().map(|prompt| engine.count_tokens(prompt, tools)).sum::<Result<usize, _>>()
    });
    let counted = counted.await.map_err(|_| {
        let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        ApiError::new(status, "engine_failed", "failed to count the tokens", FaultClass::Model)
    })?;
    Ok(json!({"input_tokens": counted?}))
}
