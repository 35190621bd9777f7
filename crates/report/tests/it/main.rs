//! The reports of one fixed run, and what the validator says of doctored ones.
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers of a test recipe")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod check;
mod comparison;
mod console;
mod evaluation;
mod export;
mod html;
mod import;
mod load;
mod markdown;
mod memory_profile;
mod performance;
mod properties;
mod sample;
mod sample_load;
mod schema;
