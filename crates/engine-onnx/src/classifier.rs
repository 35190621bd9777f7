//! A graph with its description: texts in, log-probabilities out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use rten::{Dimension, Model, ModelOptions, OpRegistry, RunOptions, ThreadPool, ValueOrView, op_registry};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};
use sha2::{Digest, Sha256};
use weighbridge_engine::Classified;

use crate::description::{DESCRIPTION_KEY, Description, Output};
use crate::error::OnnxError;

/// Smallest probability: below it the logarithm is that of this number, so that it stays finite.
const SMALLEST: f64 = f64::MIN_POSITIVE;

/// A classifier that is ready to run.
pub struct Classifier {
    name: String,
    model: Model,
    description: Description,
    options: RunOptions,
    bytes: u64,
    digest: String,
}

impl std::fmt::Debug for Classifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Classifier")
            .field("name", &self.name)
            .field("description", &self.description)
            .finish_non_exhaustive()
    }
}

/// An input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Its dimensions, `batch × 2048`; a name stands for a size that is known when the graph runs.
    pub dimensions: String,
}

/// The operators of dense classifiers.
fn operators() -> OpRegistry {
    op_registry!(Add, Flatten, Gemm, Identity, LogSoftmax, MatMul, Mul, Relu, Sigmoid, Softmax, Sub, Tanh)
}

impl Classifier {
    /// Loads a file.
    ///
    /// # Errors
    /// Any [`OnnxError`] of reading, checking and trying it.
    pub fn open(path: &Path, threads: usize) -> Result<Self, OnnxError> {
        let bytes = std::fs::read(path).map_err(|source| OnnxError::Io { path: path.to_owned(), source })?;
        Self::from_bytes(&path.display().to_string(), bytes, threads)
    }

    /// Loads the bytes of a file, and computes one empty text to see that graph and description fit. External weights are
    /// not looked for.
    ///
    /// # Errors
    /// Any [`OnnxError`] but [`OnnxError::Io`].
    pub fn from_bytes(name: &str, bytes: Vec<u8>, threads: usize) -> Result<Self, OnnxError> {
        let (length, digest) = (bytes.len() as u64, hex(&Sha256::digest(&bytes)));
        let model = load(name, bytes)?;
        let written = model.metadata().get(DESCRIPTION_KEY);
        let description: Description =
            written.ok_or_else(|| OnnxError::NoDescription { name: name.to_owned() })?.parse()?;
        let pool = (threads > 0).then(|| Arc::new(ThreadPool::with_num_threads(threads)));
        let options = RunOptions::default().with_thread_pool(pool);
        let classifier = Self { name: name.to_owned(), model, description, options, bytes: length, digest };
        classifier.check_shapes()?;
        classifier.run(vec![0.0; classifier.description.features.buckets])?;
        Ok(classifier)
    }

