//! The store through its public API: folders, logs, kills, records, the index.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

mod child;
mod index;
mod kill;
mod log;
mod record;
mod recorder;
mod rows;
