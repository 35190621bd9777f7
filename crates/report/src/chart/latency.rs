//! How latencies are distributed: the share of values below each, by length.

use maud::html;
use weighbridge_stats::Sorted;
use weighbridge_summary::{Rows, figure_cell};
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{Phase, Record};
use weighbridge_types::request::RequestRow;
use weighbridge_types::units::millis;

use super::{Axis, BOTTOM, Chart, HEIGHT, LEFT, Plot, RIGHT, WIDTH, px, series_class};
use crate::number;
use crate::view::{cell_label, cells_with_any};

/// Steps of a curve: more do not show.
const STEPS: u32 = 200;
/// Panels beside each other; more start a new row.
const MAX_PANELS: usize = 4;
/// Space between panels.
const PANEL_GAP: f64 = 16.0;
/// Room for the name of a panel.
const PANEL_TOP: f64 = 26.0;
/// The marked percentiles.
const MARKED: [(Statistic, f64); 4] =
    [(Statistic::P50, 50.0), (Statistic::P90, 90.0), (Statistic::P95, 95.0), (Statistic::P99, 99.0)];

type Values = fn(&RequestRow) -> Vec<f64>;

/// One curve: value and percent of values that are no larger.
struct Curve {
    name: String,
    points: Vec<(f64, f64)>,
    marks: Vec<(f64, f64, String)>,
}

/// A chart for TTFT, ITL and E2E. With the log the curves are exact; without it they join the recorded percentiles.
pub(crate) fn distributions(record: &Record, rows: Option<&Rows>) -> Vec<Chart> {
    let single: [(&Definition, Values); 3] = [
        (&d::TTFT, |row| row.timeline.ttft().map(millis).into_iter().collect()),
        (&d::ITL, |row| {
            let gaps = row.timeline.token_gaps();
            gaps.flat_map(|(gap, tokens)| std::iter::repeat_n(millis(gap), tokens as usize)).collect()
        }),
        (&d::E2E, |row| row.timeline.e2e().map(millis).into_iter().collect()),
    ];
    let cells = cells_with_any(record, Phase::Latency, d::TTFT.name);
    let chart = |(definition, values): (&Definition, Values)| {
        let curves: Vec<Curve> =
            cells.iter().filter_map(|cell| curve(record, rows, cell, definition, values)).collect();
        (!curves.is_empty()).then(|| draw(definition, &curves, rows.is_some()))
    };
    single.into_iter().filter_map(chart).collect()
}

fn curve(record: &Record, rows: Option<&Rows>, cell: &Cell, of: &Definition, values: Values) -> Option<Curve> {
    let recorded: Vec<&Metric> = record.metrics.iter().filter(|m| m.cell == *cell && m.name == of.name).collect();
    let at = |statistic| recorded.iter().find(|m| m.statistic == statistic).and_then(|m| m.value);
    let points = match rows {
        Some(rows) => {
            let counted =
                |row: &&RequestRow| !row.warmup && row.outcome.is_success() && figure_cell(&row.cell) == *cell;
            let all: Vec<f64> = rows.requests.iter().filter(counted).flat_map(values).collect();
            let sorted = Sorted::new(all).ok()?;
            let step = |index| {
                let share = f64::from(index) / f64::from(STEPS);
                Some((sorted.quantile(share).ok()?, 100.0 * share))
            };
            (0..=STEPS).filter_map(step).collect()
        }
        None => {
            let ends = [(Statistic::Min, 0.0), (Statistic::Max, 1.0)];
            let mut points: Vec<(f64, f64)> = Statistic::GRID
                .into_iter()
                .chain(ends)
                .filter_map(|(statistic, share)| Some((at(statistic)?, 100.0 * share)))
                .collect();
            points.sort_by(|a, b| a.1.total_cmp(&b.1));
            points
        }
    };
    let mark = |(statistic, percent): (Statistic, f64)| {
        let metric = recorded.iter().find(|m| m.statistic == statistic)?;
        Some((metric.value?, percent, format!("{} {}: {}", cell_label(cell), statistic.name(), number::figure(metric))))
    };
    let marks = MARKED.into_iter().filter_map(mark).collect();
    (points.len() > 1).then(|| Curve { name: cell_label(cell), points, marks })
}

/// A panel per length, each with the range of its own values: lengths differ far more than the values of one.
fn draw(definition: &Definition, curves: &[Curve], is_exact: bool) -> Chart {
    let per_row = curves.len().clamp(1, MAX_PANELS);
    let width = (WIDTH - RIGHT - LEFT + PANEL_GAP) / per_row as f64;
    let place = |index: usize| {
        let (row, column) = (index / per_row, index % per_row);
        let (left, top) = (LEFT + column as f64 * width, PANEL_TOP + row as f64 * HEIGHT);
        ((left, left + width - PANEL_GAP), (HEIGHT - BOTTOM + row as f64 * HEIGHT, top), column == 0)
    };
    let panel = |(index, curve): (usize, &Curve)| {
        let (across, up, is_first) = place(index);
        let class = series_class(index);
        let low = curve.points.iter().map(|point| point.0).fold(f64::INFINITY, f64::min);
        let high = curve.points.iter().map(|point| point.0).fold(f64::NEG_INFINITY, f64::max);
        let percents = [0.0, 25.0, 50.0, 75.0, 90.0, 99.0];
        let label = |percent: f64| if is_first { format!("{percent}") } else { String::new() };
        let plot = Plot {
            x: Axis::linear(low, high, across, ""),
            y: Axis::linear(0.0, 100.0, up, if is_first { "share of values at or below, %" } else { "" })
                .with_ticks(percents.map(|percent| (percent, label(percent)))),
        };
        html! {
            (plot.frame())
            text.mark x=(px((across.0 + across.1) / 2.0)) y=(px(up.1 - 8.0)) text-anchor="middle" { (curve.name) }
            (plot.line(curve.points.iter().copied(), &format!("{class} solid")))
            @for (value, percent, tip) in &curve.marks { (plot.dot(*value, *percent, &class, tip)) }
        }
    };
    let basis = if is_exact { "from every recorded value" } else { "through the recorded percentiles" };
    let marked: Vec<&str> = curves.iter().flat_map(|curve| curve.marks.iter().map(|mark| mark.2.as_str())).collect();
    let rows = curves.len().div_ceil(per_row) as f64;
    Chart {
        id: format!("distribution-{}", definition.name),
        title: format!("Distribution of {}, {}, by input/output tokens", definition.title, definition.unit),
        description: format!("Cumulative distribution {basis}, a panel per length. {}", marked.join("; ")),
        height: HEIGHT * rows,
        marks: html! {
            @for item in curves.iter().enumerate() { (panel(item)) }
            text.tick x=(px(LEFT)) y=(px(HEIGHT * rows - 6.0)) { "dots: p50, p90, p95, p99 where the count supports them" }
        },
    }
}
