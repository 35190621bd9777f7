//! The course of a stream over the events' own time: what came, what raised alerts, and how long verdicts took.

use maud::html;
use weighbridge_summary::Rows;
use weighbridge_types::latency_counts::quantile_ms;
use weighbridge_types::stream::Pane;

use super::{Axis, BOTTOM, Chart, Key, LEFT, Plot, RIGHT, WIDTH, legend};
use crate::number;

/// Most points of a line: more do not show.
const MOST_POINTS: f64 = 160.0;
/// Heights of the panels and the space between them.
const UPPER: f64 = 130.0;
const LOWER: f64 = 90.0;
const BETWEEN: f64 = 18.0;
const MINUTE_S: f64 = 60.0;
const HOUR_S: f64 = 3_600.0;

/// Both charts; none without the log.
pub(crate) fn stream_charts(rows: Option<&Rows>) -> Vec<Chart> {
    let panes = rows.map(|rows| rows.panes.as_slice()).unwrap_or_default();
    let Some(course) = Course::of(panes) else { return Vec::new() };
    std::iter::once(course.traffic()).chain(course.latency()).collect()
}

/// Stretches joined to parts of equal length.
struct Course {
    start_s: f64,
    part_s: f64,
    /// Parts that have events, by their number.
    parts: Vec<(usize, Pane)>,
    /// Seconds of one unit of the time axis, with its name.
    unit: (f64, &'static str),
    end_s: f64,
}

impl Course {
    fn of(panes: &[Pane]) -> Option<Self> {
        let (first, last) = (panes.first()?, panes.last()?);
        let start_s = first.start_s;
        let end_s = panes.iter().map(|pane| pane.start_s + pane.length_s).fold(start_s, f64::max);
        let stretch_s = last.length_s.max(1e-3);
        let stretches = ((end_s - start_s) / stretch_s).max(1.0);
        let part_s = stretch_s * (stretches / MOST_POINTS).ceil().max(1.0);
        let mut parts: Vec<(usize, Pane)> = Vec::new();
        for pane in panes {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most MOST_POINTS")]
            let number = ((pane.start_s - start_s) / part_s + 1e-9).max(0.0) as usize;
            match parts.last_mut() {
                Some((known, part)) if *known == number => part.add(pane),
                _ => parts.push((number, pane.clone())),
            }
        }
        let unit = if end_s - start_s > 2.0 * HOUR_S { (HOUR_S, "h") } else { (MINUTE_S, "min") };
        Some(Self { start_s, part_s, parts, unit, end_s })
    }

    /// A level for the width of each part; parts without events are at the ground.
    fn steps(&self, of: impl Fn(&Pane) -> f64) -> Vec<(f64, f64)> {
        let mut points = Vec::new();
        let mut next = 0;
        for (number, pane) in &self.parts {
            let (from, to) = (self.time(*number), self.time(number + 1));
            if *number > next {
                points.extend([(self.time(next), 0.0), (from, 0.0)]);
            }
            let level = of(pane);
            points.extend([(from, level), (to, level)]);
            next = number + 1;
        }
        points
    }

    fn time(&self, number: usize) -> f64 {
        (number as f64 * self.part_s).min(self.end_s - self.start_s) / self.unit.0
    }

    fn per_minute(&self, count: u64) -> f64 {
        count as f64 * MINUTE_S / self.part_s
    }

    fn axis(&self, title: &str) -> Axis {
        Axis::course(0.0, (self.end_s - self.start_s) / self.unit.0, (LEFT, WIDTH - RIGHT), title)
    }

    fn time_title(&self) -> String {
        format!("time since the first event by the time stamps, {}", self.unit.1)
    }

    fn bare_axis(&self) -> Axis {
        let axis = self.axis("");
        let ticks: Vec<_> = axis.ticks.iter().map(|tick| (tick.value, String::new())).collect();
        axis.with_ticks(ticks)
    }

