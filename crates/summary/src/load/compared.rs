//! Two load points of one run, compared request by request: a victim beside a load and alone, a prompt sent again and a
//! new one.

use std::collections::BTreeMap;

use weighbridge_stats::compare::welch;
use weighbridge_stats::student_t_mean;
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Provenance, Statistic};

use super::per_request::PER_REQUEST;
use super::series::Values;
use super::window::{Point, low_sample};
use crate::basis::{Basis, CONFIDENCE};
use crate::estimate::{reason, stored};

/// The setting of a cell that says which of two streams a request belongs to.
pub const STREAM: &str = "stream";
/// The stream of small requests beside a load.
pub const VICTIM: &str = "victim";
/// The setting that says what the victim ran beside; without it, beside the load of the cell.
pub const BESIDE: &str = "beside";
/// Which use of a prompt a request is.
pub const USE: &str = "use";
/// A prompt that was never sent before.
pub const FRESH: &str = "fresh";
/// A prompt, or one that shares its beginning, that was sent before.
pub const AGAIN: &str = "again";

/// Method of an interval from the logarithms of requests that were sent in pairs.
const PAIRED: &str = "student_t_of_paired_logs";
/// Method of an interval from the logarithms of two independent samples.
const INDEPENDENT: &str = "welch_of_logs";

/// The cell of a victim that runs beside nothing.
#[must_use]
pub fn victim_alone(phase_cell: &Cell) -> Cell {
    phase_cell.clone().with(STREAM, VICTIM).with(BESIDE, "nothing")
}

/// Every comparison that the load points allow.
pub(super) fn comparisons(points: &BTreeMap<Cell, Vec<Point>>, basis: &Basis) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (cell, runs) in points {
        let samples = |of: &Definition, base: &[Point]| Samples { base: values(base, of), here: values(runs, of) };
        if cell.get(STREAM) == Some(VICTIM) && cell.get(BESIDE).is_none() {
            let alone = victim_alone(&only(cell, &["phase"]));
            let base = points.get(&alone).map_or(&[][..], Vec::as_slice);
            for (definition, of) in
                [(&define::VICTIM_TTFT_RATIO, &define::TTFT_USER), (&define::VICTIM_E2E_RATIO, &define::E2E_SCHEDULED)]
            {
                metrics.push(samples(of, base).independent(definition, cell));
            }
        }
        if cell.get(USE) == Some(AGAIN) {
            let base = points.get(&cell.clone().with(USE, FRESH)).map_or(&[][..], Vec::as_slice);
            let workload = without(cell, USE);
            let ratio = samples(&define::TTFT, base).paired(&define::CACHE_TTFT_RATIO, &workload);
            metrics.extend(effect(&ratio, &workload));
            metrics.push(ratio);
        }
    }
    metrics.iter_mut().for_each(|metric| basis.mark(metric));
    metrics
}

/// Values of one metric on two sides; `None` where there are too many to be kept.
struct Samples {
    base: Option<Vec<f64>>,
    here: Option<Vec<f64>>,
}

impl Samples {
    /// Geometric mean of one side over that of the other, requests of the two sides unrelated.
    fn independent(&self, definition: &Definition, cell: &Cell) -> Metric {
        self.ratio(definition, cell, |base, here| {
            let test = welch(base, here, CONFIDENCE).map_err(|error| reason(&error))?;
            Ok((test.difference, stored(&test.interval, None, Some(INDEPENDENT))))
        })
    }

    /// The same of requests sent in pairs; where a side lost some, pairs cannot be told and the sides are unrelated.
    fn paired(&self, definition: &Definition, cell: &Cell) -> Metric {
        let lengths = (self.base.as_ref().map(Vec::len), self.here.as_ref().map(Vec::len));
        if lengths.0 != lengths.1 {
            return self.independent(definition, cell);
        }
        self.ratio(definition, cell, |base, here| {
            let differences: Vec<f64> = here.iter().zip(base).map(|(here, base)| here - base).collect();
            let estimate = student_t_mean(&differences, CONFIDENCE).map_err(|error| reason(&error))?;
            Ok((estimate.value, stored(&estimate.interval, None, Some(PAIRED))))
        })
    }

    fn ratio(
        &self,
        definition: &Definition,
        cell: &Cell,
        difference: impl Fn(&[f64], &[f64]) -> Result<(f64, MetricInterval), String>,
    ) -> Metric {
        let missing = |why: &str| Metric::unavailable(definition, Statistic::Value, cell, why);
        let (Some(base), Some(here)) = (&self.base, &self.here) else {
            return missing("there are too many requests to keep the latency of each");
        };
        if base.is_empty() || here.is_empty() {
            return missing("a side of the comparison has no request that succeeded");
        }
        let logs = |values: &[f64]| -> Vec<f64> { values.iter().map(|value| value.ln()).collect() };
        let (base, here) = (logs(base), logs(here));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let n = base.len().min(here.len()) as u64;
        let value = (mean(&here) - mean(&base)).exp();
        let mut metric = low_sample(Metric::measured(definition, Statistic::Value, cell, value, n));
        match difference(&base, &here) {
            Ok((_, interval)) => {
                let (low, high) = (interval.low.exp().min(value), interval.high.exp().max(value));
                metric.interval = Some(MetricInterval { low, high, ..interval });
            }
            Err(why) => metric.interval_reason = Some(why),
        }
        metric.with_provenance(Provenance::Derived)
    }
}

/// What a cache saves, and what is left when its cost is taken off.
fn effect(ratio: &Metric, workload: &Cell) -> [Metric; 3] {
    let definition = &define::CACHE_EFFECTIVENESS;
    let effectiveness = match ratio.value {
        Some(value) => Metric {
            value: Some(100.0 * (1.0 - value)),
            name: definition.name.to_owned(),
            definition: definition.id(),
            unit: definition.unit.to_owned(),
            interval: ratio.interval.clone().map(|interval| MetricInterval {
                low: 100.0 * (1.0 - interval.high),
                high: 100.0 * (1.0 - interval.low),
                ..interval
            }),
            ..ratio.clone()
        },
        None => {
            let why = ratio.reason.clone().unwrap_or_default();
            Metric::unavailable(definition, Statistic::Value, workload, why)
        }
    };
    let unknown = "what a cache costs the prompts that miss it is seen only beside the server with its cache off";
    let missing = |definition| Metric::unavailable(definition, Statistic::Value, workload, unknown);
    [effectiveness, missing(&define::CACHE_OVERHEAD), missing(&define::CACHE_NET)]
}

/// The values of all runs of a point, in their order.
fn values(runs: &[Point], of: &Definition) -> Option<Vec<f64>> {
    let index = PER_REQUEST.iter().position(|measure| measure.definition == of)?;
    let mut all = Vec::new();
    for run in runs {
        let Values::Kept { values, .. } = &run.figures.per_request[index] else { return None };
        // A latency of zero has no logarithm; a clock that coarse compares nothing.
        all.extend(values.iter().copied().filter(|value| *value > 0.0));
    }
    Some(all)
}

fn only(cell: &Cell, keys: &[&str]) -> Cell {
    cell.iter().filter(|(key, _)| keys.contains(key)).fold(Cell::default(), |cell, (key, value)| cell.with(key, value))
}

fn without(cell: &Cell, key: &str) -> Cell {
    cell.iter().filter(|(name, _)| *name != key).fold(Cell::default(), |cell, (name, value)| cell.with(name, value))
}
