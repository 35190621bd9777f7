//! The load curve: what the target carried, and how long the first token took, against the load put on it.

use maud::{Markup, html};
use weighbridge_types::definition as d;
use weighbridge_types::metric::{Metric, Statistic};
use weighbridge_types::record::Record;

use super::points::{Point, Varied, points};
use super::{Axis, Chart, HEIGHT, Key, LETTER, Plot, WIDTH, legend, px, series_class, span};
use crate::number;

/// Sizes further apart than this stand on an axis of equal factors.
const WIDE: f64 = 12.0;
/// Steps of the line of perfect scaling.
const STEPS: u32 = 60;
/// Room for the word above a bracket.
const BRACKET: f64 = 16.0;

/// Requests/s, tokens/s and TTFT against the load; none for a single load.
pub(super) fn curves(record: &Record) -> Vec<Chart> {
    let points = points(record);
    [Varied::Concurrency, Varied::Rate].into_iter().flat_map(|varied| of(record, &points, varied)).collect()
}

fn of(record: &Record, points: &[Point<'_>], varied: Varied) -> Vec<Chart> {
    let mut loads: Vec<Load<'_>> = points
        .iter()
        .filter_map(|point| Some(Load { point, size: point.size.filter(|(of, _)| *of == varied)?.1 }))
        .collect();
    loads.sort_by(|a, b| a.size.total_cmp(&b.size));
    if loads.len() < 2 {
        return Vec::new();
    }
    let key = if varied == Varied::Rate { "rate" } else { "concurrency" };
    let sheet = |id: &str, title: &str, unit, lines, ideal| Sheet {
        id: format!("curve-{id}-{key}"),
        title: format!("{title} against the load"),
        unit,
        varied,
        loads: &loads,
        lines,
        ideal,
        capacity: record.metrics.iter().find(|metric| metric.name == varied.capacity().name && metric.value.is_some()),
    };
    let throughput = |definition| vec![Line::typical(&loads, definition, "mean of the window")];
    let ideal = match varied {
        Varied::Rate => Ideal::Carried,
        Varied::Concurrency => Ideal::Scaled,
    };
    [
        sheet("requests", "Request throughput", "requests/s", throughput(&d::REQUEST_THROUGHPUT), ideal),
        sheet("tokens", "Output throughput", "tokens/s", throughput(&d::OUTPUT_THROUGHPUT), Ideal::None),
        sheet("ttft", "Time to first token", "TTFT, ms", ttft(&loads), Ideal::None),
    ]
    .into_iter()
    .filter_map(|sheet| sheet.draw())
    .collect()
}

/// The median and the tail; the mean too where a load is too short to tell either.
fn ttft<'a>(loads: &[Load<'a>]) -> Vec<Line<'a>> {
    let at = |statistic, name| Line::new(loads, name, |point| point.metric(&d::TTFT, statistic));
    let (median, tail) = (at(Statistic::P50, "p50"), at(Statistic::P99, "p99"));
    let is_whole = [&median, &tail].iter().all(|line| line.values.iter().all(Option::is_some));
    let mut lines = vec![median, tail];
    if !is_whole {
        lines.push(at(Statistic::Mean, "mean"));
    }
    lines
}

/// A load of the axis.
#[derive(Clone, Copy)]
struct Load<'a> {
    point: &'a Point<'a>,
    size: f64,
}

/// A figure over the loads.
struct Line<'a> {
    name: &'static str,
    /// A figure with a value for each load that has one.
    values: Vec<Option<(f64, &'a Metric)>>,
}

impl<'a> Line<'a> {
    fn new(loads: &[Load<'a>], name: &'static str, of: impl Fn(&Point<'a>) -> Option<&'a Metric>) -> Self {
        let value = |load: &Load<'a>| {
            let metric = of(load.point)?;
            Some((metric.value.filter(|value| value.is_finite())?, metric))
        };
        Self { name, values: loads.iter().map(value).collect() }
    }

    fn typical(loads: &[Load<'a>], of: &d::Definition, name: &'static str) -> Self {
        Self::new(loads, name, |point| point.typical(of).map(|(_, metric)| metric))
    }

    fn known(&self) -> impl Iterator<Item = (f64, &'a Metric)> + '_ {
        self.values.iter().flatten().copied()
    }
}

/// What would be perfect.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ideal {
    None,
    /// Everything that is offered.
    Carried,
    /// As much more as there is more in flight.
    Scaled,
}

struct Sheet<'a> {
    id: String,
    title: String,
    unit: &'static str,
    varied: Varied,
    loads: &'a [Load<'a>],
    lines: Vec<Line<'a>>,
    ideal: Ideal,
    capacity: Option<&'a Metric>,
}

