//! The store through its public API: folders, logs, kills, records, the index.

mod child;
mod index;
mod kill;
mod log;
mod record;
mod recorder;
mod rows;
