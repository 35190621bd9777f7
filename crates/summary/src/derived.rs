//! Figures that set cells of a phase against each other: growth, scaling, the knee.

use weighbridge_stats::fit::linear_fit;
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric, MetricInterval, Provenance, Statistic};
use weighbridge_types::record::Phase;
use weighbridge_types::request::RequestRow;
use weighbridge_types::units::millis;

use crate::basis::{Basis, CONFIDENCE};
use crate::estimate::{reason, stored};

/// A level that gains less requests per second than this over the one below is past the knee.
pub const KNEE_GAIN: f64 = 0.15;

/// Growth of TTFT with input, and what concurrency brings, from the metrics and rows of the phases present.
#[must_use]
pub fn derived_metrics(metrics: &[Metric], rows: &[RequestRow], basis: &Basis) -> Vec<Metric> {
    // Growth is a property of one engine; cells of several do not belong to one curve.
    if metrics.iter().any(|metric| metric.cell.get("engine").is_some()) {
        return Vec::new();
    }
    let mut derived = ttft_metrics(metrics, rows);
    derived.extend(scaling_metrics(metrics));
    for metric in &mut derived {
        basis.mark(metric);
    }
    derived
}

/// Metrics of a phase with this key, by the number under `setting`, ascending.
fn by_setting<'a>(metrics: &'a [Metric], phase: Phase, key: &str, setting: &str) -> Vec<(u32, &'a Metric)> {
    let of_phase =
        metrics.iter().filter(|metric| metric.cell.get("phase") == Some(phase.name()) && metric.key() == key);
    let mut found: Vec<_> = of_phase.filter_map(|m| Some((m.cell.get(setting)?.parse().ok()?, m))).collect();
    found.sort_by_key(|(level, metric)| (*level, metric.cell.clone()));
    found
}

fn ttft_metrics(metrics: &[Metric], rows: &[RequestRow]) -> Vec<Metric> {
    let means = by_setting(metrics, Phase::Latency, "ttft.mean", "input_tokens");
    let Some(((_, shortest), longer)) = means.split_first() else { return Vec::new() };
    let mut derived: Vec<Metric> =
        longer.iter().map(|(_, metric)| ratio(&define::TTFT_GROWTH, metric, shortest)).collect();
    if !longer.is_empty() {
        derived.push(slope(rows));
    }
    derived
}

/// Least-squares slope of TTFT over prompt tokens, all requests of the latency phase that succeeded.
fn slope(rows: &[RequestRow]) -> Metric {
    let cell = Cell::of(Phase::Latency);
    let counted = rows
        .iter()
        .filter(|row| row.cell.get("phase") == Some(Phase::Latency.name()) && !row.warmup && row.outcome.is_success());
    let points = counted.filter_map(|row| Some((f64::from(row.input_tokens()?), millis(row.timeline.ttft()?))));
    let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
    match linear_fit(&x, &y, CONFIDENCE) {
        Ok(fit) => {
            let metric = Metric::measured(&define::TTFT_SLOPE, Statistic::Slope, &cell, fit.slope, fit.n as u64);
            let interval = stored(&fit.slope_interval, metric.value, None);
            metric.with_interval(interval).with_provenance(Provenance::Derived)
        }
        Err(error) => Metric::unavailable(&define::TTFT_SLOPE, Statistic::Slope, &cell, reason(&error)),
    }
}

fn scaling_metrics(metrics: &[Metric]) -> Vec<Metric> {
    let rates = by_setting(metrics, Phase::Throughput, "request_rate", "concurrency");
    let latencies = by_setting(metrics, Phase::Throughput, "e2e.mean", "concurrency");
    let mut derived = Vec::new();
    if let Some((_, single)) = rates.iter().find(|(level, _)| *level == 1) {
        derived.extend(rates.iter().map(|(_, rate)| ratio(&define::SCALING, rate, single)));
    }
    if let Some((_, single)) = latencies.iter().find(|(level, _)| *level == 1) {
        derived.extend(latencies.iter().map(|(_, latency)| ratio(&define::LATENCY_GROWTH, latency, single)));
    }
    derived.extend(rates.windows(2).map(|pair| gain(pair[1].1, pair[0].1)));
    if !rates.is_empty() {
        derived.push(knee_metric(&rates));
    }
    derived
}

/// One figure over another. The interval adds their relative half-widths in quadrature (delta method), and exists where
/// both have one.
fn ratio(definition: &Definition, above: &Metric, below: &Metric) -> Metric {
    let (Some(numerator), Some(denominator)) = (above.value, below.value.filter(|value| *value > 0.0)) else {
        let reason = "one of the two figures is not known";
        return Metric::unavailable(definition, Statistic::Value, &above.cell, reason);
    };
    let value = numerator / denominator;
    let mut metric = Metric::measured(definition, Statistic::Value, &above.cell, value, above.n.min(below.n))
        .with_provenance(Provenance::Derived);
    metric.flags.extend(above.flags.iter().chain(&below.flags));
    if above.cell == below.cell {
        metric.interval_reason = Some("a figure over itself".to_owned());
        return metric;
    }
    let half = |metric: &Metric, value: f64| metric.interval.as_ref().map(|i| 0.5 * (i.high - i.low) / value);
    match half(above, numerator).zip(half(below, denominator)) {
        Some((a, b)) => {
            let half_width = value * a.hypot(b);
            metric.interval = Some(MetricInterval {
                low: value - half_width,
                high: value + half_width,
                confidence: CONFIDENCE.level(),
                method: "delta".to_owned(),
            });
        }
        None => metric.interval_reason = Some("one of the two figures has no interval".to_owned()),
    }
    metric
}

