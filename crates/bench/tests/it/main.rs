//! Whole campaigns on engines whose truth is known, mostly under paused time.

#![expect(clippy::unwrap_used, reason = "helpers of tests, where a failure is the message")]

mod endings;
mod engines;
mod figures;
mod memory_profile;
mod resume;
mod support;
