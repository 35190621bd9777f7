//! Integration tests of the cache: several opens of one folder, bounds, damage, kills, levels, many callers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod answers;
mod child;
mod folder;
mod kill;
mod levels;
mod remote;