/// Gain over the level below, percent.
fn gain(here: &Metric, below: &Metric) -> Metric {
    let mut metric = ratio(&define::MARGINAL_GAIN, here, below);
    let percent = |ratio: f64| 100.0 * (ratio - 1.0);
    metric.value = metric.value.map(percent);
    metric.interval = metric.interval.map(|interval| MetricInterval {
        low: percent(interval.low),
        high: percent(interval.high),
        ..interval
    });
    metric
}

fn knee_metric(rates: &[(u32, &Metric)]) -> Metric {
    let cell = Cell::of(Phase::Throughput);
    let levels: Option<Vec<(u32, f64)>> = rates.iter().map(|(level, rate)| Some((*level, rate.value?))).collect();
    let found = levels.ok_or_else(|| "a level has no rate".to_owned()).and_then(|levels| knee(&levels));
    match found {
        Ok(level) => {
            let n = rates.iter().map(|(_, rate)| rate.n).sum();
            let mut metric = Metric::measured(&define::KNEE, Statistic::Value, &cell, f64::from(level), n);
            metric.interval_reason = Some("one of the levels tried".to_owned());
            metric.flags.extend(rates.iter().flat_map(|(_, rate)| rate.flags.iter().copied()));
            metric.with_provenance(Provenance::Derived)
        }
        Err(why) => Metric::unavailable(&define::KNEE, Statistic::Value, &cell, why),
    }
}

/// The smallest concurrency after which the next level gains less than 15 % requests per second, from
/// `(concurrency, requests per second)` in ascending order.
///
/// # Errors
/// Says why there is no knee: fewer than two levels, a rate of zero, or gains that never fall below the limit.
pub fn knee(levels: &[(u32, f64)]) -> Result<u32, String> {
    if levels.len() < 2 {
        return Err("fewer than two levels were measured".to_owned());
    }
    for pair in levels.windows(2) {
        let [(level, rate), (_, next)] = [pair[0], pair[1]];
        if rate <= 0.0 {
            return Err(format!("no request succeeded at concurrency {level}"));
        }
        if next / rate - 1.0 < KNEE_GAIN {
            return Ok(level);
        }
    }
    let highest = levels[levels.len() - 1].0;
    Err(format!("requests/s still gained {:.0} % or more at concurrency {highest}", 100.0 * KNEE_GAIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_knee_is_one_level_by_the_stated_rule() {
        let check =
            |levels: &[(u32, f64)], expected: Option<u32>| assert_eq!(knee(levels).ok(), expected, "{levels:?}");
        // The older system's curve: 2 to 4 gains 10 %.
        check(&[(1, 0.84), (2, 1.26), (4, 1.38)], Some(2));
        check(&[(1, 10.0), (2, 11.0), (4, 20.0)], Some(1));
        check(&[(1, 10.0), (2, 20.0), (4, 40.0)], None);
        check(&[(1, 10.0)], None);
        check(&[(1, 0.0), (2, 1.0)], None);
    }

    #[test]
    fn no_knee_says_why() {
        assert!(knee(&[(1, 10.0), (2, 20.0)]).unwrap_err().contains("concurrency 2"));
    }

    fn metric(definition: &Definition, level: u32, value: f64) -> Metric {
        let cell = Cell::of(Phase::Throughput).with("concurrency", level);
        let statistic = if *definition == define::E2E { Statistic::Mean } else { Statistic::Value };
        Metric::measured(definition, statistic, &cell, value, 40)
    }

    #[test]
    fn scaling_equals_the_ratio_of_the_rates() {
        let rates = [(1, 0.84, 1188.43), (2, 1.26, 1581.48), (4, 1.38, 2364.73)];
        let metrics: Vec<_> = rates
            .iter()
            .flat_map(|&(level, rate, e2e)| {
                [metric(&define::REQUEST_RATE, level, rate), metric(&define::E2E, level, e2e)]
            })
            .collect();
        let derived = derived_metrics(&metrics, &[], &Basis::default());
        let get = |name: &str, level: &str| {
            let mut found = derived.iter().filter(|m| m.name == name);
            found.find(|m| m.cell.get("concurrency") == Some(level)).and_then(|m| m.value).unwrap()
        };
        assert!((get("scaling", "2") - 1.5).abs() < 1e-9);
        assert!((get("scaling", "4") - 1.38 / 0.84).abs() < 1e-9);
        assert!((get("latency_growth", "4") - 2364.73 / 1188.43).abs() < 1e-9);
        assert!((get("marginal_gain", "4") - 100.0 * (1.38 / 1.26 - 1.0)).abs() < 1e-9);
        let knee = derived.iter().find(|m| m.name == "knee_concurrency").unwrap();
        assert_eq!((knee.value, knee.provenance), (Some(2.0), Provenance::Derived));
    }

    proptest! {
        #[test]
        fn a_knee_is_a_level_and_every_level_below_it_gained(rates in prop::collection::vec(0.01_f64..1e6, 2..10)) {
            let levels: Vec<(u32, f64)> = (1..).zip(rates).collect();
            if let Ok(level) = knee(&levels) {
                let index = levels.iter().position(|(at, _)| *at == level).unwrap();
                prop_assert!(levels[index + 1].1 / levels[index].1 - 1.0 < KNEE_GAIN);
                prop_assert!(levels[..=index].windows(2).all(|pair| pair[1].1 / pair[0].1 - 1.0 >= KNEE_GAIN));
            } else {
                prop_assert!(levels.windows(2).all(|pair| pair[1].1 / pair[0].1 - 1.0 >= KNEE_GAIN));
            }
        }
    }
}
