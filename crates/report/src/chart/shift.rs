//! Two distributions: laid over each other, and how far each part of one has shifted.

use maud::html;
use weighbridge_types::comparison::Shape;

use super::{Axis, Chart, Key, Plot, legend, span};
use crate::number::{self, Scale};
use crate::view::comparison::shape_title;

/// The charts of a shape: what share of values lies below, and by how much each percentile changed.
pub(crate) fn shift_charts(shape: &Shape, sides: (&str, &str), id: &str) -> Vec<Chart> {
    let values = || shape.points.iter().flat_map(|&(_, ours, theirs)| [ours, theirs]);
    let (low, high) = values().fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    if !(low > 0.0 && high.is_finite()) {
        return Vec::new();
    }
    let scale = Scale::of(&shape.unit, high);
    vec![overlaid(shape, sides, &scale, (low, high), id), shifted(shape, sides, id)]
}

fn overlaid(shape: &Shape, (ours, theirs): (&str, &str), scale: &Scale, (low, high): (f64, f64), id: &str) -> Chart {
    let (keys, top) = legend(&[Key::line(ours, "c0"), Key::line(theirs, "c1")]);
    let (across, up) = span(top);
    let (low, high) = (scale.apply(low), scale.apply(high));
    let x = if high / low > 20.0 {
        Axis::log(low, high, across, &scale.unit)
    } else {
        Axis::linear(low, high, across, &scale.unit)
    };
    let plot = Plot { x, y: Axis::linear(0.0, 1.0, up, "share of values below") };
    let curve = |of: fn(&(f64, f64, f64)) -> f64| {
        shape.points.iter().map(move |point| (scale.apply(of(point)), point.0)).collect::<Vec<_>>()
    };
    let medians = shape.points.iter().find(|point| (point.0 - 0.5).abs() < 1e-9);
    let said = |value: f64| scale.label(&number::significant(scale.apply(value), 3));
    Chart {
        id: format!("{id}-below"),
        title: shape_title(&shape.name, &shape.cell),
        description: medians
            .map_or_else(String::new, |&(_, a, b)| format!("Medians: {ours} {}, {theirs} {}", said(a), said(b))),
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            (plot.line(curve(|point| point.1), "c0"))
            (plot.line(curve(|point| point.2), "c1"))
            (keys)
        },
    }
}

/// The change of each percentile, in percent of the baseline's (a shift function: Doksum 1974).
fn shifted(shape: &Shape, (ours, theirs): (&str, &str), id: &str) -> Chart {
    let changes: Vec<(f64, f64)> =
        shape.points.iter().map(|&(share, a, b)| (100.0 * share, 100.0 * (b / a - 1.0))).collect();
    let most = changes.iter().map(|(_, change)| change.abs()).fold(1.0, f64::max);
    let (keys, top) = legend(&[Key::line(format!("{theirs} against {ours}"), "c1"), Key::line("no change", "chance")]);
    let (across, up) = span(top);
    let plot =
        Plot { x: Axis::linear(0.0, 100.0, across, "percentile"), y: Axis::linear(-most, most, up, "change, %") };
    let said =
        |&(share, change): &(f64, f64)| format!("p{}: {} %", number::significant(share, 4), number::fixed(change, 1));
    Chart {
        id: format!("{id}-shift"),
        title: format!("shift of {}", shape_title(&shape.name, &shape.cell)),
        description: changes.iter().map(said).collect::<Vec<_>>().join("; "),
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            (plot.line([(0.0, 0.0), (100.0, 0.0)], "chance"))
            (plot.line(changes.iter().copied(), "c1"))
            @for point in &changes { (plot.dot(point.0, point.1, "c1", &said(point))) }
            (keys)
        },
    }
}
