//! The rows of one cell.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use sha2::{Digest, Sha256};
use weighbridge_types::sample::{SampleOutcome, SampleRow};

use super::StudyModel;
use crate::ordered::Ordered;

/// What a study keeps of the documents of a cell. Of several rows of a document and repeat the last counts.
#[derive(Debug, Default)]
pub struct CellReader {
    /// By digest of the task's name, document and repeat.
    rows: Ordered<(u64, u64, u32), Kept>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    /// Digest of question, answers, outcome and scores; nothing of the clock.
    pub(super) digest: [u8; 32],
    pub(super) outcome: SampleOutcome,
    pub(super) latency_ms: Option<f64>,
    pub(super) cost: Option<f64>,
}

impl CellReader {
    /// Takes a row.
    pub fn row(&mut self, row: &SampleRow, model: &StudyModel) {
        let what = (&row.id, row.repeat, &row.answers, row.outcome, &row.scores, &row.problem);
        let digest = Sha256::digest(serde_json::to_vec(&what).unwrap_or_default()).into();
        let cost = model.cost(row.input_tokens, row.output_tokens, row.latency_ms);
        let kept = Kept { digest, outcome: row.outcome, latency_ms: row.latency_ms, cost };
        let task = row.cell.get("task").unwrap_or_default();
        let task = FixedState::default().hash_one(task);
        self.rows.insert((task, row.doc_id, row.repeat), kept);
    }

    /// Gives back the room that is not used, when all rows are taken.
    pub fn shrink(&mut self) {
        self.rows.shrink();
    }

    /// Rows, repeats of documents among them.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// Rows without an answer.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.rows.values().filter(|row| row.outcome.may_be_asked_again()).count() as u64
    }

    /// One digest of every question, answer and score, hexadecimal. The order of answers does not matter.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        self.rows.values().for_each(|row| hash.update(row.digest));
        crate::task::data::hex(&hash.finalize())
    }

    /// Rows that both have, and those among them that are the same.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> (u64, u64) {
        let both = self.rows.iter().filter_map(|(key, row)| Some((row, other.rows.get(key)?)));
        both.fold((0, 0), |(all, same), (a, b)| (all + 1, same + u64::from(a.digest == b.digest)))
    }

    pub(super) fn kept(&self) -> impl Iterator<Item = &Kept> {
        self.rows.values()
    }
}
