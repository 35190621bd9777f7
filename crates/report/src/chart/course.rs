//! The course of a load: what was asked, what was carried and what was in flight, over time, with its three stages.

use maud::{Markup, html};
use weighbridge_summary::{CellStages, LoadKind, LoadPoint, LoadSeries, Steady};
use weighbridge_types::metric::Cell;
use weighbridge_types::record::Record;
use weighbridge_types::time::Stamp;

use super::points::plan;
use super::{Axis, BOTTOM, Chart, Key, LEFT, LETTER, LoadTraces, Plot, RIGHT, WIDTH, cross, legend, px, server_course};
use crate::number;
use crate::view::{cell_words, compare_cells};

/// A point of a rate rests on about so many requests, so that the line shows the load and not single requests.
const REQUESTS_EACH: f64 = 8.0;
/// Fewest and most points of a line.
const FEWEST_POINTS: usize = 12;
const MOST_POINTS: usize = 110;
/// Heights of the two panels and the space between them.
const RATES: f64 = 120.0;
const FLIGHT: f64 = 76.0;
const BETWEEN: f64 = 18.0;
/// Room for the names of the stages above the panels, and for two lines of text below.
const STAGES: f64 = 18.0;
const FOOT: f64 = 34.0;

/// A chart for each load; none without the log.
pub(super) fn charts(record: &Record, traces: Option<&LoadTraces>) -> Vec<Chart> {
    let kind = plan(record).map(|plan| plan.kind).unwrap_or_default();
    let mut stages: Vec<(&Cell, &CellStages)> = traces.into_iter().flat_map(LoadTraces::stages).collect();
    stages.sort_by(|a, b| compare_cells(a.0, b.0));
    let of_load = |(index, (cell, stages)): (usize, (&Cell, &CellStages))| {
        let course = Course::new(kind, cell, stages).and_then(|course| course.draw(index));
        let server = traces.and_then(|traces| server_course::chart(index, cell, stages, traces));
        [course, server]
    };
    stages.into_iter().enumerate().flat_map(of_load).flatten().collect()
}

/// Points of equal width whose values have been joined; the last reaches to the end of the load.
struct Joined {
    width_s: f64,
    end_s: f64,
    points: Vec<LoadPoint>,
}

/// What is drawn of one load.
struct Course<'a> {
    kind: LoadKind,
    cell: &'a Cell,
    stages: &'a CellStages,
    /// Clock's origin to the load's start, seconds.
    origin_s: f64,
    /// Seconds of one unit of the time axis, with its name.
    unit: (f64, &'static str),
    rates: Joined,
    flight: Joined,
    succeeded: f64,
    failed: f64,
}

impl<'a> Course<'a> {
    fn new(kind: LoadKind, cell: &'a Cell, stages: &'a CellStages) -> Option<Self> {
        let series = &stages.series;
        let end_s = seconds(stages.end);
        let first = series.points.first()?;
        // A load may begin before its first measured request: its start is a flagged one then.
        let origin_s = seconds(stages.start).min(first.at_s);
        let sum = |of: fn(&LoadPoint) -> f64| -> f64 { widths(series).map(|(point, width)| of(point) * width).sum() };
        let (succeeded, failed) = (sum(|point| point.request_rate), sum(|point| point.failure_rate));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
        let count = (((succeeded + failed) / REQUESTS_EACH) as usize).clamp(FEWEST_POINTS, MOST_POINTS);
        Some(Self {
            kind,
            cell,
            stages,
            origin_s,
            unit: time_unit(end_s - origin_s),
            rates: joined(series, end_s, count),
            flight: joined(series, end_s, MOST_POINTS),
            succeeded,
            failed,
        })
    }

