//! Why a classifier cannot be loaded or run.

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
    /// The metadata say nothing of classes.
    #[error("load `{name}`: its metadata have no key `{DESCRIPTION_KEY}`")]
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
    /// Graph and description contradict each other.
    #[error("load `{name}`: {problem}")]
    Shape {
        /// The file, or the name of a shipped classifier.
        name: String,
        /// What was found and what was expected.
        problem: String,
    },
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
                "check the path; shipped classifiers are `onnx:network`, `onnx:malware` and `onnx:email`"
            }
            Self::Broken { .. } => "check that the file is whole and is an ONNX model; weights must be inside the file",
            Self::Operator { .. } => {
                "export the classifier as dense layers (Gemm, MatMul, Add, Relu, …) or ask an endpoint that serves it"
            }
            Self::NoDescription { .. } | Self::Description { .. } => {
                "write labels, output and features into the file's metadata_props, as `models/classifiers/train.py` does"
            }
            Self::Shape { .. } => {
                "the input must be float32 [texts, buckets], the only output float32 [texts, labels]; correct the description or the graph"
            }
            Self::Run { .. } => "run `weighbridge model inspect` on the file, and see whether it runs elsewhere",
        }
    }
}
