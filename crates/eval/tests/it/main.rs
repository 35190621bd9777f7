//! Evaluations against a model whose every log-probability is known.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod parity;
mod resume;
mod support;
//! Integration tests of the evaluation room.

#![expect(clippy::unwrap_used, reason = "a missing vector fails the test, in helpers as in tests")]

mod text;
