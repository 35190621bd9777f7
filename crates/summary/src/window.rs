//! Figures of a window: rates, reliability, requests in flight.

use weighbridge_stats::proportion::wilson;
use weighbridge_stats::{Interval, student_t_mean};
use weighbridge_types::definition as define;
use weighbridge_types::metric::{Cell, Flag, Metric, MetricInterval, Statistic};
use weighbridge_types::record::Tally;
use weighbridge_types::request::RequestRow;
use weighbridge_types::time::Stamp;

use crate::basis::{Basis, CONFIDENCE, MIN_COUNT};
use crate::estimate::{reason, set_interval};
use crate::law::ByLaw;
use crate::rows::by_run;
use crate::summarize::tally;

/// Figures over the measured window of one cell: first release to last end, warm-up left out.
#[must_use]
pub fn window_metrics(rows: &[&RequestRow], cell: &Cell, basis: &Basis) -> Vec<Metric> {
    let runs: Vec<Window> = by_run(rows).into_iter().filter_map(Window::of).collect();
    let counts = tally(rows.iter().copied());
    let value = |definition, value: f64, n| Metric::measured(definition, Statistic::Value, cell, value, n);
    let mut metrics = vec![
        value(&define::REQUESTS, counts.scheduled as f64, counts.scheduled),
        value(&define::FAILED, (counts.failed + counts.dropped) as f64, counts.scheduled),
        reliability(&counts, cell),
    ];
    if runs.is_empty() {
        let reason = "no request was released";
        let missing = [define::WINDOW, define::REQUEST_RATE, define::OUTPUT_RATE];
        metrics.extend(missing.iter().map(|of| Metric::unavailable(of, Statistic::Value, cell, reason)));
    } else {
        let seconds: f64 = runs.iter().map(|run| run.seconds).sum();
        let in_flight: f64 = runs.iter().map(Window::in_flight_seconds).sum::<f64>() / seconds;
        metrics.extend([
            value(&define::WINDOW, seconds, counts.scheduled),
            rate(&runs, &RateOf { definition: &define::REQUEST_RATE, amount: |_| 1.0 }, cell),
            rate(&runs, &RateOf { definition: &define::OUTPUT_RATE, amount: |row| row.output_tokens() as f64 }, cell),
            value(&define::CONCURRENCY, in_flight, counts.scheduled),
            value(&define::LITTLE_RESIDUAL, little_residual(&runs, in_flight, seconds), counts.scheduled),
        ]);
        if metrics.iter().any(|metric| metric.name == "output_rate") && any_frame_counted(&runs) {
            metrics
                .iter_mut()
                .filter(|metric| metric.name == "output_rate")
                .for_each(|m| m.flags.push(Flag::FrameCounted));
        }
    }
    for metric in &mut metrics {
        basis.mark(metric);
    }
    metrics
}

fn any_frame_counted(runs: &[Window]) -> bool {
    runs.iter().flat_map(Window::succeeded).any(|row| row.usage.is_none())
}

/// `100 × succeeded / (scheduled − cancelled)`, with Wilson's interval.
fn reliability(counts: &Tally, cell: &Cell) -> Metric {
    let trials = counts.scheduled - counts.cancelled;
    match wilson(counts.succeeded as usize, trials as usize, CONFIDENCE) {
        Ok(share) => {
            let percent = scaled(&share.interval, 100.0);
            let metric = Metric::measured(&define::RELIABILITY, Statistic::Value, cell, 100.0 * share.value, trials);
            low_sample(metric.with_interval(percent))
        }
        Err(_) => Metric::unavailable(&define::RELIABILITY, Statistic::Value, cell, "no request ran to an end"),
    }
}

fn scaled(interval: &Interval, factor: f64) -> MetricInterval {
    MetricInterval {
        low: interval.low * factor,
        high: interval.high * factor,
        confidence: interval.confidence.level(),
        method: interval.method.as_str().to_owned(),
    }
}

fn low_sample(mut metric: Metric) -> Metric {
    if metric.n < MIN_COUNT {
        metric.flags.push(Flag::LowSample);
    }
    metric
}

/// The measured requests of one run, in order of release.
struct Window<'a> {
    rows: Vec<&'a RequestRow>,
    start: Stamp,
    seconds: f64,
}

impl<'a> Window<'a> {
    /// `None` without a request that ended, or when the window has no length.
    fn of(rows: Vec<&'a RequestRow>) -> Option<Self> {
        let start = rows.iter().map(|row| row.timeline.released).min()?;
        let end = rows.iter().filter_map(|row| row.timeline.ended).max()?;
        let seconds = (end - start).as_secs_f64();
        (seconds > 0.0).then_some(Self { rows, start, seconds })
    }

    fn succeeded(&self) -> impl Iterator<Item = &&'a RequestRow> {
        self.rows.iter().filter(|row| row.outcome.is_success())
    }

    /// Area under the number of requests in flight, by sweeping over releases and ends.
    fn in_flight_seconds(&self) -> f64 {
        let starts = self.rows.iter().map(|row| (row.timeline.released, 1_i64));
        let ends = self.rows.iter().filter_map(|row| Some((row.timeline.ended?, -1_i64)));
        let mut changes: Vec<(Stamp, i64)> = starts.chain(ends).collect();
        changes.sort_unstable();
        let (mut area, mut level, mut last) = (0.0, 0_i64, self.start);
        for (at, change) in changes {
            area += level as f64 * (at - last).as_secs_f64();
            level += change;
            last = at;
        }
        area
    }

    /// What each request brought beside its time, in order of completion.
    fn by_law(&self, amount: fn(&RequestRow) -> f64) -> ByLaw {
        let mut ends: Vec<(Stamp, u64, f64, f64)> = self
            .rows
            .iter()
            .filter_map(|row| {
                let ended = row.timeline.ended?;
                let brought = if row.outcome.is_success() { amount(row) } else { 0.0 };
                Some((ended, row.id, brought, (ended - row.timeline.released).as_secs_f64()))
            })
            .collect();
        ends.sort_by_key(|&(at, id, ..)| (at, id));
        let mut by_law = ByLaw::default();
        ends.into_iter().for_each(|(.., brought, seconds)| by_law.push(brought, seconds));
        by_law
    }
}

