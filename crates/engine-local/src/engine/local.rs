//! The engine's public face.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use futures_util::stream;
use tokio::sync::oneshot;
use weighbridge_engine::answer::Events;
use weighbridge_engine::prompt::PromptReader;
use weighbridge_engine::stage::Stage;
use weighbridge_engine::tools::Tools;
use weighbridge_engine::{
    BoxFuture, Capabilities, Engine, EngineError, EventStream, GenerateRequest, MemoryReport, MemorySource, Prompt,
    ScoreRequest, ScoredContinuation, Tokenizer,
};
use weighbridge_types::record::EngineDescription;
use weighbridge_types::time::Clock;

use super::pace::Pace;
use super::request::{Job, Preparation};
use super::score::ScoreJob;
use super::worker::{Command, Shared, Worker};
use crate::chat::ChatTemplate;
use crate::error::{ModelError, Result};
use crate::graph::{KvCounter, KvSlot, Model, PrefixCache, Scratch};
use crate::kernels::{Compute, Cores, Isa};
use crate::tokenize::LocalTokenizer;
use crate::weights::{ModelConfig, ModelFile};

/// Requests that wait at most; more are refused at once.
const QUEUE_LIMIT: usize = 1024;

/// How a model runs.
#[derive(Clone, Debug, Default)]
pub struct LocalOptions {
    /// Threads that compute; `None` takes one per core that this process may use.
    pub threads: Option<NonZeroUsize>,
    /// Whether each thread stays on a core of its own; there must be as many.
    pub pin: bool,
    /// Bytes of keys and values that are kept after their request has ended, for prompts that begin alike; 0 keeps none and
    /// computes every prompt.
    pub prefix_bytes: u64,
    /// Bytes of all keys and values at most; `None` sets no limit. Where it is reached, the youngest requests wait and are
    /// read again.
    pub kv_limit: Option<u64>,
    /// Tells how much memory may still be taken; `None` asks nobody. Where it runs short, the youngest requests wait, and half
    /// as many run at once.
    pub memory: Option<Arc<dyn MemorySource>>,
    /// The reference as the user wrote it, for the record; `None` records the path.
    pub model_ref: Option<String>,
}

