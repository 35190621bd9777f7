//! The crate through its public face.
#![expect(clippy::unwrap_used, reason = "a helper that panics fails its test, which is wanted")]

mod constraint;
mod shapes;
