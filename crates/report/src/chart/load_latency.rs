//! How the latencies of a load run are distributed: all loads over each other, on an axis of equal factors.

use maud::{Markup, html};
use weighbridge_types::definition::Definition;
use weighbridge_types::metric::{Metric, Statistic};
use weighbridge_types::record::Record;

use super::points::{Point, points};
use super::traces::LATENCIES;
use super::{Axis, Chart, HEIGHT, Key, LEFT, LoadTraces, Plot, legend, px, series_class, span};
use crate::number;

/// Steps of a curve: more do not show.
const STEPS: u32 = 200;
/// Loads in one chart; more would hide each other.
const MOST_LOADS: usize = 6;
/// Room for a line of text below.
const FOOT: f64 = 14.0;
/// The marked percentiles, with their percent.
const MARKED: [(Statistic, f64); 4] =
    [(Statistic::P50, 50.0), (Statistic::P90, 90.0), (Statistic::P95, 95.0), (Statistic::P99, 99.0)];

/// One load: value and percent of values that are no larger.
struct Curve {
    name: String,
    n: u64,
    is_exact: bool,
    points: Vec<(f64, f64)>,
    /// Value, percent and words of each percentile that the record has.
    marks: Vec<(f64, f64, String)>,
}

/// Charts for TTFT, ITL and E2E, of up to six loads each. With the log the curves rest on every value in the window;
/// without it they join the recorded percentiles.
pub(super) fn distributions(record: &Record, traces: Option<&LoadTraces>) -> Vec<Chart> {
    let points = points(record);
    let mut charts = Vec::new();
    for (index, definition) in LATENCIES.into_iter().enumerate() {
        let curve = |point: &Point<'_>| curve(point, traces, index, definition);
        let curves: Vec<Curve> = points.iter().filter_map(curve).collect();
        let parts = curves.len().div_ceil(MOST_LOADS);
        for (part, curves) in curves.chunks(curves.len().div_ceil(parts.max(1)).max(1)).enumerate() {
            charts.push(draw(definition, curves, (part, parts)));
        }
    }
    charts
}

fn curve(point: &Point<'_>, traces: Option<&LoadTraces>, index: usize, definition: &Definition) -> Option<Curve> {
    let at = |statistic| point.metric(definition, statistic).and_then(|metric| Some((metric.value?, metric)));
    let known = traces.and_then(|traces| traces.latencies(&point.cell)).map(|latencies| &latencies.of[index]);
    let histogram = known.filter(|histogram| histogram.count() > 0);
    let mut points: Vec<(f64, f64)> = match histogram {
        Some(histogram) => {
            let step = |index| f64::from(index) / f64::from(STEPS);
            (0..=STEPS).map(step).filter_map(|share| Some((histogram.quantile(share)?, 100.0 * share))).collect()
        }
        None => {
            let ends = [(Statistic::Min, 0.0), (Statistic::Max, 1.0)];
            let grid = Statistic::GRID.into_iter().chain(ends);
            grid.filter_map(|(statistic, share)| Some((at(statistic)?.0, 100.0 * share))).collect()
        }
    };
    points.retain(|(value, _)| value.is_finite());
    points.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mark = |(statistic, percent): (Statistic, f64)| {
        let (value, metric): (f64, &Metric) = at(statistic)?;
        Some((value, percent, format!("{} {}: {}", point.name, statistic.name(), number::figure(metric))))
    };
    let n = histogram.map(|histogram| histogram.count()).or_else(|| Some(at(Statistic::Mean)?.1.n));
    (points.len() > 1).then(|| Curve {
        name: point.name.clone(),
        n: n.unwrap_or_default(),
        is_exact: histogram.is_some(),
        points,
        marks: MARKED.into_iter().filter_map(mark).collect(),
    })
}

fn draw(definition: &Definition, curves: &[Curve], (part, parts): (usize, usize)) -> Chart {
    let named = |curve: &Curve| format!("{}, n = {}", curve.name, number::significant(curve.n as f64, 9));
    let keys: Vec<Key> =
        curves.iter().enumerate().map(|(index, curve)| Key::line(named(curve), series_class(index))).collect();
    let (key_marks, top) = legend(&keys);
    let (across, up) = span(top);
    let values = || curves.iter().flat_map(|curve| curve.points.iter().map(|point| point.0));
    let high = values().fold(0.0, f64::max);
    // A zero, as of tokens that came in one read, has no place on an axis of equal factors and stands at its edge.
    let low = values().filter(|value| *value > 0.0).fold(high.max(1e-3), f64::min).max(1e-4 * high);
    let percents = [0.0, 25.0, 50.0, 75.0, 90.0, 99.0];
    let plot = Plot {
        x: Axis::log(0.95 * low, 1.05 * high, across, format!("{}, {}", definition.title, definition.unit)),
        y: Axis::linear(0.0, 100.0, up, "share at or below, %")
            .with_ticks(percents.map(|percent| (percent, format!("{percent}")))),
    };
    let is_exact = curves.iter().all(|curve| curve.is_exact);
    let basis = if is_exact { "every value of the window" } else { "the recorded percentiles" };
    let marked: Vec<&str> = curves.iter().flat_map(|curve| curve.marks.iter().map(|mark| mark.2.as_str())).collect();
    let number = if parts > 1 { format!(" ({} of {parts})", part + 1) } else { String::new() };
    let height = HEIGHT + FOOT;
    Chart {
        id: format!("load-{}-{part}", definition.name),
        title: format!("Distribution of {}, by load{number}", definition.title),
        description: format!("Cumulative distribution from {basis}. {}", marked.join("; ")),
        height,
        marks: html! {
            (plot.frame())
            @for (index, curve) in curves.iter().enumerate() { (line(&plot, curve, &series_class(index))) }
            (key_marks)
            text.tick x=(px(LEFT)) y=(px(height - 6.0)) { "dots: p50, p90, p95, p99 where the count supports them" }
        },
    }
}

fn line(plot: &Plot, curve: &Curve, class: &str) -> Markup {
    html! {
        (plot.line(curve.points.iter().copied(), class))
        @for (value, percent, tip) in &curve.marks { (plot.dot(*value, *percent, class, tip)) }
    }
}
