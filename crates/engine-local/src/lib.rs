//! In-process inference for GGUF and safetensors models.

pub mod error;
pub mod formats;
pub mod quant;
pub mod tokenize;
pub mod weights;
