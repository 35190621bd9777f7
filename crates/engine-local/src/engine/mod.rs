//! The engine: requests in, events out, on one worker thread per model.
//!
//! The worker takes one step after another. A step is one pass over the weights: it gives every running request its next
//! token and reads pieces of prompts, no more of them than keep the pace of running streams. Keys and values lie in blocks;
//! those of prompts that begin alike are shared.

mod local;
mod pace;
mod request;
mod score;
mod worker;

pub use local::{LocalEngine, LocalOptions, prompt_reader};
