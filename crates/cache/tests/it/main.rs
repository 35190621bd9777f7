//! Integration tests of the cache: several opens of one folder, bounds, damage, kills.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod child;
mod folder;
mod kill;
