//! Figures of what a server told, over a window.

use weighbridge_types::definition::{self as defs, Definition};
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Statistic};
use weighbridge_types::server::{HistogramSnapshot, ServerDistribution, ServerQuantity, ServerSample};
use weighbridge_types::telemetry::WatchReport;

use crate::bounded::{Gain, QUANTILES, Window, gain};
use crate::figures;
use crate::prometheus::HistogramDelta;

const NOT_TOLD: &str = "the server does not tell it";

/// Means and peaks of the gauges, gains of the counters, and quantiles of the distributions over a window.
///
/// `samples` are in order of time and reach, at best, one sample beyond each end of the window. `absent` is the
/// reason for nulls where there is no sample at all, for example why scraping failed.
#[must_use]
pub fn server_metrics(samples: &[ServerSample], window: Window, cell: &Cell, absent: &str) -> Vec<Metric> {
    let why = if samples.is_empty() { absent } else { NOT_TOLD };
    let mut metrics = gauges(samples, window, cell, why);
    metrics.extend(counters(samples, window, cell, why));
    for (distribution, definition) in DISTRIBUTIONS {
        metrics.extend(quantiles(samples, window, cell, (*distribution, definition), why));
    }
    metrics
}

/// What scraping did and cost.
#[must_use]
pub fn scrape_metrics(report: &WatchReport, cell: &Cell) -> Vec<Metric> {
    let count = |definition, value: u64| {
        let mut metric = Metric::measured(definition, Statistic::Value, cell, value as f64, 1);
        metric.interval_reason = Some("a count of what happened".to_owned());
        metric
    };
    let reading = report.reading_seconds.filter(|_| report.read > 0);
    let share = reading.and_then(|seconds| percent(seconds, report.wall_seconds));
    vec![
        count(&defs::SCRAPES, report.read),
        count(&defs::SCRAPES_MISSED, report.missed),
        figures::one_of(&defs::SCRAPE_COST, Statistic::Value, cell, share, 1, "no answer was read"),
    ]
}

/// What a watch cost its host.
#[must_use]
pub fn watch_cost(report: &WatchReport, cell: &Cell) -> Metric {
    let share = report.cpu_seconds.and_then(|seconds| percent(seconds, report.wall_seconds));
    let unknown = "the system does not tell CPU time per thread";
    figures::one_of(&defs::WATCH_COST, Statistic::Value, cell, share, 1, unknown)
}

fn percent(seconds: f64, wall: f64) -> Option<f64> {
    (wall > 0.0).then(|| 100.0 * seconds / wall)
}

const DISTRIBUTIONS: &[(ServerDistribution, Definition)] = &[
    (ServerDistribution::Ttft, defs::SERVER_TTFT),
    (ServerDistribution::Itl, defs::SERVER_ITL),
    (ServerDistribution::Tpot, defs::SERVER_TPOT),
    (ServerDistribution::E2e, defs::SERVER_E2E),
    (ServerDistribution::QueueTime, defs::SERVER_QUEUE_TIME),
];

fn gauges(samples: &[ServerSample], window: Window, cell: &Cell, absent: &str) -> Vec<Metric> {
    let inside: Vec<&ServerSample> = samples.iter().filter(|sample| window.contains(sample.at)).collect();
    let absent = if inside.is_empty() && !samples.is_empty() { "no scrape fell into the window" } else { absent };
    let values = |quantity| inside.iter().filter_map(|sample| sample.values.get(&quantity).copied()).collect();
    let mut metrics = Vec::new();
    for (quantity, definition) in [
        (ServerQuantity::Running, &defs::SERVER_RUNNING),
        (ServerQuantity::Waiting, &defs::SERVER_WAITING),
        (ServerQuantity::KvUsage, &defs::SERVER_KV_USAGE),
    ] {
        let values: Vec<f64> = values(quantity);
        metrics.push(figures::mean(definition, cell, &values, absent));
        metrics.push(figures::max(definition, cell, &values, absent));
    }
    let memory: Vec<f64> = values(ServerQuantity::ResidentBytes);
    metrics.push(figures::max(&defs::SERVER_MEMORY, cell, &memory, absent));
    metrics
}

