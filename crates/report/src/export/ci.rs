//! Forms of CI trackers: github-action-benchmark and bencher.

use std::collections::BTreeMap;

use serde::Serialize;
use weighbridge_types::definition::Direction;
use weighbridge_types::metric::{Metric, MetricInterval, Statistic};
use weighbridge_types::record::Record;

use super::{ExportError, ExportFile, ExportFormat};
use crate::import::definitions;
use crate::number;

/// An entry of github-action-benchmark.
#[derive(Serialize)]
struct Entry {
    name: String,
    unit: String,
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    extra: String,
}

/// Two files, because the tool reads one direction per file. Facts without a direction are in neither.
pub(super) fn github_action(record: &Record) -> Result<Vec<ExportFile>, ExportError> {
    let mut files = Vec::new();
    for (direction, name) in [(Direction::Lower, "smaller"), (Direction::Higher, "bigger")] {
        let entries: Vec<Entry> = gated(record).filter(|(_, found)| *found == direction).filter_map(entry).collect();
        // The tool fails on an empty list.
        if !entries.is_empty() {
            files.push(ExportFile::json(format!("benchmark_{name}_is_better.json"), &entries));
        }
    }
    if files.is_empty() {
        return Err(lacks(record, ExportFormat::GithubAction));
    }
    Ok(files)
}

/// Statistics that are worth a series; the rest of the grid would bury them.
const TRACKED: [Statistic; 7] = [
    Statistic::Mean,
    Statistic::P50,
    Statistic::P90,
    Statistic::P95,
    Statistic::P99,
    Statistic::Slope,
    Statistic::Value,
];

/// Figures with a value and a direction.
fn gated(record: &Record) -> impl Iterator<Item = (&Metric, Direction)> {
    let is_tracked = |metric: &&Metric| metric.value.is_some() && TRACKED.contains(&metric.statistic);
    record.metrics.iter().filter(is_tracked).filter_map(|metric| {
        let direction = definitions::find(&metric.definition)?.direction;
        (direction != Direction::Neutral).then_some((metric, direction))
    })
}

fn entry((metric, _): (&Metric, Direction)) -> Option<Entry> {
    let place = metric.cell.to_string();
    let name = if place.is_empty() { metric.key() } else { format!("{} [{place}]", metric.key()) };
    let half = |interval: &MetricInterval| {
        let half = 0.5 * (interval.high - interval.low);
        half.is_finite().then(|| format!("± {}", number::significant(half, 2)))
    };
    Some(Entry {
        name,
        unit: metric.unit.clone(),
        value: metric.value?,
        range: metric.interval.as_ref().and_then(half),
        extra: format!("n = {}, definition {}", metric.n, metric.definition),
    })
}

/// A value of bencher.
#[derive(Serialize)]
struct Measure {
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lower_value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upper_value: Option<f64>,
}

/// A benchmark per cell, a measure per figure and unit; the ends of our interval are its bounds.
pub(super) fn bencher(record: &Record) -> Result<Vec<ExportFile>, ExportError> {
    let mut benchmarks: BTreeMap<String, BTreeMap<String, Measure>> = BTreeMap::new();
    for (metric, _) in gated(record) {
        let Some(value) = metric.value else { continue };
        let interval = metric.interval.as_ref();
        let measure = Measure {
            value,
            lower_value: interval.map(|interval| interval.low).filter(|end| end.is_finite()),
            upper_value: interval.map(|interval| interval.high).filter(|end| end.is_finite()),
        };
        let cell = metric.cell.to_string();
        let cell = if cell.is_empty() { "run".to_owned() } else { cell };
        // Bencher keeps units apart from results, so that the name has to tell them.
        let name = format!("{} ({})", metric.key(), metric.unit);
        benchmarks.entry(cell).or_default().insert(name, measure);
    }
    if benchmarks.is_empty() {
        return Err(lacks(record, ExportFormat::Bencher));
    }
    Ok(vec![ExportFile::json("bencher.json", &benchmarks)])
}

fn lacks(record: &Record, format: ExportFormat) -> ExportError {
    ExportError::Lacks { run_id: record.run_id.clone(), format, needs: "figure with a value and a better direction" }
}
