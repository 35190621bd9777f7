//! The reports of one fixed run, and what the validator says of doctored ones.
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small numbers of a test recipe")]

mod console;
mod html;
mod sample;
