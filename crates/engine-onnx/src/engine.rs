//! A classifier behind the engine contract.

use std::path::Path;
use std::sync::Arc;

use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use weighbridge_engine::{
    BoxFuture, Capabilities, Classified, ClassifyRequest, Engine, EngineError, EngineEvent, EventKind, EventStream,
    GenerateRequest, MemoryReport, RequestFailure,
};
use weighbridge_types::record::EngineDescription;
use weighbridge_types::request::FailureClass;

use crate::classifier::Classifier;
use crate::error::OnnxError;
use crate::worker::{BATCH, Job, QUEUE_LIMIT, work};

/// How a classifier runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnnxOptions {
    /// Threads that compute the graph; 0 takes one per core. Features are computed by whoever asks.
    pub threads: usize,
    /// The reference as the user wrote it, for the record; `None` records the name.
    pub model_ref: Option<String>,
}

/// A classifier that runs in this process, on one thread of its own.
///
/// Texts that wait at the same time are computed together, 64 at most. Dropping the engine ends the thread after the batch
/// that runs.
#[derive(Debug)]
pub struct OnnxEngine {
    classifier: Arc<Classifier>,
    classes: Arc<[String]>,
    description: EngineDescription,
    jobs: mpsc::Sender<Job>,
}

impl OnnxEngine {
    /// Loads a file.
    ///
    /// # Errors
    /// Any [`OnnxError`].
    pub fn load(path: &Path, options: OnnxOptions) -> Result<Self, OnnxError> {
        Self::start(Classifier::open(path, options.threads)?, options)
    }

    /// Loads a classifier that is part of the program.
    ///
    /// # Errors
    /// Any [`OnnxError`] but that of reading a file.
    pub fn from_bytes(name: &str, bytes: &[u8], options: OnnxOptions) -> Result<Self, OnnxError> {
        Self::start(Classifier::from_bytes(name, bytes.to_vec(), options.threads)?, options)
    }

    fn start(classifier: Classifier, options: OnnxOptions) -> Result<Self, OnnxError> {
        let classifier = Arc::new(classifier);
        let (jobs, queue) = mpsc::channel(QUEUE_LIMIT);
        let own = Arc::clone(&classifier);
        let thread = std::thread::Builder::new().name("classifier".to_owned());
        thread.spawn(move || work(&own, queue)).map_err(|error| OnnxError::Run {
            name: classifier.name().to_owned(),
            problem: format!("no thread could be started: {error}"),
        })?;
        let description = describe(&classifier, options.model_ref);
        let classes = classifier.description().labels.clone().into();
        Ok(Self { classifier, classes, description, jobs })
    }

    /// The classifier.
    #[must_use]
    pub fn classifier(&self) -> &Classifier {
        &self.classifier
    }
}

impl Engine for OnnxEngine {
    fn describe(&self) -> EngineDescription {
        self.description.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { classify: true, in_process: true, ..Capabilities::default() }
    }

    /// Refuses: a classifier writes no text.
    fn generate(&self, request: GenerateRequest) -> EventStream {
        let refusal = EngineError::Unsupported { operation: "generate text", engine: "onnx".to_owned() };
        let failure =
            RequestFailure { class: FailureClass::ClientError, message: refusal.to_string(), retry_after: None };
        let event = EngineEvent { at: request.clock.now(), kind: EventKind::Failed(failure) };
        Box::pin(stream::once(async { event }))
    }

    fn classes(&self) -> Arc<[String]> {
        Arc::clone(&self.classes)
    }

    fn classify(&self, request: ClassifyRequest) -> BoxFuture<'_, Result<Vec<Classified>, EngineError>> {
        Box::pin(async move {
            let features = &self.classifier.description().features;
            let mut all = Vec::with_capacity(request.inputs.len());
            for inputs in request.inputs.chunks(BATCH) {
                let rows = inputs.iter().flat_map(|input| features.row(input)).collect();
                let (answer, classified) = oneshot::channel();
                let ended = || EngineError::Failed { problem: "reach the classifier: its thread has ended".to_owned() };
                let job = Job { rows, count: inputs.len(), answer };
                self.jobs.send(job).await.map_err(|_| ended())?;
                all.extend(classified.await.map_err(|_| ended())??);
            }
            Ok(all)
        })
    }

    fn memory(&self) -> Option<MemoryReport> {
        let weights = self.classifier.parameters() * size_of::<f32>() as u64;
        Some(MemoryReport { weights_expected: weights, weights_heap: weights, ..MemoryReport::default() })
    }
}

fn describe(classifier: &Classifier, model_ref: Option<String>) -> EngineDescription {
    let stem = Path::new(classifier.name()).file_stem().map(|stem| stem.to_string_lossy().into_owned());
    EngineDescription {
        engine: "onnx".to_owned(),
        engine_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        model_ref: model_ref.unwrap_or_else(|| classifier.name().to_owned()),
        model: stem.unwrap_or_default(),
        architecture: Some("classifier".to_owned()),
        parameters: Some(classifier.parameters()),
        quantization: Some("F32".to_owned()),
        model_bytes: Some(classifier.file_bytes()),
        model_digest: Some(classifier.digest().to_owned()),
        device: "cpu".to_owned(),
        ..EngineDescription::default()
    }
}