/// What one counter gained, or why that is unknown.
fn gain_of(samples: &[ServerSample], quantity: ServerQuantity, window: Window, absent: &str) -> Result<Gain, String> {
    let point = |sample: &ServerSample| Some((sample.at, *sample.values.get(&quantity)?));
    let points: Vec<_> = samples.iter().filter_map(point).collect();
    if points.is_empty() { Err(absent.to_owned()) } else { gain(&points, window) }
}

fn counters(samples: &[ServerSample], window: Window, cell: &Cell, absent: &str) -> Vec<Metric> {
    let of = |quantity| gain_of(samples, quantity, window, absent);
    let output = of(ServerQuantity::GenerationTokens);
    vec![
        figures::gained(&defs::SERVER_PROMPT_TOKENS, cell, &of(ServerQuantity::PromptTokens)),
        figures::gained(&defs::SERVER_OUTPUT_TOKENS, cell, &output),
        rate(&output, window, cell),
        figures::gained(&defs::SERVER_FINISHED, cell, &of(ServerQuantity::Finished)),
        figures::gained(&defs::SERVER_PREEMPTIONS, cell, &of(ServerQuantity::Preemptions)),
        hit_share(&of(ServerQuantity::PrefixHits), &of(ServerQuantity::PrefixQueries), cell),
    ]
}

/// A part of the window has no rate of the whole.
fn rate(output: &Result<Gain, String>, window: Window, cell: &Cell) -> Metric {
    let definition = &defs::SERVER_OUTPUT_RATE;
    match output {
        Ok(gain) if gain.is_whole && window.seconds() > 0.0 => {
            figures::bounded(definition, cell, gain.amount.times(1.0 / window.seconds()), "samples_around")
        }
        Ok(_) => Metric::unavailable(definition, Statistic::Value, cell, "scrapes cover a part of the window only"),
        Err(reason) => Metric::unavailable(definition, Statistic::Value, cell, reason),
    }
}

/// Both counters are read at the same moments, so that the share is that of the tokens between two scrapes; its
/// doubt is which tokens those are, not the share, and it has no interval.
fn hit_share(hits: &Result<Gain, String>, queries: &Result<Gain, String>, cell: &Cell) -> Metric {
    let definition = &defs::SERVER_PREFIX_HITS;
    let absent = |reason: &str| Metric::unavailable(definition, Statistic::Value, cell, reason);
    match (hits, queries) {
        (Err(reason), _) | (_, Err(reason)) => absent(reason),
        (Ok(_), Ok(queries)) if queries.amount.value <= 0.0 => absent("nothing was looked up in the window"),
        (Ok(hits), Ok(queries)) => {
            let share = hits.amount.value / queries.amount.value;
            let mut metric = Metric::measured(definition, Statistic::Value, cell, share, 1);
            metric.interval_reason = Some("a ratio of two counters that are read together".to_owned());
            metric
        }
    }
}

/// The last reading before the window, or the first of all; the first after it, or the last of all.
fn around(
    samples: &[ServerSample],
    distribution: ServerDistribution,
    window: Window,
) -> Option<[&HistogramSnapshot; 2]> {
    let all: Vec<_> =
        samples.iter().filter_map(|sample| Some((sample.at, sample.distributions.get(&distribution)?))).collect();
    let first = all.partition_point(|(at, _)| *at <= window.from).saturating_sub(1);
    let last = all.partition_point(|(at, _)| *at < window.to).min(all.len().checked_sub(1)?);
    (first < last).then(|| [all[first].1, all[last].1])
}

