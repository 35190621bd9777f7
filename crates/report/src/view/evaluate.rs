//! What an evaluation says: the figures of tasks and groups, and what became of the documents.

use weighbridge_types::definition as d;
use weighbridge_types::record::{Phase, Record};

use super::Table;
use super::matrix::{Measure, cells_by_measures, cells_with};

const FIGURES: &[Measure] = &[
    Measure::typical(&d::ACCURACY, "acc"),
    Measure::typical(&d::ACC_NORM, "acc_norm"),
    Measure::typical(&d::ACC_BYTES, "acc_bytes"),
    Measure::typical(&d::ACC_MUTUAL_INFO, "acc_mutual_info"),
    Measure::typical(&d::TASK_EXACT_MATCH, "exact_match"),
    Measure::typical(&d::TASK_PERPLEXITY, "perplexity"),
    Measure::typical(&d::WORD_PERPLEXITY, "word_perplexity"),
    Measure::typical(&d::BYTE_PERPLEXITY, "byte_perplexity"),
    Measure::typical(&d::TASK_BITS_PER_BYTE, "bits_per_byte"),
    Measure::typical(&d::CHOICE_BRIER, "brier_score"),
    Measure::typical(&d::CHOICE_F1, "f1"),
    Measure::typical(&d::CHOICE_MCC, "mcc"),
];

const DOCUMENTS: &[Measure] = &[Measure::typical(&d::SAMPLES, "count")];

/// The tables of an evaluation.
pub(super) fn tables(record: &Record) -> Vec<Table> {
    let cells = cells_with(record, Phase::Evaluate, FIGURES);
    let mut figures = cells_by_measures(record, "task", FIGURES, &cells);
    figures.caption = "Figures with their 95 % intervals; a document without an answer counts as wrong".to_owned();
    let cells = cells_with(record, Phase::Evaluate, DOCUMENTS);
    let mut documents = cells_by_measures(record, "task and outcome", DOCUMENTS, &cells);
    documents.caption = "What became of the documents".to_owned();
    vec![figures, documents]
}