    fn draw(&self, index: usize) -> Option<Chart> {
        let mut keys = vec![Key::line("succeeded", "c0 solid")];
        if self.kind == LoadKind::Open {
            keys.push(Key::line("offered", "c1"));
        }
        if self.failed > 0.5 {
            keys.push(Key::cross("failed", "fail"));
        }
        keys.push(Key::line("in flight", "c2 solid"));
        let (key_marks, legend_height) = legend(&keys);
        let top = legend_height + STAGES;
        let across = (LEFT, WIDTH - RIGHT);
        let middle = top + RATES + BETWEEN;
        let end = self.at(seconds(self.stages.end)).max(1e-3);
        let highest = |of: &[fn(&LoadPoint) -> f64], points: &[LoadPoint]| {
            points.iter().flat_map(|point| of.iter().map(|of| of(point))).fold(0.0, f64::max)
        };
        let time = |title: &str| Axis::course(0.0, end, across, title);
        let bare = time("");
        let bare_ticks: Vec<_> = bare.ticks.iter().map(|tick| (tick.value, String::new())).collect();
        let offered =
            if self.kind == LoadKind::Open { |point: &LoadPoint| point.offered_rate } else { |_: &LoadPoint| 0.0 };
        let shown: [fn(&LoadPoint) -> f64; 3] = [|point| point.request_rate, |point| point.failure_rate, offered];
        let rates = Plot {
            x: bare.with_ticks(bare_ticks),
            y: Axis::linear(0.0, highest(&shown, &self.rates.points), (top + RATES, top), "requests/s"),
        };
        let held = self.held();
        let most = highest(&[|point| point.in_flight], &self.flight.points).max(held.unwrap_or(0.0));
        let flight = Plot {
            x: time(&format!("time since the first request, {}", self.unit.1)),
            y: Axis::linear(0.0, most, (middle + FLIGHT, middle), "in flight"),
        };
        let height = middle + FLIGHT + BOTTOM + FOOT;
        Some(Chart {
            id: format!("course-{index}"),
            title: format!("Over time, {}", name(self.cell)),
            description: self.description(most),
            height,
            marks: html! {
                (self.shading(&rates, top, middle + FLIGHT))
                (rates.frame())
                (flight.frame())
                (self.bounds(&rates, top, middle + FLIGHT))
                @if self.kind == LoadKind::Open { (rates.line(self.steps(&self.rates, |point| point.offered_rate), "c1")) }
                (rates.line(self.steps(&self.rates, |point| point.request_rate), "c0 solid"))
                (self.failures(&rates))
                @if let Some(held) = held { (flight.line([(0.0, held), (end, held)], "ideal")) }
                (flight.line(self.steps(&self.flight, |point| point.in_flight), "c2 solid"))
                (key_marks)
                text.tick x="4" y=(px(height - 23.0)) { (self.stage_words()) }
                text.tick x="4" y=(px(height - 7.0)) { (self.counts()) }
            },
        })
    }

    /// A place on the time axis.
    fn at(&self, since_origin_s: f64) -> f64 {
        (since_origin_s - self.origin_s) / self.unit.0
    }

    /// Requests that a closed loop holds in flight.
    fn held(&self) -> Option<f64> {
        self.cell.get("concurrency")?.parse::<f64>().ok().filter(|level| level.is_finite())
    }

    /// Level for the width of each point.
    fn steps(&self, joined: &Joined, of: fn(&LoadPoint) -> f64) -> Vec<(f64, f64)> {
        let next = joined.points.iter().skip(1).map(|point| point.at_s);
        let ends = next.chain([joined.end_s]);
        let step = |(point, end): (&LoadPoint, f64)| {
            [(self.at(point.at_s), of(point)), (self.at(end.max(point.at_s)), of(point))]
        };
        joined.points.iter().zip(ends).flat_map(step).collect()
    }

    fn failures(&self, rates: &Plot) -> Markup {
        let half = 0.5 * self.rates.width_s / self.unit.0;
        let failing = self.rates.points.iter().filter(|point| point.failure_rate > 0.0);
        html! {
            @for point in failing {
                @let (x, y) = (rates.x.at(self.at(point.at_s) + half), rates.y.at(point.failure_rate));
                line.stem.fail x1=(px(x)) x2=(px(x)) y1=(px(rates.y.from)) y2=(px(y)) {}
                (cross(x, y, "fail", &format!("{} failed per second", number::significant(point.failure_rate, 3))))
            }
        }
    }

    /// Warm-up and drain shaded through both panels, each stage with its name where it has room.
    fn shading(&self, plot: &Plot, top: f64, bottom: f64) -> Markup {
        let bounds = [seconds(self.stages.window_start), seconds(self.stages.window_end)];
        let [start, end] = bounds.map(|bound| plot.x.at(self.at(bound)));
        let stages =
            [("warm-up", plot.x.from, start, true), ("window", start, end, false), ("drain", end, plot.x.to, true)];
        html! {
            @for (name, from, to, is_shaded) in stages {
                @if is_shaded && to - from > 0.05 {
                    rect.shade x=(px(from)) y=(px(top)) width=(px(to - from)) height=(px(bottom - top)) {}
                }
                @if to - from > LETTER * name.len() as f64 + 1.0 {
                    text.tick x=(px((from + to) / 2.0)) y=(px(top - 6.0)) text-anchor="middle" { (name) }
                }
            }
        }
    }

    /// Where the window begins and ends.
    fn bounds(&self, plot: &Plot, top: f64, bottom: f64) -> Markup {
        let bounds = [self.stages.window_start, self.stages.window_end].map(|bound| plot.x.at(self.at(seconds(bound))));
        html! {
            @for x in bounds { line.knee x1=(px(x)) x2=(px(x)) y1=(px(top - 4.0)) y2=(px(bottom)) {} }
        }
    }

    fn stage_words(&self) -> String {
        let CellStages { start, window_start, window_end, end, .. } = self.stages;
        let lengths =
            [("warm-up", *start, *window_start), ("window", *window_start, *window_end), ("drain", *window_end, *end)];
        let words = lengths.map(|(name, from, to)| format!("{name} {}", number::duration((to - from).as_secs_f64())));
        words.join(", ")
    }

    fn counts(&self) -> String {
        let step = number::duration(self.rates.width_s);
        format!("n = {:.0} succeeded, {:.0} failed; a step of the rates is {step}", self.succeeded, self.failed)
    }

