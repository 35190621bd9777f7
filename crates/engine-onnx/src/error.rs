//! Why a model cannot be loaded or run.

use std::io;
use std::path::PathBuf;

use crate::description::DESCRIPTION_KEY;

/// What is wrong with an ONNX file, or with what was computed.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// The file could not be read.
    #[error("read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The bytes are no ONNX graph that can be used.
    #[error("load `{name}`: {problem}")]
    Broken {
        /// The file, or the name of a shipped classifier.
        name: String,
        /// What was found.
        problem: String,
    },
    /// The graph needs an operator that is not linked.
    #[error("load `{name}`: {problem}")]
    Operator {
        /// The file, or the name of a shipped classifier.
        name: String,
        /// Which operator, and in which node.
        problem: String,
    },
    /// It is no classifier, because the metadata say nothing of classes, and no model that reads tokens.
    #[error("load `{name}`: its metadata have no key `{DESCRIPTION_KEY}`, and it has no input `input_ids`")]
    NoDescription {
        /// The file, or the name of a shipped classifier.
        name: String,
    },
    /// The description in the metadata cannot be used.
    #[error("read the key `{DESCRIPTION_KEY}` of the metadata: {problem}")]
    Description {
        /// What was found and what was expected.
        problem: String,
    },
    /// The graph has not the inputs and outputs that such a model needs.
    #[error("load `{name}`: {problem}")]
    Shape {
        /// The file, or the name of a shipped classifier.
        name: String,
        /// What such a model needs.
        needed: &'static str,
        /// What was found and what was expected.
        problem: String,
    },
    /// A file that belongs to the model is not there.
    #[error("load `{}`: it has no `{file}`", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
        /// The file.
        file: &'static str,
    },
    /// A file of settings beside the graph cannot be used.
    #[error("read `{}`: {problem}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// The tokenizer cannot be used.
    #[error("read the tokenizer of `{}`: {problem}", path.display())]
    Tokenizer {
        /// The graph.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// No library of ONNX Runtime can be used.
    #[error("load ONNX Runtime: {problem}")]
    Library {
        /// What the system says.
        problem: String,
    },
    /// The program was built without ONNX Runtime.
    #[error("load ONNX Runtime: this program was built without `--features ort`")]
    NotBuilt,
    /// The graph could not be computed.
    #[error("run `{name}`: {problem}")]
    Run {
        /// The file, or the name of a shipped classifier.
        name: String,
        /// What went wrong.
        problem: String,
    },
}

impl OnnxError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => {
                "check the path; shipped classifiers are `onnx:network`, `onnx:malware`, `onnx:email` and `onnx:bytes`"
            }
            Self::Broken { .. } => "check that the file is whole and is an ONNX model; weights must be inside the file",
            Self::Operator { .. } => {
                "the operators of small classifiers, encoders and decoders are there; build with `--features ort` and write `ort:` to run it on an installed ONNX Runtime"
            }
            Self::NoDescription { .. } | Self::Description { .. } => {
                "a classifier has labels, output and features in the file's metadata_props, as `models/classifiers/train.py` writes them; other models read `input_ids`"
            }
            Self::Shape { needed, .. } => needed,
            Self::Missing { .. } => {
                "export the model with its tokenizer and settings: `model.onnx`, `tokenizer.json` and `config.json` in one folder"
            }
            Self::Settings { .. } | Self::Tokenizer { .. } => "correct the file, or export the model again",
            Self::Library { .. } => {
                "install ONNX Runtime 1.18 or newer, and name its library in ORT_DYLIB_PATH where the system does not find it"
            }
            Self::NotBuilt => "build with `--features ort`, or write `onnx:` for the library inside the program",
            Self::Run { .. } => "run `weighbridge model inspect` on the file, and see whether it runs elsewhere",
        }
    }
}
