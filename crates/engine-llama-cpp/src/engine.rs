//! The engine's public face.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use futures_util::stream;
use tokio::sync::oneshot;
use weighbridge_engine::answer::Events;
use weighbridge_engine::{
    BoxFuture, Capabilities, Engine, EngineError, EventStream, GenerateRequest, ScoreRequest, ScoredContinuation,
    Tokenizer,
};
use weighbridge_types::record::EngineDescription;

use crate::error::{LlamaCppError, Result};
use crate::model;
use crate::request::{Job, Preparation};
use crate::score::ScoreJob;
use crate::tokenizer::LlamaTokenizer;
use crate::worker::{Command, Plan, Worker};

/// Requests that wait at most; more are refused at once.
const QUEUE_LIMIT: usize = 1024;

/// Places of keys and values where nobody says: llama.cpp takes their memory at once and for good.
const CELLS: u32 = 8192;

/// How a model runs.
#[derive(Clone, Debug, Default)]
pub struct LlamaCppOptions {
    /// Threads that compute; `None` takes one per core that this process may use.
    pub threads: Option<NonZeroUsize>,
    /// Tokens whose keys and values are held at most, of all requests together; one request has no more than these, nor more
    /// than the model's context. `None` takes 8192.
    pub cells: Option<NonZeroU32>,
    /// The reference as the user wrote it, for the record; `None` records the path.
    pub model_ref: Option<String>,
}

/// A model that llama.cpp runs in this process, on a thread and with memory of its own.
///
/// Dropping the engine ends what still runs and frees its memory.
#[derive(Debug)]
pub struct LlamaCppEngine {
    path: PathBuf,
    description: EngineDescription,
    digest: OnceLock<Option<String>>,
    tokenizer: Arc<LlamaTokenizer>,
    /// Tokens of a request and its answer at most.
    context: u32,
    stop: Arc<AtomicBool>,
    /// `None` only while the engine is being dropped.
    commands: Option<SyncSender<Command>>,
    worker: Option<JoinHandle<()>>,
}

impl LlamaCppEngine {
    /// Loads a GGUF file.
    ///
    /// # Errors
    /// Any [`LlamaCppError`].
    pub fn load(path: impl AsRef<Path>, options: LlamaCppOptions) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let model = Arc::new(model::load(&path)?);
        let trained = model.n_ctx_train();
        let cells = options.cells.map_or(CELLS, NonZeroU32::get);
        let context = trained.min(cells);
        let model_ref = options.model_ref.unwrap_or_else(|| path.display().to_string());
        let threads = options.threads.map(|threads| ("threads", threads.to_string()));
        let recorded = [threads, Some(("kv_cells", cells.to_string()))].into_iter().flatten();
        let options_recorded: BTreeMap<_, _> = recorded.map(|(name, value)| (name.to_owned(), value)).collect();
        let description =
            EngineDescription { options: options_recorded, ..model::describe(&model, &path, model_ref, context) };
        let tokenizer = Arc::new(LlamaTokenizer::new(Arc::clone(&model)));
        let stop = Arc::new(AtomicBool::new(false));
        let plan = Plan {
            preparation: Preparation { model, tokenizer: Arc::clone(&tokenizer) as Arc<dyn Tokenizer>, context },
            threads: options.threads.map_or_else(usable_cores, NonZeroUsize::get),
            cells,
            stop: Arc::clone(&stop),
        };
        let (commands, queue) = sync_channel(QUEUE_LIMIT);
        let (ready, is_ready) = sync_channel(1);
        let thread_error = |source| LlamaCppError::Io { action: "start a thread for", path: path.clone(), source };
        let thread = std::thread::Builder::new().name("llama-cpp".to_owned());
        let worker = thread.spawn(move || Worker::start(plan, queue, &ready)).map_err(thread_error)?;
        let problem = match is_ready.recv() {
            Ok(Ok(())) => None,
            Ok(Err(problem)) => Some(problem),
            Err(_) => Some("its thread has ended".to_owned()),
        };
        if let Some(problem) = problem {
            return Err(LlamaCppError::Context { path, cells, problem });
        }
        let (commands, worker) = (Some(commands), Some(worker));
        Ok(Self { path, description, digest: OnceLock::new(), tokenizer, context, stop, commands, worker })
    }

    /// Hands work to the worker; says why when it cannot.
    fn submit(&self, command: Command) -> std::result::Result<(), EngineError> {
        let problem = match self.commands.as_ref().map(|commands| commands.try_send(command)) {
            Some(Ok(())) => return Ok(()),
            Some(Err(TrySendError::Full(_))) => format!("queue the request: {QUEUE_LIMIT} are waiting already"),
            Some(Err(TrySendError::Disconnected(_))) | None => "reach the model: its thread has ended".to_owned(),
        };
        Err(EngineError::Failed { problem })
    }
}

impl Engine for LlamaCppEngine {
    /// Reads the whole file on the first call, for its digest.
    fn describe(&self) -> EngineDescription {
        let digest = self.digest.get_or_init(|| model::digest(&self.path));
        EngineDescription { model_digest: digest.clone(), ..self.description.clone() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            score: true,
            token_prompts: true,
            ignore_eos: true,
            constraint: true,
            likeliest: true,
            exact_tokens: true,
            in_process: true,
            ..Capabilities::default()
        }
    }

    fn tokenizer(&self) -> Option<Arc<dyn Tokenizer>> {
        Some(Arc::clone(&self.tokenizer) as Arc<dyn Tokenizer>)
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        let (events, receiver) = Events::new(&request, self.context as usize);
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
}

impl Drop for LlamaCppEngine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
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
