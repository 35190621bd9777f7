//! Charts as inline SVG: axes, marks and legends, colored by the page's classes and readable by a screen reader.
//!
//! Own code and not a plotting library: such a library writes colors and fonts into the picture, and then the picture
//! does not follow the page into the dark, onto paper, or to a reader who cannot see it.

mod axis;
mod classify;
mod confusion;
mod course;
mod history;
mod latency;
mod load;
mod load_curve;
mod load_latency;
mod memory;
mod pareto;
mod path;
mod points;
mod quality;
mod server_course;
mod shift;
mod stream;
mod traces;

use maud::{Markup, html};
use weighbridge_types::record::Record;

pub(crate) use axis::Axis;
pub(crate) use classify::curve_charts;
pub(crate) use confusion::confusion_chart;
pub(crate) use history::course_chart;
pub(crate) use latency::distributions;
pub(crate) use load::load_charts;
pub(crate) use memory::memory_charts;
pub(crate) use quality::{task_chart, tradeoffs};
pub(crate) use shift::shift_charts;
pub(crate) use stream::stream_charts;
pub use traces::{LoadReading, LoadTraces};

/// Width of every chart in its own units; text of 12 units stays readable on a phone.
const WIDTH: f64 = 440.0;
/// Height of most charts.
const HEIGHT: f64 = 270.0;
/// Room for the numbers of the vertical axis.
const LEFT: f64 = 58.0;
const RIGHT: f64 = 14.0;
/// Room for the numbers and the title of the horizontal axis.
const BOTTOM: f64 = 44.0;
/// A plot narrower than this is a panel beside others.
const NARROW: f64 = 200.0;
/// Height of one line of the legend.
const LEGEND_LINE: f64 = 18.0;
/// Mean width of a letter at 12 units; legends and labels are placed by it.
const LETTER: f64 = 6.6;
/// Colors of the page; more series start over, with other dashes.
const COLORS: usize = 6;

/// How a series looks in a legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// A line.
    Line,
    /// A filled box.
    Box,
    /// A cross.
    Cross,
}

/// A series in a legend.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: String,
    /// Its class: color and dash.
    pub(crate) class: String,
    /// Its sign.
    pub(crate) sign: Sign,
}

impl Key {
    /// A line.
    pub(crate) fn line(name: impl Into<String>, class: impl Into<String>) -> Self {
        Self { name: name.into(), class: class.into(), sign: Sign::Line }
    }

    /// A filled box.
    pub(crate) fn filled(name: impl Into<String>, class: impl Into<String>) -> Self {
        Self { sign: Sign::Box, ..Self::line(name, class) }
    }

    /// A cross.
    pub(crate) fn cross(name: impl Into<String>, class: impl Into<String>) -> Self {
        Self { sign: Sign::Cross, ..Self::line(name, class) }
    }

    fn draw(&self, x: f64, y: f64) -> Markup {
        html! {
            @match self.sign {
                Sign::Line => line.line.(self.class) x1=(px(x)) x2=(px(x + 18.0)) y1=(px(y)) y2=(px(y)) {},
                Sign::Box => rect.fill.(self.class) x=(px(x + 4.0)) y=(px(y - 5.0)) width="11" height="10" {},
                Sign::Cross => (cross(x + 9.0, y, &self.class, "")),
            }
        }
    }
}

/// All charts of a load run, in the order in which a reader asks: what was carried, at which price, how it went.
pub(crate) fn load_run_charts(record: &Record, traces: Option<&LoadTraces>) -> Vec<Chart> {
    let mut charts = load_curve::curves(record);
    charts.extend(pareto::chart(record));
    charts.extend(load_latency::distributions(record, traces));
    charts.extend(path::chart(record));
    charts.extend(course::charts(record, traces));
    charts
}

/// The class of the series with this index.
pub(crate) fn series_class(index: usize) -> String {
    format!("c{}", index % COLORS)
}

/// A finished chart with its heading.
#[derive(Debug)]
pub(crate) struct Chart {
    /// Identifies it on the page.
    pub(crate) id: String,
    /// What it shows.
    pub(crate) title: String,
    /// What a reader who cannot see it must know.
    pub(crate) description: String,
    /// Height in units.
    pub(crate) height: f64,
    /// Its marks.
    pub(crate) marks: Markup,
}

impl Chart {
    /// The chart as a figure of a page.
    pub(crate) fn render(&self) -> Markup {
        let (title_id, desc_id) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        html! {
            figure {
                figcaption { (self.title) }
                svg viewBox=(format!("0 0 {WIDTH} {:.0}", self.height)) role="img"
                    aria-labelledby=(format!("{title_id} {desc_id}")) {
                    title id=(title_id) { (self.title) }
                    desc id=(desc_id) { (self.description) }
                    (self.marks)
                }
            }
        }
    }
}

/// The area between two axes.
#[derive(Debug)]
pub(crate) struct Plot {
    /// Horizontal.
    pub(crate) x: Axis,
    /// Vertical.
    pub(crate) y: Axis,
}

