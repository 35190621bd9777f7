//! Figures of the client's health over a window.

use weighbridge_stats::Sorted;
use weighbridge_types::definition as defs;
use weighbridge_types::health::HealthSample;
use weighbridge_types::metric::{Cell, Metric, Statistic};

use super::monitor::HealthReport;
use crate::bounded::Window;
use crate::figures;

const NOT_TOLD: &str = "the host does not tell it";

/// Reactor lag, CPU, waiting, steal, faults, files, clock and network of the client over a window.
///
/// `samples` are all of the run, drained ones too, in order of time; periods count that lie in the window in full.
#[must_use]
pub fn health_metrics(samples: &[HealthSample], report: &HealthReport, window: Window, cell: &Cell) -> Vec<Metric> {
    let inside: Vec<&HealthSample> =
        samples.iter().filter(|sample| sample.from >= window.from && sample.to <= window.to).collect();
    let why = if inside.is_empty() { "no period of the monitor lies within the window" } else { NOT_TOLD };
    let series =
        |of: fn(&HealthSample) -> Option<f64>| -> Vec<f64> { inside.iter().filter_map(|sample| of(sample)).collect() };
    let mut metrics = lags(report, window, cell);
    for (definition, values) in [
        (&defs::REACTOR_BUSY, series(|sample| sample.reactor_busy)),
        (&defs::RUN_QUEUE_WAIT, series(|sample| sample.run_queue_wait)),
        (&defs::CLIENT_PROCESS_CPU, series(|sample| sample.process_cpu)),
        (&defs::CLIENT_STEAL, series(|sample| sample.steal_share.map(|share| 100.0 * share))),
        (&defs::CLIENT_LOAD, series(|sample| sample.runnable.map(|tasks| tasks as f64))),
        (&defs::INVOLUNTARY_SWITCHES, series(|sample| sample.involuntary_switches)),
    ] {
        metrics.push(figures::mean(definition, cell, &values, why));
        metrics.push(figures::max(definition, cell, &values, why));
    }
    let faults = series(|sample| sample.major_faults.map(|faults| faults as f64));
    let errors = series(|sample| sample.network_errors.map(|errors| errors as f64));
    metrics.push(total(&faults).map_or_else(
        || Metric::unavailable(&defs::CLIENT_MAJOR_FAULTS, Statistic::Value, cell, why),
        |sum| count(&defs::CLIENT_MAJOR_FAULTS, cell, sum, faults.len()),
    ));
    metrics.push(figures::max(&defs::CLIENT_OPEN_FILES, cell, &series(|sample| sample.open_files_share), why));
    metrics.push(figures::max(&defs::CLOCK_STEP, cell, &series(|sample| sample.clock_step_ms.map(f64::abs)), why));
    metrics.push(retransmits(&inside, cell, why));
    metrics.push(total(&errors).map_or_else(
        || Metric::unavailable(&defs::NETWORK_ERRORS, Statistic::Value, cell, why),
        |sum| count(&defs::NETWORK_ERRORS, cell, sum, errors.len()),
    ));
    let cost = report.cost.percent();
    let unknown = "the system does not tell CPU time per thread";
    metrics.push(figures::one_of(&defs::HEALTH_COST, Statistic::Value, cell, cost, 1, unknown));
    metrics
}

fn total(values: &[f64]) -> Option<f64> {
    values.iter().copied().reduce(|sum, value| sum + value)
}

/// A count has no interval: it is what happened.
fn count(definition: &weighbridge_types::definition::Definition, cell: &Cell, sum: f64, n: usize) -> Metric {
    let mut metric = Metric::measured(definition, Statistic::Value, cell, sum, n as u64);
    metric.interval_reason = Some("a count of what happened".to_owned());
    metric
}

