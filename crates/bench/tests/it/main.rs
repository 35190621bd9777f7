//! Whole campaigns on engines whose truth is known, mostly under paused time.

mod endings;
mod figures;
mod resume;
mod support;