impl Plot {
    /// Grid, numbers and titles of the axes.
    pub(crate) fn frame(&self) -> Markup {
        let (left, right) = (self.x.from, self.x.to);
        let (bottom, top) = (self.y.from, self.y.to);
        html! {
            @for tick in &self.y.ticks {
                line.grid x1=(px(left)) x2=(px(right)) y1=(px(self.y.at(tick.value))) y2=(px(self.y.at(tick.value))) {}
                text.tick x=(px(left - 7.0)) y=(px(self.y.at(tick.value) + 4.0)) text-anchor="end" { (tick.label) }
            }
            @for tick in &self.x.ticks {
                line.grid x1=(px(self.x.at(tick.value))) x2=(px(self.x.at(tick.value))) y1=(px(bottom)) y2=(px(top)) {}
                text.tick x=(px(self.x.at(tick.value))) y=(px(bottom + 16.0)) text-anchor=(self.anchor(tick.value)) { (tick.label) }
            }
            line.axis x1=(px(left)) x2=(px(right)) y1=(px(bottom)) y2=(px(bottom)) {}
            text.label x=(px((left + right) / 2.0)) y=(px(bottom + 35.0)) text-anchor="middle" { (self.x.title) }
            text.label x="0" y="0" text-anchor="middle"
                transform=(format!("translate(13 {}) rotate(-90)", px((bottom + top) / 2.0))) { (self.y.title) }
        }
    }

    /// In a narrow panel the numbers at its edges stay inside it.
    fn anchor(&self, value: f64) -> &'static str {
        let x = self.x.at(value);
        match self.x.to - self.x.from {
            width if width > NARROW => "middle",
            _ if x - self.x.from < 1.0 => "start",
            _ if self.x.to - x < 1.0 => "end",
            _ => "middle",
        }
    }

    /// A line through points.
    pub(crate) fn line(&self, points: impl IntoIterator<Item = (f64, f64)>, class: &str) -> Markup {
        html! { polyline.line.(class) points=(self.path(points)) {} }
    }

    /// An area with these corners.
    pub(crate) fn area(&self, points: impl IntoIterator<Item = (f64, f64)>, class: &str) -> Markup {
        html! { polygon.area.(class) points=(self.path(points)) {} }
    }

    fn path(&self, points: impl IntoIterator<Item = (f64, f64)>) -> String {
        let place = |(x, y)| format!("{},{}", px(self.x.at(x)), px(self.y.at(y)));
        points.into_iter().map(place).collect::<Vec<_>>().join(" ")
    }

    /// A point with a text that shows when it is pointed at.
    pub(crate) fn dot(&self, x: f64, y: f64, class: &str, tip: &str) -> Markup {
        html! { circle.dot.(class) cx=(px(self.x.at(x))) cy=(px(self.y.at(y))) r="4" { title { (tip) } } }
    }

    /// A point of a load that was not carried, with a text that shows when it is pointed at.
    pub(crate) fn missed(&self, x: f64, y: f64, class: &str, tip: &str) -> Markup {
        let (x, y) = (self.x.at(x), self.y.at(y));
        html! {
            circle.hollow.(class) cx=(px(x)) cy=(px(y)) r="5" { title { (tip) } }
            (cross(x, y, class, tip))
        }
    }

    /// An upright bar from `low` to `high` with feet.
    pub(crate) fn error_bar(&self, x: f64, low: f64, high: f64, class: &str) -> Markup {
        let (x, low, high) = (self.x.at(x), self.y.at(low), self.y.at(high));
        html! {
            path.bar.(class) d=(format!(
                "M{} {}H{}M{} {}V{}M{} {}H{}",
                px(x - 4.0), px(low), px(x + 4.0), px(x), px(low), px(high), px(x - 4.0), px(high), px(x + 4.0),
            )) {}
        }
    }
}

/// Lays a legend out in lines; gives its marks and its height.
pub(crate) fn legend(keys: &[Key]) -> (Markup, f64) {
    let (mut x, mut y) = (LEFT, 12.0);
    let mut places = Vec::new();
    for key in keys {
        let width = 24.0 + LETTER * key.name.chars().count() as f64 + 14.0;
        if x + width > WIDTH && x > LEFT {
            (x, y) = (LEFT, y + LEGEND_LINE);
        }
        places.push((x, y, key));
        x += width;
    }
    let marks = html! {
        @for (x, y, key) in &places {
            (key.draw(*x, y - 4.0))
            text.tick x=(px(x + 23.0)) y=(px(*y)) { (key.name) }
        }
    };
    (marks, if keys.is_empty() { 8.0 } else { y + 10.0 })
}

/// The span of an ordinary chart: left to right, and bottom to top below a legend of this height.
pub(crate) fn span(legend_height: f64) -> ((f64, f64), (f64, f64)) {
    ((LEFT, WIDTH - RIGHT), (HEIGHT - BOTTOM, legend_height))
}

/// A cross around a coordinate, with a text that shows when it is pointed at.
pub(crate) fn cross(x: f64, y: f64, class: &str, tip: &str) -> Markup {
    let (left, right, top, bottom) = (px(x - 3.5), px(x + 3.5), px(y - 3.5), px(y + 3.5));
    html! {
        path.cross.(class) d=(format!("M{left} {top}L{right} {bottom}M{left} {bottom}L{right} {top}")) {
            @if !tip.is_empty() { title { (tip) } }
        }
    }
}

/// A coordinate with one decimal.
pub(crate) fn px(value: f64) -> String {
    format!("{value:.1}")
}
