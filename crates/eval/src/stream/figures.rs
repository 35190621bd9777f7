//! From the sums of a stream to its figures. The run calls it and the check calls it again on the log.
//!
//! Events of one attack, and events of one minute, depend on each other: intervals are resampled from blocks of time, never
//! from single events.

use weighbridge_stats::classify::resample::{replicates_intervals, unit_bootstrap};
use weighbridge_stats::proportion::wilson;
use weighbridge_stats::tail::min_samples_for_percentile;
use weighbridge_stats::{Confidence, Interval, Method, Resampling, Sorted, StatsError, order_statistic_quantile};
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::metric::{Cell, Flag, Metric, MetricInterval, Statistic};
use weighbridge_types::record::{MetricPointer, Phase, Tally};
use weighbridge_types::stream::{Incident, Pane};

use super::ledger::{Ledger, Usage};
use super::sums::{Frame, Sums};

/// Resamples behind an interval, and their seed: the same log gives the same intervals.
const RESAMPLES: u32 = 1_000;
const SEED: u64 = 42;

/// Percentiles of the time to a verdict.
const LATENCIES: [(Statistic, f64); 4] =
    [(Statistic::P50, 0.5), (Statistic::P90, 0.9), (Statistic::P95, 0.95), (Statistic::P99, 0.99)];

/// A number that sums of blocks have; NaN where it does not exist.
type Compute<'a> = Box<dyn Fn(&Sums) -> f64 + 'a>;

/// A figure that is computed from sums.
struct Wanted<'a> {
    definition: &'a Definition,
    statistic: Statistic,
    cell: Cell,
    n: u64,
    /// Why there is none, where there is none.
    absent: &'static str,
    compute: Compute<'a>,
}

/// Every figure of the stream, without those of the process. `seconds` is how long the run took, `capacity` how many alerts
/// analysts can look at in an hour, `has_model` whether verdicts were made in this run.
#[must_use]
pub(super) fn stream_metrics(ledger: &Ledger, seconds: f64, capacity: Option<f64>, has_model: bool) -> Vec<Metric> {
    let frame = Frame::of(&ledger.blocks);
    let total = ledger.total();
    let cell = Cell::of(Phase::Stream);
    let ones = vec![1.0; ledger.blocks.len()];
    let mut sums = frame.empty();
    frame.fill(&mut sums, &ledger.blocks, &ones);
    let wanted = wanted(&frame, &total, &sums, &cell);
    let values: Vec<f64> = wanted.iter().map(|figure| (figure.compute)(&sums)).collect();
    let replicates =
        unit_bootstrap(ledger.blocks.len(), Resampling::new(SEED).with_count(RESAMPLES), wanted.len(), |drawn, out| {
            frame.fill(&mut sums, &ledger.blocks, drawn);
            out.iter_mut().zip(&wanted).for_each(|(value, figure)| *value = (figure.compute)(&sums));
        });
    let intervals =
        replicates_intervals(replicates, &values, ledger.blocks.len(), Confidence::P95, Method::ClusterBootstrap);
    let mut metrics: Vec<Metric> = wanted
        .iter()
        .zip(values)
        .zip(intervals)
        .map(|((figure, value), interval)| figure.metric(value, interval))
        .collect();
    if !has_model {
        metrics.retain(|metric| metric.name != d::VERDICT_LATENCY.name);
        let reason = "the verdicts stand in the file: no model was asked";
        metrics.push(Metric::unavailable(&d::VERDICT_LATENCY, Statistic::P99, &cell, reason));
    }
    metrics.extend(counts(ledger, &total, seconds, has_model, &cell));
    metrics.extend(hours(ledger, &total, capacity, &cell));
    metrics.extend(incidents(ledger, total.events, &cell));
    metrics
}

const NO_LABELS: &str = "no event has a label";
const NO_ATTACK: &str = "no event is an attack";
const NO_BENIGN: &str = "no event is benign";
const ONE_SIDED: &str = "truth or answers know one of attack and benign only";
const NO_TIME: &str = "no time passed";
const NO_ALERT: &str = "no alert was raised";
const NO_KEY: &str = "no alert says what it is about: name the column of hosts or rules, `--map key=COLUMN`";