struct RateOf<'a> {
    definition: &'a define::Definition,
    amount: fn(&RequestRow) -> f64,
}

/// Amount per second of window. Within one run the interval is that of Little's law, which holds exactly over a window
/// from the first release to the last end. Between runs it is Student's t over the rates of the runs.
fn rate(runs: &[Window], of: &RateOf, cell: &Cell) -> Metric {
    let amount = |run: &Window| run.succeeded().map(|row| (of.amount)(row)).sum::<f64>();
    let n: usize = runs.iter().map(|run| run.succeeded().count()).sum();
    if n == 0 {
        return Metric::unavailable(of.definition, Statistic::Value, cell, "no request succeeded");
    }
    let value = runs.iter().map(amount).sum::<f64>() / runs.iter().map(|run| run.seconds).sum::<f64>();
    let mut metric = low_sample(Metric::measured(of.definition, Statistic::Value, cell, value, n as u64));
    match runs {
        [run] => match run.by_law(of.amount).interval(value, run.in_flight_seconds() / run.seconds, 0.0) {
            Ok(interval) => metric.interval = Some(interval),
            Err(error) => metric.interval_reason = Some(reason(&error)),
        },
        _ => {
            let rates: Vec<f64> = runs.iter().map(|run| amount(run) / run.seconds).collect();
            metric.n_effective = Some(rates.len() as f64);
            set_interval(&mut metric, student_t_mean(&rates, CONFIDENCE), Some("student_t_of_runs"));
        }
    }
    metric
}

/// `(L − λW) / L`: how far the counts are from Little's law. Requests without an end are in L and not in λW.
fn little_residual(runs: &[Window], in_flight: f64, seconds: f64) -> f64 {
    let ended =
        || runs.iter().flat_map(|run| &run.rows).filter_map(|row| Some(row.timeline.ended? - row.timeline.released));
    let count = ended().count() as f64;
    let mean_time = ended().map(|time| time.as_secs_f64()).sum::<f64>() / count;
    (in_flight - count / seconds * mean_time) / in_flight
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::tests::{failed, row};
    use weighbridge_types::record::Phase;
    use weighbridge_types::request::Outcome;

    fn figures(rows: &[RequestRow]) -> Vec<Metric> {
        window_metrics(&rows.iter().collect::<Vec<_>>(), &Cell::of(Phase::Throughput), &Basis::default())
    }

    fn get<'a>(metrics: &'a [Metric], key: &str) -> &'a Metric {
        metrics.iter().find(|metric| metric.key() == key).unwrap()
    }

    /// Two streams of 40 requests, each request 300 ms, back to back.
    fn two_streams() -> Vec<RequestRow> {
        (0..80).map(|i| row(i, i / 2 * 300, (100, 20, 11))).collect()
    }

    #[test]
    fn rates_equal_counts_over_the_window() {
        let metrics = figures(&two_streams());
        let check = |key: &str, expected: f64| {
            let found = get(&metrics, key).value.unwrap();
            assert!((found - expected).abs() < 1e-9, "{key}: {found}");
        };
        check("window", 12.0);
        check("request_rate", 80.0 / 12.0);
        check("output_rate", 880.0 / 12.0);
        check("concurrency", 2.0);
        check("little_residual", 0.0);
        check("reliability", 100.0);
        check("failed", 0.0);
        let interval = get(&metrics, "request_rate").interval.clone().unwrap();
        assert_eq!(interval.method, "littles_law_ratio");
    }

    #[test]
    fn a_failure_lowers_reliability_and_the_rate() {
        let mut rows = two_streams();
        rows[7] = failed(rows[7].clone());
        let metrics = figures(&rows);
        assert_eq!(get(&metrics, "failed").value, Some(1.0));
        let reliability = get(&metrics, "reliability");
        assert!((reliability.value.unwrap() - 98.75).abs() < 1e-9);
        assert!(reliability.interval.as_ref().unwrap().low < 98.75);
        assert!((get(&metrics, "request_rate").value.unwrap() - 79.0 / 12.0).abs() < 1e-9);
    }

    #[test]
    fn without_a_success_there_is_no_rate() {
        let cancelled = RequestRow { outcome: Outcome::Cancelled, ..row(0, 0, (100, 20, 11)) };
        for rows in [vec![cancelled], vec![failed(row(0, 0, (100, 20, 11)))]] {
            let metrics = figures(&rows);
            for key in ["request_rate", "output_rate"] {
                let rate = get(&metrics, key);
                assert_eq!((rate.value, rate.reason.as_deref()), (None, Some("no request succeeded")));
            }
        }
    }

    #[test]
    fn few_requests_get_a_rate_without_an_interval() {
        let metrics = figures(&two_streams()[..6]);
        let rate = get(&metrics, "request_rate");
        assert!(rate.value.is_some() && rate.interval.is_none());
        assert_eq!(rate.flags, [Flag::LowSample]);
        assert_eq!(rate.interval_reason.as_deref(), Some("6 values; an interval needs 10"));
    }
}
