//! The model that the suites ask, and one request to it.
#![allow(dead_code, reason = "every suite takes what it needs of this")]

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Runtime;
use weighbridge_engine::{Collector, Engine, GenerateRequest, Prompt, collect};
use weighbridge_engine_local::{LocalEngine, LocalOptions};
use weighbridge_types::time::Clock;

/// Tokens of an answer.
pub(crate) const TOKENS: u32 = 16;

/// The file of the model that ships with the program.
pub(crate) fn file() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/tiny/tiny-f16.gguf"))
}

/// Loads it.
pub(crate) fn load() -> Arc<dyn Engine> {
    Arc::new(LocalEngine::load(file(), LocalOptions::default()).expect("the model that ships can be loaded"))
}

/// A runtime as the program's own.
pub(crate) fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("threads can be started")
}

/// Asks once, with a prompt that was not asked before; latency in ms, or `None` where it failed.
pub(crate) async fn ask(engine: &dyn Engine, number: u64) -> Option<f64> {
    let clock = Clock::start();
    let prompt = format!("{number} A benchmark asks a model again and again, each time with other words: {number}.");
    let request = GenerateRequest {
        ignore_eos: engine.capabilities().ignore_eos,
        ..GenerateRequest::new(Prompt::Text(prompt), TOKENS, clock)
    };
    let now = clock.now();
    let collected = collect(engine.generate(request), Collector::new(now, now, TOKENS)).await;
    let latency = collected.timeline.e2e().map(|latency| latency.as_secs_f64() * 1e3);
    latency.filter(|_| collected.outcome.is_success())
}
