//! Classifiers from ONNX files, in this process.
//!
//! A [`Classifier`] is a file's graph with what the file says of itself: a [`Description`] names its classes and the
//! [`Features`] that make a row of numbers of a text. [`OnnxEngine`] puts one behind the engine contract, where texts that
//! wait at the same time are computed together. The crate knows neither tasks nor what the classes mean.
//!
//! The graph runs on `rten`, which is pure Rust. Only the operators of dense classifiers are linked: each operator adds to
//! the binary, and a file that needs another one is refused by name.

mod classifier;
mod description;
mod engine;
mod error;
mod features;
mod wire;
mod worker;

pub use classifier::{Classifier, Shape};
pub use description::{DESCRIPTION_KEY, Description, Output};
pub use engine::{OnnxEngine, OnnxOptions};
pub use error::OnnxError;
pub use features::{Features, Unit};
