//! What an ONNX file or folder holds.

use std::num::NonZeroUsize;
use std::path::Path;

use crate::classifier::Classifier;
use crate::description::DESCRIPTION_KEY;
use crate::encoder::Encoder;
use crate::error::OnnxError;
use crate::folder::Folder;
use crate::graph::{Graph, Source};

/// A model of any kind that is known.
#[derive(Debug)]
pub enum OnnxModel {
    /// Answers with classes.
    Classifier(Classifier),
    /// Answers with vectors.
    Encoder(Box<Encoder>),
}

impl OnnxModel {
    /// Loads a file or a folder. What has a description is a classifier, what reads `input_ids` is an encoder. `None` takes
    /// one thread for a classifier, whose graph is small, and every core for another model.
    ///
    /// # Errors
    /// Any [`OnnxError`] of reading, checking and trying it.
    pub fn open(path: &Path, threads: Option<NonZeroUsize>) -> Result<Self, OnnxError> {
        let folder = Folder::find(path)?;
        let source = Source::read(&folder.graph)?;
        // Only classifiers say what they are in a file that stands alone.
        let usual = usize::from(!path.is_dir() && !folder.has_settings());
        let graph = Graph::load(source, threads.map_or(usual, NonZeroUsize::get))?;
        if graph.metadata(DESCRIPTION_KEY).is_none() && graph.input("input_ids").is_some() {
            return Ok(Self::Encoder(Box::new(Encoder::of_graph(graph, &folder)?)));
        }
        Ok(Self::Classifier(Classifier::of_graph(graph)?))
    }

    pub(crate) const fn graph(&self) -> &Graph {
        match self {
            Self::Classifier(model) => model.graph(),
            Self::Encoder(model) => model.graph(),
        }
    }

    /// The kind of model, for people.
    #[must_use]
    pub fn architecture(&self) -> String {
        match self {
            Self::Classifier(_) => "classifier".to_owned(),
            Self::Encoder(model) => model.architecture().unwrap_or("encoder").to_owned(),
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
