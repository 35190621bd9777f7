//! Tests of the engine; empty without the feature `candle`.

#![cfg_attr(feature = "candle", expect(clippy::unwrap_used, reason = "a helper that fails must fail its test"))]

#[cfg(feature = "candle")]
mod damage;
#[cfg(feature = "candle")]
mod helpers;
#[cfg(feature = "candle")]
mod parity;
#[cfg(feature = "candle")]
mod serving;
