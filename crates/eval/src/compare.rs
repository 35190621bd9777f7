//! Comparing what several models answered to the same samples.
//!
//! A [`Side`] is one model's samples, from the rows of a run or from a file of predictions. [`compare`] pairs the samples
//! of every two sides by their content and looks at differences within pairs, where what both sides share cancels out:
//! easy and hard questions no longer count as noise. All p values of one comparison are corrected together.

pub use weighbridge_types::comparison::Verdict;

mod board;
mod column;
mod difference;
mod error;
mod file;
mod labels;
mod measure;
mod pairing;
mod report;
mod rows;
mod settings;
mod side;

pub use board::{Board, Place};
pub use difference::Difference;
pub use error::CompareError;
pub use file::side_of_file;
pub use pairing::Coverage;
pub use report::{Comparison, SideSummary, compare};
pub use rows::RowReader;
pub use settings::{MissingAnswers, Settings};
pub use side::Side;
