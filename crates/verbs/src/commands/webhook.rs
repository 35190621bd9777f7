//! The message to a webhook where something got worse.

use std::time::Duration;

use weighbridge_engine_http::Webhook;
use weighbridge_types::alert::Regression;
use weighbridge_verdict::alert::alert;

use super::runtime;
use crate::arguments::WebhookArguments;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// Longest wait for a webhook: a verdict must not be late because a chat is.
const PATIENCE: Duration = Duration::from_secs(10);

/// The webhook that was named, if one was; a wrong one is refused before there is a verdict.
pub(super) fn named(arguments: &WebhookArguments) -> Result<Option<Webhook>, Failure> {
    let hook = arguments.webhook.as_deref().map(Webhook::parse).transpose();
    hook.map_err(|error| {
        Failure::from_error(Exit::Usage, &error, "write `--webhook https://…`, or `http://127.0.0.1:PORT/…`")
    })
}

/// A verdict for a webhook.
pub(super) struct Told<'a> {
    /// The verb that judged.
    pub(super) verb: &'a str,
    /// How it ends.
    pub(super) exit: Exit,
    /// Records that the verdict rests on.
    pub(super) runs: Vec<String>,
    /// What got worse.
    pub(super) regressions: Vec<Regression>,
}

/// Tells a webhook what got worse, if anything did. That it cannot be reached is said, and changes nothing.
pub(super) fn tell(hook: Option<&Webhook>, told: Told<'_>) {
    let alert = alert(told.verb, told.exit.code(), told.runs, told.regressions);
    if let (Some(hook), Some(alert)) = (hook, alert)
        && let Err(failure) = post(hook, &alert)
    {
        // The hint is one for endpoints of models.
        let (what, _) = failure.into_parts();
        output::warn(&format!("the webhook was not told: failed to {what}"));
    }
}

fn post(hook: &Webhook, alert: &impl serde::Serialize) -> Result<(), Failure> {
    let body = serde_json::to_vec(alert)?;
    Ok(runtime()?.block_on(hook.post(&body, PATIENCE))?)
}
