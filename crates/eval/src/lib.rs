//! Evaluation: from answers and predictions to statements about models.
//!
//! [`predictions`] reads files of predictions; [`score`] turns them into figures with intervals; [`text`] scores texts
//! against references. [`compare`] says which of several models is better. [`task`] is data that asks a model, in
//! lm-eval's format; [`runner`] asks it and keeps every answer. [`domains`] are sets of questions that ship in the binary;
//! [`check`] is what can be computed from an answer alone; [`judge`] asks a model whether answers are good, and weighs that
//! model; [`stream`] plays events as they happened and weighs how a desk answers them; [`import`] makes tasks of other tools' evaluations; [`matrix`] are studies of many models.

pub mod check;
pub mod compare;
pub mod cvss;
pub mod cwe;
pub mod domains;
mod error;
pub mod import;
pub mod judge;
pub mod matrix;
mod ordered;
pub mod parquet;
pub mod predictions;
pub mod runner;
pub mod score;
pub mod stream;
pub mod task;
pub mod text;

pub use error::EvalError;
