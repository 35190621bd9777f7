//! Why a model cannot be run.

use std::io;
use std::path::PathBuf;

/// A model that llama.cpp does not run.
#[derive(Debug, thiserror::Error)]
pub enum LlamaCppError {
    /// The file or the system failed.
    #[error("{action} `{}`", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file does not begin as GGUF files do.
    #[error("read `{}`: it is no GGUF file", path.display())]
    NotGguf {
        /// The file.
        path: PathBuf,
    },
    /// llama.cpp refuses the file; it names no reason to callers.
    #[error("load `{}` in llama.cpp: it is damaged, or its architecture or a type in it is unknown there", path.display())]
    Load {
        /// The file.
        path: PathBuf,
    },
    /// There is no room for keys, values and buffers.
    #[error("prepare {cells} places of keys and values in llama.cpp for `{}`: {problem}", path.display())]
    Context {
        /// The file.
        path: PathBuf,
        /// Tokens whose keys and values are held at most.
        cells: u32,
        /// What llama.cpp says.
        problem: String,
    },
}

/// Result of loading.
pub type Result<T> = std::result::Result<T, LlamaCppError>;

impl LlamaCppError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check the path and its permissions",
            Self::NotGguf { .. } => "give a `.gguf` file",
            Self::Load { .. } => {
                "compare its size and sha256 with the source; `model inspect FILE` says what is wrong with many files"
            }
            Self::Context { .. } => "free some memory, or take a smaller model",
        }
    }
}
