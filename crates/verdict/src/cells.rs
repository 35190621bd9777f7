//! The figures of a side: for each metric and cell one value per run.

use std::collections::BTreeMap;

use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::Record;

/// A metric in a cell.
pub type Key = (Cell, String);

/// What the runs of a side say of one metric in one cell.
#[derive(Clone, Debug, Default)]
pub struct Figures<'a> {
    /// One for each run that has it, in the order of the runs.
    pub metrics: Vec<&'a Metric>,
    /// The run that was read last.
    last: Option<usize>,
}

impl Figures<'_> {
    /// The values, one per run; `None` where a run lacks one.
    #[must_use]
    pub fn values(&self, runs: usize) -> Option<Vec<f64>> {
        let values: Vec<f64> = self.metrics.iter().filter_map(|metric| metric.value).collect();
        (values.len() == runs && values.iter().all(|value| value.is_finite())).then_some(values)
    }

    /// Why a value is missing.
    #[must_use]
    pub fn reason(&self, runs: usize) -> String {
        let said = self.metrics.iter().find(|metric| metric.value.is_none()).and_then(|metric| metric.reason.clone());
        let absent = runs - self.metrics.len().min(runs);
        said.unwrap_or_else(|| match absent {
            0 => "a value is not finite".to_owned(),
            _ if absent == runs => "no run has it".to_owned(),
            _ => format!("{absent} of {runs} runs lack it"),
        })
    }
}

/// Every metric of a side.
#[must_use]
pub fn figures<'a>(runs: impl IntoIterator<Item = &'a Record>) -> BTreeMap<Key, Figures<'a>> {
    let mut all: BTreeMap<Key, Figures<'a>> = BTreeMap::new();
    for (count, record) in runs.into_iter().enumerate() {
        for metric in &record.metrics {
            let figures = all.entry((metric.cell.clone(), metric.key())).or_default();
            // A metric that stands twice in a record counts once: the first.
            if figures.last != Some(count) {
                figures.metrics.push(metric);
                figures.last = Some(count);
            }
        }
    }
    all
}
