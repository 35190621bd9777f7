//! Integration tests of the evaluation room: parity with the reference implementations, and resuming.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod batches;
mod compare;
mod domains;
mod judge;
mod oracle;
mod parity;
#[cfg(feature = "parquet")]
mod parquet;
mod public;
mod resume;
mod score;
mod solve;
mod support;
mod text;
mod turns;
mod witness;