fn wanted<'a>(frame: &Frame<'_>, total: &Pane, sums: &Sums, cell: &Cell) -> Vec<Wanted<'a>> {
    let single = |definition, cell: &Cell, n: f64, absent, compute: fn(&Sums) -> f64| {
        Wanted::value(definition, cell, n, absent, Box::new(compute))
    };
    let mut list = vec![
        single(&d::ACCURACY, cell, sums.labeled(), NO_LABELS, Sums::accuracy),
        single(&d::FPR, cell, sums.benign(), NO_BENIGN, Sums::fpr),
        single(&d::RECALL, cell, sums.attacks(), NO_ATTACK, Sums::recall),
        single(&d::PRECISION, cell, sums.hits + sums.alarms, NO_ALERT, Sums::precision),
        single(&d::F1, cell, sums.labeled(), NO_ATTACK, Sums::f1),
        single(&d::MCC, cell, sums.labeled(), ONE_SIDED, Sums::mcc),
        single(&d::VERDICTS_PER_HOUR, cell, sums.events, NO_TIME, Sums::verdicts_per_hour),
        single(&d::ALERTS_PER_HOUR, cell, sums.events, NO_TIME, Sums::alerts_per_hour),
        single(&d::FALSE_ALERTS_PER_HOUR, cell, sums.benign(), NO_BENIGN, Sums::false_alerts_per_hour),
        single(&d::ALERTS_REPEATED, cell, sums.keyed, NO_KEY, Sums::repeated_share),
        single(&d::SHED, cell, sums.events, "no event came", Sums::shed_share),
        single(&d::UPTIME, cell, sums.probes_made, "no model was probed", Sums::uptime),
    ];
    // Where every event has a verdict there is no second form.
    if sums.events > sums.answered {
        let answered = cell.clone().with("over", "answered");
        let n = sums.labeled_answered();
        list.extend([
            single(&d::ACCURACY, &answered, n, NO_LABELS, Sums::accuracy_answered),
            single(&d::FPR, &answered, sums.alarms + sums.quiet, NO_BENIGN, Sums::fpr_answered),
            single(&d::RECALL, &answered, sums.hits + sums.misses, NO_ATTACK, Sums::recall_answered),
        ]);
    }
    for (place, label) in frame.labels.iter().enumerate() {
        let cell = cell.clone().with("label", label);
        let n = sums.labels[place].0;
        list.push(Wanted::value(&d::RECALL, &cell, n, NO_ATTACK, Box::new(move |sums| sums.recall_of(place))));
    }
    for (place, route) in frame.routes.iter().enumerate() {
        let cell = cell.clone().with("route", route);
        let compute = Box::new(move |sums: &Sums| sums.predictions_per_hour(place));
        list.push(Wanted::value(&d::PREDICTIONS_PER_HOUR, &cell, sums.routes[place], NO_TIME, compute));
    }
    let measured: u64 = total.latencies.iter().map(|(_, count)| count).sum();
    for (statistic, at) in LATENCIES {
        let compute = Box::new(move |sums: &Sums| sums.latency_ms(at));
        let absent = "no event was answered by a model";
        let figure = Wanted::value(&d::VERDICT_LATENCY, cell, measured as f64, absent, compute);
        list.push(Wanted { statistic, ..figure });
    }
    list
}

impl<'a> Wanted<'a> {
    fn value(definition: &'a Definition, cell: &Cell, n: f64, absent: &'static str, compute: Compute<'a>) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of counts")]
        let n = n as u64;
        Self { definition, statistic: Statistic::Value, cell: cell.clone(), n, absent, compute }
    }

    fn metric(&self, value: f64, interval: Result<Interval, StatsError>) -> Metric {
        if value.is_nan() {
            return Metric::unavailable(self.definition, self.statistic, &self.cell, self.absent);
        }
        let mut metric = Metric::measured(self.definition, self.statistic, &self.cell, value, self.n);
        match interval {
            Ok(interval) if interval.width() <= 0.0 => {
                metric.interval_reason =
                    Some("every block of time has the same value: no spread can be seen".to_owned());
            }
            Ok(interval) => {
                metric.interval = Some(interval_of(&interval));
            }
            Err(_) => {
                let reason = "it rests on so few blocks of time that many resamples do not have it";
                metric.interval_reason = Some(reason.to_owned());
            }
        }
        let grid = LATENCIES.iter().find(|(statistic, _)| *statistic == self.statistic);
        let need = grid.and_then(|(_, share)| min_samples_for_percentile(*share, Confidence::P99));
        if need.is_some_and(|need| self.n < need as u64) {
            metric.flags.push(Flag::LowSample);
        }
        metric
    }
}

