//! Model files: GGUF and safetensors folders, read through a memory map; GGUF written.

mod bytes;
mod metadata;

pub use bytes::Bytes;
pub use metadata::{MetaArray, MetaValue, Metadata};
