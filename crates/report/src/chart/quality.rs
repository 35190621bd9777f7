//! What quality costs in size and speed, and where each task stands against guessing.

use maud::html;
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::metric::Metric;
use weighbridge_types::record::{Phase, Record};

use super::{Axis, Chart, Key, LETTER, Plot, RIGHT, WIDTH, legend, px, series_class, span};
use crate::number::{self, Scale};
use crate::view::{quality_metric, tasks, variants};

/// Height of a task's row, per variant and beyond.
const PER_VARIANT: f64 = 9.0;
const ROW_GAP: f64 = 12.0;

struct Point<'a> {
    name: &'a str,
    x: &'a Metric,
    y: &'a Metric,
}

/// Quality against size and against speed, a labelled point per variant.
pub(crate) fn tradeoffs(record: &Record) -> Vec<Chart> {
    let has = |definition: &Definition| {
        variants(record).iter().any(|v| quality_metric(record, definition, None, *v).is_some_and(|m| m.value.is_some()))
    };
    let quality = if has(&d::ACCURACY) { &d::ACCURACY } else { &d::PERPLEXITY };
    let speed = if has(&d::DECODE_RATE) { &d::DECODE_RATE } else { &d::ITEM_RATE };
    [(&d::MODEL_BYTES, "quality-size"), (speed, "quality-speed")]
        .into_iter()
        .filter_map(|(across, id)| tradeoff(record, id, across, quality))
        .collect()
}

