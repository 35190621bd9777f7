//! Why a model file could not be read, written or converted.

use std::io;
use std::path::PathBuf;

use crate::quant::BlockType;
use crate::weights::Architecture;

/// A result whose error is [`ModelError`].
pub type Result<T, E = ModelError> = std::result::Result<T, E>;

/// What is wrong with a model file. The message says where; [`ModelError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file or folder could not be opened, read or written.
    #[error("{action} `{}`", path.display())]
    Io {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The disk filled up while a model was written; the unfinished file is removed.
    #[error("write `{}`: the disk is full after {written} bytes", path.display())]
    DiskFull {
        /// The file that was asked for.
        path: PathBuf,
        /// Bytes written before the disk was full.
        written: u64,
    },
    /// The path is neither a GGUF file nor a folder with `config.json` and safetensors.
    #[error("recognize `{}`: {reason}", path.display())]
    UnknownFormat {
        /// The path as given.
        path: PathBuf,
        /// What was seen instead of a model.
        reason: String,
    },
    /// The file ends, or its bytes make no sense, at a known place.
    #[error("read {item} at byte {offset}: {reason}")]
    Broken {
        /// The tensor or key being read, such as ``tensor `blk.0.attn_q.weight` ``.
        item: String,
        /// Byte offset from the start of the file.
        offset: u64,
        /// What was found and what was expected.
        reason: String,
    },
    /// A metadata key is absent, or has the wrong type or an impossible value.
    #[error("read key `{key}`: {reason}")]
    Key {
        /// The metadata key, such as `llama.block_count`.
        key: String,
        /// What was found and what was expected.
        reason: String,
    },
    /// A tensor that the architecture needs is not in the file.
    #[error("find tensor `{name}`, which architecture `{architecture}` needs")]
    MissingTensor {
        /// Canonical (GGUF) name.
        name: String,
        /// The architecture that needs it.
        architecture: Architecture,
    },
    /// A tensor is there that the architecture's graph would ignore.
    #[error("use tensor `{name}`: architecture `{architecture}` has no such tensor here")]
    UnknownTensor {
        /// Name as in the file.
        name: String,
        /// The architecture that the file names.
        architecture: Architecture,
    },
    /// A tensor is there, with a shape that the configuration contradicts.
    #[error("use tensor `{name}`: its shape is {found:?}, expected {expected:?} (rows first)")]
    Shape {
        /// Canonical (GGUF) name.
        name: String,
        /// Shape in the file, rows first.
        found: Vec<usize>,
        /// Shape that the configuration implies, rows first.
        expected: Vec<usize>,
    },
    /// The model's architecture has no implementation here.
    #[error("run architecture `{found}`: supported are {}", Architecture::list())]
    UnsupportedArchitecture {
        /// The name that the file gives.
        found: String,
    },
    /// A tensor's number format has no implementation here.
    #[error("read tensor `{tensor}` of type `{found}`: supported are {}", BlockType::list())]
    UnsupportedType {
        /// Canonical or file name of the tensor.
        tensor: String,
        /// The type's name, or its number where the name is unknown.
        found: String,
    },
    /// A setting of a supported architecture is not implemented.
    #[error("use `{key}` = `{found}`: supported are {supported}")]
    UnsupportedSetting {
        /// The metadata key.
        key: String,
        /// The value in the file.
        found: String,
        /// What is implemented.
        supported: &'static str,
    },
    /// The vocabulary could not be turned into a tokenizer.
    #[error("build the tokenizer: {reason}")]
    Tokenizer {
        /// What is missing or contradictory.
        reason: String,
    },
    /// The rows of a tensor do not divide into whole blocks of the wanted type.
    #[error("quantize tensor `{tensor}` to {to}: its {columns} columns are not a multiple of {}", to.block_len())]
    Indivisible {
        /// Canonical name of the tensor.
        tensor: String,
        /// The wanted type.
        to: BlockType,
        /// Values per row.
        columns: usize,
    },
}

impl ModelError {
    /// Advice for the user: which file, flag or command helps.
    pub fn hint(&self) -> String {
        match self {
            Self::Io { action: "write", source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "create the folder first".into()
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "check the path; `model synth --shape tiny -o FILE` writes a model to try with".into()
            }
            Self::Io { .. } => "check the path and its permissions".into(),
            Self::DiskFull { .. } => "free some space or choose another folder for the output".into(),
            Self::UnknownFormat { .. } => {
                "give a `.gguf` file, or a folder with config.json, *.safetensors and tokenizer.json".into()
            }
            Self::Broken { .. } => {
                "the file is damaged or its download was cut; compare its size and sha256 with the source".into()
            }
            Self::Key { .. } | Self::MissingTensor { .. } | Self::Shape { .. } => {
                "the file is incomplete or was converted wrongly; `model inspect FILE` lists what is in it".into()
            }
            Self::UnsupportedArchitecture { .. } | Self::UnsupportedSetting { .. } | Self::UnknownTensor { .. } => {
                "serve this model with llama-server or vLLM and weigh it as `openai:URL#name`".into()
            }
            Self::UnsupportedType { .. } => {
                "convert the original weights with `model quantize IN OUT --to q8_0|q4_0|q4_k|f16`".into()
            }
            Self::Tokenizer { .. } => "convert the model again with its tokenizer files beside it".into(),
            Self::Indivisible { .. } => "use `--to q8_0` or `--to q4_0`, whose blocks hold 32 values".into(),
        }
    }

    pub(crate) fn broken(item: impl Into<String>, offset: u64, reason: impl Into<String>) -> Self {
        Self::Broken { item: item.into(), offset, reason: reason.into() }
    }

    pub(crate) fn key(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Key { key: key.into(), reason: reason.into() }
    }

    pub(crate) fn tokenizer(reason: impl Into<String>) -> Self {
        Self::Tokenizer { reason: reason.into() }
    }
}
