//! Memory over time, and whether it grows.

use maud::html;
use weighbridge_summary::{Rows, figure_cell, memory_series};
use weighbridge_types::definition as d;
use weighbridge_types::metric::{Cell, Metric};
use weighbridge_types::record::{Phase, Record};
use weighbridge_types::request::RequestRow;
use weighbridge_types::resource::ResourceSample;

use super::{Axis, Chart, Key, Plot, legend, px, series_class, span};
use crate::number;

const MIB: f64 = 1_048_576.0;
/// Points of a line: more do not show.
const MAX_POINTS: usize = 400;

/// Resident memory over the sampled time, and anonymous memory over the requests served with its slope.
pub(crate) fn memory_charts(record: &Record, rows: Option<&Rows>) -> Vec<Chart> {
    let Some(rows) = rows else { return Vec::new() };
    let mut samples: Vec<&(Phase, ResourceSample)> = rows.samples.iter().collect();
    samples.sort_by_key(|(_, sample)| sample.at);
    let Some(start) = samples.first().map(|(_, sample)| sample.at) else { return Vec::new() };
    let of = |bytes: fn(&ResourceSample) -> Option<u64>| -> Vec<(f64, f64)> {
        let point = |(_, sample): &&(Phase, ResourceSample)| {
            Some(((sample.at - start).as_secs_f64(), bytes(sample)? as f64 / MIB))
        };
        samples.iter().filter_map(point).collect()
    };
    let resident = of(|sample| sample.rss_bytes);
    let anonymous = of(|sample| sample.anonymous_bytes);
    let trend = record.metrics_of(Phase::Memory).find(|metric| metric.name == d::MEMORY_GROWTH.name);
    [over_run(&resident, &anonymous), growth(&drained(rows), trend)].into_iter().flatten().collect()
}

/// Requests served, and the anonymous memory once they had drained, MiB: the series of the recorded slope.
fn drained(rows: &Rows) -> Vec<(f64, f64)> {
    let requests: Vec<&RequestRow> =
        rows.requests.iter().filter(|row| figure_cell(&row.cell) == Cell::of(Phase::Memory)).collect();
    let of_phase = rows.samples.iter().filter(|(phase, _)| *phase == Phase::Memory);
    let samples: Vec<ResourceSample> = of_phase.map(|(_, sample)| *sample).collect();
    memory_series(&requests, &samples).into_iter().map(|point| (point.served, point.bytes / MIB)).collect()
}

fn over_run(resident: &[(f64, f64)], anonymous: &[(f64, f64)]) -> Option<Chart> {
    let lines: Vec<(&str, &[(f64, f64)])> = [("resident", resident), ("resident, anonymous", anonymous)]
        .into_iter()
        .filter(|(_, points)| points.len() > 1)
        .collect();
    let keys: Vec<Key> =
        lines.iter().enumerate().map(|(index, (name, _))| Key::line(*name, series_class(index))).collect();
    let (key_marks, top) = legend(&keys);
    let (across, up) = span(top);
    let end = lines.first()?.1.last()?.0;
    let high = lines.iter().flat_map(|(_, points)| points.iter().map(|point| point.1)).fold(0.0, f64::max);
    let plot = Plot {
        x: Axis::linear(0.0, end, across, "time since the first sample, s"),
        y: Axis::linear(0.0, high, up, "memory, MiB"),
    };
    Some(Chart {
        id: "memory-run".to_owned(),
        title: "Memory over the sampled time".to_owned(),
        description: format!("Resident memory, at most {} MiB.", number::significant(high, 3)),
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            @for ((_, points), key) in lines.iter().zip(&keys) { (plot.line(thinned(points), &key.class)) }
            (key_marks)
        },
    })
}

/// Anonymous memory after each request has drained, with the recorded slope drawn through the middle of the points.
fn growth(points: &[(f64, f64)], trend: Option<&Metric>) -> Option<Chart> {
    if points.len() < 3 {
        return None;
    }
    let trend = trend.filter(|metric| metric.value.is_some());
    let mut keys = vec![Key::line("after a request", series_class(1))];
    if trend.is_some() {
        keys.push(Key::line("Theil–Sen slope with its interval", "trend"));
    }
    let (key_marks, top) = legend(&keys);
    let (across, up) = span(top);
    let (start, end) = (points[0].0, points[points.len() - 1].0);
    let low = points.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
    let high = points.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let plot = Plot {
        x: Axis::linear(0.0, end, across, "requests served"),
        y: Axis::linear(low, high, up, "anonymous memory, MiB (cut axis)"),
    };
    let (middle_x, middle_y) = (median(points, |point| point.0), median(points, |point| point.1));
    let at = |bytes: f64, x: f64| (x, middle_y + bytes / MIB * (x - middle_x));
    let description =
        trend.map_or_else(|| "No slope was recorded.".to_owned(), |t| format!("Growth: {}.", number::figure(t)));
    Some(Chart {
        id: "memory-growth".to_owned(),
        title: "Memory after each request has drained".to_owned(),
        description,
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            @for (served, size) in thinned(points) {
                circle.dot.c1 cx=(px(plot.x.at(served))) cy=(px(plot.y.at(size))) r="2.4" {}
            }
            @if let Some(metric) = trend {
                @if let Some(interval) = &metric.interval {
                    (plot.area([at(interval.low, start), (middle_x, middle_y), at(interval.high, start)], "trend"))
                    (plot.area([at(interval.low, end), (middle_x, middle_y), at(interval.high, end)], "trend"))
                }
                @if let Some(slope) = metric.value { (plot.line([at(slope, start), at(slope, end)], "trend")) }
            }
            (key_marks)
        },
    })
}

fn median(points: &[(f64, f64)], of: fn(&(f64, f64)) -> f64) -> f64 {
    let mut values: Vec<f64> = points.iter().map(of).collect();
    values.sort_unstable_by(f64::total_cmp);
    weighbridge_stats::quantile_sorted(&values, 0.5).unwrap_or(0.0)
}

/// Every k-th point, and the last: lines of at most [`MAX_POINTS`].
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(MAX_POINTS).max(1);
    points.iter().copied().step_by(step).chain(points.last().copied()).collect()
}
