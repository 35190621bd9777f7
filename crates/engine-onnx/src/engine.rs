//! A model behind the engine contract.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use weighbridge_engine::answer::Events;
use weighbridge_engine::{
    BoxFuture, Capabilities, Classified, ClassifyRequest, EmbedRequest, Embedded, Engine, EngineError, EngineEvent,
    EventKind, EventStream, GenerateRequest, MemoryReport, RequestFailure, ScoreRequest, ScoredContinuation, Tokenizer,
};
use weighbridge_types::record::EngineDescription;
use weighbridge_types::request::FailureClass;

use crate::classifier::Classifier;
use crate::decoder::Decoder;
use crate::decoding::{Ask, Decoding, Held};
use crate::encoder::Encoder;
use crate::error::OnnxError;
use crate::graph::OnnxRuntime;
use crate::model::OnnxModel;
use crate::tokens::Tokens;
use crate::worker::{BATCH, Desk, QUEUE_LIMIT, spawn};

/// How a model runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// Threads that compute the graph; `None` takes one for a classifier, whose graph is small, and every core for another
    /// model. Features and tokens are computed by whoever asks.
    pub threads: Option<NonZeroUsize>,
    /// Which library computes the graph.
    pub runtime: OnnxRuntime,
    /// The reference as the user wrote it, for the record; `None` records the name.
    pub model_ref: Option<String>,
}

/// A model that runs in this process, on one thread of its own.
///
/// Texts that wait at the same time are computed together, 64 at most. Dropping the engine ends the thread after the batch
/// that runs.
#[derive(Debug)]
pub struct OnnxEngine {
    served: Served,
    description: EngineDescription,
}

/// What answers, and where texts are handed in.
#[derive(Debug)]
enum Served {
    Classifier { model: Arc<Classifier>, classes: Arc<[String]>, desk: Desk<Vec<f32>, Classified> },
    Encoder { model: Arc<Encoder>, desk: Desk<Tokens, Embedded> },
    Decoder { model: Arc<Decoder>, asks: mpsc::Sender<Ask>, held: Arc<Held> },
}

impl OnnxEngine {
    /// Loads a file or a folder.
    ///
    /// # Errors
    /// Any [`OnnxError`].
    pub fn load(path: &Path, options: OnnxOptions) -> Result<Self, OnnxError> {
        Self::start(OnnxModel::open(path, &options)?, options)
    }

    /// Loads a classifier that is part of the program.
    ///
    /// # Errors
    /// Any [`OnnxError`] but that of reading a file.
    pub fn from_bytes(name: &str, bytes: &[u8], options: OnnxOptions) -> Result<Self, OnnxError> {
        let threads = options.threads.map_or(1, NonZeroUsize::get);
        let classifier = Classifier::of_bytes(name, bytes.to_vec(), threads, &options.runtime)?;
        Self::start(OnnxModel::Classifier(classifier), options)
    }

    fn start(model: OnnxModel, options: OnnxOptions) -> Result<Self, OnnxError> {
        let description = describe(&model, options);
        let served = match model {
            OnnxModel::Classifier(model) => {
                let model = Arc::new(model);
                let own = Arc::clone(&model);
                let desk = Desk::start(model.name(), move |rows: Vec<Vec<f32>>| own.run(rows.concat()))?;
                Served::Classifier { classes: model.description().labels.clone().into(), model, desk }
            }
            OnnxModel::Encoder(model) => {
                let model: Arc<Encoder> = Arc::from(model);
                let own = Arc::clone(&model);
                let desk = Desk::start(model.name(), move |texts: Vec<Tokens>| own.run(&texts))?;
                Served::Encoder { model, desk }
            }
            OnnxModel::Decoder(model) => {
                let (model, held): (Arc<Decoder>, _) = (Arc::from(model), Arc::default());
                let (asks, queue) = mpsc::channel(QUEUE_LIMIT);
                let decoding = Decoding::new(Arc::clone(&model), queue, Arc::clone(&held));
                spawn(model.graph().name(), move || decoding.run())?;
                Served::Decoder { model, asks, held }
            }
        };
        Ok(Self { served, description })
    }

    fn refuse(&self, operation: &'static str) -> EngineError {
        EngineError::Unsupported { operation, engine: self.description.engine.clone() }
    }
}

impl Engine for OnnxEngine {
    fn describe(&self) -> EngineDescription {
        self.description.clone()
    }

    fn capabilities(&self) -> Capabilities {
        let none = Capabilities { in_process: true, ..Capabilities::default() };
        match self.served {
            Served::Classifier { .. } => Capabilities { classify: true, ..none },
            Served::Encoder { .. } => Capabilities { embed: true, ..none },
            Served::Decoder { .. } => Capabilities {
                score: true,
                token_prompts: true,
                ignore_eos: true,
                constraint: true,
                likeliest: true,
                exact_tokens: true,
                ..none
            },
        }
    }

    fn tokenizer(&self) -> Option<Arc<dyn Tokenizer>> {
        match &self.served {
            Served::Decoder { model, .. } => Some(model.tokenizer()),
            Served::Classifier { .. } | Served::Encoder { .. } => None,
        }
    }

