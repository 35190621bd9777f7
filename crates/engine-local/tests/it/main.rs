//! The crate through its public face, on files made by the reference implementations.

mod fixtures;
mod quant;
mod read;
mod tokens;
mod write;
