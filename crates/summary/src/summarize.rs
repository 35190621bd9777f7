//! Everything that rows say.

use std::collections::BTreeMap;

use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{ItemRow, Phase, Tally};
use weighbridge_types::request::RequestRow;
use weighbridge_types::resource::ResourceSample;

use crate::basis::Basis;
use crate::derived::derived_metrics;
use crate::memory::memory_metrics;
use crate::quality::quality_metrics;
use crate::request::request_metrics;
use crate::rows::{Rows, figure_cell};
use crate::window::window_metrics;

/// Every figure that follows from the rows alone, ordered by cell. The same rows and basis give the same numbers.
#[must_use]
pub fn summarize(rows: &Rows, basis: &Basis) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (cell, group) in grouped(rows.requests.iter().map(|row| (&row.cell, row))) {
        metrics.extend(window_metrics(&group, &cell, basis));
        if cell.get("phase") != Some(Phase::Memory.name()) {
            metrics.extend(request_metrics(&group, &cell, basis));
        } else {
            // Latencies of requests between which memory is read are nobody's question, and whoever measures memory
            // does not keep their frames.
            let samples = rows.samples.iter().filter(|(phase, _)| *phase == Phase::Memory);
            let samples: Vec<ResourceSample> = samples.map(|(_, sample)| *sample).collect();
            metrics.extend(memory_metrics(&group, &samples, &cell, basis));
        }
    }
    for (cell, items) in grouped(rows.items.iter().map(|item| (&item.cell, item))) {
        metrics.extend(quality_metrics(&items, &cell, basis));
    }
    for (cell, items) in all_tasks(&rows.items) {
        metrics.extend(quality_metrics(&items, &cell, basis).into_iter().filter(|metric| metric.name == "accuracy"));
    }
    let derived = derived_metrics(&metrics, &rows.requests, basis);
    metrics.extend(derived);
    metrics
}

/// Counts the requests by outcome, warm-up left out. Rows are of requests that ended, so none is in flight.
#[must_use]
pub fn tally<'a>(rows: impl IntoIterator<Item = &'a RequestRow>) -> Tally {
    let mut tally = Tally::default();
    rows.into_iter().for_each(|row| tally.count(row));
    tally
}

/// Groups by the cell of figures, in the order of cells.
fn grouped<'a, T>(rows: impl Iterator<Item = (&'a Cell, &'a T)>) -> BTreeMap<Cell, Vec<&'a T>> {
    let mut groups: BTreeMap<Cell, Vec<&T>> = BTreeMap::new();
    for (cell, row) in rows {
        groups.entry(figure_cell(cell)).or_default().push(row);
    }
    groups
}

/// The items of all tasks together, for each variant; the macro F1 of mixed label sets would mean nothing.
fn all_tasks(items: &[ItemRow]) -> BTreeMap<Cell, Vec<&ItemRow>> {
    let without_task = |item: &ItemRow| {
        let cell = figure_cell(&item.cell);
        cell.get("task")?;
        let kept = cell.iter().filter(|(key, _)| *key != "task");
        Some(kept.fold(Cell::default(), |cell, (key, value)| cell.with(key, value)))
    };
    let mut groups: BTreeMap<Cell, Vec<&ItemRow>> = BTreeMap::new();
    for item in items {
        if let Some(cell) = without_task(item) {
            groups.entry(cell).or_default().push(item);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::{failed, row};
    use proptest::prelude::*;
    use weighbridge_types::request::Outcome;

    fn rows(count: u64) -> Rows {
        let request = |id: u64| {
            let mut row = row(id, id * 400, (90 + id * 7 % 20, 20, 11));
            row.cell = Cell::of(Phase::Latency).with("input_tokens", 128 << (id % 2)).with("run", id % 2 + 1);
            row
        };
        let item = |id: u64| ItemRow {
            cell: Cell::of(Phase::Quality).with("task", if id.is_multiple_of(3) { "email" } else { "social" }),
            item: id.to_string(),
            expected: (id % 2).to_string(),
            given: Some((id * 7 % 3 % 2).to_string()),
            problem: None,
        };
        let items = (0..count).map(item).collect();
        Rows { requests: (0..count).map(request).collect(), items, ..Rows::default() }
    }

    #[test]
    fn the_same_rows_give_the_same_numbers() {
        let basis = Basis { seed: 7, ..Basis::default() };
        let first = summarize(&rows(80), &basis);
        assert_eq!(first, summarize(&rows(80), &basis));
        let mut shuffled = rows(80);
        shuffled.requests.reverse();
        shuffled.requests.rotate_left(13);
        assert_eq!(first, summarize(&shuffled, &basis), "the order of rows in the log does not matter");
    }

    #[test]
    fn no_figure_appears_twice() {
        let mut names: Vec<_> =
            summarize(&rows(80), &Basis::default()).iter().map(|m| (m.key(), m.cell.clone())).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    proptest! {
        #[test]
        fn every_request_is_in_one_state(states in prop::collection::vec(0_u8..5, 0..60)) {
            let requests: Vec<RequestRow> = (0_u64..).zip(&states).map(|(id, state)| {
                let mut row = row(id, id * 10, (5, 1, 2));
                match state {
                    0 => row = failed(row),
                    1 => row.outcome = Outcome::Cancelled,
                    2 => row.outcome = Outcome::Dropped,
                    3 => row.warmup = true,
                    _ => {}
                }
                row
            }).collect();
            let counts = tally(&requests);
            prop_assert!(counts.adds_up());
            prop_assert_eq!(counts.scheduled, states.iter().filter(|state| **state != 3).count() as u64);
        }
    }
}
