//! Evaluation: from answers and predictions to statements about models.
//!
//! [`predictions`] reads files of predictions; [`score`] turns them into figures with intervals; [`text`] scores texts
//! against references. [`compare`] says which of several models is better. [`task`] is data that asks a model, in lm-eval's format; [`runner`] asks it and keeps every answer.

pub mod compare;
pub mod cvss;
mod error;
pub mod predictions;
pub mod runner;
pub mod score;
pub mod task;
pub mod text;

pub use error::EvalError;
