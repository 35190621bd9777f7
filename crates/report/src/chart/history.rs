//! A metric from run to run, with the levels between its changes.

use maud::html;
use weighbridge_types::history::{Course, History};

use super::{Axis, Chart, Key, Plot, legend, span};
use crate::number::{self, Scale};
use crate::view::history::place;

/// Runs that are drawn one by one; of longer courses every n-th is, and every change.
const MOST_POINTS: usize = 600;

/// The chart of a course; none where nothing is known of it.
pub(crate) fn course_chart(history: &History, course: &Course, id: usize) -> Option<Chart> {
    let (low, high) = course
        .points
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &(_, value)| (low.min(value), high.max(value)));
    let last = course.points.last()?.0;
    let scale = Scale::of(&course.unit, low.abs().max(high.abs()));
    let (keys, top) = legend(&[Key::line("each run", "c0"), Key::line("level between changes", "c1")]);
    let (across, up) = span(top);
    let plot = Plot {
        x: Axis::course(0.0, (last as f64).max(1.0), across, "run"),
        y: Axis::linear(scale.apply(low), scale.apply(high), up, scale.label(&course.key)),
    };
    let step = course.points.len().div_ceil(MOST_POINTS).max(1);
    let points = course.points.iter().step_by(step).map(|&(run, value)| (run as f64, scale.apply(value)));
    let levels = levels(course);
    let marks = course.changes.iter().map(|change| {
        let run = history.runs.get(change.run).map_or("", |run| run.run_id.as_str());
        let share =
            change.ratio.map_or_else(String::new, |ratio| format!(", {} %", number::fixed(100.0 * (ratio - 1.0), 1)));
        (change.run as f64, scale.apply(change.after), format!("{run}{share}"))
    });
    let marks: Vec<(f64, f64, String)> = marks.collect();
    Some(Chart {
        id: format!("course-{id}"),
        title: place(course),
        description: match marks.len() {
            0 => "The level did not move".to_owned(),
            _ => marks.iter().map(|(_, _, tip)| tip.clone()).collect::<Vec<_>>().join("; "),
        },
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            (plot.line(points, "c0"))
            @for (from, to, level) in &levels {
                (plot.line([(*from, scale.apply(*level)), (*to, scale.apply(*level))], "c1"))
            }
            @for (x, y, tip) in &marks { (plot.dot(*x, *y, "c1", tip)) }
            (keys)
        },
    })
}

/// From and to which run a level held, and its mean.
fn levels(course: &Course) -> Vec<(f64, f64, f64)> {
    let last = course.points.last().map_or(0, |point| point.0);
    let mut bounds: Vec<usize> = course.changes.iter().map(|change| change.run).collect();
    bounds.insert(0, course.points.first().map_or(0, |point| point.0));
    bounds.push(last + 1);
    let mean = |from: usize, to: usize| {
        let own: Vec<f64> =
            course.points.iter().filter(|(run, _)| (from..to).contains(run)).map(|point| point.1).collect();
        (!own.is_empty()).then(|| own.iter().sum::<f64>() / own.len() as f64)
    };
    let level = |pair: &[usize]| Some((pair[0] as f64, (pair[1] - 1) as f64, mean(pair[0], pair[1])?));
    bounds.windows(2).filter_map(level).collect()
}
