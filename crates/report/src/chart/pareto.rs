//! What one user gets against what all users get: a point for each load.

use maud::{Markup, html};
use weighbridge_types::definition as d;
use weighbridge_types::record::Record;

use super::points::{Point, Varied, points};
use super::{Axis, Chart, HEIGHT, Key, LETTER, Plot, legend, px, span};
use crate::number;
use crate::view::cell_label;

/// The places of a label around its point, best first: offset and anchor.
const PLACES: [(f64, f64, &str); 6] = [
    (7.0, -6.0, "start"),
    (-7.0, -6.0, "end"),
    (7.0, 15.0, "start"),
    (-7.0, 15.0, "end"),
    (9.0, 4.0, "start"),
    (-9.0, 4.0, "end"),
];
/// Room for a line of text below.
const FOOT: f64 = 14.0;
/// Height of a label.
const LINE: f64 = 12.0;

/// A value with the ends of its interval.
type Figure = (f64, Option<(f64, f64)>);

/// A load in the plane.
struct Spot<'a> {
    point: &'a Point<'a>,
    /// Tokens per second of one stream.
    stream: Figure,
    /// Tokens per second of all streams.
    all: Figure,
    n: u64,
}

/// Output throughput against the speed of one stream; none for a single load.
pub(super) fn chart(record: &Record) -> Option<Chart> {
    let points = points(record);
    let spots: Vec<Spot<'_>> = points.iter().filter_map(spot).collect();
    (spots.len() >= 2).then(|| draw(&spots))
}

/// The speed of a stream is that of its mean gap: a mean of rates would be carried off by one answer that came at once.
fn spot<'a>(point: &'a Point<'a>) -> Option<Spot<'a>> {
    let (tpot, gap) = point.typical(&d::TPOT).filter(|(tpot, _)| *tpot > 0.0)?;
    let (all, throughput) = point.typical(&d::OUTPUT_THROUGHPUT)?;
    let ends = gap.interval.as_ref().filter(|interval| interval.low > 0.0);
    Some(Spot {
        point,
        stream: (1e3 / tpot, ends.map(|interval| (1e3 / interval.high, 1e3 / interval.low))),
        all: (all, throughput.interval.as_ref().map(|interval| (interval.low, interval.high))),
        n: gap.n,
    })
}

/// Whether no other load is better in both.
fn is_best(spot: &Spot<'_>, all: &[Spot<'_>]) -> bool {
    let beats = |other: &Spot<'_>| {
        other.stream.0 >= spot.stream.0
            && other.all.0 >= spot.all.0
            && (other.stream.0 > spot.stream.0 || other.all.0 > spot.all.0)
    };
    spot.point.missed.is_none() && !all.iter().any(|other| other.point.missed.is_none() && beats(other))
}

