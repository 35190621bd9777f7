//! The top of the page: what was weighed, the headline figures, what follows from them.

use maud::{Markup, html};
use weighbridge_types::definition as d;
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{Phase, Record};

use super::{badge, data_table};
use crate::console::finding_text;
use crate::number::{self, Scale};
use crate::view;

/// Title, facts, and links to the parts.
pub(super) fn head(record: &Record, title: &str) -> Markup {
    let parts = Phase::ALL.into_iter().filter(|phase| record.phase(*phase).is_some()).map(Phase::name);
    html! {
        header {
            h1 { (title) }
            p.lead { "Run " code { (record.run_id) } ", " (view::status_word(record.status)) "." }
            dl.facts { @for (label, text) in view::run_facts(record) { dt { (label) } dd { (text) } } }
            nav aria-label="Parts of the report" {
                @for part in ["summary"].into_iter().chain(parts).chain(["environment", "numbers", "definitions"]) {
                    a href=(format!("#{part}")) { (part) }
                }
            }
        }
    }
}

/// The page for a reader who reads only one.
pub(super) fn summary(record: &Record) -> Markup {
    let tiles = headlines(record);
    html! {
        section #summary {
            h2 { "Summary" }
            @if record.engine.scripted {
                p.doubt { "The answers come from a script: these figures weigh the meter, not a model." }
            }
            @if record.engine.synthetic_weights {
                p.doubt { "The weights are seeded random numbers: speed and memory are real, text and quality are not." }
            }
            @if record.environment.build.profile == "debug" {
                p.bad { "Measured by a debug build: the figures are worth nothing." }
            }
            @if !tiles.is_empty() {
                ul.tiles {
                    @for tile in &tiles {
                        li {
                            span.what { (tile.what) }
                            span.value { (tile.value) " " small { (tile.unit) } }
                            span.where { (tile.interval) }
                            span.where { (tile.place) }
                        }
                    }
                }
            }
            (targets(record))
            div.columns {
                @for group in view::findings(record) {
                    div {
                        h3 { (group.title) }
                        ul { @for finding in &group.findings { li { (finding_text(finding)) } } }
                    }
                }
            }
            (data_table(&view::overview(record), ""))
        }
    }
}

fn targets(record: &Record) -> Markup {
    let targets = view::targets(record);
    html! {
        @if !targets.is_empty() {
            h3 { "Targets" }
            div.scroll tabindex="0" role="region" aria-label="Targets" {
                table.targets {
                    thead { tr {
                        @for heading in ["target", "limit", "observed", "verdict", "because"] { th scope="col" { (heading) } }
                    } }
                    tbody { @for line in &targets { tr {
                        th scope="row" { (line.name) }
                        td { (line.limit) }
                        td { (line.observed) }
                        td { (badge(&line.verdict)) }
                        td { (line.because) }
                    } } }
                }
            }
            p.note { "The bound of the interval decides, not the point." }
        }
    }
}

struct Tile {
    what: &'static str,
    value: String,
    unit: String,
    interval: String,
    place: String,
}

/// The figures that stand for a run: the shortest prompt, the knee or the best level, the largest variant.
fn headlines(record: &Record) -> Vec<Tile> {
    if record.phase(Phase::Load).is_some() {
        return load_headlines(record);
    }
    if record.phase(Phase::Evaluate).is_some() {
        return evaluation_headlines(record);
    }
    if record.phase(Phase::Stream).is_some() {
        return stream_headlines(record);
    }
    let first = view::cells_with_any(record, Phase::Latency, d::TTFT.name).into_iter().next();
    let latency = |name: &str| {
        let cell = first.as_ref()?;
        record.metrics.iter().find(|m| m.cell == *cell && m.name == name && m.statistic == Statistic::Mean)
    };
    let rate = |name: &str| knee_or_best(record, name);
    let memory = record.metrics_of(Phase::Memory).find(|metric| metric.name == d::RSS_PEAK.name);
    let accuracy = view::variants(record).first().and_then(|v| view::quality_metric(record, &d::ACCURACY, None, *v));
    [
        ("time to first token", latency(d::TTFT.name)),
        ("decode rate, one stream", latency(d::DECODE_RATE.name)),
        ("inter-token latency", latency(d::ITL.name)),
        ("requests per second", rate(d::REQUEST_RATE.name)),
        ("output tokens per second", rate(d::OUTPUT_RATE.name)),
        ("peak resident memory", memory),
        ("accuracy over all tasks", accuracy),
        ("model load time", record.metrics.iter().find(|metric| metric.name == d::LOAD_TIME.name)),
    ]
    .into_iter()
    .filter_map(|(what, metric)| Some(tile(what, metric?)))
    .collect()
}

/// The figures that stand for an evaluation: of the group where there is one, over all samples.
fn evaluation_headlines(record: &Record) -> Vec<Tile> {
    const MOST: usize = 8;
    let wanted = [
        &d::ACCURACY,
        &d::ACC_NORM,
        &d::EXACT_MATCH,
        &d::F1,
        &d::MCC,
        &d::ROC_AUC,
        &d::AVERAGE_PRECISION,
        &d::EXPECTED_COST,
        &d::BLEU,
        &d::ROUGE,
        &d::SET_F1,
        &d::PASS_AT_K,
        &d::PERPLEXITY,
        &d::ANSWERED,
    ];
    let of = |definition: &d::Definition| {
        let is_whole = |metric: &&Metric| {
            let cell = &metric.cell;
            metric.name == definition.name && cell.get("over").is_none() && cell.get("label").is_none()
        };
        let metrics = || record.metrics_of(Phase::Evaluate).filter(is_whole).filter(|metric| metric.value.is_some());
        metrics().find(|metric| metric.cell.get("group").is_some()).or_else(|| metrics().next())
    };
    wanted.into_iter().filter_map(|definition| Some(tile(definition.title, of(definition)?))).take(MOST).collect()
}

