//! A study: many models against many tasks, cell by cell.
//!
//! [`Study`] is the file; [`run_cells`] keeps a bounded number of cells going, each in a process of its own that the caller
//! starts, so that one that takes too much memory fails alone. [`CellReader`] turns the rows of a cell into what is
//! compared, and [`report`] into the report: digests, comparisons of all models, leaderboards. What comes from the clock
//! ([`front`]) is kept apart, so that a study that was killed and went on ends with the same report, byte for byte.

mod cells;
mod error;
mod pareto;
mod reader;
mod report;
mod spec;

pub use cells::{Attempt, CellEnd, CellRunner, run_cells};
pub use error::MatrixError;
pub use pareto::{Standing, front};
pub use reader::CellReader;
pub use report::{CellReport, Consistency, StudyReport, report};
pub use spec::{Study, StudyModel};

/// One model against one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Place among the study's models.
    pub model: usize,
    /// Place among the study's tasks.
    pub task: usize,
    /// Whether it is run a second time, to see whether answers repeat.
    pub again: bool,
}

impl Cell {
    /// The label of the cell's run: `m02-t01`, and `m02-t01-again`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("m{:02}-t{:02}{}", self.model, self.task, if self.again { "-again" } else { "" })
    }
}
