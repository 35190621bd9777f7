//! The reports of one fixed run, and what the validator says of doctored ones.
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers of a test recipe")]

mod check;
mod console;
mod html;
mod markdown;
mod properties;
mod sample;
mod schema;