    /// Name of the file, or of a shipped classifier.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its classes and features.
    #[must_use]
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// Numbers that were learned.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.model.total_params() as u64
    }

    /// Size of the file, bytes.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of the file, hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Inputs and outputs of the graph.
    #[must_use]
    pub fn shapes(&self) -> (Vec<Shape>, Vec<Shape>) {
        let shape = |id: &rten::NodeId| {
            let info = self.model.node_info(*id);
            let name = info.as_ref().and_then(rten::NodeInfo::name).unwrap_or_default().to_owned();
            let written = |dimension: &Dimension| match dimension {
                Dimension::Fixed(size) => size.to_string(),
                Dimension::Symbolic(name) => name.clone(),
            };
            let dimensions = info.and_then(|info| info.shape()).unwrap_or_default();
            Shape { name, dimensions: dimensions.iter().map(written).collect::<Vec<_>>().join(" × ") }
        };
        (self.model.input_ids().iter().map(shape).collect(), self.model.output_ids().iter().map(shape).collect())
    }

    /// Classifies rows of features, `[texts, buckets]` row-major.
    ///
    /// # Errors
    /// [`OnnxError::Run`] when the graph cannot be computed, [`OnnxError::Shape`] when its output does not fit.
    pub fn run(&self, rows: Vec<f32>) -> Result<Vec<Classified>, OnnxError> {
        let (buckets, labels) = (self.description.features.buckets, self.description.labels.len());
        let count = rows.len() / buckets;
        let fail = |problem: String| OnnxError::Run { name: self.name.clone(), problem };
        let input = NdTensor::from_data([count, buckets], rows);
        let options = Some(self.options.clone());
        let value = guarded(|| self.model.run_one(ValueOrView::from(input), options)).map_err(fail)?;
        let value = value.map_err(|error| fail(error.to_string()))?;
        let output: Tensor<f32> = value
            .try_into()
            .map_err(|error: rten::TryFromValueError| self.misfit(format!("its output is no float32: {error}")))?;
        if output.shape() != [count, labels] {
            let found = output.shape().to_vec();
            return Err(
                self.misfit(format!("its output is {found:?}, expected [{count}, {labels}] for {labels} labels"))
            );
        }
        let numbers = output.to_vec();
        numbers.chunks_exact(labels).map(|row| self.classified(row)).collect()
    }

    fn classified(&self, row: &[f32]) -> Result<Classified, OnnxError> {
        if row.iter().any(|value| !value.is_finite()) {
            let problem = "it gave numbers that are infinite or none".to_owned();
            return Err(OnnxError::Run { name: self.name.clone(), problem });
        }
        let values = row.iter().map(|&value| f64::from(value));
        let log_probabilities = match self.description.output {
            Output::Probabilities => values.map(|value| value.max(SMALLEST).ln()).collect(),
            Output::Logits => {
                let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = values.clone().map(|value| (value - most).exp()).sum();
                values.map(|value| value - most - sum.ln()).collect()
            }
        };
        Ok(Classified { log_probabilities })
    }

    fn check_shapes(&self) -> Result<(), OnnxError> {
        let (inputs, outputs) = (self.model.input_ids(), self.model.output_ids());
        if inputs.len() != 1 || outputs.len() != 1 {
            let found = format!("it has {} inputs and {} outputs, expected one of each", inputs.len(), outputs.len());
            return Err(self.misfit(found));
        }
        let buckets = self.description.features.buckets;
        let shape = self.model.input_shape(0).unwrap_or_default();
        let fits = |dimension: &Dimension| {
            matches!(dimension, Dimension::Symbolic(_)) || *dimension == Dimension::Fixed(buckets)
        };
        let is_open = |dimension: &Dimension| matches!(dimension, Dimension::Symbolic(_));
        match &shape[..] {
            [] => Ok(()),
            [texts, row] if is_open(texts) && fits(row) => Ok(()),
            _ => {
                let (found, _) = self.shapes();
                let found = found.first().map(|shape| shape.dimensions.clone()).unwrap_or_default();
                Err(self.misfit(format!("its input is {found}, expected any number of texts × {buckets} buckets")))
            }
        }
    }

    fn misfit(&self, problem: String) -> OnnxError {
        OnnxError::Shape { name: self.name.clone(), problem }
    }
}

fn load(name: &str, bytes: Vec<u8>) -> Result<Model, OnnxError> {
    let broken = |problem: String| OnnxError::Broken { name: name.to_owned(), problem };
    crate::wire::check(&bytes).map_err(broken)?;
    let loaded = guarded(|| ModelOptions::with_ops(operators()).load(bytes)).map_err(broken)?;
    loaded.map_err(|error| {
        let (name, problem) = (name.to_owned(), error.to_string());
        match error.kind() {
            rten::LoadErrorKind::OperatorInvalid => OnnxError::Operator { name, problem },
            _ => OnnxError::Broken { name, problem },
        }
    })
}

/// Turns a panic of the graph library, which a damaged file may cause, into a message.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        format!("the graph is inconsistent: {}", text.unwrap_or("no reason was given"))
    })
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
