//! Figures that were computed once more from what they rest on.

use weighbridge_types::metric::{Metric, MetricInterval};
use weighbridge_types::record::Record;

use super::{CheckReport, Checker, is_close, shown};

/// Checks a record against itself and against figures that somebody computed again; `samples` of them were at hand.
///
/// Every one of the figures must stand in the record as it was found again. `covers` says which of the record's metrics
/// must be among them.
#[must_use]
pub fn check_figures(record: &Record, found: &[Metric], samples: u64, covers: impl Fn(&Metric) -> bool) -> CheckReport {
    let mut checker = Checker::of_record(record);
    checker.report.with_log = true;
    checker.report.requests = Some(samples);
    for metric in found {
        checker.found_again(metric);
    }
    for metric in record.metrics.iter().filter(|metric| covers(metric)) {
        let is_found = found.iter().any(|other| other.cell == metric.cell && other.key() == metric.key());
        checker.of_metric(
            is_found,
            "figure-found-again",
            metric,
            "a figure",
            "none: nothing that it rests on is there",
        );
    }
    checker.report
}

impl Checker<'_> {
    fn found_again(&mut self, found: &Metric) {
        let record = self.record;
        let Some(stated) = record.metric(&found.key(), &found.cell) else {
            return self.of_metric(false, "figure-found-again", found, "nothing", value(found.value));
        };
        let same_value = same(stated.value, found.value);
        self.of_metric(same_value, "figure-found-again", stated, value(stated.value), value(found.value));
        self.of_metric(stated.n == found.n, "figure-found-again", stated, format!("n {}", stated.n), found.n);
        let ends = |interval: &Option<MetricInterval>| {
            interval
                .as_ref()
                .map_or_else(|| "no interval".to_owned(), |of| format!("{} to {}", shown(of.low), shown(of.high)))
        };
        let same_interval = match (&stated.interval, &found.interval) {
            (Some(a), Some(b)) => is_close(a.low, b.low) && is_close(a.high, b.high),
            (None, None) => true,
            _ => false,
        };
        let (a, b) = (ends(&stated.interval), ends(&found.interval));
        self.of_metric(same_interval, "figure-found-again", stated, a, b);
    }
}

fn same(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => is_close(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn value(value: Option<f64>) -> String {
    value.map_or_else(|| "no value".to_owned(), shown)
}
