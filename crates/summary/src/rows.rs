//! The rows of a run. The store reads them from an event log, of each phase its last attempt.

use std::collections::BTreeMap;

use weighbridge_types::exhibit::Exhibit;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{ItemRow, Phase};
use weighbridge_types::request::RequestRow;
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::start::StartRow;
use weighbridge_types::stream::{Incident, Pane};
use weighbridge_types::telemetry::Telemetry;

/// Rows of one or more phases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Requests, in the order recorded.
    pub requests: Vec<RequestRow>,
    /// Scored items.
    pub items: Vec<ItemRow>,
    /// Samples of process and host, with the phase that they were taken in.
    pub samples: Vec<(Phase, ResourceSample)>,
    /// Starts of a server.
    pub starts: Vec<StartRow>,
    /// What was seen of a load's server.
    pub telemetry: Vec<Telemetry>,
    /// What a report shows of an evaluation, one for each task.
    pub exhibits: Vec<Exhibit>,
    /// Stretches of a stream, in the order of their closing.
    pub panes: Vec<Pane>,
    /// Attacks within a stream, in the order of their ends.
    pub incidents: Vec<Incident>,
}

/// The cell of a figure: that of its rows without the repetition, `run`.
#[must_use]
pub fn figure_cell(cell: &Cell) -> Cell {
    cell.iter().filter(|(key, _)| *key != "run").fold(Cell::default(), |cell, (key, value)| cell.with(key, value))
}

/// Rows of one cell that count, split by run; within a run in the order of their release.
pub(crate) fn by_run<'a>(rows: &[&'a RequestRow]) -> Vec<Vec<&'a RequestRow>> {
    let mut runs: BTreeMap<&str, Vec<&RequestRow>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.warmup) {
        runs.entry(row.cell.get("run").unwrap_or_default()).or_default().push(row);
    }
    let mut runs: Vec<_> = runs.into_values().collect();
    for run in &mut runs {
        run.sort_by_key(|row| (row.timeline.released, row.id));
    }
    runs
}

/// Whether any two requests of a run were in flight at the same time. The rows are in order of release.
pub(crate) fn overlaps(run: &[&RequestRow]) -> bool {
    run.windows(2).any(|pair| pair[0].timeline.ended.is_none_or(|ended| ended > pair[1].timeline.released))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_is_no_part_of_a_figures_cell() {
        let cell = Cell::of(Phase::Latency).with("input_tokens", 128);
        assert_eq!(figure_cell(&cell.clone().with("run", 2)), cell);
    }
}