fn quantiles(
    samples: &[ServerSample],
    window: Window,
    cell: &Cell,
    (distribution, definition): (ServerDistribution, &Definition),
    absent: &str,
) -> Vec<Metric> {
    let is_told = samples.iter().any(|sample| sample.distributions.contains_key(&distribution));
    let delta = match around(samples, distribution, window) {
        Some([earlier, later]) => HistogramDelta::between(earlier, later).map_err(|error| error.to_string()),
        None if is_told => Err("fewer than two scrapes cover the window".to_owned()),
        None => Err(absent.to_owned()),
    };
    let absent = |statistic, reason: &str| Metric::unavailable(definition, statistic, cell, reason);
    let statistics = || QUANTILES.iter().map(|(statistic, _)| *statistic).chain([Statistic::Mean]);
    match delta {
        Err(reason) => statistics().map(|statistic| absent(statistic, &reason)).collect(),
        Ok(delta) if delta.count() == 0 => {
            statistics().map(|statistic| absent(statistic, "the server counted no value in the window")).collect()
        }
        Ok(delta) => {
            let of = |(statistic, q): (Statistic, f64)| quantile(&delta, definition, cell, statistic, q);
            QUANTILES.into_iter().map(of).chain([exact_mean(&delta, definition, cell)]).collect()
        }
    }
}

fn quantile(delta: &HistogramDelta, definition: &Definition, cell: &Cell, statistic: Statistic, q: f64) -> Metric {
    let Some(found) = delta.quantile(q) else {
        return Metric::unavailable(definition, statistic, cell, NOT_TOLD);
    };
    match found.value.zip(found.high) {
        Some((value, high)) => {
            Metric::measured(definition, statistic, cell, 1e3 * value, found.count).with_interval(MetricInterval {
                low: 1e3 * found.low,
                high: 1e3 * high,
                confidence: 1.0,
                method: "bucket_bounds".to_owned(),
            })
        }
        None => {
            let reason = format!("above {} ms, the highest bound of the server's buckets", 1e3 * found.low);
            Metric { n: found.count, ..Metric::unavailable(definition, statistic, cell, reason) }
        }
    }
}

