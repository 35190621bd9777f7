//! Choices that follow from the documents and the memory: pure functions, so that a run's decisions can be replayed.

mod complexity;

pub use complexity::{Complexity, complexity};
