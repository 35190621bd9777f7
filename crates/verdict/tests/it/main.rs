//! Comparisons of made-up records, and how often verdicts are wrong.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is the message")]

mod courses;
mod error_rates;
mod leak;
mod made;
mod turns;
mod verdicts;
