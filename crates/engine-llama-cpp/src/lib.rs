//! llama.cpp behind the engine contract, for many more architectures and as a measure of the engine of our own.
//!
//! Everything here is behind the feature `llama-cpp`, which builds llama.cpp with cmake; without it the crate is empty. The
//! model and its arithmetic are llama.cpp's; how tokens are chosen and told is what every engine of this process has in
//! common, so that figures of two engines differ by the model's work alone.
//!
//! Faults of a file that llama.cpp asserts and does not report end the process: that is its nature.
#![cfg(feature = "llama-cpp")]

mod engine;
mod error;
mod model;
mod request;
mod score;
mod tokenizer;
mod worker;

pub use engine::{LlamaCppEngine, LlamaCppOptions};
pub use error::{LlamaCppError, Result};
