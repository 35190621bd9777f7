//! Scoring a file of predictions: which metrics its columns allow, each with an interval, in two forms.
//!
//! [`score_file`] reads once. Labels become numbers as they are read, texts are scored as they are read; what stays in
//! memory is a few numbers per sample. Failures count as wrong in the one form and are left out of the other, so that
//! a reader sees what the model knows and what its user gets.

mod class_scores;
mod collect;
mod corpus;
mod costs;
pub(crate) mod detection;
mod distances;
mod error;
mod figure;
mod label_scores;
mod labels;
mod leaning;
mod ranking_scores;
mod report;
mod sets;
mod settings;
mod sums;
mod tables;
mod text_scores;

pub(crate) use collect::problem;
pub use costs::Costs;
pub use detection::Detected;
pub use error::ScoreError;
pub(crate) use labels::Labels;
pub use leaning::Leaning;
pub(crate) use leaning::{Context, leaning_figures};
pub use report::{Report, score_file};
pub use sets::Overlap;
pub(crate) use sets::overlap_figures;
pub use settings::Settings;
pub(crate) use sums::count;
pub(crate) use tables::bounded;
pub(crate) use text_scores::references;
