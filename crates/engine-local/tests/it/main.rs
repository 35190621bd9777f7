//! The crate through its public face, on files made by the reference implementations.

mod damage;
mod engine;
mod fixtures;
mod quant;
mod read;
mod reference;
mod tokens;
mod write;