    /// Events a minute above, alerts and missed attacks a minute below.
    fn traffic(&self) -> Chart {
        let has_labels = self.parts.iter().any(|(_, pane)| pane.answered.hits + pane.answered.misses > 0);
        let events = |pane: &Pane| self.per_minute(pane.events);
        let lost = |pane: &Pane| self.per_minute(pane.unanswered().events());
        let alerts = |pane: &Pane| self.per_minute(pane.answered.alerts());
        let hits = |pane: &Pane| self.per_minute(pane.answered.hits);
        let missed = |pane: &Pane| self.per_minute(pane.answered.misses + pane.unanswered().attacks);
        let has_lost = self.parts.iter().any(|(_, pane)| pane.unanswered().events() > 0);
        let mut keys = vec![Key::line("events", "c0 solid")];
        if has_lost {
            keys.push(Key::line("without a verdict", "c3 solid"));
        }
        keys.push(Key::line("alerts", "c1 solid"));
        if has_labels {
            keys.extend([Key::line("true alerts", "c2 solid"), Key::line("missed attacks", "c4 solid")]);
        }
        let (key_marks, top) = legend(&keys);
        let middle = top + UPPER + BETWEEN;
        let highest = |of: &dyn Fn(&Pane) -> f64| self.parts.iter().map(|(_, pane)| of(pane)).fold(0.0, f64::max);
        let most = highest(&alerts).max(if has_labels { highest(&missed) } else { 0.0 });
        let upper =
            Plot { x: self.bare_axis(), y: Axis::linear(0.0, highest(&events), (top + UPPER, top), "events/min") };
        let lower = Plot {
            x: self.axis(&self.time_title()),
            y: Axis::linear(0.0, most, (middle + LOWER, middle), "alerts/min"),
        };
        let total: u64 = self.parts.iter().map(|(_, pane)| pane.events).sum();
        Chart {
            id: "stream-traffic".to_owned(),
            title: "Events and alerts over time".to_owned(),
            description: format!(
                "{} events, at most {} a minute; at most {} alerts a minute.",
                number::count(total),
                number::significant(highest(&events), 3),
                number::significant(highest(&alerts), 3)
            ),
            height: middle + LOWER + BOTTOM,
            marks: html! {
                (upper.frame())
                (lower.frame())
                (upper.line(self.steps(events), "c0 solid"))
                @if has_lost { (upper.line(self.steps(lost), "c3 solid")) }
                (lower.line(self.steps(alerts), "c1 solid"))
                @if has_labels {
                    (lower.line(self.steps(hits), "c2 solid"))
                    (lower.line(self.steps(missed), "c4 solid"))
                }
                (key_marks)
            },
        }
    }

    /// Time to a verdict above, events waiting below; `None` without a model.
    fn latency(&self) -> Option<Chart> {
        let quantile = |share: f64| {
            let point = move |(number, pane): &(usize, Pane)| {
                let counts = pane.latencies.iter().map(|&(bucket, count)| (bucket, count as f64));
                Some((self.time(*number), quantile_ms(counts, share)?))
            };
            self.parts.iter().filter_map(point).collect::<Vec<_>>()
        };
        let (p50, p99) = (quantile(0.5), quantile(0.99));
        let values = || p50.iter().chain(&p99).map(|point| point.1);
        let low = values().fold(f64::INFINITY, f64::min);
        let high = values().fold(0.0, f64::max);
        if p50.is_empty() {
            return None;
        }
        let (key_marks, top) = legend(&[
            Key::line("p99", "c1 solid"),
            Key::line("p50", "c0 solid"),
            Key::line("most waiting", "c2 solid"),
        ]);
        let middle = top + UPPER + BETWEEN;
        let waiting = |pane: &Pane| pane.backlog_max as f64;
        let most = self.parts.iter().map(|(_, pane)| waiting(pane)).fold(0.0, f64::max);
        let upper = Plot { x: self.bare_axis(), y: Axis::log(low, high, (top + UPPER, top), "to a verdict, ms") };
        let lower =
            Plot { x: self.axis(&self.time_title()), y: Axis::linear(0.0, most, (middle + LOWER, middle), "waiting") };
        Some(Chart {
            id: "stream-latency".to_owned(),
            title: "Time to a verdict, and events waiting".to_owned(),
            description: format!(
                "The p99 of a stretch is at most {} ms; at most {} events wait.",
                number::significant(high, 3),
                number::significant(most, 3)
            ),
            height: middle + LOWER + BOTTOM,
            marks: html! {
                (upper.frame())
                (lower.frame())
                (upper.line(p99.iter().copied(), "c1 solid"))
                (upper.line(p50.iter().copied(), "c0 solid"))
                (lower.line(self.steps(waiting), "c2 solid"))
                (key_marks)
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use weighbridge_types::stream::Answered;

    use super::*;

    fn pane(minute: u32, events: u64) -> Pane {
        Pane {
            start_s: 1.7e9 + 60.0 * f64::from(minute),
            length_s: 60.0,
            events,
            answered: Answered { hits: 1, quiet: events - 1, ..Answered::default() },
            latencies: vec![(320, events)],
            backlog_max: 4,
            ..Pane::default()
        }
    }

    #[test]
    fn long_streams_are_drawn_in_few_parts_and_gaps_at_the_ground() {
        let rows = Rows { panes: (0..2_000).map(|minute| pane(minute, 5)).collect(), ..Rows::default() };
        let charts = stream_charts(Some(&rows));
        assert_eq!(charts.len(), 2);
        assert!(charts[0].description.starts_with("10 k events, at most 5 a minute"), "{}", charts[0].description);
        assert!(charts.iter().all(|chart| chart.render().into_string().len() < 40_000));
        let course = Course::of(&[pane(0, 3), pane(10, 3)]).unwrap();
        assert!(course.steps(|pane| pane.events as f64).iter().filter(|(_, level)| *level == 0.0).count() == 2);
        assert!(stream_charts(None).is_empty() && stream_charts(Some(&Rows::default())).is_empty());
    }
}
