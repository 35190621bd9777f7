//! Distributions of lengths in tokens, and of times.

mod length;
mod time;

#[cfg(test)]
mod tests;

pub use length::{LengthDistribution, TOKENS_MAX};
pub use time::TimeDistribution;
