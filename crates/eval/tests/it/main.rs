//! Evaluations against a model whose every log-probability is known.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod parity;
mod resume;
mod support;
