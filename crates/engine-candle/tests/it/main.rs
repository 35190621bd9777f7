//! Tests of the engine; empty without the feature `candle`.

#[cfg(feature = "candle")]
mod damage;
#[cfg(feature = "candle")]
mod helpers;
#[cfg(feature = "candle")]
mod parity;
#[cfg(feature = "candle")]
mod serving;
