//! Reading files of predictions: JSONL, CSV, TSV or Parquet, plain or compressed, row by row in bounded memory.
//!
//! [`read`] finds the form of the file and calls a visitor with each [`Row`]. What a column means is fixed by its name,
//! or by a [`Mapping`]. Nothing is guessed and nothing is repaired: every trap is a [`PredictionsError`] with its line.

mod delimited;
mod error;
mod field;
mod json;
mod packed;
mod problem;
mod reader;
mod scanner;
mod source;

pub use error::PredictionsError;
pub use field::{Field, Mapping, Row, Value};
pub use problem::Problem;
pub use reader::{Form, Totals, read, read_from};
