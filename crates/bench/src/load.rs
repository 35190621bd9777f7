//! Loading an engine, and what that took.

use std::sync::Arc;
use std::time::Duration;

use weighbridge_engine::{
    Capabilities, Collector, Engine, EngineFactory, GenerateRequest, Prompt, SubjectError, collect,
};
use weighbridge_telemetry::{SystemRoot, sample_now};
use weighbridge_types::record::EngineDescription;
use weighbridge_types::request::Outcome;
use weighbridge_types::time::Clock;

/// The first prompt of an engine: short, so that the time to its token is that of starting and not of reading.
const FIRST_PROMPT: &str = "Hello";

/// An engine that is ready, and what it took to get there.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) description: EngineDescription,
    pub(crate) capabilities: Capabilities,
    /// Reference given to engine ready.
    pub(crate) load_time: Duration,
    /// Reference given to first token; or what happened instead.
    pub(crate) cold_first_token: Result<Duration, String>,
    /// Resident memory before loading, bytes.
    pub(crate) rss_before: Option<u64>,
    /// Resident memory when the engine was ready, bytes.
    pub(crate) rss_after: Option<u64>,
}

impl Loaded {
    /// Loads the engine and asks it for one token.
    pub(crate) async fn load(
        load: &EngineFactory,
        model_ref: &str,
        root: &SystemRoot,
        clock: Clock,
    ) -> Result<Self, SubjectError> {
        let rss_before = sample_now(root, &clock).rss_bytes;
        let start = clock.now();
        let engine = load().await?;
        let load_time = clock.now() - start;
        let rss_after = sample_now(root, &clock).rss_bytes;
        let before_first = clock.now();
        let request = GenerateRequest::new(Prompt::Text(FIRST_PROMPT.to_owned()), 1, clock);
        let first = collect(engine.generate(request), Collector::new(before_first, before_first, 1)).await;
        // The wait between loading and asking is the meter's, and is left out.
        let cold_first_token = match (first.timeline.frames.first(), first.outcome) {
            (Some(frame), _) => Ok(load_time + (frame.at - before_first)),
            (None, Outcome::Failed { message, .. }) => Err(message),
            (None, _) => Err("the first request gave no token".to_owned()),
        };
        let capabilities = engine.capabilities();
        let description = EngineDescription { model_ref: model_ref.to_owned(), ..engine.describe() };
        Ok(Self { engine, description, capabilities, load_time, cold_first_token, rss_before, rss_after })
    }
}