fn tradeoff(record: &Record, id: &str, across: &Definition, quality: &Definition) -> Option<Chart> {
    let point = |variant: &Option<&'_ str>| -> Option<(String, &Metric, &Metric)> {
        let of = |definition| quality_metric(record, definition, None, *variant).filter(|m| m.value.is_some());
        Some((variant.unwrap_or("the model").to_owned(), of(across)?, of(quality)?))
    };
    let found: Vec<_> = variants(record).iter().filter_map(point).collect();
    let points: Vec<Point<'_>> = found.iter().map(|(name, x, y)| Point { name, x, y }).collect();
    let largest =
        |of: for<'p> fn(&'p Point<'p>) -> &'p Metric| points.iter().filter_map(|p| of(p).value).fold(0.0, f64::max);
    let (x_scale, y_scale) = (Scale::of(across.unit, largest(|p| p.x)), Scale::of(quality.unit, largest(|p| p.y)));
    let ends = |metric: &Metric, scale: &Scale| {
        let value = metric.value.unwrap_or(0.0);
        let (low, high) = metric.interval.as_ref().map_or((value, value), |i| (i.low, i.high));
        (scale.apply(low), scale.apply(value), scale.apply(high))
    };
    let low = points.iter().map(|p| ends(p.y, &y_scale).0).reduce(f64::min)?;
    let high = points.iter().map(|p| ends(p.y, &y_scale).2).reduce(f64::max)?;
    let (across_span, up) = span(14.0);
    let title = |definition: &Definition, scale: &Scale| match scale.unit.as_str() {
        "" => definition.title.to_owned(),
        unit => format!("{}, {unit}", definition.title),
    };
    let furthest = points.iter().map(|p| ends(p.x, &x_scale).2).fold(0.0, f64::max);
    let plot = Plot {
        x: Axis::linear(0.0, furthest * 1.12, across_span, title(across, &x_scale)),
        y: Axis::linear(low, high, up, format!("{} (cut axis)", title(quality, &y_scale))),
    };
    let said: Vec<String> = points
        .iter()
        .map(|p| format!("{}: {} {}, {}", p.name, quality.title, number::figure(p.y), number::figure(p.x)))
        .collect();
    Some(Chart {
        id: id.to_owned(),
        title: format!("{} against {}", capitalized(quality.title), across.title),
        description: said.join("; "),
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            @for (index, (point, said)) in points.iter().zip(&said).enumerate() {
                @let (low, y, high) = ends(point.y, &y_scale);
                @let (_, x, _) = ends(point.x, &x_scale);
                @let class = series_class(index);
                @let is_right = plot.x.at(x) + LETTER * point.name.chars().count() as f64 + 14.0 > WIDTH - RIGHT;
                @if point.y.interval.is_some() { (plot.error_bar(x, low, high, &class)) }
                (plot.dot(x, y, &class, said))
                text.mark x=(px(plot.x.at(x) + if is_right { -9.0 } else { 9.0 })) y=(px(plot.y.at(y) - 6.0))
                    text-anchor=(if is_right { "end" } else { "start" }) { (point.name) }
            }
        },
    })
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Accuracy of each task with its interval, a mark per variant, and the level of guessing.
pub(crate) fn task_chart(record: &Record) -> Option<Chart> {
    let variants = variants(record);
    let of = |task, variant| quality_metric(record, &d::ACCURACY, Some(task), variant).filter(|m| m.value.is_some());
    let tasks: Vec<&str> =
        tasks(record).into_iter().filter(|task| variants.iter().any(|v| of(task, *v).is_some())).collect();
    if tasks.is_empty() {
        return None;
    }
    let mut keys: Vec<Key> = variants
        .iter()
        .enumerate()
        .map(|(index, v)| Key::line(v.unwrap_or("the model"), series_class(index)))
        .collect();
    keys.push(Key::line("guessing", "chance"));
    let (key_marks, top) = legend(&keys);
    let row_height = PER_VARIANT * variants.len() as f64 + ROW_GAP;
    let bottom = top + row_height * tasks.len() as f64;
    let longest = tasks.iter().map(|task| task.chars().count()).max().unwrap_or(0).min(22);
    let left = 12.0 + LETTER * longest as f64;
    let plot = Plot {
        x: Axis::linear(0.0, 100.0, (left, WIDTH - RIGHT), "accuracy, %"),
        y: Axis::linear(0.0, 1.0, (bottom, top), "").with_ticks([]),
    };
    let chance = |task: &str| {
        let found =
            record.metrics_of(Phase::Quality).find(|m| m.name == d::CHANCE.name && m.cell.get("task") == Some(task));
        found.and_then(|metric| metric.value)
    };
    let mut said = Vec::new();
    for task in &tasks {
        let metrics = variants.iter().filter_map(|v| Some((v.unwrap_or("the model"), of(*task, *v)?)));
        let parts: Vec<String> = metrics.map(|(name, metric)| format!("{name} {}", number::figure(metric))).collect();
        said.push(format!("{task}: {}", parts.join(", ")));
    }
    Some(Chart {
        id: "quality-tasks".to_owned(),
        title: "Accuracy by task, with its interval".to_owned(),
        description: said.join("; "),
        height: bottom + super::BOTTOM,
        marks: html! {
            (plot.frame())
            @for (row, task) in tasks.iter().enumerate() {
                @let base = top + row_height * row as f64;
                @let middle = base + row_height / 2.0;
                line.grid x1="0" x2=(px(WIDTH - RIGHT)) y1=(px(base)) y2=(px(base)) {}
                text.tick x=(px(left - 8.0)) y=(px(middle + 4.0)) text-anchor="end" { (shortened(task)) }
                @if let Some(chance) = chance(task) {
                    @let x = px(plot.x.at(100.0 * chance));
                    line.line.chance x1=(x) x2=(x) y1=(px(base + 3.0)) y2=(px(base + row_height - 3.0)) {}
                }
                @for (index, variant) in variants.iter().enumerate() {
                    @if let Some(metric) = of(task, *variant) {
                        @let y = base + ROW_GAP / 2.0 + PER_VARIANT * (index as f64 + 0.5);
                        @let class = series_class(index);
                        @if let Some(interval) = &metric.interval {
                            line.bar.(class) x1=(px(plot.x.at(100.0 * interval.low))) x2=(px(plot.x.at(100.0 * interval.high)))
                                y1=(px(y)) y2=(px(y)) {}
                        }
                        circle.dot.(class) cx=(px(plot.x.at(100.0 * metric.value.unwrap_or(0.0)))) cy=(px(y)) r="3.5" {
                            title { (task) " " (variant.unwrap_or("the model")) ": " (number::figure(metric)) }
                        }
                    }
                }
            }
            (key_marks)
        },
    })
}

fn shortened(task: &str) -> String {
    let kept: String = task.chars().take(22).collect();
    if kept.len() < task.len() { format!("{kept}…") } else { kept }
}
