//! criterion `estimates.json`: nanoseconds per iteration, each with its bootstrap interval.

use serde_json::Value;
use weighbridge_types::metric::{Cell, Statistic};
use weighbridge_types::record::Phase;

use super::draft::Draft;
use super::figures::{self, Entry, number};
use super::{ImportError, Tool};

pub(super) fn read(document: &Value) -> Result<Draft, ImportError> {
    let mut draft = Draft::new(Tool::Criterion);
    let cell = Cell::of(Phase::Load);
    let figures =
        [("time", Statistic::Mean, "mean"), ("time", Statistic::P50, "median"), ("slope", Statistic::Slope, "slope")];
    for (field, statistic, key) in figures {
        let estimate = &document[key];
        // The slope is null where each sample was measured alone.
        if key == "slope" && estimate.is_null() {
            continue;
        }
        let part = |part: &str| number(estimate.get(part), &format!("{key}.{part}"));
        let entry = Entry { field, statistic, cell: &cell, reading: part("point_estimate"), scale: 1.0, n: 0 };
        let Some(metric) = draft.sheet.put(entry) else { continue };
        let bounds = &estimate["confidence_interval"];
        let bound = |part: &str| number(bounds.get(part), &format!("{key}.{part}"));
        let confidence = bound("confidence_level").unwrap_or(0.0);
        figures::interval(metric, &bound("lower_bound"), &bound("upper_bound"), confidence, "independent_bootstrap");
    }
    draft.sheet.note("how many samples the estimates rest on is not in the file, and so is no deviation");
    draft.sheet.note("the name of the benchmark is not in the file: give it as the label");
    Ok(draft)
}
