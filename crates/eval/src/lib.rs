//! Evaluation: from answers and predictions to statements about models.

mod error;
pub mod runner;
pub mod task;

pub use error::EvalError;
