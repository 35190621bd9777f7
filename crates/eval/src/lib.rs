//! Evaluation: from answers and predictions to statements about models.

pub mod task;
