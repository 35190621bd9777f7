//! In-process inference with candle, behind the feature `candle`; without it this crate is empty.
//!
//! Reads GGUF files of llama, qwen2 and qwen3 as [candle-transformers](https://docs.rs/candle-transformers) computes them: on
//! the processor, and with the features `cuda` and `metal` on a GPU. Tokens, sampling, text and events are made as every other
//! engine in this process makes them, so that only the arithmetic differs. It does not know other engines: what reads prompts is
//! passed in.
//!
//! A model of candle holds the keys and values of one sequence. Up to four sequences run at once, each in a lane with a copy of
//! the model that shares its weights; the others wait. The lanes compute one after the other, so that weights are read once for
//! each sequence and not once for all: a batching engine is faster with many requests in flight, and this is what is measured.
//! Candle's threads belong to the process, so that their number cannot be set for one engine.

#[cfg(feature = "candle")]
mod devices;
#[cfg(feature = "candle")]
mod engine;
#[cfg(feature = "candle")]
mod error;
#[cfg(feature = "candle")]
mod model;
#[cfg(feature = "candle")]
mod worker;

#[cfg(feature = "candle")]
pub use devices::CandleDevices;
#[cfg(feature = "candle")]
pub use engine::{CandleEngine, CandleOptions};
#[cfg(feature = "candle")]
pub use error::CandleError;