/// Figures that are counts, and the rate over the time of the run.
fn counts(ledger: &Ledger, total: &Pane, seconds: f64, has_model: bool, cell: &Cell) -> Vec<Metric> {
    let count = |definition: &Definition, cell: &Cell, count: u64| {
        let mut metric = Metric::measured(definition, Statistic::Value, cell, count as f64, total.events);
        metric.interval_reason = Some("a count".to_owned());
        metric
    };
    let mut metrics = vec![count(&d::EVENTS, cell, total.events)];
    let outcomes = [
        ("answered", total.answered.events()),
        ("shed", total.shed.events()),
        ("failed", total.failed.events()),
        ("unrouted", total.unrouted.events()),
    ];
    for (outcome, events) in outcomes.into_iter().filter(|(_, events)| *events > 0) {
        metrics.push(count(&d::EVENTS, &cell.clone().with("outcome", outcome), events));
    }
    metrics.push(count(&d::OUT_OF_ORDER, cell, total.out_of_order));
    metrics.push(count(&d::LATE_EVENTS, cell, total.late));
    let of_series = |definition: &Definition, value: f64| {
        let mut metric = Metric::measured(definition, Statistic::Max, cell, value, total.events);
        metric.interval_reason = Some("one value of a series has no interval".to_owned());
        metric
    };
    if has_model {
        metrics.push(of_series(&d::BACKLOG, total.backlog_max as f64));
    }
    metrics.extend(total.latency_max_ms.map(|longest| of_series(&d::VERDICT_LATENCY, longest)));
    let answered = total.answered.events();
    let mut rate = if seconds > 0.0 {
        Metric::measured(&d::VERDICT_RATE, Statistic::Value, cell, answered as f64 / seconds, answered)
    } else {
        Metric::unavailable(&d::VERDICT_RATE, Statistic::Value, cell, "no time passed")
    };
    rate.interval_reason = rate.value.map(|_| "one run: how it varies between runs cannot be seen".to_owned());
    metrics.push(rate);
    debug_assert_eq!(ledger.events(), total.events, "blocks add up to the whole");
    metrics
}

/// What the busiest hours ask of analysts.
fn hours(ledger: &Ledger, total: &Pane, capacity: Option<f64>, cell: &Cell) -> Vec<Metric> {
    let alerts = total.answered.alerts();
    let longest = total.length_s;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and saturates")]
    let stretches = (longest / 3_600.0).ceil() as u64;
    let mut most = if ledger.blocks.is_empty() {
        Metric::unavailable(&d::ALERTS_HOUR_MAX, Statistic::Max, cell, "no event came")
    } else {
        let most = ledger.hours.values().copied().max().unwrap_or_default();
        Metric::measured(&d::ALERTS_HOUR_MAX, Statistic::Max, cell, most as f64, stretches)
    };
    most.interval_reason = most.value.map(|_| "one value of a series has no interval".to_owned());
    if longest < 3_600.0 && most.value.is_some() {
        most.flags.push(Flag::LowSample);
    }
    let unseen = match capacity {
        _ if alerts == 0 => Metric::unavailable(&d::ALERTS_UNSEEN, Statistic::Value, cell, NO_ALERT),
        None => {
            let reason = "how many alerts analysts can look at was not told (--analyst-capacity)";
            Metric::unavailable(&d::ALERTS_UNSEEN, Statistic::Value, cell, reason)
        }
        Some(capacity) => {
            let beyond: f64 = ledger.hours.values().map(|&alerts| (alerts as f64 - capacity).max(0.0)).sum();
            let share = beyond / alerts as f64;
            let mut metric = Metric::measured(&d::ALERTS_UNSEEN, Statistic::Value, cell, share, alerts);
            metric.interval_reason = Some("a share of all alerts of the stream".to_owned());
            metric
        }
    };
    vec![most, unseen]
}

