//! Models from ONNX files, in this process.
//!
//! A [`Classifier`] is a file's graph with what the file says of itself: a [`Description`] names its classes and the
//! [`Features`] that make a row of numbers of a text. An [`Encoder`] is a graph with the files that exporters write beside it:
//! texts become tokens, and the vectors of tokens become one. A [`Decoder`] says which token comes next, and keeps the keys and
//! values of those before. [`OnnxEngine`] puts any of them behind the engine contract, where texts that wait at the same time are
//! computed together. The crate knows neither tasks nor what classes and vectors mean.
//!
//! The graph runs on `rten`, which is pure Rust. Only the operators of small classifiers, of encoders and of decoders are linked: each
//! operator adds to the binary, and a file that needs another one is refused by name. The feature `ort` computes the same graphs with
//! an ONNX Runtime that is installed.

mod classifier;
mod decoder;
mod decoding;
mod description;
mod encoder;
mod engine;
mod error;
mod features;
mod folder;
mod graph;
mod image;
mod model;
mod ngrams;
#[cfg(feature = "ort")]
mod on_ort;
mod on_rten;
mod tokens;
mod vocabulary;
mod wire;
mod worker;

pub use classifier::Classifier;
pub use decoder::Decoder;
pub use description::{DESCRIPTION_KEY, Description, Output};
pub use encoder::Encoder;
pub use engine::{OnnxEngine, OnnxOptions};
pub use error::OnnxError;
pub use features::Features;
pub use folder::Pooling;
pub use graph::{OnnxRuntime, Shape};
pub use image::ByteImage;
pub use model::{Facts, OnnxModel};
pub use ngrams::{Ngrams, Unit};
pub use tokens::Tokens;