impl Sheet<'_> {
    fn draw(self) -> Option<Chart> {
        let lines: Vec<&Line<'_>> = self.lines.iter().filter(|line| line.known().next().is_some()).collect();
        if lines.is_empty() {
            return None;
        }
        let (key_marks, top) = legend(&self.keys(&lines));
        let plot = self.plot(&lines, top + if self.capacity.is_some() { BRACKET } else { 0.0 });
        Some(Chart {
            description: self.description(&lines),
            height: HEIGHT,
            marks: html! {
                @if let Some(capacity) = self.capacity { (bracket(&plot, capacity)) }
                (plot.frame())
                (plot.line(self.perfect(&lines, &plot), "ideal"))
                @for (index, line) in lines.iter().enumerate() { (self.line(&plot, line, &series_class(index))) }
                (key_marks)
            },
            id: self.id,
            title: self.title,
        })
    }

    fn keys(&self, lines: &[&Line<'_>]) -> Vec<Key> {
        let is_one = lines.len() == 1;
        let name = |line: &Line<'_>| if is_one { self.unit.to_owned() } else { line.name.to_owned() };
        let mut keys: Vec<Key> =
            lines.iter().enumerate().map(|(index, line)| Key::line(name(line), series_class(index))).collect();
        match self.ideal {
            Ideal::None => {}
            Ideal::Carried => keys.push(Key::line("all that is offered", "ideal")),
            Ideal::Scaled => keys.push(Key::line("perfect scaling", "ideal")),
        }
        if self.loads.iter().any(|load| load.point.missed.is_some()) {
            keys.push(Key::cross("objective missed", "c0"));
        }
        keys
    }

    fn plot(&self, lines: &[&Line<'_>], top: f64) -> Plot {
        let (across, up) = span(top);
        let (first, last) = (self.loads[0].size, self.loads[self.loads.len() - 1].size);
        let bound = self.capacity.and_then(|metric| Some(metric.interval.as_ref()?.high)).unwrap_or(last);
        let last = last.max(bound);
        let x = if last > WIDE * first {
            Axis::log(first, last, (across.0 + 10.0, across.1 - 10.0), self.varied.axis())
        } else {
            Axis::linear(0.0, last, across, self.varied.axis())
        };
        let values = || lines.iter().flat_map(|line| line.known());
        let high = values().map(|(value, metric)| metric.interval.as_ref().map_or(value, |i| i.high.max(value)));
        let high = high.fold(0.0, f64::max);
        let low = values().map(|(value, _)| value).fold(f64::INFINITY, f64::min);
        // Beyond the capacity a queue grows for as long as the load lasts: a hundredfold latency would hide all others.
        let y = if self.unit.contains("ms") && low > 0.0 && high > WIDE * low {
            Axis::log(0.8 * low, high, up, self.unit)
        } else {
            Axis::linear(0.0, high, up, self.unit)
        };
        Plot { x, y }
    }

    fn line(&self, plot: &Plot, line: &Line<'_>, class: &str) -> Markup {
        let known: Vec<(&Load<'_>, f64, &Metric)> = self
            .loads
            .iter()
            .zip(&line.values)
            .filter_map(|(load, value)| value.map(|(value, metric)| (load, value, metric)))
            .collect();
        html! {
            (plot.line(known.iter().map(|(load, value, _)| (load.size, *value)), class))
            @for (load, value, metric) in &known {
                @let tip = format!("{}, {}: {}, n = {}", load.point.name, line.name, number::figure(metric), metric.n);
                @if let Some(interval) = &metric.interval { (plot.error_bar(load.size, interval.low, interval.high, class)) }
                @match &load.point.missed {
                    Some(why) => (plot.missed(load.size, *value, class, &format!("{tip}; missed: {why}"))),
                    None => (plot.dot(load.size, *value, class, &tip)),
                }
            }
        }
    }

    fn perfect(&self, lines: &[&Line<'_>], plot: &Plot) -> Vec<(f64, f64)> {
        let (first, last) = (self.loads[0].size, self.loads[self.loads.len() - 1].size);
        let slope = match self.ideal {
            Ideal::None => return Vec::new(),
            Ideal::Carried => 1.0,
            Ideal::Scaled => match lines[0].values[0] {
                Some((value, _)) => value / first,
                None => return Vec::new(),
            },
        };
        let size = |step| first * (last / first).powf(f64::from(step) / f64::from(STEPS));
        let line = (0..=STEPS).map(size).map(|size| (size, slope * size));
        line.take_while(|(_, value)| *value <= plot.y.max()).collect()
    }

    fn description(&self, lines: &[&Line<'_>]) -> String {
        let mut words: Vec<String> = Vec::new();
        if let Some(capacity) = self.capacity {
            words.push(format!("Capacity: {}", number::figure(capacity)));
        }
        for line in lines {
            for (load, value) in self.loads.iter().zip(&line.values) {
                let missed = if load.point.missed.is_some() { ", objective missed" } else { "" };
                let figure =
                    value.map_or_else(|| "n/a".to_owned(), |(_, m)| format!("{}, n = {}", number::figure(m), m.n));
                words.push(format!("{} at {}: {figure}{missed}", line.name, load.point.name));
            }
        }
        words.join("; ")
    }
}

/// Between the largest load carried and the smallest that was too much.
fn bracket(plot: &Plot, capacity: &Metric) -> Markup {
    let low = capacity.value.unwrap_or_default();
    let high = capacity.interval.as_ref().map_or(low, |interval| interval.high);
    let (from, to) = (plot.x.at(low), plot.x.at(high));
    let text = match &capacity.interval {
        Some(_) => format!("capacity: {} to {}", number::significant(low, 3), number::significant(high, 3)),
        None => format!("capacity: at least {}", number::significant(low, 3)),
    };
    let half = 0.5 * LETTER * text.chars().count() as f64;
    let middle = (0.5 * (from + to)).clamp(plot.x.from + half, WIDTH - 4.0 - half);
    html! {
        rect.bracket x=(px(from)) y=(px(plot.y.to)) width=(px((to - from).max(1.5))) height=(px(plot.y.from - plot.y.to)) {}
        text.mark x=(px(middle)) y=(px(plot.y.to - 6.0)) text-anchor="middle" { (text) }
    }
}