/// Whether attacks were seen, and when.
fn incidents(ledger: &Ledger, events: u64, cell: &Cell) -> Vec<Metric> {
    let found: Vec<&Incident> = ledger.incidents.iter().filter(|incident| incident.alerts > 0).collect();
    let all = ledger.incidents.len() as u64 + ledger.further_incidents;
    let mut count = Metric::measured(&d::INCIDENTS, Statistic::Value, cell, all as f64, events);
    count.interval_reason = Some("a count".to_owned());
    let detected = match wilson(found.len(), ledger.incidents.len(), Confidence::P95) {
        Ok(estimate) => Metric::measured(
            &d::INCIDENTS_DETECTED,
            Statistic::Value,
            cell,
            estimate.value,
            ledger.incidents.len() as u64,
        )
        .with_interval(interval_of(&estimate.interval)),
        Err(_) => Metric::unavailable(&d::INCIDENTS_DETECTED, Statistic::Value, cell, "no event is an attack"),
    };
    let delays: Vec<f64> = found.iter().filter_map(|incident| incident.detected_after_s).collect();
    let mut metrics = vec![count, detected];
    for (statistic, share) in [(Statistic::P50, 0.5), (Statistic::P90, 0.9), (Statistic::Max, 1.0)] {
        metrics.push(delay(&delays, statistic, share, cell));
    }
    metrics
}

fn delay(delays: &[f64], statistic: Statistic, share: f64, cell: &Cell) -> Metric {
    let Ok(sorted) = Sorted::new(delays.to_vec()) else {
        return Metric::unavailable(&d::TIME_TO_DETECT, statistic, cell, "no incident was detected");
    };
    let n = delays.len() as u64;
    let value = sorted.quantile(share).unwrap_or(f64::NAN);
    let mut metric = Metric::measured(&d::TIME_TO_DETECT, statistic, cell, value, n);
    match order_statistic_quantile(&sorted, share, Confidence::P95) {
        Ok(estimate) if statistic != Statistic::Max => metric.interval = Some(interval_of(&estimate.interval)),
        _ => metric.interval_reason = Some("too few incidents to bound it".to_owned()),
    }
    metric
}

fn interval_of(interval: &Interval) -> MetricInterval {
    MetricInterval {
        low: interval.low,
        high: interval.high,
        confidence: interval.confidence.level(),
        method: interval.method.as_str().to_owned(),
    }
}

/// Memory and CPU of this process: peak, mean, baseline and how much of the peak is used on average.
#[must_use]
pub(super) fn process_metrics(ledger: &Ledger) -> Vec<Metric> {
    let cell = Cell::of(Phase::Stream);
    let usage: &Usage = &ledger.usage;
    let figure = |definition: &Definition, statistic: Statistic, value: Option<f64>| match value {
        None => Metric::unavailable(definition, statistic, &cell, "the platform does not tell"),
        Some(value) => {
            let mut metric = Metric::measured(definition, statistic, &cell, value, usage.samples);
            metric.interval_reason = Some("one value of a series has no interval".to_owned());
            metric
        }
    };
    let mean = (usage.samples > 0).then(|| usage.rss_sum / usage.samples as f64);
    let efficiency = mean.zip(usage.rss_peak).map(|(mean, peak)| 100.0 * mean / peak);
    let used = usage.cpu.and_then(|[(from, first), (to, last)]| (to > from).then(|| (last - first) / (to - from)));
    vec![
        figure(&d::RSS_PEAK, Statistic::Value, usage.rss_peak),
        figure(&d::RSS_MEAN, Statistic::Value, mean),
        figure(&d::RSS_BASELINE, Statistic::Value, usage.rss_first),
        figure(&d::MEMORY_EFFICIENCY, Statistic::Value, efficiency),
        figure(&d::CPU_PEAK, Statistic::Value, usage.cpu_most),
        figure(&d::CPU_USED, Statistic::Value, used),
        figure(&d::CPU_LEAST, Statistic::Value, usage.cpu_least),
    ]
}

/// Where events ended up: answered, failed, or dropped because a queue was full or no route takes them.
#[must_use]
pub(super) fn tally(ledger: &Ledger) -> Tally {
    let total = ledger.total();
    Tally {
        scheduled: total.events,
        succeeded: total.answered.events(),
        failed: total.failed.events(),
        dropped: total.shed.events() + total.unrouted.events(),
        cancelled: 0,
        in_flight: 0,
    }
}

/// The figure that stands for the stream in lists.
#[must_use]
pub(super) fn key_metric(metrics: &[Metric]) -> Option<MetricPointer> {
    let whole = Cell::of(Phase::Stream);
    let of = |name: &str| {
        metrics.iter().find(|metric| metric.name == name && metric.cell == whole && metric.value.is_some())
    };
    let metric = of(d::RECALL.name).or_else(|| of(d::ALERTS_PER_HOUR.name)).or_else(|| of(d::EVENTS.name))?;
    Some(MetricPointer { key: metric.key(), cell: metric.cell.clone() })
}
