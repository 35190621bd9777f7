//! The forward pass: from tokens to logits, for llama, qwen2, qwen3, qwen3moe and gpt2.
//!
//! One pass takes any number of sequences, each with any number of new tokens: a prompt, a batch of single decode
//! steps, or both. It knows nothing of requests, sampling or time.

mod cache;
mod experts;
mod forward;
mod layers;
mod prefix;

pub use cache::{BLOCK_TOKENS, KvCounter, KvSlot};
pub use forward::{Scratch, Span};
pub use layers::Model;
pub use prefix::PrefixCache;
