//! How values are distributed on both sides, from the percentiles that records hold.

use std::collections::BTreeMap;

use weighbridge_stats::Sorted;
use weighbridge_types::comparison::Shape;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::Record;

/// Percentiles below which a curve says nothing.
const FEWEST: usize = 3;

/// A metric's percentiles over the runs of a side: name and cell, then for each share the values.
type Curves<'a> = BTreeMap<(&'a Cell, &'a str), Vec<(f64, Vec<f64>, &'a str)>>;

fn curves(runs: &[Record]) -> Curves<'_> {
    let mut all: Curves<'_> = BTreeMap::new();
    let share = |metric: &Metric| {
        let of_grid = Statistic::GRID.iter().find(|(statistic, _)| *statistic == metric.statistic);
        of_grid.map(|(_, share)| *share)
    };
    for metric in runs.iter().flat_map(|run| &run.metrics) {
        let (Some(share), Some(value)) = (share(metric), metric.value) else { continue };
        let curve = all.entry((&metric.cell, metric.name.as_str())).or_default();
        match curve.iter_mut().find(|(known, ..)| known.total_cmp(&share).is_eq()) {
            Some((_, values, _)) => values.push(value),
            None => curve.push((share, vec![value], metric.unit.as_str())),
        }
    }
    all
}

/// The distributions that both sides have.
pub(crate) fn shapes(baseline: &[Record], candidate: &[Record]) -> Vec<Shape> {
    let (ours, theirs) = (curves(baseline), curves(candidate));
    let mut all = Vec::new();
    for (&(cell, name), curve) in &ours {
        let Some(other) = theirs.get(&(cell, name)) else { continue };
        let mut points: Vec<(f64, f64, f64)> = curve
            .iter()
            .filter_map(|(share, values, _)| {
                let (_, others, _) = other.iter().find(|(known, ..)| known.total_cmp(share).is_eq())?;
                Some((*share, median(values)?, median(others)?))
            })
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        if points.len() >= FEWEST {
            let unit = curve.first().map_or("", |(_, _, unit)| *unit).to_owned();
            all.push(Shape { name: name.to_owned(), cell: cell.clone(), unit, points });
        }
    }
    all
}

fn median(values: &[f64]) -> Option<f64> {
    Sorted::new(values.to_vec()).ok().map(|sorted| sorted.median())
}
