//! Where the time of a request goes: a bar for each load, from the planned start to the end of the stream.

use maud::{Markup, html};
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::record::Record;

use super::points::{Point, points};
use super::{Axis, BOTTOM, Chart, Key, LETTER, Plot, RIGHT, WIDTH, legend, px};
use crate::number;

/// Height of a bar and of the space below it.
const BAR: f64 = 18.0;
const SPACE: f64 = 10.0;
/// Room for the total behind a bar.
const TOTAL: f64 = 62.0;
/// Most room for the names of the loads.
const MOST_NAME: f64 = 130.0;
/// Room for a line of text below.
const FOOT: f64 = 14.0;

/// The parts in their order: name and class. The class tells who spends the time: this client, the server before its
/// first token, or the stream.
const PARTS: [(&str, &str); 8] = [
    ("planned to released", "client a1"),
    ("connecting", "client a2"),
    ("client queue, writing", "client a3"),
    ("to headers", "wait a1"),
    ("to first token", "wait a2"),
    ("thinking", "stream a3"),
    ("answer", "stream a1"),
    ("tail", "stream a4"),
];

/// The bar of a load.
struct Bar<'a> {
    point: &'a Point<'a>,
    /// Mean milliseconds, in the order of [`PARTS`].
    parts: [f64; 8],
    n: u64,
}

impl Bar<'_> {
    fn total(&self) -> f64 {
        self.parts.iter().sum()
    }
}

/// None when no load has a time.
pub(super) fn chart(record: &Record) -> Option<Chart> {
    let points = points(record);
    let bars: Vec<Bar<'_>> = points.iter().filter_map(bar).collect();
    (!bars.is_empty()).then(|| draw(&bars))
}

/// Means of the same requests add up. A new connection is a part of the client's queue, and only some requests open one:
/// its part is the mean over all. An engine in process has neither connection nor headers, so that its TTFT is one part.
fn bar<'a>(point: &'a Point<'a>) -> Option<Bar<'a>> {
    let mean = |of: &Definition| point.typical(of).map(|(value, _)| value.max(0.0));
    let (e2e, metric) = point.typical(&d::E2E)?;
    let lag = mean(&d::SCHEDULE_LAG).unwrap_or_default();
    let queue = mean(&d::CLIENT_QUEUE);
    let connect = point.typical(&d::CONNECT_TIME).map_or(0.0, |(value, opened)| {
        let of_all = point.typical(&d::CLIENT_QUEUE).map_or(0, |(_, all)| all.n).max(1);
        value.max(0.0) * opened.n as f64 / of_all as f64
    });
    let connect = connect.min(queue.unwrap_or_default());
    let (headers, token) = match (mean(&d::HEADERS_TIME), mean(&d::HEADERS_TO_TOKEN)) {
        (Some(headers), Some(token)) => (headers, token),
        _ => (0.0, mean(&d::TTFT)?),
    };
    let answer = mean(&d::ANSWER_TIME);
    // Without an answer everything after the first token is thinking.
    let thinking = mean(&d::THINK_TIME).unwrap_or_else(|| (e2e - mean(&d::TTFT).unwrap_or(e2e)).max(0.0));
    let parts = [
        lag,
        connect,
        queue.unwrap_or_default() - connect,
        headers,
        token,
        thinking,
        answer.unwrap_or_default(),
        mean(&d::TAIL_TIME).unwrap_or_default(),
    ];
    Some(Bar { point, parts, n: metric.n })
}

fn draw(bars: &[Bar<'_>]) -> Chart {
    let is_shown = |index: usize| bars.iter().any(|bar| bar.parts[index] > 1e-3 * bar.total());
    let shown: Vec<usize> = (0..PARTS.len()).filter(|index| is_shown(*index)).collect();
    let keys: Vec<Key> = shown.iter().map(|&index| Key::filled(PARTS[index].0, PARTS[index].1)).collect();
    let (key_marks, top) = legend(&keys);
    let longest = bars.iter().map(|bar| bar.point.name.chars().count()).max().unwrap_or(0);
    let left = (LETTER * longest as f64 + 14.0).min(MOST_NAME);
    let bottom = top + 4.0 + bars.len() as f64 * (BAR + SPACE);
    let most = bars.iter().map(Bar::total).fold(0.0, f64::max);
    let plot = Plot {
        x: Axis::linear(0.0, most, (left, WIDTH - RIGHT - TOTAL), "mean time of a request that succeeded, ms"),
        y: Axis::linear(0.0, 1.0, (bottom, top), "").with_ticks([]),
    };
    let height = bottom + BOTTOM + FOOT;
    Chart {
        id: "where-time-goes".to_owned(),
        title: "Where the time of a request goes".to_owned(),
        description: bars.iter().map(words).collect::<Vec<_>>().join("; "),
        height,
        marks: html! {
            (plot.frame())
            @for (row, bar) in bars.iter().enumerate() {
                (one(&plot, bar, top + 4.0 + row as f64 * (BAR + SPACE) + 0.5 * SPACE, left))
            }
            (key_marks)
            text.tick x="4" y=(px(height - 6.0)) { "from the left: this client (orange), first token (blue), stream (green)" }
        },
    }
}

fn one(plot: &Plot, bar: &Bar<'_>, y: f64, left: f64) -> Markup {
    let mut start = 0.0;
    let pieces = bar.parts.map(|length| {
        let from = start;
        start += length;
        (from, start)
    });
    html! {
        text.tick x=(px(left - 7.0)) y=(px(y + 13.0)) text-anchor="end" { (bar.point.name) }
        @for ((name, class), (from, to)) in PARTS.iter().zip(pieces) {
            @if to - from > 1e-3 * bar.total() {
                rect.fill.(class) x=(px(plot.x.at(from))) y=(px(y)) width=(px(plot.x.at(to) - plot.x.at(from)))
                    height=(px(BAR)) { title { (name) ": " (number::significant(to - from, 3)) " ms" } }
            }
        }
        text.mark.small x=(px(plot.x.at(bar.total()) + 5.0)) y=(px(y + 13.0)) {
            (number::significant(bar.total(), 3)) " ms"
        }
    }
}

fn words(bar: &Bar<'_>) -> String {
    let part = |(index, (name, _)): (usize, &(&str, &str))| {
        (bar.parts[index] > 0.0).then(|| format!("{name} {} ms", number::significant(bar.parts[index], 3)))
    };
    let parts: Vec<String> = PARTS.iter().enumerate().filter_map(part).collect();
    let missed = if bar.point.missed.is_some() { ", objective missed" } else { "" };
    format!("{}: {}, n = {}{missed}", bar.point.name, parts.join(", "), bar.n)
}
