//! One side of a comparison: what one model made of which samples.

use super::column::Column;

/// What one model answered.
#[derive(Debug)]
pub struct Side {
    /// Name in reports; no two sides have the same.
    pub name: String,
    /// Where it comes from: a run or a file.
    pub source: String,
    pub(super) tasks: Vec<Samples>,
}

impl Side {
    /// Samples of all tasks.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.tasks.iter().map(|task| task.keys.len() as u64).sum()
    }

    /// Samples without an answer.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.tasks.iter().flat_map(|task| &task.answered).filter(|is_answered| !**is_answered).count() as u64
    }

    pub(super) fn task(&self, name: &str) -> Option<&Samples> {
        self.tasks.iter().find(|task| task.task == name)
    }
}

/// The samples of one task; everything is by sample, in the order of reading.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// Empty for a file of predictions.
    pub(super) task: String,
    /// What makes a sample the same on two sides.
    pub(super) keys: Vec<u128>,
    /// Digest of the question as it was asked; empty where it is not known.
    pub(super) questions: Vec<u128>,
    /// Digest of the right answer; empty where it is not known.
    pub(super) targets: Vec<u64>,
    /// Digest of the cluster; empty where samples are independent.
    pub(super) clusters: Vec<u64>,
    /// Ids for messages; empty where the keys are all there is.
    pub(super) ids: Vec<Box<str>>,
    pub(super) answered: Vec<bool>,
    pub(super) columns: Vec<Column>,
}

impl Samples {
    /// The name of a sample for a message.
    pub(super) fn id(&self, sample: usize) -> String {
        match self.ids.get(sample) {
            Some(id) => id.to_string(),
            None => format!("{:032x}", self.keys.get(sample).copied().unwrap_or_default()),
        }
    }
}
