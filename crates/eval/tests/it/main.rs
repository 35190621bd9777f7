//! Integration tests of the evaluation room: parity with the reference implementations, and resuming.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compare;
mod parity;
mod resume;
mod score;
mod support;
mod text;
