//! The pipeline from documents to a data set.

mod corpus;
mod duplicates;
mod resume;
mod states;
