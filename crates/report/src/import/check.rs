//! The validator for imported records: the common rules, with the definitions and the gaps of other tools allowed.

use weighbridge_types::metric::Metric;
use weighbridge_types::record::Record;

use super::definitions;
use crate::check::{CheckReport, Violation, check};

/// Checks an imported record against itself.
///
/// Its rows are not recomputed: their figures are the tool's, by the tool's formulas and from stamps that the rows do
/// not have in full.
#[must_use]
pub fn check_imported(record: &Record) -> CheckReport {
    let mut report = check(record, None);
    report.violations.retain(|violation| !is_allowed(record, violation));
    report
}

fn is_allowed(record: &Record, violation: &Violation) -> bool {
    let metric =
        record.metrics.iter().find(|metric| metric.cell == violation.cell && metric.key() == violation.subject);
    match (violation.rule, metric) {
        ("definition-known", Some(metric)) => is_known(metric),
        // A request may be sent before its time there.
        ("range", Some(metric)) => metric.definition == "inference_perf.schedule_delay/1",
        // Not every file names a duration.
        ("phase-duration", None) => true,
        _ => false,
    }
}

fn is_known(metric: &Metric) -> bool {
    definitions::find(&metric.definition)
        .is_some_and(|definition| definition.name == metric.name && definition.unit == metric.unit)
}
