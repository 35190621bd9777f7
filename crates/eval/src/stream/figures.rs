//! From the sums of a stream to its figures. The run calls it and the check calls it again on the log.
//!
//! Events of one attack, and events of one minute, depend on each other: intervals are resampled from blocks of time, never
//! from single events.

use std::collections::BTreeSet;

use weighbridge_stats::classify::Marginals;
use weighbridge_stats::classify::resample::{replicates_intervals, unit_bootstrap};
use weighbridge_stats::proportion::wilson;
use weighbridge_stats::tail::min_samples_for_percentile;
use weighbridge_stats::{Confidence, Interval, Method, Resampling, Sorted, StatsError, order_statistic_quantile};
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::latency_counts::quantile_ms;
use weighbridge_types::metric::{Cell, Flag, Metric, MetricInterval, Statistic};
use weighbridge_types::record::{MetricPointer, Phase, Tally};
use weighbridge_types::stream::{Incident, Pane};

use super::ledger::{Ledger, Usage};

/// Resamples behind an interval, and their seed: the same log gives the same intervals.
const RESAMPLES: u32 = 1_000;
const SEED: u64 = 42;

/// Labels of attacks that figures are made of, at most.
const MOST_LABELS: usize = 40;

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

/// Weighted sums of blocks.
#[derive(Clone, Debug, Default)]
struct Sums {
    hits: f64,
    misses: f64,
    alarms: f64,
    quiet: f64,
    alerts: f64,
    answered: f64,
    events: f64,
    shed: f64,
    attacks_unanswered: f64,
    benign_unanswered: f64,
    repeated: f64,
    keyed: f64,
    hours: f64,
    probes: (f64, f64),
    /// By bucket, from the first that occurs.
    latencies: Vec<f64>,
    /// Events and alerts by label.
    labels: Vec<(f64, f64)>,
    /// Verdicts by route.
    routes: Vec<f64>,
}

/// Names and places that are shared by all sums of one ledger.
struct Frame<'a> {
    labels: Vec<&'a str>,
    routes: Vec<&'a str>,
    first_bucket: u16,
    buckets: usize,
}

/// Every figure of the stream, without those of the process. `seconds` is how long the run took, `capacity` how many alerts
/// analysts can look at in an hour, `has_model` whether verdicts were made in this run.
#[must_use]
pub fn stream_metrics(ledger: &Ledger, seconds: f64, capacity: Option<f64>, has_model: bool) -> Vec<Metric> {
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
    metrics.extend(incidents(ledger, &cell));
    metrics
}

impl<'a> Frame<'a> {
    fn of(blocks: &'a [Pane]) -> Self {
        let labels: BTreeSet<&str> = blocks.iter().flat_map(|block| block.attacks.keys().map(String::as_str)).collect();
        let routes: BTreeSet<&str> =
            blocks.iter().flat_map(|block| block.predictions.keys().map(String::as_str)).collect();
        let buckets = || blocks.iter().flat_map(|block| block.latencies.iter().map(|(bucket, _)| *bucket));
        let first_bucket = buckets().min().unwrap_or_default();
        let count = buckets().max().map_or(0, |last| usize::from(last - first_bucket) + 1);
        Self {
            labels: labels.into_iter().take(MOST_LABELS).collect(),
            routes: routes.into_iter().collect(),
            first_bucket,
            buckets: count,
        }
    }

    fn empty(&self) -> Sums {
        Sums {
            latencies: vec![0.0; self.buckets],
            labels: vec![(0.0, 0.0); self.labels.len()],
            routes: vec![0.0; self.routes.len()],
            ..Sums::default()
        }
    }