fn lags(report: &HealthReport, window: Window, cell: &Cell) -> Vec<Metric> {
    let definition = &defs::REACTOR_LAG;
    let inside = report.lags.iter().filter(|lag| window.contains(lag.from));
    let millis: Vec<f64> = inside.map(|lag| lag.length().as_secs_f64() * 1e3).collect();
    // The longest of the run counts where it is of this window, thinned out or not.
    let longest = report.lag_max.filter(|lag| window.contains(lag.from)).map(|lag| lag.length().as_secs_f64() * 1e3);
    let n = millis.len();
    let most = millis.iter().copied().chain(longest).max_by(f64::total_cmp);
    let sorted = Sorted::new(millis).ok();
    let why = if report.lags.is_empty() { "no reactor answered a ping" } else { "no ping fell into the window" };
    let quantile = |q| sorted.as_ref().and_then(|sorted| sorted.quantile(q).ok());
    vec![
        figures::one_of(definition, Statistic::P50, cell, quantile(0.5), n, why),
        figures::one_of(definition, Statistic::P99, cell, quantile(0.99), n, why),
        figures::one_of(definition, Statistic::Max, cell, most, n, why),
    ]
}

fn retransmits(inside: &[&HealthSample], cell: &Cell, why: &str) -> Metric {
    let pairs = inside.iter().filter_map(|sample| sample.segments_again.zip(sample.segments_sent));
    let (again, sent) = pairs.fold((0_u64, 0_u64), |sum, pair| (sum.0 + pair.0, sum.1 + pair.1));
    let definition = &defs::RETRANSMITS;
    if sent == 0 {
        let why = if inside.is_empty() { why } else { "no TCP segment was sent, or the host does not tell" };
        return Metric::unavailable(definition, Statistic::Value, cell, why);
    }
    figures::one_of(definition, Statistic::Value, cell, Some(100.0 * again as f64 / sent as f64), inside.len(), why)
}

#[cfg(test)]
mod tests {
    use weighbridge_types::time::Stamp;

    use super::super::reactor::Lag;
    use super::*;

    #[test]
    fn figures_are_of_the_window() {
        let stamp = |millis: u64| Stamp::from_nanos(millis * 1_000_000);
        let sample = |from: u64, busy: f64, again: u64| HealthSample {
            from: stamp(from),
            to: stamp(from + 1000),
            reactor_busy: Some(busy),
            major_faults: Some(3),
            clock_step_ms: Some(-busy),
            segments_sent: Some(200),
            segments_again: Some(again),
            ..HealthSample::default()
        };
        let samples = [sample(0, 0.9, 100), sample(1000, 0.25, 1), sample(2000, 0.75, 2), sample(3000, 0.9, 100)];
        let lags = (0..200).map(|index| Lag { from: stamp(1000 + index), to: stamp(1000 + index + index / 100) });
        let report = HealthReport {
            lags: lags.collect(),
            lag_max: Some(Lag { from: stamp(1500), to: stamp(1509) }),
            ..HealthReport::default()
        };
        let window = Window { from: stamp(1000), to: stamp(3000) };
        let metrics = health_metrics(&samples, &report, window, &Cell::default());
        let check = |key: &str, expected: Result<f64, &str>| {
            let metric = metrics.iter().find(|metric| metric.key() == key).unwrap_or_else(|| panic!("no {key}"));
            match expected {
                Ok(value) => assert!(metric.value.is_some_and(|found| (found - value).abs() < 1e-9), "{metric:?}"),
                Err(reason) => {
                    assert!(metric.reason.as_ref().is_some_and(|found| found.contains(reason)), "{metric:?}")
                }
            }
        };
        check("reactor_lag.p50", Ok(0.5));
        check("reactor_lag.p99", Ok(1.0));
        check("reactor_lag.max", Ok(9.0));
        check("reactor_busy.mean", Ok(0.5));
        check("reactor_busy.max", Ok(0.75));
        check("client_major_faults", Ok(6.0));
        check("clock_step.max", Ok(0.75));
        check("retransmits", Ok(0.75));
        check("client_steal.max", Err("does not tell"));
        check("network_errors", Err("does not tell"));
        check("health_cost", Err("per thread"));
        let none = health_metrics(&[], &HealthReport::default(), window, &Cell::default());
        assert!(none.iter().all(|metric| metric.value.is_none() && metric.reason.is_some()));
    }
}
