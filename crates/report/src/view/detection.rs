//! What an evaluation says of tasks that tell attacks from what is benign.

use weighbridge_types::definition as d;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{Phase, Record};

use super::Table;
use super::matrix::{Measure, cells_by_measures, cells_with};

const DETECTION: &[Measure] = &[
    Measure::typical(&d::FPR, "FPR"),
    Measure::typical(&d::PRECISION, "precision"),
    Measure::typical(&d::RECALL, "recall"),
    Measure::typical(&d::F1, "f1"),
    Measure::typical(&d::MCC, "mcc"),
    Measure::typical(&d::ROC_AUC, "ROC-AUC"),
];

const FOUND: &[Measure] = &[Measure::typical(&d::TPR_AT_FPR, "found")];

/// Whether a figure is one of a task's detection of attacks.
pub(super) fn is_of(cell: &Cell) -> bool {
    cell.get("task").is_some() && cell.get("label") == Some("attack")
}

/// Whether attacks are told from what is benign; without rows where no task is of that kind.
pub(super) fn whether(record: &Record) -> Table {
    table(record, DETECTION, "task", "Attack or not, of documents with an answer")
}

/// How many attacks are found at false-positive rates of at most so much.
pub(super) fn found(record: &Record) -> Table {
    table(record, FOUND, "false-positive rate and task", "Attacks found at a false-positive rate of at most")
}

fn table(record: &Record, measures: &[Measure], label: &str, caption: &str) -> Table {
    let mut cells = cells_with(record, Phase::Evaluate, measures);
    cells.retain(is_of);
    Table { caption: caption.to_owned(), ..cells_by_measures(record, label, measures, &cells) }
}
