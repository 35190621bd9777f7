//! Model files: GGUF and safetensors folders, read through a memory map; GGUF written.

mod atomic_file;
mod bytes;
mod config;
mod gguf;
mod gguf_write;
mod hf_config;
mod hf_names;
pub(crate) mod layout;
mod metadata;
mod open;
mod safetensors;

pub use bytes::Bytes;
pub use gguf::GgufFile;
pub use gguf_write::{GgufWriter, PlannedTensor};
pub use metadata::{MetaArray, MetaValue, Metadata};
pub use safetensors::read_header as read_safetensors_header;
