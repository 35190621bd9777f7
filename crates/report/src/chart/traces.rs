//! What the charts of a load run need of its event log, read row by row: flat in the number of requests.

use std::collections::BTreeMap;

use weighbridge_stats::histogram::Histogram;
use weighbridge_summary::{CellStages, Rows, Stages, TimeBins, figure_cell};
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Record;
use weighbridge_types::request::RequestRow;
use weighbridge_types::server::ServerQuantity;
use weighbridge_types::telemetry::Telemetry;
use weighbridge_types::units::millis;

use super::points::plan;

/// The latencies whose distribution is drawn, in this order.
pub(super) const LATENCIES: [&Definition; 3] = [&d::TTFT, &d::ITL, &d::E2E];

/// The first reading of the log of a load run: how its requests lie in time.
#[derive(Clone, Debug)]
pub struct LoadReading(TimeBins);

impl LoadReading {
    /// Begins to read the log of this run; `None` when the record holds no plan of a load, so that there is nothing to
    /// draw over time.
    #[must_use]
    pub fn new(record: &Record) -> Option<Self> {
        Some(Self(TimeBins::new(&plan(record)?)))
    }

    /// Takes a row.
    pub fn push(&mut self, row: &RequestRow) {
        self.0.push(row);
    }

    /// Ends the first reading and begins the second, of the same rows.
    #[must_use]
    pub fn finish(self) -> LoadTraces {
        LoadTraces { stages: self.0.stages(), ..LoadTraces::default() }
    }
}

/// What the log says beyond the record: the course of each load, and the distribution of its latencies.
///
/// Some 112 KiB for the course of each load, at most 2.6 MiB for its latencies, and 56 bytes for each answer of the
/// server's metrics.
#[derive(Clone, Debug, Default)]
pub struct LoadTraces {
    stages: Stages,
    loads: BTreeMap<Cell, Latencies>,
    /// In order of time.
    pub(super) server: Vec<ServerPoint>,
}

/// What the server told at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct ServerPoint {
    /// Seconds since the clock's origin.
    pub(super) at_s: f64,
    pub(super) running: Option<f64>,
    pub(super) waiting: Option<f64>,
    pub(super) kv_usage: Option<f64>,
}

/// Latencies of the requests of one load that were planned in its window and succeeded, ms; repetitions together.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    /// In the order of [`LATENCIES`].
    pub(super) of: [Histogram; 3],
}

impl LoadTraces {
    /// Takes a row in the second reading.
    pub fn push(&mut self, row: &RequestRow) {
        let holds = self.stages.get(&row.cell).is_some_and(|stages| stages.holds(row.timeline.planned));
        if row.warmup || !holds || !row.outcome.is_success() {
            return;
        }
        let [ttft, itl, e2e] = &mut self.loads.entry(figure_cell(&row.cell)).or_default().of;
        let line = &row.timeline;
        line.ttft().map(millis).into_iter().for_each(|value| ttft.push(value));
        line.token_gaps().for_each(|(gap, tokens)| itl.push_n(millis(gap), u64::from(tokens)));
        line.e2e().map(millis).into_iter().for_each(|value| e2e.push(value));
    }

    /// Takes what was seen of the server.
    pub fn push_seen(&mut self, seen: &Telemetry) {
        let Telemetry::Server(sample) = seen else { return };
        let value = |quantity| sample.values.get(&quantity).copied();
        self.server.push(ServerPoint {
            at_s: sample.at.as_nanos() as f64 / 1e9,
            running: value(ServerQuantity::Running),
            waiting: value(ServerQuantity::Waiting),
            kv_usage: value(ServerQuantity::KvUsage),
        });
    }

    /// Both readings of rows that are at hand.
    #[must_use]
    pub fn of(record: &Record, rows: &Rows) -> Option<Self> {
        let mut reading = LoadReading::new(record)?;
        rows.requests.iter().for_each(|row| reading.push(row));
        let mut traces = reading.finish();
        rows.requests.iter().for_each(|row| traces.push(row));
        rows.telemetry.iter().for_each(|seen| traces.push_seen(seen));
        Some(traces)
    }

    /// The loads with their stages; repetitions (`run`) are loads of their own.
    pub(super) fn stages(&self) -> impl Iterator<Item = (&Cell, &CellStages)> {
        self.stages.iter()
    }

    /// The latencies of a load.
    pub(super) fn latencies(&self, cell: &Cell) -> Option<&Latencies> {
        self.loads.get(cell)
    }
}
