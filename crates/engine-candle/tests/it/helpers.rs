//! Models, requests and what came of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use weighbridge_engine::device::{DeviceKind, DeviceMemory, MemoryGuard};
use weighbridge_engine::{Engine, EventKind, EventStream, Frame, GenerateRequest, Prompt};
use weighbridge_engine_candle::{CandleDevices, CandleEngine, CandleError, CandleOptions};
use weighbridge_engine_local::engine::prompt_reader;
use weighbridge_engine_local::weights::ModelFile;
use weighbridge_types::request::{FailureClass, FinishReason, Usage};
use weighbridge_types::time::Clock;

/// The model that ships: llama, F16.
pub(crate) fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tiny/tiny-f16.gguf")
}

pub(crate) fn unknown(_: DeviceKind) -> DeviceMemory {
    DeviceMemory::unknown("a test")
}

/// Options that read prompts with the vocabulary of `file`.
pub(crate) fn options(file: &Path) -> CandleOptions {
    CandleOptions {
        reader: prompt_reader(&ModelFile::open(file).unwrap()).unwrap(),
        devices: Arc::new(CandleDevices::new(unknown)),
        device: DeviceKind::Cpu,
        guard: MemoryGuard::default(),
        model_ref: None,
    }
}

pub(crate) fn load(file: &Path) -> Result<CandleEngine, CandleError> {
    CandleEngine::load(file, options(file))
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

pub(crate) async fn ask(engine: &dyn Engine, request: GenerateRequest) -> Answer {
    read(engine.generate(request)).await
}
