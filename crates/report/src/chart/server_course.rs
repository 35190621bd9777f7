//! The course of a load as the server tells it: requests running and waiting, and the KV cache in use.

use maud::html;
use weighbridge_summary::CellStages;
use weighbridge_types::metric::Cell;

use super::course::{name, seconds, time_unit};
use super::traces::ServerPoint;
use super::{Axis, BOTTOM, Chart, Key, LEFT, LoadTraces, Plot, RIGHT, WIDTH, legend, px};
use crate::number;

/// Most points of a line.
const MOST_POINTS: usize = 110;
/// Heights of the panels and the space between them.
const REQUESTS: f64 = 100.0;
const CACHE: f64 = 60.0;
const BETWEEN: f64 = 18.0;
/// Room for a line of text below.
const FOOT: f64 = 18.0;

/// What is drawn: lines of moments and values, on the time axis.
struct Lines {
    running: Vec<(f64, f64)>,
    waiting: Vec<(f64, f64)>,
    cache: Vec<(f64, f64)>,
    /// Answers that they rest on.
    answers: usize,
    /// Length of the time axis, and the name of its unit.
    length: f64,
    unit: &'static str,
}

/// The chart of one load, on the time axis of its course; none where the server told nothing meanwhile.
pub(super) fn chart(index: usize, cell: &Cell, stages: &CellStages, traces: &LoadTraces) -> Option<Chart> {
    let lines = Lines::of(stages, traces);
    if lines.running.is_empty() && lines.waiting.is_empty() {
        return None;
    }
    let mut keys = vec![Key::line("running", "c0 solid"), Key::line("waiting", "c1")];
    if !lines.cache.is_empty() {
        keys.push(Key::line("KV cache in use", "c2 solid"));
    }
    let (key_marks, legend_height) = legend(&keys);
    let (requests, cache, bottom) = lines.plots(legend_height + 6.0);
    let height = bottom + BOTTOM + FOOT;
    let words = format!("n = {} answers of the server's metrics", lines.answers);
    Some(Chart {
        id: format!("server-course-{index}"),
        title: format!("The server over time, {}", name(cell)),
        description: format!("{words}; {}.", lines.description()),
        height,
        marks: html! {
            (requests.frame())
            (requests.line(lines.running, "c0 solid"))
            (requests.line(lines.waiting, "c1"))
            @if let Some(cache) = cache { (cache.frame()) (cache.line(lines.cache, "c2 solid")) }
            (key_marks)
            text.tick x="4" y=(px(height - 7.0)) { (words) }
        },
    })
}

impl Lines {
    fn of(stages: &CellStages, traces: &LoadTraces) -> Self {
        let first = stages.series.points.first().map_or(f64::INFINITY, |point| point.at_s);
        let (origin, end) = (seconds(stages.start).min(first), seconds(stages.end));
        let (unit, unit_name) = time_unit(end - origin);
        let inside: Vec<&ServerPoint> =
            traces.server.iter().filter(|point| (origin..=end).contains(&point.at_s)).collect();
        let line = |of: fn(&ServerPoint) -> Option<f64>| -> Vec<(f64, f64)> {
            let points: Vec<(f64, f64)> = inside.iter().filter_map(|point| Some((point.at_s, of(point)?))).collect();
            let group = points.len().div_ceil(MOST_POINTS).max(1);
            points.chunks(group).map(|part| mean(part, origin, unit)).collect()
        };
        Self {
            running: line(|point| point.running),
            waiting: line(|point| point.waiting),
            cache: line(|point| point.kv_usage),
            answers: inside.len(),
            length: ((end - origin) / unit).max(1e-3),
            unit: unit_name,
        }
    }

    /// The panel of requests, that of the cache where there is one, and where the lowest ends.
    fn plots(&self, top: f64) -> (Plot, Option<Plot>, f64) {
        let time = || {
            let title = format!("time since the first request, {}", self.unit);
            Axis::course(0.0, self.length, (LEFT, WIDTH - RIGHT), title)
        };
        let most = highest(&self.running).max(highest(&self.waiting));
        let y = Axis::linear(0.0, most, (top + REQUESTS, top), "requests");
        if self.cache.is_empty() {
            return (Plot { x: time(), y }, None, top + REQUESTS);
        }
        let bare_ticks: Vec<_> = time().ticks.iter().map(|tick| (tick.value, String::new())).collect();
        let bare = Axis::course(0.0, self.length, (LEFT, WIDTH - RIGHT), "").with_ticks(bare_ticks);
        let middle = top + REQUESTS + BETWEEN;
        let share = Axis::linear(0.0, 1.0, (middle + CACHE, middle), "share");
        (Plot { x: bare, y }, Some(Plot { x: time(), y: share }), middle + CACHE)
    }

    fn description(&self) -> String {
        let most = |line: &[(f64, f64)]| number::significant(highest(line), 3);
        let cache = if self.cache.is_empty() { String::new() } else { format!(", KV cache {}", most(&self.cache)) };
        format!("at most {} running, {} waiting{cache}", most(&self.running), most(&self.waiting))
    }
}

/// Mean moment and value of points that share a place, on the time axis.
fn mean(part: &[(f64, f64)], origin: f64, unit: f64) -> (f64, f64) {
    let count = part.len() as f64;
    let sum = part.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
    ((sum.0 / count - origin) / unit, sum.1 / count)
}

fn highest(line: &[(f64, f64)]) -> f64 {
    line.iter().map(|point| point.1).fold(0.0, f64::max)
}
