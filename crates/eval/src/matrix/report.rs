//! The report of a study: nothing of the clock is in it.

use serde::Serialize;

use super::error::MatrixError;
use super::{Cell, CellEnd, CellReader, Study, StudyModel};
use crate::compare::{Comparison, Settings, Side, compare};

/// One cell of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellReport {
    /// Name of the model.
    pub model: String,
    /// The task.
    pub task: String,
    /// Whether it was the second run of the cell.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// What became of it.
    pub end: CellEnd,
    /// Rows: documents, times their repeats.
    pub rows: u64,
    /// Rows without an answer.
    pub failed: u64,
    /// Digest of every question, answer and score.
    pub digest: String,
}

/// How far answers repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Consistency {
    /// Cells that were run twice.
    pub cells: u64,
    /// Cells whose digest was the same both times.
    pub same_cells: u64,
    /// Rows of those cells.
    pub rows: u64,
    /// Rows that were the same both times.
    pub same_rows: u64,
}

/// What a study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StudyReport {
    /// Name of the study.
    pub study: String,
    /// Every cell, the repeated ones last.
    pub cells: Vec<CellReport>,
    /// Cells that are complete.
    pub complete: u64,
    /// How far answers repeat; none where no cell was run twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistency: Option<Consistency>,
    /// All models against each other; none with fewer than two.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// Why models are not compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_comparison: Option<String>,
}

/// Puts the report together. `ends` and `readers` are in the order of the study's cells, `sides` in that of its models, without
/// those of which no cell has a row.
///
/// # Errors
/// When models disagree on what a document is; that some have nothing in common is no error but a reason.
pub fn report(
    study: &Study,
    ends: &[CellEnd],
    readers: &[CellReader],
    sides: &[Side],
    settings: &Settings,
) -> Result<StudyReport, MatrixError> {
    let cells = study.cells();
    let cell = |((cell, end), reader): ((&Cell, &CellEnd), &CellReader)| CellReport {
        model: study.models.get(cell.model).map(StudyModel::name).unwrap_or_default().to_owned(),
        task: study.tasks.get(cell.task).cloned().unwrap_or_default(),
        again: cell.again,
        end: end.clone(),
        rows: reader.len(),
        failed: reader.failed(),
        digest: reader.digest(),
    };
    let reports: Vec<CellReport> = cells.iter().zip(ends).zip(readers).map(cell).collect();
    let (comparison, no_comparison) = match sides.len() {
        0 | 1 => (None, Some("fewer than two models have an answer".to_owned())),
        _ => match compare(sides, settings) {
            Ok(comparison) => (Some(comparison), None),
            Err(
                error @ (crate::compare::CompareError::NothingInCommon { .. }
                | crate::compare::CompareError::NoMetric { .. }),
            ) => (None, Some(error.to_string())),
            Err(error) => return Err(error.into()),
        },
    };
    Ok(StudyReport {
        study: study.study.clone(),
        complete: ends.iter().filter(|end| **end == CellEnd::Complete).count() as u64,
        consistency: consistency(&cells, readers),
        cells: reports,
        comparison,
        no_comparison,
    })
}

fn consistency(cells: &[Cell], readers: &[CellReader]) -> Option<Consistency> {
    let mut found = Consistency { cells: 0, same_cells: 0, rows: 0, same_rows: 0 };
    for (cell, again) in cells.iter().zip(readers).filter(|(cell, _)| cell.again) {
        let first = cells.iter().position(|other| *other == Cell { again: false, ..*cell });
        let Some(first) = first.and_then(|place| readers.get(place)) else { continue };
        let (rows, same) = first.same_as(again);
        found.cells += 1;
        found.same_cells += u64::from(rows > 0 && rows == same && first.len() == again.len());
        found.rows += rows;
        found.same_rows += same;
    }
    (found.cells > 0).then_some(found)
}