    fn description(&self, most: f64) -> String {
        let steady = match &self.stages.steady {
            Steady::Yes => "The load stood still in the window".to_owned(),
            Steady::No { because } => format!("The load did not stand still: {because}"),
            Steady::Unknown { because } => format!("Whether the load stood still is unknown: {because}"),
        };
        let most = number::significant(most, 3);
        let (stages, counts) = (self.stage_words(), self.counts());
        format!("{stages}; {counts}. At most {most} in flight. {steady}. {}.", self.stages.rule)
    }
}

/// A load for people.
pub(super) fn name(cell: &Cell) -> String {
    let words = cell_words(cell);
    if words.is_empty() { "the load".to_owned() } else { words }
}

pub(super) fn seconds(stamp: Stamp) -> f64 {
    stamp.as_nanos() as f64 / 1e9
}

/// Seconds, minutes or hours.
pub(super) fn time_unit(length_s: f64) -> (f64, &'static str) {
    match length_s {
        length if length > 4.0 * 3600.0 => (3600.0, "h"),
        length if length > 600.0 => (60.0, "min"),
        _ => (1.0, "s"),
    }
}

/// Points with the seconds of each.
fn widths(series: &LoadSeries) -> impl Iterator<Item = (&LoadPoint, f64)> {
    let last = series.points.len().saturating_sub(1);
    let width = move |(index, point)| (point, if index < last { series.width_s } else { rest(point, series.end_s) });
    series.points.iter().enumerate().map(width)
}

fn rest(point: &LoadPoint, end_s: f64) -> f64 {
    (end_s - point.at_s).max(1e-9)
}

/// At most about `count` points, each the mean of its parts over its time. A short rest joins the point before it: a rate
/// over a sliver of time would be all chance. Nothing is counted between the last stamp and the end of a schedule.
fn joined(series: &LoadSeries, end_s: f64, count: usize) -> Joined {
    let points: Vec<(&LoadPoint, f64)> = widths(series).collect();
    let group = points.len().div_ceil(count.max(1)).max(1);
    let mut ends: Vec<usize> = (1..=points.len() / group).map(|number| number * group).collect();
    match ends.last_mut() {
        Some(last) if 2 * (points.len() - *last) < group => *last = points.len(),
        Some(last) if *last == points.len() => {}
        None if points.is_empty() => {}
        _ => ends.push(points.len()),
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let of = |(from, to): (usize, usize)| {
        let until = points.get(to).map_or(end_s, |(next, _)| next.at_s);
        mean(&points[from..to], rest(points[from].0, until))
    };
    let points = starts.zip(ends.iter().copied()).map(of).collect();
    Joined { width_s: group as f64 * series.width_s, end_s, points }
}

fn mean(points: &[(&LoadPoint, f64)], seconds: f64) -> LoadPoint {
    let of =
        |value: fn(&LoadPoint) -> f64| points.iter().map(|(point, width)| value(point) * width).sum::<f64>() / seconds;
    LoadPoint {
        at_s: points.first().map_or(0.0, |(point, _)| point.at_s),
        offered_rate: of(|point| point.offered_rate),
        released_rate: of(|point| point.released_rate),
        request_rate: of(|point| point.request_rate),
        failure_rate: of(|point| point.failure_rate),
        output_rate: of(|point| point.output_rate),
        in_flight: of(|point| point.in_flight),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(rates: &[f64], end_s: f64) -> LoadSeries {
        let point = |(index, rate): (usize, &f64)| LoadPoint {
            at_s: index as f64,
            request_rate: *rate,
            ..LoadPoint::default()
        };
        LoadSeries { width_s: 1.0, end_s, points: rates.iter().enumerate().map(point).collect() }
    }

    #[test]
    fn joining_keeps_what_was_counted() {
        let check = |rates: &[f64], (stamped, end): (f64, f64), count: usize, expected: &[f64]| {
            let joined = joined(&series(rates, stamped), end, count);
            let shown: Vec<f64> = joined.points.iter().map(|point| (1e6 * point.request_rate).round() / 1e6).collect();
            assert_eq!(shown, expected, "{rates:?}");
        };
        check(&[2.0, 4.0, 6.0, 8.0], (4.0, 4.0), 2, &[3.0, 7.0]);
        check(&[2.0, 4.0, 6.0, 8.0], (4.0, 4.0), 9, &[2.0, 4.0, 6.0, 8.0]);
        // The last point is a quarter of a second long and holds one request, so that two in 1.25 s end the load.
        check(&[1.0, 1.0, 1.0, 1.0, 4.0], (4.25, 4.25), 2, &[1.0, 1.6]);
        // The same, with a schedule that goes on for as long again.
        check(&[1.0, 1.0, 1.0, 1.0, 4.0], (4.25, 5.5), 2, &[1.0, 0.8]);
        check(&[5.0], (1.0, 1.0), 3, &[5.0]);
        check(&[], (1.0, 1.0), 3, &[]);
    }
}
