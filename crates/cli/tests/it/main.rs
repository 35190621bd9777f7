//! End to end through the real binary, and the rules of the repository.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail its test")]

mod bad_input;
mod bench;
mod browser;
mod cache;
mod candle;
mod classify;
mod compare;
mod compare_kinds;
#[cfg(feature = "documents")]
mod convert;
mod crash;
mod deploy;
mod documents;
mod engines;
mod eval;
mod eval_compare;
mod eval_judge;
mod eval_matrix;
mod eval_score;
mod eval_stream;
mod floors;
mod gpu;
mod import;
mod kinds;
mod load;
mod load_answers;
mod load_faults;
mod load_until;
mod log_level;
mod memory_profile;
mod model;
mod performance;
#[cfg(feature = "documents")]
mod pipeline;
mod profile;
mod report;
mod serve;
mod support;
mod watch;
mod workflow;
