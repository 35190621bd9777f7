//! The engine: requests in, events out, on one worker thread per model.
//!
//! The worker takes one step after another. A step reads the next piece of the oldest prompt that is not read yet,
//! and then gives every running request one token, computed together. So a long prompt delays the others by one
//! piece at most, and the weights are read once for all.

mod local;
mod request;
mod score;
mod text;
mod worker;

pub use local::{LocalEngine, LocalOptions};
