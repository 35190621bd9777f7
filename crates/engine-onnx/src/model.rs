//! What an ONNX file or folder holds.

use std::num::NonZeroUsize;
use std::path::Path;

use crate::classifier::Classifier;
use crate::decoder::Decoder;
use crate::description::DESCRIPTION_KEY;
use crate::encoder::Encoder;
use crate::engine::OnnxOptions;
use crate::error::OnnxError;
use crate::folder::Folder;
use crate::graph::{Graph, Shape, Source};

/// A model of any kind that is known.
#[derive(Debug)]
pub enum OnnxModel {
    /// Answers with classes.
    Classifier(Classifier),
    /// Answers with vectors.
    Encoder(Box<Encoder>),
    /// Answers with text.
    Decoder(Box<Decoder>),
}

/// What every model has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The kind of model: `classifier`, `bert`.
    pub architecture: String,
    /// Numbers that were learned; `None` where the library does not tell.
    pub parameters: Option<u64>,
    /// Size of the file and of its weights, bytes.
    pub file_bytes: u64,
    /// SHA-256 of the file and of its weights, hexadecimal.
    pub digest: String,
    /// Inputs of the graph.
    pub inputs: Vec<Shape>,
    /// Outputs of the graph.
    pub outputs: Vec<Shape>,
}

impl OnnxModel {
    /// Loads a file or a folder. What has a description is a classifier, what reads `input_ids`
    /// and the past of a text is a decoder, what reads `input_ids` alone an encoder. `None` takes
    /// one thread for a classifier, whose graph is small, and every core for another model.
    ///
    /// # Errors
    /// Any [`OnnxError`] of reading, checking and trying it.
    pub fn open(path: &Path, options: &OnnxOptions) -> Result<Self, OnnxError> {
        let folder = Folder::find(path)?;
        let source = Source::read(&folder.graph)?;
        // Only classifiers say what they are in a file that stands alone.
        let usual = usize::from(!path.is_dir() && !folder.has_settings());
        let graph = Graph::load(source, options.threads.map_or(usual, NonZeroUsize::get), &options.runtime)?;
        if graph.metadata(DESCRIPTION_KEY).is_none() && graph.input("input_ids").is_some() {
            let has_past = graph.inputs().iter().any(|port| port.name.starts_with("past_key_values."));
            return Ok(if has_past {
                Self::Decoder(Box::new(Decoder::of_graph(graph, &folder)?))
            } else {
                Self::Encoder(Box::new(Encoder::of_graph(graph, &folder)?))
            });
        }
        Ok(Self::Classifier(Classifier::of_graph(graph)?))
    }

    /// Whether a path may name a model that writes text, by the settings beside the graph; the graph is not read. True where
    /// only loading can tell.
    #[must_use]
    pub fn may_write_text(path: &Path) -> bool {
        Folder::find(path).map_or(true, |folder| {
            if folder.has_settings() { folder.may_be_decoder() } else { !folder.graph.is_file() }
        })
    }

    /// Size of the graph that a path names and of its weights, bytes; 0 where there is none.
    #[must_use]
    pub fn bytes_on_disk(path: &Path) -> u64 {
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        Folder::find(path).map_or(0, |folder| {
            let weights = Source::weights_beside(&folder.graph);
            size(&folder.graph) + weights.iter().map(|path| size(path)).sum::<u64>()
        })
    }

    /// Name of the file, or of a shipped model.
    #[must_use]
    pub fn name(&self) -> &str {
        self.graph().name()
    }

    fn graph(&self) -> &Graph {
        match self {
            Self::Classifier(model) => model.graph(),
            Self::Encoder(model) => model.graph(),
            Self::Decoder(model) => model.graph(),
        }
    }

    /// What every model has.
    #[must_use]
    pub fn facts(&self) -> Facts {
        let graph = self.graph();
        let architecture = match self {
            Self::Classifier(_) => "classifier",
            Self::Encoder(model) => model.architecture().unwrap_or("encoder"),
            Self::Decoder(model) => model.architecture().unwrap_or("decoder"),
        };
        let (inputs, outputs) = graph.shapes();
        Facts {
            architecture: architecture.to_owned(),
            parameters: graph.parameters(),
            file_bytes: graph.file_bytes(),
            digest: graph.digest().to_owned(),
            inputs,
            outputs,
        }
    }

    /// The file's name without its ending, or that of the folder where the file is called `model.onnx`.
    pub(crate) fn title(&self) -> String {
        let path = Path::new(self.graph().name());
        let stem = path.file_stem().unwrap_or_default();
        let folders = path.ancestors().skip(1).filter_map(Path::file_name);
        let name =
            if stem == "model" { folders.into_iter().find(|name| *name != "onnx").unwrap_or(stem) } else { stem };
        name.to_string_lossy().into_owned()
    }
}
