//! Engines, requests and what came of them.

use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use weighbridge_engine::{
    Engine, EventKind, EventStream, Frame, GenerateRequest, Prompt, ScoreRequest, ScoredContinuation,
};
use weighbridge_engine_llama_cpp::{LlamaCppEngine, LlamaCppOptions};
use weighbridge_engine_local::{LocalEngine, LocalOptions};
use weighbridge_types::request::{FailureClass, FinishReason, Usage};
use weighbridge_types::time::Clock;

/// The model that ships, of architecture llama.
pub(crate) fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny/tiny-f16.gguf")
}

/// A folder of safetensors in the fixtures of the engine of our own.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine-local/tests/fixtures").join(name)
}

/// One thread: those of llama.cpp wait for each other in loops, which takes long beside other tests.
pub(crate) fn theirs(path: &Path) -> LlamaCppEngine {
    let options = LlamaCppOptions { threads: 1.try_into().ok(), ..LlamaCppOptions::default() };
    LlamaCppEngine::load(path, options).unwrap_or_else(|error| panic!("failed to {error}"))
}

pub(crate) fn ours(path: &Path) -> LocalEngine {
    let options = LocalOptions { threads: 2.try_into().ok(), ..LocalOptions::default() };
    LocalEngine::load(path, options).unwrap_or_else(|error| panic!("failed to {error}"))
}

pub(crate) fn request(prompt: &str, max_tokens: u32) -> GenerateRequest {
    let prompt = Prompt::Text(prompt.to_owned());
    GenerateRequest { ignore_eos: true, ..GenerateRequest::new(prompt, max_tokens, Clock::start()) }
}

/// What came of one generation.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) tokens: Vec<u32>,
    pub(crate) log_probabilities: Vec<f32>,
    pub(crate) text: String,
    pub(crate) usage: Option<Usage>,
    pub(crate) finish: Option<FinishReason>,
    pub(crate) failure: Option<(FailureClass, String)>,
}

pub(crate) async fn read(mut events: EventStream) -> Answer {
    let mut answer = Answer::default();
    let mut last = None;
    while let Some(event) = events.next().await {
        assert!(answer.finish.is_none() && answer.failure.is_none(), "an event after the end");
        assert!(last <= Some(event.at), "events in order");
        last = Some(event.at);
        match event.kind {
            EventKind::Frame(Frame { text, token_ids, log_probabilities, .. }) => {
                answer.text.push_str(&text);
                answer.tokens.extend(token_ids);
                answer.log_probabilities.extend(log_probabilities);
            }
            EventKind::Usage(usage) => answer.usage = Some(usage),
            EventKind::Finished { reason } => answer.finish = Some(reason),
            EventKind::Failed(failure) => answer.failure = Some((failure.class, failure.message)),
            other => panic!("{other:?} in process"),
        }
    }
    answer
}

pub(crate) async fn score(engine: &dyn Engine, prompt: &str, continuations: &[&str]) -> Vec<ScoredContinuation> {
    let continuations = continuations.iter().map(|&text| text.to_owned()).collect();
    engine.score(ScoreRequest { prompt: prompt.to_owned(), continuations }).await.unwrap()
}