impl LocalOptions {
    /// What was set and changes what figures mean, for the record.
    fn recorded(&self) -> BTreeMap<String, String> {
        let entries = [
            ("threads", self.threads.map(|threads| threads.to_string())),
            ("pinned", self.pin.then(|| true.to_string())),
            ("prefix_cache_bytes", (self.prefix_bytes > 0).then(|| self.prefix_bytes.to_string())),
            ("kv_limit_bytes", self.kv_limit.map(|limit| limit.to_string())),
        ];
        entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// A model that runs in this process.
///
/// Each engine has its own threads and memory, so that several models run side by side. Weights stay where the file
/// is mapped. Dropping the engine ends what still runs and frees its memory.
#[derive(Debug)]
pub struct LocalEngine {
    file: ModelFile,
    description: EngineDescription,
    digest: OnceLock<String>,
    /// A copy of the worker's: its parts are shared.
    reader: PromptReader,
    kv: Arc<KvCounter>,
    shared: Arc<Shared>,
    /// `None` only while the engine is being dropped.
    commands: Option<SyncSender<Command>>,
    worker: Option<JoinHandle<()>>,
}

impl LocalEngine {
    /// Loads a GGUF file or a folder with safetensors.
    ///
    /// # Errors
    /// Any [`ModelError`] of reading the file.
    pub fn load(path: impl AsRef<Path>, options: LocalOptions) -> Result<Self> {
        let _stage = Stage::Load.enter();
        let path = path.as_ref();
        let model_ref = options.model_ref.clone().unwrap_or_else(|| path.display().to_string());
        let name = path.file_stem().map_or_else(|| model_ref.clone(), |stem| stem.to_string_lossy().into_owned());
        Self::start(ModelFile::open(path)?, options, name, model_ref)
    }

    /// Runs a GGUF file that is part of the program, where it lies.
    ///
    /// # Errors
    /// Any [`ModelError`] of reading the bytes.
    pub fn from_bytes(gguf: &'static [u8], options: LocalOptions) -> Result<Self> {
        let _stage = Stage::Load.enter();
        let name = options.model_ref.clone().unwrap_or_else(|| "embedded".to_owned());
        Self::start(ModelFile::from_static(gguf)?, options, name.clone(), name)
    }

    fn start(mut file: ModelFile, options: LocalOptions, name: String, model_ref: String) -> Result<Self> {
        let model = Model::new(&file)?;
        let reader = prompt_reader(&file)?;
        file.forget_vocabulary();
        let threads = options.threads.map_or_else(usable_cores, NonZeroUsize::get);
        let thread_error = |source| ModelError::Io { action: "start threads for", path: (&name).into(), source };
        let cores = options.pin.then(|| Cores::for_threads(threads)).transpose().map_err(thread_error)?;
        let compute = Compute::new(Isa::detect(), threads, cores.as_ref()).map_err(thread_error)?;
        let (commands, queue) = sync_channel(QUEUE_LIMIT);
        let (kv, shared) = (Arc::new(KvCounter::default()), Arc::new(Shared::default()));
        let description =
            EngineDescription { options: options.recorded(), ..describe(&file, &model, &name, model_ref) };
        let worker = Worker {
            preparation: Preparation {
                config: file.config.clone(),
                reader: reader.clone(),
                kv: Arc::clone(&kv),
                kv_limit: options.kv_limit,
                memory: options.memory,
                keeps_prefixes: options.prefix_bytes > 0,
            },
            prefixes: PrefixCache::new(options.prefix_bytes, &kv),
            pace: Pace::default(),
            clock: Clock::start(),
            at_once: 0,
            calm_steps: 0,
            starved_since: None,
            model,
            compute,
            scratch: Scratch::default(),
            shared: Arc::clone(&shared),
            commands: queue,
            waiting: VecDeque::new(),
            sequences: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("model".to_owned());
        let (told, placed) = std::sync::mpsc::sync_channel(1);
        let work = move || {
            let is_placed = cores.map_or(Ok(()), |cores| cores.pin(0));
            let works = is_placed.is_ok();
            if told.send(is_placed).is_ok() && works {
                worker.run();
            }
        };
        let worker = Some(thread.spawn(work).map_err(thread_error)?);
        let never = |_| Err(std::io::Error::other("the thread ended before it began"));
        placed.recv().unwrap_or_else(never).map_err(thread_error)?;
        Ok(Self { file, description, digest: OnceLock::new(), reader, kv, shared, commands: Some(commands), worker })
    }

    /// The model's file, for its shape and tensors; its vocabulary was freed when the tokenizer was made.
    #[must_use]
    pub fn file(&self) -> &ModelFile {
        &self.file
    }

    /// Hands work to the worker; gives it back with the reason when it cannot.
    fn submit(&self, command: Command) -> std::result::Result<(), EngineError> {
        let problem = match self.commands.as_ref().map(|commands| commands.try_send(command)) {
            Some(Ok(())) => return Ok(()),
            Some(Err(TrySendError::Full(_))) => format!("queue the request: {QUEUE_LIMIT} are waiting already"),
            Some(Err(TrySendError::Disconnected(_))) | None => "reach the model: its thread has ended".to_owned(),
        };
        Err(EngineError::Failed { problem })
    }
}

impl Engine for LocalEngine {
    /// Reads the whole file on the first call, for its digest.
    fn describe(&self) -> EngineDescription {
        let digest = self.digest.get_or_init(|| self.file.digest());
        EngineDescription { model_digest: Some(digest.clone()), ..self.description.clone() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            score: true,
            token_prompts: true,
            ignore_eos: true,
            constraint: true,
            likeliest: true,
            tools: self.reader.chat.has_tools(),
            exact_tokens: true,
            in_process: true,
            ..Capabilities::default()
        }
    }

    fn tokenizer(&self) -> Option<Arc<dyn Tokenizer>> {
        Some(Arc::clone(&self.reader.tokenizer))
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        let (events, receiver) = Events::new(&request, self.file.config.context_length);
        let job = Job { request, events: events.clone() };
        if let Err(error) = self.submit(Command::Generate(Box::new(job))) {
            events.fail(error.to_string());
        }
        Box::pin(stream::unfold(receiver, async |mut receiver| {
            let event = receiver.recv().await?;
            Some((event, receiver))
        }))
    }

    fn score(&self, request: ScoreRequest) -> BoxFuture<'_, std::result::Result<Vec<ScoredContinuation>, EngineError>> {
        let (answer, scored) = oneshot::channel();
        let submitted = self.submit(Command::Score(ScoreJob { request, answer }));
        Box::pin(async move {
            submitted?;
            let ended = |_| EngineError::Failed { problem: "score the texts: the model's thread has ended".to_owned() };
            scored.await.map_err(ended)?
        })
    }

    fn count_tokens(&self, prompt: &Prompt, tools: Option<&Tools>) -> std::result::Result<usize, EngineError> {
        self.reader.tokens(prompt, tools).map(|tokens| tokens.len())
    }

    fn memory(&self) -> Option<MemoryReport> {
        let weights = self.file.weight_bytes();
        let tensors = self.file.tensors.values();
        Some(MemoryReport {
            weights_expected: tensors.map(|tensor| (tensor.rows() * tensor.row_bytes()) as u64).sum(),
            weights_mapped: weights.mapped as u64,
            weights_heap: weights.heap as u64,
            kv_per_token: KvSlot::bytes_per_token(&self.file.config),
            kv_held: self.kv.held(),
            kv_peak: self.kv.peak(),
            kv_idle: self.kv.idle(),
            scratch_held: self.shared.scratch.load(std::sync::atomic::Ordering::Relaxed),
        })
    }
}

impl Drop for LocalEngine {
    fn drop(&mut self) {
        self.shared.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.commands = None;
        if let Some(worker) = self.worker.take() {
            // Its panics were reported to the requests that met them.
            drop(worker.join());
        }
    }
}

/// One thread where the system does not say.
fn usable_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn describe(file: &ModelFile, model: &Model, name: &str, model_ref: String) -> EngineDescription {
    let named = file.metadata.text("general.name").ok().flatten().map(str::to_owned);
    EngineDescription {
        engine: "local".to_owned(),
        engine_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        model_ref,
        model: named.unwrap_or_else(|| name.to_owned()),
        architecture: Some(file.config.architecture.name().to_owned()),
        parameters: Some(file.tensors.values().map(|tensor| tensor.value_count() as u64).sum()),
        quantization: Some(model.main_type().name().to_owned()),
        model_bytes: Some(file.file_bytes),
        context_length: u32::try_from(file.config.context_length).ok(),
        device: "cpu".to_owned(),
        synthetic_weights: file.is_synthetic(),
        ..EngineDescription::default()
    }
}

/// Reads prompts as this engine does, for another engine of the same file.
///
/// # Errors
/// Any [`ModelError`] of reading the vocabulary or the template.
pub fn prompt_reader(file: &ModelFile) -> Result<PromptReader> {
    let tokenizer = Arc::new(file.build_tokenizer()?);
    let chat = Arc::new(chat_template(file, &tokenizer)?);
    let ModelConfig { vocab, context_length, .. } = file.config;
    Ok(PromptReader { tokenizer, chat, vocab, context_length })
}

fn chat_template(file: &ModelFile, tokenizer: &LocalTokenizer) -> Result<ChatTemplate> {
    let text = |kind: &str| -> Result<String> {
        let id = file.metadata.size(&format!("tokenizer.ggml.{kind}_token_id"))?;
        let token = id.and_then(|id| u32::try_from(id).ok());
        Ok(token.and_then(|token| tokenizer.token_text(token)).unwrap_or_default())
    };
    ChatTemplate::new(file.chat_template.as_deref(), text("bos")?, text("eos")?)
        .map_err(|error| ModelError::key("tokenizer.chat_template", error.to_string()))
}
