//! Integration tests of the statistics room.

#![expect(clippy::unwrap_used, reason = "a missing vector fails the test, in helpers as in tests")]

mod change;
mod classify;
mod coverage;
mod load;
mod properties;
mod streams;
mod vectors;