fn exact_mean(delta: &HistogramDelta, definition: &Definition, cell: &Cell) -> Metric {
    let Some(mean) = delta.mean() else {
        return Metric::unavailable(definition, Statistic::Mean, cell, "the server does not tell the sum");
    };
    let mut metric = Metric::measured(definition, Statistic::Mean, cell, 1e3 * mean, delta.count());
    metric.interval_reason = Some("the server tells sum and count, not how the values are spread".to_owned());
    metric
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use weighbridge_types::server::ServerKind;
    use weighbridge_types::telemetry::Watch;
    use weighbridge_types::time::Stamp;

    use super::super::scraper::ScrapeCost;
    use super::*;

    fn stamp(seconds: u64) -> Stamp {
        Stamp::from_nanos(seconds * 1_000_000_000)
    }

    fn sample(at: u64, running: f64, tokens: f64, hits: (f64, f64), counts: [u64; 3]) -> ServerSample {
        let histogram =
            HistogramSnapshot { bounds: vec![0.1, 0.2], counts: counts.to_vec(), sum: Some(tokens / 100.0) };
        ServerSample {
            at: stamp(at),
            asked: stamp(at),
            server: ServerKind::Vllm,
            values: BTreeMap::from([
                (ServerQuantity::Running, running),
                (ServerQuantity::GenerationTokens, tokens),
                (ServerQuantity::PrefixHits, hits.0),
                (ServerQuantity::PrefixQueries, hits.1),
            ]),
            distributions: BTreeMap::from([(ServerDistribution::Ttft, histogram)]),
        }
    }

    fn samples() -> Vec<ServerSample> {
        vec![
            sample(0, 0.0, 100.0, (0.0, 0.0), [1, 0, 0]),
            sample(2, 4.0, 300.0, (10.0, 40.0), [3, 4, 0]),
            sample(4, 8.0, 500.0, (30.0, 80.0), [5, 8, 0]),
            sample(6, 0.0, 500.0, (30.0, 80.0), [5, 8, 9]),
        ]
    }

    fn find<'a>(metrics: &'a [Metric], key: &str) -> &'a Metric {
        metrics.iter().find(|metric| metric.key() == key).unwrap_or_else(|| panic!("no {key}"))
    }

    #[test]
    fn figures_are_of_the_window() {
        let metrics = server_metrics(&samples(), Window { from: stamp(1), to: stamp(4) }, &Cell::default(), "");
        let check = |key: &str, value: f64, interval: Option<(f64, f64)>| {
            let metric = find(&metrics, key);
            assert!(metric.value.is_some_and(|found| (found - value).abs() < 1e-9), "{metric:?}");
            let found = metric.interval.as_ref().map(|found| (found.low, found.high));
            assert_eq!(found.is_some(), interval.is_some(), "{key}");
            let is_near = |(a, b): ((f64, f64), (f64, f64))| (a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9;
            assert!(found.zip(interval).is_none_or(is_near), "{key}: {found:?}");
            assert_eq!(interval.is_none(), metric.interval_reason.is_some());
        };
        check("server_running.mean", 6.0, None);
        check("server_running.max", 8.0, None);
        check("server_output_tokens", 300.0, Some((200.0, 400.0)));
        check("server_output_rate", 100.0, Some((200.0 / 3.0, 400.0 / 3.0)));
        check("server_prefix_hit_share", 25.0 / 60.0, None);
        // From the scrape at 0 s to that at 4 s: 4 below 0.1 s, 8 up to 0.2 s, 4 s in all.
        check("server_ttft.p50", 125.0, Some((100.0, 200.0)));
        check("server_ttft.mean", 4000.0 / 12.0, None);
    }

    #[test]
    fn what_is_unknown_has_a_reason() {
        let check = |samples: &[ServerSample], from, to, key: &str, reason: &str| {
            let window = Window { from: stamp(from), to: stamp(to) };
            let metrics = server_metrics(samples, window, &Cell::default(), "the server refused");
            let metric = find(&metrics, key);
            assert_eq!(metric.value, None);
            assert!(metric.reason.as_ref().unwrap().contains(reason), "{metric:?}");
        };
        let samples = samples();
        check(&[], 0, 9, "server_running.mean", "refused");
        check(&[], 0, 9, "server_ttft.p99", "refused");
        check(&[], 0, 9, "server_output_rate", "refused");
        check(&samples, 0, 9, "server_waiting.max", "does not tell");
        check(&samples, 0, 9, "server_itl.p99", "does not tell");
        check(&samples, 7, 9, "server_running.max", "no scrape fell");
        check(&samples, 4, 6, "server_ttft.p50", "above 200 ms");
        check(&samples, 4, 6, "server_prefix_hit_share", "nothing was looked up");
        check(&samples, 0, 9, "server_output_rate", "a part of the window");
        check(&samples[..1], 0, 9, "server_ttft.p50", "fewer than two");
        let restarted = [sample(5, 1.0, 9.0, (1.0, 1.0), [9, 9, 9]), sample(6, 1.0, 2.0, (2.0, 3.0), [9, 9, 8])];
        check(&restarted, 5, 6, "server_output_tokens", "restarted");
        check(&restarted, 5, 6, "server_ttft.p50", "fell");
    }

    #[test]
    fn scraping_tells_what_it_did() {
        let cost = ScrapeCost {
            answered: 9,
            failed: 1,
            skipped: 2,
            dropped: 3,
            bytes: 5,
            reading: Duration::from_millis(10),
            ..ScrapeCost::default()
        };
        let report = |cost: &ScrapeCost| cost.report(Watch::Server, Some(Duration::ZERO), Duration::from_secs(10));
        let metrics = scrape_metrics(&report(&cost), &Cell::default());
        let values: Vec<_> = metrics.iter().map(|metric| metric.value).collect();
        assert_eq!(values, [Some(9.0), Some(6.0), Some(0.1)]);
        assert_eq!(scrape_metrics(&report(&ScrapeCost::default()), &Cell::default())[2].value, None);
        assert_eq!(watch_cost(&report(&cost), &Cell::default()).value, Some(0.1));
    }
}
