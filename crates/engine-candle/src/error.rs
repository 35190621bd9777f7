//! Why a model cannot be loaded.

use std::io;
use std::path::PathBuf;

use weighbridge_engine::device::DeviceError;

/// What is wrong with a file, or with the device that is to compute it.
#[derive(Debug, thiserror::Error)]
pub enum CandleError {
    /// The file could not be read.
    #[error("read `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// It is no GGUF file, or a damaged one.
    #[error("load `{name}` with candle: {problem}")]
    Broken {
        /// The model.
        name: String,
        /// What candle found.
        problem: String,
    },
    /// Candle does not compute this kind of model, or not as its file says.
    #[error("load `{name}` with candle: {problem}")]
    Unsupported {
        /// The model.
        name: String,
        /// What is not supported.
        problem: String,
    },
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

impl CandleError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check the path",
            Self::Broken { .. } => "check that the file is whole: `weighbridge model inspect FILE`",
            Self::Unsupported { .. } => "weigh it with another engine, such as `gguf:FILE`",
            Self::Device(error) => error.hint(),
        }
    }
}
