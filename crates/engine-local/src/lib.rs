//! In-process inference for GGUF and safetensors models.

pub mod chat;
pub mod engine;
pub mod error;
pub mod formats;
pub mod graph;
pub mod inspect;
pub mod kernels;
pub mod quant;
pub mod quantize;
mod recipe;
mod rows;
pub mod synth;
pub mod tokenize;
pub mod weights;

pub use engine::{LocalEngine, LocalOptions};
