//! Models through the public interface.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

mod damage;
mod decoder;
mod encoder;
mod graph;
mod ort;
mod parity;
mod serving;
