//! What concurrency brings and what it costs.

use maud::html;
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::metric::{Metric, Statistic};
use weighbridge_types::record::{Phase, Record};

use super::{Axis, Chart, Key, LEFT, Plot, legend, px, series_class, span};
use crate::number;

/// Steps of the line of perfect scaling.
const STEPS: u32 = 40;

struct Series<'a> {
    name: &'static str,
    points: Vec<(f64, &'a Metric)>,
}

/// Tokens per second, and latency, against requests in flight.
pub(crate) fn load_charts(record: &Record) -> Vec<Chart> {
    let knee = record.metrics_of(Phase::Throughput).find(|metric| metric.name == d::KNEE.name);
    let knee = knee.and_then(|metric| metric.value);
    let rates = vec![series(record, "output tokens per second", &d::OUTPUT_RATE, Statistic::Value)];
    let latencies = vec![
        series(record, "E2E, mean", &d::E2E, Statistic::Mean),
        series(record, "E2E, p90", &d::E2E, Statistic::P90),
        series(record, "TTFT, mean", &d::TTFT, Statistic::Mean),
    ];
    let charts = [
        draw("load-rate", "Output tokens per second against requests in flight", "tokens/s", rates, knee),
        draw("load-latency", "Latency against requests in flight", "ms", latencies, knee),
    ];
    charts.into_iter().flatten().collect()
}

fn series<'a>(record: &'a Record, name: &'static str, of: &Definition, statistic: Statistic) -> Series<'a> {
    let of_metric = record.metrics_of(Phase::Throughput).filter(|m| m.name == of.name && m.statistic == statistic);
    let point = |metric: &'a Metric| Some((metric.cell.get("concurrency")?.parse::<f64>().ok()?, metric));
    let mut points: Vec<_> =
        of_metric.filter(|m| m.value.is_some()).filter_map(point).filter(|(level, _)| *level > 0.0).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Series { name, points }
}

fn draw(id: &str, title: &str, unit: &str, mut all: Vec<Series<'_>>, knee: Option<f64>) -> Option<Chart> {
    all.retain(|series| !series.points.is_empty());
    let levels: Vec<f64> = all.first()?.points.iter().map(|point| point.0).collect();
    let is_rate = id == "load-rate";
    let mut keys: Vec<Key> =
        all.iter().enumerate().map(|(index, series)| Key::line(series.name, series_class(index))).collect();
    if is_rate {
        keys.push(Key::line("perfect scaling", "ideal"));
    }
    let (key_marks, top) = legend(&keys);
    let (across, up) = span(top + if knee.is_some() { 14.0 } else { 0.0 });
    let top_of = |metric: &Metric| metric.interval.as_ref().map_or(0.0, |i| i.high).max(metric.value.unwrap_or(0.0));
    let high = all.iter().flat_map(|series| series.points.iter().map(|point| top_of(point.1))).fold(0.0, f64::max);
    let (first, last) = (levels[0], levels[levels.len() - 1]);
    let across = (across.0 + 14.0, across.1 - 14.0);
    let ticks = levels.iter().map(|level| (*level, number::significant(*level, 3)));
    let plot = Plot {
        x: Axis::log(first, last.max(first * 1.5), across, "requests in flight").with_ticks(ticks),
        y: Axis::linear(0.0, high, up, unit),
    };
    let single = all[0].points[0].1.value.unwrap_or(0.0) / first;
    let ideal = (0..=STEPS)
        .map(|step| first * (last / first).powf(f64::from(step) / f64::from(STEPS)))
        .map(|level| (level, single * level))
        .take_while(|(_, rate)| *rate <= plot.y.max());
    let described: Vec<String> = all
        .iter()
        .flat_map(|s| s.points.iter().map(|(level, m)| format!("{} at {level}: {}", s.name, number::figure(m))))
        .collect();
    let knee_text = knee.map(|level| format!("The knee is at {level}. ")).unwrap_or_default();
    Some(Chart {
        id: id.to_owned(),
        title: title.to_owned(),
        description: format!("{knee_text}{}", described.join("; ")),
        height: super::HEIGHT,
        marks: html! {
            (plot.frame())
            @if let Some(level) = knee {
                line.knee x1=(px(plot.x.at(level))) x2=(px(plot.x.at(level))) y1=(px(plot.y.from)) y2=(px(plot.y.to - 4.0)) {}
                text.mark x=(px(plot.x.at(level).max(LEFT + 20.0))) y=(px(plot.y.to - 7.0)) text-anchor="middle" { "knee" }
            }
            @if is_rate { (plot.line(ideal, "ideal")) }
            @for (series, key) in all.iter().zip(&keys) {
                (plot.line(series.points.iter().filter_map(|(level, m)| Some((*level, m.value?))), &key.class))
                @for (level, metric) in &series.points {
                    @if let Some(interval) = &metric.interval { (plot.error_bar(*level, interval.low, interval.high, &key.class)) }
                    @if let Some(value) = metric.value {
                        (plot.dot(*level, value, &key.class, &format!("{level} in flight: {}", number::figure(metric))))
                    }
                }
            }
            (key_marks)
        },
    })
}
