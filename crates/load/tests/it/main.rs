//! The driver against the scripted engine, whose timeline is known.

mod drive;
mod support;