    /// Adds up the blocks, each as often as its weight says.
    fn fill(&self, sums: &mut Sums, blocks: &[Pane], weights: &[f64]) {
        let (mut latencies, mut labels, mut routes) =
            (std::mem::take(&mut sums.latencies), std::mem::take(&mut sums.labels), std::mem::take(&mut sums.routes));
        latencies.fill(0.0);
        labels.fill((0.0, 0.0));
        routes.fill(0.0);
        *sums = Sums::default();
        for (block, &weight) in blocks.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
            let answered = &block.answered;
            let unanswered = block.unanswered();
            let add = |sum: &mut f64, count: u64| *sum += weight * count as f64;
            add(&mut sums.hits, answered.hits);
            add(&mut sums.misses, answered.misses);
            add(&mut sums.alarms, answered.alarms);
            add(&mut sums.quiet, answered.quiet);
            add(&mut sums.alerts, answered.alerts());
            add(&mut sums.answered, answered.events());
            add(&mut sums.events, block.events);
            add(&mut sums.shed, block.shed.events());
            add(&mut sums.attacks_unanswered, unanswered.attacks);
            add(&mut sums.benign_unanswered, unanswered.benign);
            add(&mut sums.repeated, block.repeated);
            add(&mut sums.keyed, block.keyed);
            sums.hours += weight * block.length_s / 3_600.0;
            for probes in block.probes.values() {
                add(&mut sums.probes.0, probes.passed);
                add(&mut sums.probes.1, probes.made);
            }
            for (bucket, count) in &block.latencies {
                add(&mut latencies[usize::from(bucket - self.first_bucket)], *count);
            }
            for (place, label) in self.labels.iter().enumerate() {
                if let Some(found) = block.attacks.get(*label) {
                    add(&mut labels[place].0, found.events);
                    add(&mut labels[place].1, found.alerts);
                }
            }
            for (place, route) in self.routes.iter().enumerate() {
                add(&mut routes[place], block.predictions.get(*route).copied().unwrap_or_default());
            }
        }
        (sums.latencies, sums.labels, sums.routes) = (latencies, labels, routes);
    }
}

impl Sums {
    fn attacks(&self) -> f64 {
        self.hits + self.misses
    }

    fn benign(&self) -> f64 {
        self.alarms + self.quiet
    }

    /// Truth against answer; an event without a verdict is an answer that is no label.
    fn marginals(&self) -> Marginals {
        Marginals::of(
            2,
            &[self.quiet, self.alarms, self.benign_unanswered, self.misses, self.hits, self.attacks_unanswered],
        )
    }
}

/// A quotient; NaN without anything to divide by.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { f64::NAN }
}

const NO_LABELS: &str = "no event has a label";
const NO_ATTACK: &str = "no event is an attack";
const NO_BENIGN: &str = "no event is benign";
const ONE_SIDED: &str = "truth or answers know one of attack and benign only";
const NO_ALERT: &str = "no alert was raised";
const NO_KEY: &str = "no alert says what it is about: name the column of hosts or rules, `--map key=COLUMN`";

