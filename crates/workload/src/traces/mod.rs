//! Loads read from traces: what was asked when, by whoever recorded it.
//!
//! Two kinds of traces exist. Those of lengths say how long prompts were, and perhaps which blocks they shared; their
//! texts are made here, salted by run. Those of texts hold the prompts themselves. Both are read whole before a load
//! begins, since a reader that waits for a disk would disturb it; rows of lengths take about 20 bytes each.

mod blocks;
mod data;
mod error;
mod lengths;
mod lines;
mod messages;
mod options;
mod rows;
mod sharegpt;
mod table;
mod texts;

#[cfg(test)]
mod tests;

pub use data::{DataSpec, TraceKind, TraceSpec};
pub use error::{TraceError, TraceNote, TraceProblem};
pub use options::{OpenedTrace, TimeUnit, Timing, TraceOptions, TraceSettings, Wrap};
pub use rows::Replay;
pub use sharegpt::ShareGptMode;

pub use data::read_trace;