/// The figures that stand for a stream.
fn stream_headlines(record: &Record) -> Vec<Tile> {
    let whole = Cell::of(Phase::Stream);
    let of = |definition: &d::Definition, statistics: &[Statistic]| {
        let mut whole = record.metrics.iter().filter(|metric| metric.cell == whole && metric.name == definition.name);
        whole.find(|metric| statistics.contains(&metric.statistic) && metric.value.is_some())
    };
    [
        (&d::EVENTS, Statistic::Value, "events"),
        (&d::RECALL, Statistic::Value, "attacks that raised an alert"),
        (&d::FPR, Statistic::Value, "benign events that raised one"),
        (&d::VERDICT_LATENCY, Statistic::P99, "event to verdict, p99"),
        (&d::TIME_TO_DETECT, Statistic::P50, "time to detect, median"),
        (&d::FALSE_ALERTS_PER_HOUR, Statistic::Value, "false alerts per hour"),
        (&d::UPTIME, Statistic::Value, "uptime"),
        (&d::VERDICT_RATE, Statistic::Value, "verdicts per second"),
    ]
    .into_iter()
    .filter_map(|(definition, statistic, what)| Some(tile(what, of(definition, &[statistic])?)))
    .collect()
}

/// The capacity, and the load that stands for the run: the one at the capacity, or else the one that carried most.
fn load_headlines(record: &Record) -> Vec<Tile> {
    let named = |name: &'static str| record.metrics_of(Phase::Load).filter(move |metric| metric.name == name);
    let capacity = named(d::CAPACITY.name).chain(named(d::CAPACITY_CONCURRENCY.name)).next();
    let is_at = |metric: &Metric, size: f64| {
        let settings = ["rate", "concurrency"].into_iter().filter_map(|key| metric.cell.get(key));
        settings.filter_map(|text| text.parse::<f64>().ok()).any(|own| (own - size).abs() <= 1e-9 * size.abs())
    };
    let at_capacity = capacity.and_then(|metric| metric.value);
    let chosen = match at_capacity {
        Some(size) => named(d::REQUEST_THROUGHPUT.name).find(|metric| is_at(metric, size)),
        None => {
            named(d::REQUEST_THROUGHPUT.name).max_by(|a, b| a.value.unwrap_or(0.0).total_cmp(&b.value.unwrap_or(0.0)))
        }
    };
    let of = |definition: &d::Definition, statistics: &[Statistic]| {
        let is_here = |metric: &&Metric| chosen.is_some_and(|chosen| metric.cell == chosen.cell);
        let mut here = record.metrics.iter().filter(is_here).filter(|metric| metric.name == definition.name);
        here.find(|metric| statistics.contains(&metric.statistic) && metric.value.is_some())
    };
    let single = [Statistic::Mean, Statistic::Value];
    [
        ("capacity within the objective", capacity),
        ("requests per second", chosen),
        ("output tokens per second", of(&d::OUTPUT_THROUGHPUT, &single)),
        ("requests in flight", of(&d::CONCURRENCY, &single)),
        ("time to first token, p50", of(&d::TTFT, &[Statistic::P50])),
        ("time to first token, p99", of(&d::TTFT, &[Statistic::P99])),
        ("time per output token", of(&d::TPOT, &single)),
        ("error rate", of(&d::ERROR_RATE, &single)),
    ]
    .into_iter()
    .filter_map(|(what, metric)| Some(tile(what, metric?)))
    .collect()
}

fn tile(what: &'static str, metric: &Metric) -> Tile {
    let place = match view::cell_words(&metric.cell) {
        words if words.is_empty() => format!("n = {}", metric.n),
        words if metric.cell.get("input_tokens").is_some() => format!("input/output {words}, n = {}", metric.n),
        words => format!("{words}, n = {}", metric.n),
    };
    let scale = Scale::of_metric(metric);
    let value = metric.value.map_or_else(|| "n/a".to_owned(), |value| number::significant(scale.apply(value), 3));
    let interval = match (&metric.interval, metric.value) {
        (Some(interval), _) => number::ends(interval, &scale),
        (None, Some(_)) => "no interval".to_owned(),
        (None, None) => number::reason(metric).to_owned(),
    };
    Tile { what, value, unit: scale.unit, interval, place }
}

/// The metric at the knee, or at the level where it is largest.
fn knee_or_best<'a>(record: &'a Record, name: &str) -> Option<&'a Metric> {
    let knee = record.metrics_of(Phase::Throughput).find(|metric| metric.name == d::KNEE.name).and_then(|m| m.value);
    let levels = || record.metrics_of(Phase::Throughput).filter(|m| m.name == name && m.value.is_some());
    let level = |metric: &Metric| metric.cell.get("concurrency").and_then(|text| text.parse::<f64>().ok());
    let at_knee =
        levels().find(|metric| level(metric).zip(knee).is_some_and(|(level, knee)| (level - knee).abs() < 0.5));
    at_knee.or_else(|| levels().max_by(|a, b| a.value.unwrap_or(0.0).total_cmp(&b.value.unwrap_or(0.0))))
}
