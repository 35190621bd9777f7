//! The crate through its public face, on files made by the reference implementations.
#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test, which is wanted")]

mod behavior;
mod constraint;
mod damage;
mod engine;
mod fixtures;
mod likeliest;
mod quant;
mod read;
mod reference;
mod tokens;
mod write;