fn draw(spots: &[Spot<'_>]) -> Chart {
    let mut best: Vec<&Spot<'_>> = spots.iter().filter(|spot| is_best(spot, spots)).collect();
    best.sort_by(|a, b| a.stream.0.total_cmp(&b.stream.0));
    let mut keys = vec![Key::line("no load is better in both", "c0 solid")];
    if spots.iter().any(|spot| spot.point.missed.is_some()) {
        keys.push(Key::cross("objective missed", "c1"));
    }
    let (key_marks, top) = legend(&keys);
    let (across, up) = span(top);
    let high = |of: fn(&Spot<'_>) -> Figure| {
        spots.iter().map(|spot| of(spot).1.map_or(of(spot).0, |ends| ends.1)).fold(0.0, f64::max)
    };
    let plot = Plot {
        x: Axis::linear(0.0, high(|spot| spot.stream), across, "tokens/s of one stream, 1 / mean TPOT"),
        y: Axis::linear(0.0, high(|spot| spot.all), up, "tokens/s of all streams"),
    };
    let height = HEIGHT + FOOT;
    let words = spots.iter().map(|spot| tip(spot, is_best(spot, spots))).collect::<Vec<_>>().join("; ");
    Chart {
        id: "pareto".to_owned(),
        title: "Speed of one stream against the throughput of all".to_owned(),
        description: words,
        height,
        marks: html! {
            (plot.frame())
            (plot.line(best.iter().map(|spot| (spot.stream.0, spot.all.0)), "c0 solid"))
            @for spot in spots { (mark(&plot, spot, is_best(spot, spots))) }
            (labels(&plot, spots))
            (key_marks)
            text.tick x="4" y=(px(height - 6.0)) { (labelled(spots)) }
        },
    }
}

/// What the labels say.
fn labelled(spots: &[Spot<'_>]) -> &'static str {
    let is_all = |wanted: Varied| spots.iter().all(|spot| spot.point.size.is_some_and(|(varied, _)| varied == wanted));
    match (is_all(Varied::Concurrency), is_all(Varied::Rate)) {
        (true, _) => "labels: requests held in flight",
        (_, true) => "labels: requests/s as asked for",
        _ => "labels: the load",
    }
}

fn tip(spot: &Spot<'_>, is_best: bool) -> String {
    let figure = |value| number::significant(value, 3);
    let place = match (&spot.point.missed, is_best) {
        (Some(_), _) => ", objective missed",
        (None, true) => ", no load is better in both",
        (None, false) => "",
    };
    let (name, stream, all) = (&spot.point.name, figure(spot.stream.0), figure(spot.all.0));
    format!("{name}: {stream} tokens/s of one stream, {all} tokens/s of all, n = {}{place}", spot.n)
}

fn mark(plot: &Plot, spot: &Spot<'_>, is_best: bool) -> Markup {
    let (x, y, tip) = (spot.stream.0, spot.all.0, tip(spot, is_best));
    let class = if spot.point.missed.is_some() { "c1" } else { "c0" };
    html! {
        @if let Some((low, high)) = spot.all.1 { (plot.error_bar(x, low, high, class)) }
        @if let Some((low, high)) = spot.stream.1 {
            path.bar.(class) d=(format!("M{} {}H{}", px(plot.x.at(low)), px(plot.y.at(y)), px(plot.x.at(high)))) {}
        }
        @if spot.point.missed.is_some() { (plot.missed(x, y, class, &tip)) }
        @else { (plot.dot(x, y, class, &tip)) }
    }
}

/// The name of each load where it covers no other name; the last place where every one does.
fn labels(plot: &Plot, spots: &[Spot<'_>]) -> Markup {
    let mut taken: Vec<[f64; 4]> = spots
        .iter()
        .map(|spot| (plot.x.at(spot.stream.0), plot.y.at(spot.all.0)))
        .map(|(x, y)| [x - 5.0, x + 5.0, y - 5.0, y + 5.0])
        .collect();
    let mut placed = Vec::new();
    for spot in spots {
        let label = cell_label(&spot.point.cell);
        let width = LETTER * label.chars().count() as f64;
        let (x, y) = (plot.x.at(spot.stream.0), plot.y.at(spot.all.0));
        let frame = |(dx, dy, anchor): (f64, f64, &str)| {
            let from = if anchor == "end" { x + dx - width } else { x + dx };
            [from, from + width, y + dy - LINE + 2.0, y + dy + 2.0]
        };
        let is_free = |place: &&(f64, f64, &str)| {
            let [left, right, top, bottom] = frame(**place);
            let is_inside =
                left > plot.x.from && right < plot.x.to + 10.0 && bottom < plot.y.from && top > plot.y.to - 8.0;
            is_inside
                && taken.iter().all(|other| right < other[0] || left > other[1] || bottom < other[2] || top > other[3])
        };
        // Without room the point keeps its tip, and the description its name.
        if let Some(place) = PLACES.iter().find(is_free) {
            taken.push(frame(*place));
            placed.push((x + place.0, y + place.1, place.2, label));
        }
    }
    html! {
        @for (x, y, anchor, label) in &placed { text.mark.small x=(px(*x)) y=(px(*y)) text-anchor=(anchor) { (label) } }
    }
}
