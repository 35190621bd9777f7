//! The pipeline from documents to a data set.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod corpus;
mod duplicates;
mod resume;
mod states;
