//! Evaluations against a model whose every log-probability is known.

mod parity;
mod resume;
mod support;
