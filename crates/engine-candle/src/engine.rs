//! The engine's public face.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use futures_util::stream;
use sha2::{Digest, Sha256};
use weighbridge_engine::answer::Events;
use weighbridge_engine::device::{DeviceKind, Lanes, MemoryGuard};
use weighbridge_engine::prompt::PromptReader;
use weighbridge_engine::{Capabilities, Engine, EventStream, GenerateRequest, Tokenizer};
use weighbridge_types::record::EngineDescription;

use crate::devices::CandleDevices;
use crate::error::CandleError;
use crate::model::{Facts, Model};
use crate::worker::{Job, Lane, Worker};

/// Requests that wait at most; more are refused at once.
const QUEUE_LIMIT: usize = 1024;

/// The version that is linked, for the record; a test compares it with `Cargo.lock`.
const CANDLE_VERSION: &str = "0.11.1";

/// How a model runs.
#[derive(Clone, Debug)]
pub struct CandleOptions {
    /// Reads prompts: candle knows weights and no vocabulary.
    pub reader: PromptReader,
    /// The devices of this machine.
    pub devices: Arc<CandleDevices>,
    /// The one that computes.
    pub device: DeviceKind,
    /// How much of its memory may be taken.
    pub guard: MemoryGuard,
    /// The reference as the user wrote it, for the record; `None` records the path.
    pub model_ref: Option<String>,
}

/// A model that candle computes in this process.
///
/// Dropping the engine ends what still runs and frees its memory.
#[derive(Debug)]
pub struct CandleEngine {
    description: EngineDescription,
    digest: OnceLock<Option<String>>,
    source: Source,
    tokenizer: Arc<dyn Tokenizer>,
    context_length: usize,
    stop: Arc<AtomicBool>,
    /// `None` only while the engine is being dropped.
    jobs: Option<SyncSender<Box<Job>>>,
    worker: Option<JoinHandle<()>>,
}

/// Where the model's bytes are.
#[derive(Clone, Debug)]
enum Source {
    File(PathBuf),
    Static(&'static [u8]),
}

impl CandleEngine {
    /// Loads a GGUF file.
    ///
    /// # Errors
    /// Any [`CandleError`].
    pub fn load(path: &Path, options: CandleOptions) -> Result<Self, CandleError> {
        let unreadable = |source| CandleError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let source = Source::File(path.to_owned());
        Self::start(&mut BufReader::new(file), bytes, &name, source, options)
    }

    /// Loads a GGUF file that is part of the program.
    ///
    /// # Errors
    /// Any [`CandleError`] but that of reading a file.
    pub fn from_bytes(name: &str, gguf: &'static [u8], options: CandleOptions) -> Result<Self, CandleError> {
        Self::start(&mut Cursor::new(gguf), gguf.len() as u64, name, Source::Static(gguf), options)
    }

    fn start<R: Read + Seek>(
        reader: &mut R,
        bytes: u64,
        name: &str,
        source: Source,
        options: CandleOptions,
    ) -> Result<Self, CandleError> {
        let CandleOptions { reader: mut prompts, devices, device: kind, guard, model_ref } = options;
        let device = devices.open(kind)?;
        let (model, facts) = Model::read(name, reader, &device, |facts| {
            guard.admit(kind, facts.weight_bytes, &*devices)?;
            Ok(())
        })?;
        prompts.context_length = prompts.context_length.min(facts.context_length);
        let pristine = model.share(&device);
        let lanes = Lane::several(model, pristine.as_ref(), &device);
        let described = EngineDescription { model_bytes: Some(bytes), ..describe(&facts, name, kind, lanes.len()) };
        let description = EngineDescription {
            model_ref: model_ref.unwrap_or_else(|| match &source {
                Source::File(path) => path.display().to_string(),
                Source::Static(_) => name.to_owned(),
            }),
            ..described
        };
        let (tokenizer, context_length) = (Arc::clone(&prompts.tokenizer), prompts.context_length);
        let (jobs, queue) = sync_channel(QUEUE_LIMIT);
        let stop = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            pristine,
            lanes: Lanes::new(lanes),
            prompts,
            kind,
            device,
            devices,
            guard,
            kv_bytes: facts.kv_bytes,
            stop: Arc::clone(&stop),
            jobs: queue,
            waiting: VecDeque::new(),
        };
        let thread = std::thread::Builder::new().name("candle".to_owned());
        let thread_error = |source| CandleError::Io { path: name.into(), source };
        let worker = Some(thread.spawn(move || worker.run()).map_err(thread_error)?);
        let digest = OnceLock::new();
        Ok(Self { description, digest, source, tokenizer, context_length, stop, jobs: Some(jobs), worker })
    }
}

impl Engine for CandleEngine {
    /// Reads the whole file on the first call, for its digest.
    fn describe(&self) -> EngineDescription {
        let digest = self.digest.get_or_init(|| self.source.digest().ok());
        EngineDescription { model_digest: digest.clone(), ..self.description.clone() }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
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
        Some(Arc::clone(&self.tokenizer))
    }

    fn generate(&self, request: GenerateRequest) -> EventStream {
        let (events, receiver) = Events::new(&request, self.context_length);
        let job = Job { request, events: events.clone() };
        let sent = match &self.jobs {
            Some(jobs) => jobs.try_send(Box::new(job)),
            None => Err(TrySendError::Disconnected(Box::new(job))),
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => events.fail(format!("queue the request: {QUEUE_LIMIT} are waiting already")),
            Err(TrySendError::Disconnected(_)) => events.fail("reach the model: its thread has ended".to_owned()),
        }
        Box::pin(stream::unfold(receiver, async |mut receiver| {
            let event = receiver.recv().await?;
            Some((event, receiver))
        }))
    }
}

impl Drop for CandleEngine {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(worker) = self.worker.take() {
            // Its panics were reported to the requests that met them.
            drop(worker.join());
        }
    }
}

impl Source {
    /// SHA-256 of the bytes, hexadecimal.
    fn digest(&self) -> io::Result<String> {
        let mut hasher = Sha256::new();
        match self {
            Self::File(path) => drop(io::copy(&mut File::open(path)?, &mut hasher)?),
            Self::Static(bytes) => hasher.update(bytes),
        }
        Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn describe(facts: &Facts, name: &str, kind: DeviceKind, lanes: usize) -> EngineDescription {
    let mut options = BTreeMap::from([("lanes".to_owned(), lanes.to_string())]);
    if kind == DeviceKind::Cpu {
        options.insert("threads".to_owned(), candle_core::utils::get_num_threads().to_string());
    }
    EngineDescription {
        engine: "candle".to_owned(),
        engine_version: Some(CANDLE_VERSION.to_owned()),
        model: facts.title.clone().unwrap_or_else(|| name.to_owned()),
        architecture: Some(facts.architecture.clone()),
        parameters: Some(facts.parameters),
        quantization: Some(facts.quantization.clone()),
        context_length: u32::try_from(facts.context_length).ok(),
        device: kind.name().to_owned(),
        options,
        ..EngineDescription::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_version_is_the_linked_one() {
        let lock = include_str!("../../../Cargo.lock").replace("\r\n", "\n");
        assert!(lock.contains(&format!("name = \"candle-core\"\nversion = \"{CANDLE_VERSION}\"\n")));
    }
}
