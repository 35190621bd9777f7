//! Cold starts: from the marks of each start to figures.

use weighbridge_stats::Dependence;
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{Phase, Tally};
use weighbridge_types::start::StartRow;

use crate::basis::Basis;
use crate::estimate::{Series, Shape};

/// A mark of a start.
type Mark = fn(&StartRow) -> Option<f64>;

/// Where the figures of cold starts belong.
#[must_use]
pub fn start_cell() -> Cell {
    Cell::of(Phase::Load)
}

/// Every mark over the starts that reached it, with Student's t: starts are independent of each other.
#[must_use]
pub fn start_metrics(starts: &[StartRow], basis: &Basis) -> Vec<Metric> {
    let ratio = |row: &StartRow| {
        let (first, steady) = (row.first_e2e_s?, row.steady_e2e_s?);
        (steady > 0.0).then(|| first / steady)
    };
    let measures: [(&Definition, Mark); 6] = [
        (&define::START_PORT, |row| row.port_s),
        (&define::START_HEALTHY, |row| row.healthy_s),
        (&define::START_FIRST_TOKEN, |row| row.first_token_s),
        (&define::START_STEADY, |row| row.steady_s),
        (&define::START_FIRST_E2E, |row| row.first_e2e_s.map(|seconds| seconds * 1e3)),
        (&define::START_STEADY_E2E, |row| row.steady_e2e_s.map(|seconds| seconds * 1e3)),
    ];
    let cell = start_cell();
    let of = |definition, values: Vec<f64>| {
        Series { definition, cell: &cell, runs: vec![values], dependence: Dependence::Independent, basis }
            .metrics(Shape::Full, "no start came so far")
    };
    let mut metrics: Vec<Metric> = measures
        .into_iter()
        .flat_map(|(definition, value)| of(definition, starts.iter().filter_map(value).collect()))
        .collect();
    metrics.extend(of(&define::START_FIRST_OVER_STEADY, starts.iter().filter_map(ratio).collect()));
    metrics
}

/// Starts by their end: those that became steady succeeded.
#[must_use]
pub fn start_tally(starts: &[StartRow]) -> Tally {
    let succeeded = starts.iter().filter(|row| row.steady_s.is_some()).count() as u64;
    let scheduled = starts.len() as u64;
    Tally { scheduled, succeeded, failed: scheduled - succeeded, ..Tally::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(number: u32, steady_s: Option<f64>) -> StartRow {
        StartRow {
            number,
            port_s: Some(0.5),
            healthy_s: Some(1.0),
            first_token_s: Some(1.0 + f64::from(number) / 10.0),
            steady_s,
            first_e2e_s: Some(0.4),
            steady_e2e_s: steady_s.map(|_| 0.1),
            problem: None,
        }
    }

    #[test]
    fn marks_have_means_with_intervals_and_what_was_not_reached_is_left_out() {
        let starts = [start(1, Some(2.0)), start(2, Some(2.2)), start(3, None)];
        let metrics = start_metrics(&starts, &Basis::default());
        let check = |key: &str, expected: Option<(f64, u64)>| {
            let metric = metrics.iter().find(|metric| metric.key() == key).unwrap_or_else(|| panic!("no {key}"));
            assert_eq!(metric.value.map(|value| ((value * 1e6).round() / 1e6, metric.n)), expected, "{metric:?}");
        };
        check("start_first_token.mean", Some((1.2, 3)));
        check("start_steady.mean", Some((2.1, 2)));
        check("start_first_over_steady.mean", Some((4.0, 2)));
        check("start_first_e2e.mean", Some((400.0, 3)));
        let steady = metrics.iter().find(|metric| metric.key() == "start_steady.mean").unwrap();
        assert!(steady.interval.is_some());
        let tally = start_tally(&starts);
        assert_eq!((tally.scheduled, tally.succeeded, tally.failed), (3, 2, 1));
        assert!(start_metrics(&[], &Basis::default()).iter().all(|metric| metric.reason.is_some()));
    }
}