fn wanted<'a>(frame: &Frame<'a>, total: &Pane, sums: &Sums, cell: &Cell) -> Vec<Wanted<'a>> {
    let single = |definition: &'a Definition, cell: &Cell, n: f64, absent: &'static str, compute: Compute<'a>| Wanted {
        definition,
        statistic: Statistic::Value,
        cell: cell.clone(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of counts")]
        n: n as u64,
        absent,
        compute,
    };
    let answered = cell.clone().with("over", "answered");
    let (attacks, benign) = (sums.attacks() + sums.attacks_unanswered, sums.benign() + sums.benign_unanswered);
    let labeled = attacks + benign;
    let mut list = vec![
        single(
            &d::ACCURACY,
            cell,
            labeled,
            NO_LABELS,
            Box::new(|s| {
                let right = s.hits + s.quiet;
                share(right, s.attacks() + s.benign() + s.attacks_unanswered + s.benign_unanswered)
            }),
        ),
        single(&d::FPR, cell, benign, NO_BENIGN, Box::new(|s| share(s.alarms, s.benign() + s.benign_unanswered))),
        single(&d::RECALL, cell, attacks, NO_ATTACK, Box::new(|s| share(s.hits, s.attacks() + s.attacks_unanswered))),
        single(&d::PRECISION, cell, sums.hits + sums.alarms, NO_ALERT, Box::new(|s| share(s.hits, s.hits + s.alarms))),
        single(
            &d::F1,
            cell,
            labeled,
            NO_ATTACK,
            Box::new(|s| share(2.0 * s.hits, 2.0 * s.hits + s.alarms + s.misses + s.attacks_unanswered)),
        ),
        single(&d::MCC, cell, labeled, ONE_SIDED, Box::new(|s| s.marginals().mcc().unwrap_or(f64::NAN))),
        single(
            &d::ACCURACY,
            &answered,
            sums.attacks() + sums.benign(),
            NO_LABELS,
            Box::new(|s| share(s.hits + s.quiet, s.attacks() + s.benign())),
        ),
        single(&d::FPR, &answered, sums.benign(), NO_BENIGN, Box::new(|s| share(s.alarms, s.benign()))),
        single(&d::RECALL, &answered, sums.attacks(), NO_ATTACK, Box::new(|s| share(s.hits, s.attacks()))),
        single(&d::VERDICTS_PER_HOUR, cell, sums.answered, "no time passed", Box::new(|s| share(s.answered, s.hours))),
        single(&d::ALERTS_PER_HOUR, cell, sums.alerts, "no time passed", Box::new(|s| share(s.alerts, s.hours))),
        single(
            &d::FALSE_ALERTS_PER_HOUR,
            cell,
            sums.alarms,
            NO_BENIGN,
            Box::new(|s| if s.benign() + s.benign_unanswered > 0.0 { share(s.alarms, s.hours) } else { f64::NAN }),
        ),
        single(&d::ALERTS_REPEATED, cell, sums.keyed, NO_KEY, Box::new(|s| share(s.repeated, s.keyed))),
        single(&d::SHED, cell, sums.events, "no event came", Box::new(|s| share(s.shed, s.events))),
        single(
            &d::UPTIME,
            cell,
            sums.probes.1,
            "no model was probed",
            Box::new(|s| 100.0 * share(s.probes.0, s.probes.1)),
        ),
    ];
    for (place, label) in frame.labels.iter().enumerate() {
        let cell = cell.clone().with("label", label);
        let n = sums.labels[place].0;
        list.push(single(
            &d::RECALL,
            &cell,
            n,
            NO_ATTACK,
            Box::new(move |s| share(s.labels[place].1, s.labels[place].0)),
        ));
    }
    for (place, route) in frame.routes.iter().enumerate() {
        let cell = cell.clone().with("route", route);
        let n = sums.routes[place];
        let compute = Box::new(move |s: &Sums| share(s.routes[place], s.hours));
        list.push(single(&d::PREDICTIONS_PER_HOUR, &cell, n, "no time passed", compute));
    }
    let measured: u64 = total.latencies.iter().map(|(_, count)| count).sum();
    for (statistic, at) in LATENCIES {
        let first = frame.first_bucket;
        let compute: Compute<'a> = Box::new(move |s: &Sums| {
            let counts = (first..).zip(s.latencies.iter().copied());
            quantile_ms(counts, at).unwrap_or(f64::NAN)
        });
        let absent = "no event was answered by a model";
        let definition = &d::VERDICT_LATENCY;
        list.push(Wanted { definition, statistic, cell: cell.clone(), n: measured, absent, compute });
    }
    list
}

impl Wanted<'_> {
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
    let stretches: u64 = ledger.hours.len() as u64;
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
fn incidents(ledger: &Ledger, cell: &Cell) -> Vec<Metric> {
    let found: Vec<&Incident> = ledger.incidents.iter().filter(|incident| incident.alerts > 0).collect();
    let all = ledger.incidents.len() as u64 + ledger.further_incidents;
    let mut count = Metric::measured(&d::INCIDENTS, Statistic::Value, cell, all as f64, all);
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
pub fn process_metrics(ledger: &Ledger) -> Vec<Metric> {
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
pub fn tally(ledger: &Ledger) -> Tally {
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
