//! A graph with its description: texts in, log-probabilities out.

use std::path::Path;

use weighbridge_engine::Classified;

use crate::description::{DESCRIPTION_KEY, Description, Output};
use crate::error::OnnxError;
use crate::graph::{Block, Dimension, Graph, Input, OnnxRuntime, Shape, Source};

/// Smallest probability: below it the logarithm is that of this number, so that it stays finite.
const SMALLEST: f64 = f64::MIN_POSITIVE;

/// What inputs and outputs must be.
const NEEDED: &str = "the input must be float32 [texts, buckets] or [texts, 1, side, side], the only output float32 [texts, labels]; correct the description or the graph";

/// A classifier that is ready to run.
#[derive(Debug)]
pub struct Classifier {
    graph: Graph,
    description: Description,
}

impl Classifier {
    /// Loads a file; 0 threads are one per core.
    ///
    /// # Errors
    /// Any [`OnnxError`] of reading, checking and trying it.
    pub fn open(path: &Path, threads: usize) -> Result<Self, OnnxError> {
        Self::of_graph(Graph::load(Source::read(path)?, threads, &OnnxRuntime::Rten)?)
    }

    /// Loads the bytes of a file. External weights are not looked for.
    ///
    /// # Errors
    /// Any [`OnnxError`] but [`OnnxError::Io`].
    pub fn from_bytes(name: &str, bytes: Vec<u8>, threads: usize) -> Result<Self, OnnxError> {
        Self::of_bytes(name, bytes, threads, &OnnxRuntime::Rten)
    }

    pub(crate) fn of_bytes(name: &str, bytes: Vec<u8>, threads: usize, on: &OnnxRuntime) -> Result<Self, OnnxError> {
        Self::of_graph(Graph::load(Source { name: name.to_owned(), bytes, weights: Vec::new() }, threads, on)?)
    }

    /// Reads the description, and computes one empty text to see that graph and description fit.
    pub(crate) fn of_graph(graph: Graph) -> Result<Self, OnnxError> {
        let written = graph.metadata(DESCRIPTION_KEY);
        let description: Description =
            written.ok_or_else(|| OnnxError::NoDescription { name: graph.name().to_owned() })?.parse()?;
        let classifier = Self { graph, description };
        classifier.check_shapes()?;
        classifier.run(classifier.description.features.row(""))?;
        Ok(classifier)
    }

    pub(crate) const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Name of the file, or of a shipped classifier.
    #[must_use]
    pub fn name(&self) -> &str {
        self.graph.name()
    }

    /// Its classes and features.
    #[must_use]
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// Numbers that were learned; `None` where the library does not tell.
    #[must_use]
    pub fn parameters(&self) -> Option<u64> {
        self.graph.parameters()
    }

    /// Size of the file, bytes.
    #[must_use]
    pub const fn file_bytes(&self) -> u64 {
        self.graph.file_bytes()
    }

    /// SHA-256 of the file, hexadecimal.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.graph.digest()
    }

    /// Inputs and outputs of the graph.
    #[must_use]
    pub fn shapes(&self) -> (Vec<Shape>, Vec<Shape>) {
        self.graph.shapes()
    }

    /// Classifies rows of features, `[texts, …]` with the shape of the features, row-major.
    ///
    /// # Errors
    /// [`OnnxError::Run`] when the graph cannot be computed, [`OnnxError::Shape`] when its output does not fit.
    pub fn run(&self, rows: Vec<f32>) -> Result<Vec<Classified>, OnnxError> {
        let (row, labels) = (self.description.features.shape(), self.description.labels.len());
        let count = rows.len() / row.iter().product::<usize>();
        let shape = std::iter::once(count).chain(row).collect();
        let input = Input::Floats(Block { shape, data: rows });
        let output = self.graph.run(vec![(0, input)], &[0])?.remove(0);
        if output.shape != [count, labels] {
            let found = output.shape;
            return Err(
                self.misfit(format!("its output is {found:?}, expected [{count}, {labels}] for {labels} labels"))
            );
        }
        Ok(output.data.chunks_exact(labels).map(|row| self.classified(row)).collect())
    }

    fn classified(&self, row: &[f32]) -> Classified {
        let values = row.iter().map(|&value| f64::from(value));
        let log_probabilities = match self.description.output {
            Output::Probabilities => values.map(|value| value.max(SMALLEST).ln()).collect(),
            Output::Logits => {
                let most = values.clone().fold(f64::NEG_INFINITY, f64::max);
                let sum: f64 = values.clone().map(|value| (value - most).exp()).sum();
                values.map(|value| value - most - sum.ln()).collect()
            }
        };
        Classified { log_probabilities }
    }

    fn check_shapes(&self) -> Result<(), OnnxError> {
        let (inputs, outputs) = (self.graph.inputs(), self.graph.outputs());
        let ([input], [_]) = (inputs, outputs) else {
            let found = format!("it has {} inputs and {} outputs, expected one of each", inputs.len(), outputs.len());
            return Err(self.misfit(found));
        };
        let row = self.description.features.shape();
        let fits = match &input.dimensions[..] {
            [] => true,
            [texts, rest @ ..] => {
                let is_open = |dimension: &Dimension| matches!(dimension, Dimension::Open(_));
                let is_row = |(found, size): (&Dimension, &usize)| is_open(found) || *found == Dimension::Fixed(*size);
                is_open(texts) && rest.len() == row.len() && rest.iter().zip(&row).all(is_row)
            }
        };
        if fits {
            return Ok(());
        }
        let row = row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × ");
        Err(self.misfit(format!("its input is {input}, expected any number of texts × {row}")))
    }

    fn misfit(&self, problem: String) -> OnnxError {
        self.graph.misfit(NEEDED, problem)
    }
}
