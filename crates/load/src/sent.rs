//! Whether the server was sent the same prompts before: they may then be in its cache.

use weighbridge_telemetry::Watched;
use weighbridge_telemetry::cache::{Prior, Sent, append_sent, prior_sends};
use weighbridge_types::time::WallTime;

use crate::settings::LoadSettings;
use crate::watching::Watching;

/// Counts earlier sends of the prompts of this run, and writes down its own; salted prompts are new each time and are
/// left out. A log that cannot be read or written is a note, and the run stands.
pub(crate) fn prior(
    watching: &Watching,
    watched: &Watched,
    settings: &LoadSettings,
    model: &str,
) -> (Prior, Option<String>) {
    let (Some(path), Some(pages), None) = (&watching.sent_log, &watching.pages, settings.salt) else {
        return (Prior::default(), None);
    };
    let sent = Sent {
        server: pages.root(),
        server_start: watched.server_start(),
        model: model.to_owned(),
        seed: settings.seed,
        dataset: settings.data.clone(),
        at: WallTime::now().to_string(),
    };
    let found = prior_sends(path, &sent).and_then(|prior| append_sent(path, &sent).map(|()| prior));
    match found {
        Ok(prior) => (prior, None),
        Err(error) => (Prior::default(), Some(format!("whether these prompts were sent before is unknown: {error}"))),
    }
}
