//! The engine trait.

use std::fmt::Debug;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use weighbridge_types::record::EngineDescription;

use crate::error::EngineError;
use crate::event::EngineEvent;
use crate::request::{
    Classified, ClassifyRequest, EmbedRequest, Embedded, GenerateRequest, Prompt, ScoreRequest, ScoredContinuation,
};
use crate::tokenizer::Tokenizer;
use crate::tools::Tools;

/// The events of one generation. Dropping it cancels the generation.
pub type EventStream = BoxStream<'static, EngineEvent>;

/// A boxed future.
pub type BoxFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;

/// Something that answers: a model in process, a server, a script.
///
/// Meters call [`generate`](Engine::generate) once per request, from many tasks at once. The quality phase calls
/// [`score`](Engine::score). Everything else is asked before a run or after it. Nothing stops an engine but being
/// dropped; a single generation stops when its stream is dropped.
pub trait Engine: Send + Sync + Debug {
    /// What this engine is, for the record.
    fn describe(&self) -> EngineDescription;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Its tokenizer; `None` where it is not to be had, as behind most endpoints.
    fn tokenizer(&self) -> Option<Arc<dyn Tokenizer>> {
        None
    }

    /// Begins a generation. Returns at once; work happens elsewhere or as the stream is polled. Every problem, also
    /// a request that is refused, comes as an event.
    fn generate(&self, request: GenerateRequest) -> EventStream;

    /// Log-probabilities of texts.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] unless the capabilities announce it.
    fn score(&self, request: ScoreRequest) -> BoxFuture<'_, Result<Vec<ScoredContinuation>, EngineError>> {
        drop(request);
        let engine = self.describe().engine;
        Box::pin(async move { Err(EngineError::Unsupported { operation: "score texts", engine }) })
    }

    /// Names of the classes that [`classify`](Engine::classify) tells apart, in the order of its figures; empty for an
    /// engine that does not classify.
    fn classes(&self) -> Arc<[String]> {
        Arc::from([])
    }

    /// Classes of texts, one answer for each text. Called from many tasks at once; requests that wait at the same time
    /// may be computed together.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] unless the capabilities announce it.
    fn classify(&self, request: ClassifyRequest) -> BoxFuture<'_, Result<Vec<Classified>, EngineError>> {
        drop(request);
        let engine = self.describe().engine;
        Box::pin(async move { Err(EngineError::Unsupported { operation: "classify texts", engine }) })
    }

    /// Vectors of texts, one for each text. Called from many tasks at once; requests that wait at the same time may be
    /// computed together.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] unless the capabilities announce it.
    fn embed(&self, request: EmbedRequest) -> BoxFuture<'_, Result<Vec<Embedded>, EngineError>> {
        drop(request);
        let engine = self.describe().engine;
        Box::pin(async move { Err(EngineError::Unsupported { operation: "embed texts", engine }) })
    }

    /// Tokens of a prompt as [`generate`](Engine::generate) would read it, with the tools that it offers. Called before a
    /// request or instead of one; nothing is computed.
    ///
    /// # Errors
    /// [`EngineError::Unsupported`] where prompts are read elsewhere.
    fn count_tokens(&self, prompt: &Prompt, tools: Option<&Tools>) -> Result<usize, EngineError> {
        let _ = (prompt, tools);
        Err(EngineError::Unsupported { operation: "count the tokens of a prompt", engine: self.describe().engine })
    }

    /// Memory that the engine accounts for itself; `None` for an engine elsewhere.
    fn memory(&self) -> Option<MemoryReport> {
        None
    }
}

/// What an engine can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// [`Engine::score`] works.
    pub score: bool,
    /// [`Engine::classify`] works, and nothing else: the engine answers with classes and writes no text.
    pub classify: bool,
    /// [`Engine::embed`] works, and nothing else: the engine answers with vectors and writes no text.
    pub embed: bool,
    /// Token ids are accepted as a prompt.
    pub token_prompts: bool,
    /// Generation goes on after an end-of-sequence token when asked.
    pub ignore_eos: bool,
    /// The text of an answer can be held to a grammar.
    pub constraint: bool,
    /// Frames carry log-probabilities where asked for: of the chosen token, and of the likeliest ones.
    pub likeliest: bool,
    /// Conversations may offer tools: the model's template has a place for them.
    pub tools: bool,
    /// Frames carry exact token counts.
    pub exact_tokens: bool,
    /// Computes in this process, so that its memory is ours.
    pub in_process: bool,
}

/// Memory of an engine, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryReport {
    /// Weights by arithmetic: elements × bytes per element of their block types.
    pub weights_expected: u64,
    /// Weights read in place from a mapped file or from the binary.
    pub weights_mapped: u64,
    /// Weights that were allocated.
    pub weights_heap: u64,
    /// KV cache per token of context.
    pub kv_per_token: u64,
    /// KV cache held now.
    pub kv_held: u64,
    /// Most KV cache held at once since the last [`Engine`] start.
    pub kv_peak: u64,
    /// KV cache that no request uses, kept for prompts that begin alike; not part of what is held.
    pub kv_idle: u64,
    /// Scratch buffers held now.
    pub scratch_held: u64,
}