    /// Classifiers and encoders refuse: they write no text.
    fn generate(&self, request: GenerateRequest) -> EventStream {
        if let Served::Decoder { model, asks, .. } = &self.served {
            let (events, receiver) = Events::new(&request, model.context());
            if let Err(error) = asks.try_send(Ask::Generate(Box::new(request), events.clone())) {
                events.fail(no_place(&error).to_string());
            }
            return Box::pin(stream::unfold(receiver, async |mut receiver| {
                let event = receiver.recv().await?;
                Some((event, receiver))
            }));
        }
        let message = self.refuse("generate text").to_string();
        let failure = RequestFailure { class: FailureClass::ClientError, message, retry_after: None };
        let event = EngineEvent { at: request.clock.now(), kind: EventKind::Failed(failure) };
        Box::pin(stream::once(async { event }))
    }

    fn score(&self, request: ScoreRequest) -> BoxFuture<'_, Result<Vec<ScoredContinuation>, EngineError>> {
        Box::pin(async move {
            let Served::Decoder { asks, .. } = &self.served else {
                return Err(self.refuse("score texts"));
            };
            let ended = || EngineError::Failed { problem: "reach the model: its thread has ended".to_owned() };
            let (answer, scored) = oneshot::channel();
            asks.send(Ask::Score(request, answer)).await.map_err(|_| ended())?;
            scored.await.map_err(|_| ended())?
        })
    }

    fn classes(&self) -> Arc<[String]> {
        match &self.served {
            Served::Classifier { classes, .. } => Arc::clone(classes),
            Served::Encoder { .. } | Served::Decoder { .. } => Arc::default(),
        }
    }

    fn classify(&self, request: ClassifyRequest) -> BoxFuture<'_, Result<Vec<Classified>, EngineError>> {
        Box::pin(async move {
            let Served::Classifier { model, desk, .. } = &self.served else {
                return Err(self.refuse("classify texts"));
            };
            let features = &model.description().features;
            let mut all = Vec::with_capacity(request.inputs.len());
            for inputs in request.inputs.chunks(BATCH) {
                all.extend(desk.ask(inputs.iter().map(|input| features.row(input)).collect()).await?);
            }
            Ok(all)
        })
    }

    fn embed(&self, request: EmbedRequest) -> BoxFuture<'_, Result<Vec<Embedded>, EngineError>> {
        Box::pin(async move {
            let Served::Encoder { model, desk } = &self.served else {
                return Err(self.refuse("embed texts"));
            };
            let mut all = Vec::with_capacity(request.inputs.len());
            for inputs in request.inputs.chunks(BATCH) {
                let read =
                    |input: &String| model.read(input).map_err(|problem| EngineError::InvalidRequest { problem });
                all.extend(desk.ask(inputs.iter().map(read).collect::<Result<_, _>>()?).await?);
            }
            Ok(all)
        })
    }

    fn memory(&self) -> Option<MemoryReport> {
        let EngineDescription { quantization, parameters, model_bytes, .. } = &self.description;
        let weights = if quantization.is_some() { (*parameters)? * size_of::<f32>() as u64 } else { (*model_bytes)? };
        let report = MemoryReport { weights_expected: weights, weights_heap: weights, ..MemoryReport::default() };
        let Served::Decoder { model, held, .. } = &self.served else { return Some(report) };
        let (kv_held, kv_peak) = (held.now.load(Ordering::Relaxed), held.peak.load(Ordering::Relaxed));
        Some(MemoryReport { kv_per_token: model.bytes_per_token(), kv_held, kv_peak, ..report })
    }
}

fn no_place(error: &mpsc::error::TrySendError<Ask>) -> EngineError {
    let problem = match error {
        mpsc::error::TrySendError::Full(_) => format!("wait: {QUEUE_LIMIT} requests wait already"),
        mpsc::error::TrySendError::Closed(_) => "reach the model: its thread has ended".to_owned(),
    };
    EngineError::Failed { problem }
}

fn describe(model: &OnnxModel, options: OnnxOptions) -> EngineDescription {
    let facts = model.facts();
    // A smaller file holds other numbers as well; which ones, the graph library does not say.
    let is_f32 = facts.parameters.is_some_and(|count| count * size_of::<f32>() as u64 <= facts.file_bytes);
    EngineDescription {
        engine: options.runtime.name().to_owned(),
        engine_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        model_ref: options.model_ref.unwrap_or_else(|| model.name().to_owned()),
        model: model.title(),
        architecture: Some(facts.architecture),
        parameters: facts.parameters,
        quantization: is_f32.then(|| "F32".to_owned()),
        model_bytes: Some(facts.file_bytes),
        model_digest: Some(facts.digest),
        context_length: match model {
            OnnxModel::Decoder(model) => u32::try_from(model.context()).ok(),
            OnnxModel::Classifier(_) | OnnxModel::Encoder(_) => None,
        },
        device: "cpu".to_owned(),
        ..EngineDescription::default()
    }
}
