//! From what was added up to metrics.

use std::collections::BTreeMap;

use weighbridge_stats::proportion::wilson_effective;
use weighbridge_stats::slope::dependent_slope;
use weighbridge_stats::{Dependence, StatsError, student_t_mean};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Flag, Metric, MetricInterval, Statistic};

use super::distributions::distributions;
use super::figures::{Figures, Indicator};
use super::per_request::NO_SUCCESS;
use super::plan::{LoadKind, LoadPlan};
use super::stages::{CellStages, LoadPoint, Steady};
use crate::basis::{Basis, CONFIDENCE, MIN_COUNT};
use crate::estimate::{BETWEEN_RUNS, reason, set_interval, stored, within_run};
use crate::law::ByLaw;
use crate::request::doubt;

const NO_WINDOW: &str = "no window is left after warm-up";

/// One run of a load point.
pub(super) struct Point<'a> {
    pub(super) figures: Figures,
    pub(super) stages: &'a CellStages,
}

impl Point<'_> {
    fn seconds(&self) -> f64 {
        self.stages.window().as_secs_f64()
    }
}

/// Every figure of one load point.
pub(super) fn metrics(cell: &Cell, runs: Vec<Point>, plan: &LoadPlan, basis: &Basis) -> Vec<Metric> {
    let is_steady = runs.iter().all(|run| run.stages.steady == Steady::Yes);
    let frame_counted = runs.iter().any(|run| run.figures.ledger.frame_counted > 0);
    let approximate = runs.iter().any(|run| run.figures.ledger.uncounted_prompts > 0);
    let tables = Tables { cell, runs: &runs, is_closed: plan.kind == LoadKind::Closed };
    let mut metrics = tables.counts();
    metrics.extend(tables.rates());
    metrics.extend(tables.shares());
    metrics.extend(tables.flight());
    metrics.extend(tables.ledger());
    metrics.extend(tables.client());
    for metric in &mut metrics {
        basis.mark(metric);
    }
    metrics.extend(distributions(cell, runs, plan, basis));
    metrics.retain(|metric| plan.wants(metric));
    for metric in &mut metrics {
        doubt(metric, frame_counted, approximate);
        if !is_steady {
            metric.flags.push(Flag::Unsteady);
        }
        metric.flags.sort_unstable();
        metric.flags.dedup();
    }
    metrics
}

/// Counts, rates and shares of one load point.
struct Tables<'a> {
    cell: &'a Cell,
    runs: &'a [Point<'a>],
    is_closed: bool,
}

impl Tables<'_> {
    fn sum(&self, of: impl Fn(&Figures) -> u64) -> u64 {
        self.runs.iter().map(|run| of(&run.figures)).sum()
    }

    fn seconds(&self) -> f64 {
        self.runs.iter().map(Point::seconds).sum()
    }

    /// What a figure of the whole window rests on: its requests, or the parts of a window that saw none.
    fn n_of_window(&self) -> u64 {
        let parts = self.runs.iter().map(|run| run.stages.inside.points.len() as u64).sum();
        match self.sum(|run| run.planned.all) {
            0 => parts,
            planned => planned,
        }
    }

    fn value(&self, definition: &Definition, value: f64, n: u64) -> Metric {
        Metric::measured(definition, Statistic::Value, self.cell, value, n)
    }

    fn missing(&self, definition: &Definition, reason: impl Into<String>) -> Metric {
        Metric::unavailable(definition, Statistic::Value, self.cell, reason)
    }

    fn counts(&self) -> Vec<Metric> {
        let planned = self.sum(|run| run.planned.all);
        let count = |definition, value: u64| self.value(definition, value as f64, planned);
        let mut metrics = vec![
            count(&define::REQUESTS, planned),
            count(&define::FAILED, self.sum(|run| run.planned.failed + run.planned.dropped)),
            count(&define::CANCELLED, self.sum(|run| run.planned.cancelled)),
            count(&define::DROPPED, self.sum(|run| run.planned.dropped)),
            count(&define::LATE, self.sum(|run| run.planned.late)),
        ];
        let mut errors = BTreeMap::new();
        for (class, times) in self.runs.iter().flat_map(|run| &run.figures.planned.errors) {
            *errors.entry(*class).or_insert(0) += times;
        }
        for (class, times) in errors {
            let cell = self.cell.clone().with("error", class.name());
            metrics.push(Metric::measured(&define::ERRORS, Statistic::Value, &cell, times as f64, planned));
        }
        if planned > 0 {
            metrics.push(count(&define::RETRIES, self.sum(|run| run.planned.retries)));
        }
        let seconds = |definition, of: fn(&CellStages) -> f64| {
            let total = self.runs.iter().map(|run| of(run.stages)).sum();
            self.value(definition, total, self.runs.len() as u64)
        };
        metrics.push(seconds(&define::WARMUP_TIME, |stages| (stages.window_start - stages.start).as_secs_f64()));
        metrics.push(seconds(&define::LOAD_WINDOW, |stages| stages.window().as_secs_f64()));
        metrics.push(seconds(&define::DRAIN_TIME, |stages| (stages.end - stages.window_end).as_secs_f64()));
        metrics
    }

    fn rates(&self) -> Vec<Metric> {
        let mut metrics = vec![
            self.rate(&define::OFFERED_RATE, |run| run.planned.all, |point| point.offered_rate),
            self.rate(&define::ACHIEVED_RATE, |run| run.stamped.released, |point| point.released_rate),
            self.achieved_share(),
            self.by_law(
                self.rate(&define::REQUEST_THROUGHPUT, |run| run.stamped.succeeded, |point| point.request_rate),
                |run| &run.stamped.successes_by_law,
            ),
            self.by_law(
                self.rate(&define::OUTPUT_THROUGHPUT, |run| run.stamped.output_tokens, |point| point.output_rate),
                |run| &run.stamped.tokens_by_law,
            ),
            self.input_throughput(),
        ];
        let whole = |definition, of: fn(&Figures) -> u64| {
            let seconds: f64 = self.runs.iter().map(|run| run.figures.whole.seconds()).sum();
            if seconds > 0.0 {
                let mut metric =
                    self.value(definition, self.sum(of) as f64 / seconds, self.sum(|run| run.whole.released));
                metric.interval_reason = Some("start and drain are no steady state".to_owned());
                metric
            } else {
                self.missing(definition, "no request was released")
            }
        };
        metrics.push(whole(&define::REQUEST_THROUGHPUT_RUN, |run| run.whole.succeeded));
        metrics.push(whole(&define::OUTPUT_THROUGHPUT_RUN, |run| run.whole.output_tokens));
        metrics
    }

    /// An amount per second of window. Within one run the interval is that of the mean over even parts of the window, as
    /// a dependent series; between runs Student's t over their rates.
    fn rate(&self, definition: &Definition, amount: fn(&Figures) -> u64, part: fn(&LoadPoint) -> f64) -> Metric {
        let seconds = self.seconds();
        if seconds <= 0.0 {
            return self.missing(definition, NO_WINDOW);
        }
        let n = self.n_of_window();
        if n == 0 {
            return self.missing(definition, "the window saw no request and is too short for its parts");
        }
        let value = self.sum(amount) as f64 / seconds;
        let mut metric = low_sample(self.value(definition, value, n));
        self.set_interval_of_parts(&mut metric, value, amount, part);
        metric
    }

    fn set_interval_of_parts(
        &self,
        metric: &mut Metric,
        value: f64,
        amount: fn(&Figures) -> u64,
        part: fn(&LoadPoint) -> f64,
    ) {
        if let [run] = self.runs {
            let parts: Vec<f64> = run.stages.inside.points.iter().map(part).collect();
            set_centered(metric, value, &parts);
        } else {
            let running = self.runs.iter().filter(|run| run.seconds() > 0.0);
            let rates: Vec<f64> = running.map(|run| amount(&run.figures) as f64 / run.seconds()).collect();
            self.between_runs(metric, &rates);
        }
    }

    /// Gives a rate of one run of a closed loop the interval that Little's law allows, where there is one.
    fn by_law(&self, mut metric: Metric, of: fn(&Figures) -> &ByLaw) -> Metric {
        let ([run], true, Some(value)) = (self.runs, self.is_closed, metric.value) else { return metric };
        let concurrency = self.concurrency();
        let (Some(in_flight), Some(interval)) = (concurrency.value, concurrency.interval) else { return metric };
        let half_width = 0.5 * (interval.high - interval.low);
        if let Ok(interval) = of(&run.figures).interval(value, in_flight, half_width) {
            metric.interval = Some(interval);
            metric.interval_reason = None;
            metric.n_effective = None;
        }
        metric
    }

    fn between_runs(&self, metric: &mut Metric, values: &[f64]) {
        metric.n_effective = Some(values.len() as f64);
        set_interval(metric, student_t_mean(values, CONFIDENCE), Some(BETWEEN_RUNS));
    }

    fn achieved_share(&self) -> Metric {
        let planned = self.sum(|run| run.planned.all);
        if planned == 0 {
            return self.missing(&define::ACHIEVED_SHARE, "no request was planned in the window");
        }
        let released = self.sum(|run| run.stamped.released);
        self.value(&define::ACHIEVED_SHARE, released as f64 / planned as f64, planned)
    }

    fn input_throughput(&self) -> Metric {
        let (seconds, n) = (self.seconds(), self.sum(|run| run.stamped.with_input));
        match (seconds > 0.0, n) {
            (false, _) => self.missing(&define::INPUT_THROUGHPUT, NO_WINDOW),
            (true, 0) => self.missing(&define::INPUT_THROUGHPUT, "no prompt of known length had a first token"),
            _ => {
                let value = self.sum(|run| run.stamped.input_tokens) as f64 / seconds;
                let mut metric = low_sample(self.value(&define::INPUT_THROUGHPUT, value, n));
                metric.interval_reason = Some("prompt tokens are not counted by time".to_owned());
                metric
            }
        }
    }

    /// Shares of the requests that ran, each with Wilson's interval on as many requests as they are worth.
    fn shares(&self) -> Vec<Metric> {
        let good = self.share_of(&define::GOOD_FRACTION, |run| &run.good, Side::Hits);
        let error = self.share_of(&define::ERROR_RATE, |run| &run.answered, Side::Misses);
        let mut reliability = self.share_of(&define::RELIABILITY, |run| &run.answered, Side::Hits);
        scale(&mut reliability, 100.0);
        let mut goodput =
            Metric { name: define::GOODPUT.name.to_owned(), definition: define::GOODPUT.id(), ..good.clone() };
        define::GOODPUT.unit.clone_into(&mut goodput.unit);
        let seconds = self.seconds();
        if seconds > 0.0 {
            scale(&mut goodput, good.n as f64 / seconds);
        } else {
            goodput = self.missing(&define::GOODPUT, NO_WINDOW);
        }
        let successes = self.sum(|run| run.planned.succeeded);
        let released = self.sum(|run| run.planned.all - run.planned.dropped);
        let with_clock = self.sum(|run| run.planned.with_clock);
        let mut metrics = vec![goodput, good, error, reliability];
        metrics.push(self.part(&define::STALLED, self.sum(|run| run.planned.stalled), successes, NO_SUCCESS));
        if successes > 0 {
            metrics.push(self.value(&define::STALLS, self.sum(|run| run.planned.stalls) as f64, successes));
        }
        const NONE_RELEASED: &str = "no request was released";
        metrics.push(self.part(&define::RETRIED, self.sum(|run| run.planned.retried), released, NONE_RELEASED));
        metrics.push(self.part(&define::CLIENT_TOUCHED, self.sum(|run| run.planned.touched), released, NONE_RELEASED));
        let mut faults = BTreeMap::new();
        for (fault, times) in self.runs.iter().flat_map(|run| &run.figures.planned.faults) {
            *faults.entry(*fault).or_insert(0) += times;
        }
        for (fault, times) in faults {
            let mut metric = self.part(&define::CLIENT_TOUCHED, times, released, NONE_RELEASED);
            metric.cell = self.cell.clone().with("fault", fault.name());
            metrics.push(metric);
        }
        let stamped = self.sum(|run| run.planned.kernel_stamped);
        metrics.push(self.part(&define::KERNEL_STAMPED, stamped, with_clock, "no answer came over a connection"));
        metrics
    }

    fn share_of(&self, definition: &Definition, of: fn(&Figures) -> &Indicator, side: Side) -> Metric {
        let trials = self.sum(|run| of(run).moments.count());
        if trials == 0 {
            return self.missing(definition, "no request of the window ran to an end");
        }
        let hits = self.sum(|run| of(run).hits);
        let hits = if side == Side::Hits { hits } else { trials - hits };
        let worth: f64 = self.runs.iter().filter_map(|run| of(&run.figures).worth()).sum();
        let worth = if worth > 0.0 { worth.min(trials as f64) } else { trials as f64 };
        let mut metric = low_sample(self.value(definition, hits as f64 / trials as f64, trials));
        metric.n_effective = Some(worth);
        set_interval(&mut metric, wilson_effective(hits as usize, trials as usize, worth, CONFIDENCE), None);
        metric
    }

    /// A plain share, without an interval.
    fn part(&self, definition: &Definition, hits: u64, trials: u64, missing: &str) -> Metric {
        if trials == 0 {
            return self.missing(definition, missing);
        }
        self.value(definition, hits as f64 / trials as f64, trials)
    }

    /// Requests in flight: how many, whether they grow, and whether the counts obey Little's law.
    fn flight(&self) -> Vec<Metric> {
        let seconds = self.seconds();
        let ended = self.sum(|run| run.stamped.ended);
        let n = self.n_of_window();
        if seconds <= 0.0 || n == 0 {
            let all = [define::CONCURRENCY, define::LITTLE_RESIDUAL, define::IN_FLIGHT_SLOPE];
            return all.iter().map(|definition| self.missing(definition, NO_WINDOW)).collect();
        }
        let in_flight = self.in_flight();
        let spent: u128 = self.runs.iter().map(|run| run.figures.stamped.ended_nanos).sum();
        let residual = if in_flight > 0.0 && ended > 0 {
            // λW is the time of all that ended, over the window.
            let by_law = spent as f64 / 1e9 / seconds;
            self.value(&define::LITTLE_RESIDUAL, (in_flight - by_law) / in_flight, ended)
        } else {
            self.missing(&define::LITTLE_RESIDUAL, "no request ended in the window")
        };
        vec![self.concurrency(), residual, self.slope()]
    }

    /// Mean number of requests in flight in the window, which must have a length.
    fn in_flight(&self) -> f64 {
        let nanos: u128 = self.runs.iter().map(|run| run.figures.stamped.in_flight_nanos).sum();
        nanos as f64 / 1e9 / self.seconds()
    }

    fn concurrency(&self) -> Metric {
        let in_flight = self.in_flight();
        let mut metric = self.value(&define::CONCURRENCY, in_flight, self.n_of_window());
        self.set_interval_of_flight(&mut metric, in_flight);
        metric
    }

    fn set_interval_of_flight(&self, metric: &mut Metric, value: f64) {
        if let [run] = self.runs {
            let parts: Vec<f64> = run.stages.inside.points.iter().map(|point| point.in_flight).collect();
            set_centered(metric, value, &parts);
        } else {
            let running = self.runs.iter().filter(|run| run.seconds() > 0.0);
            let levels: Vec<f64> =
                running.map(|run| run.figures.stamped.in_flight_nanos as f64 / 1e9 / run.seconds()).collect();
            self.between_runs(metric, &levels);
        }
    }

    fn slope(&self) -> Metric {
        let slopes: Result<Vec<_>, StatsError> = self
            .runs
            .iter()
            .map(|run| {
                let points = &run.stages.inside.points;
                let (x, y): (Vec<f64>, Vec<f64>) = points.iter().map(|point| (point.at_s, point.in_flight)).unzip();
                dependent_slope(&x, &y, CONFIDENCE)
            })
            .collect();
        let unavailable =
            |reason: String| Metric::unavailable(&define::IN_FLIGHT_SLOPE, Statistic::Slope, self.cell, reason);
        let measured = |value, n| Metric::measured(&define::IN_FLIGHT_SLOPE, Statistic::Slope, self.cell, value, n);
        match slopes.as_deref() {
            Err(error) => unavailable(format!("parts of the window: {}", reason(error))),
            Ok([]) => unavailable(NO_WINDOW.to_owned()),
            Ok([slope]) => measured(slope.slope, slope.n as u64).with_interval(stored(&slope.interval, None, None)),
            Ok(slopes) => {
                let values: Vec<f64> = slopes.iter().map(|slope| slope.slope).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let mut metric = measured(mean, slopes.iter().map(|slope| slope.n as u64).sum());
                self.between_runs(&mut metric, &values);
                metric
            }
        }
    }

    /// Tokens by who counted them.
    fn ledger(&self) -> Vec<Metric> {
        let successes = self.sum(|run| run.planned.succeeded);
        let of = |definition, n: u64, value: u64, missing: &str| match n {
            0 => self.missing(definition, missing),
            _ => self.value(definition, value as f64, n),
        };
        let with_report = self.sum(|run| run.ledger.with_report);
        const NO_REPORT: &str = "the server reported no usage";
        let mut metrics = vec![
            of(&define::TOKENS_REQUESTED, successes, self.sum(|run| run.ledger.requested), NO_SUCCESS),
            of(&define::TOKENS_REPORTED, with_report, self.sum(|run| run.ledger.reported), NO_REPORT),
            of(&define::TOKENS_IN_FRAMES, successes, self.sum(|run| run.ledger.in_frames), NO_SUCCESS),
            self.part(&define::TOKEN_DISAGREEMENT, self.sum(|run| run.ledger.disagree), with_report, NO_REPORT),
        ];
        // Only who tokenized again can say; a reader of the log alone leaves these out.
        let recounts = self.sum(|run| run.ledger.with_recount);
        if recounts > 0 {
            metrics.push(of(&define::TOKENS_RETOKENIZED, recounts, self.sum(|run| run.ledger.recounted), NO_REPORT));
            let (disagree, both) = (self.sum(|run| run.ledger.recounts_disagree), self.sum(|run| run.ledger.with_both));
            metrics.push(self.part(&define::RETOKENIZED_DISAGREEMENT, disagree, both, NO_REPORT));
        }
        let (cached, prompts) = (self.sum(|run| run.ledger.cached), self.sum(|run| run.ledger.cacheable));
        metrics.push(if prompts == 0 {
            self.missing(&define::CACHE_HIT, "the server does not say which prompt tokens came from a cache")
        } else {
            self.value(&define::CACHE_HIT, cached as f64 / prompts as f64, self.sum(|run| run.ledger.with_cache))
        });
        metrics
    }

    /// What the client itself used.
    fn client(&self) -> Vec<Metric> {
        let spans: Vec<(f64, f64)> = self
            .runs
            .iter()
            .filter_map(|run| {
                let (first, last) = (run.figures.cpu.first?, run.figures.cpu.last?);
                let seconds = (last.0 - first.0).as_secs_f64();
                (seconds > 0.0).then_some((last.1 - first.1, seconds))
            })
            .collect();
        let (used, seconds) = spans.iter().fold((0.0, 0.0), |sum, span| (sum.0 + span.0, sum.1 + span.1));
        // A log without samples says nothing of the client.
        if seconds <= 0.0 {
            return Vec::new();
        }
        let cores = used / seconds;
        let mut metrics = vec![self.value(&define::CLIENT_CPU, cores, self.sum(|run| run.cpu.samples))];
        let ended = self.sum(|run| run.stamped.ended);
        if ended > 0 {
            let each = 1e3 * cores * self.seconds() / ended as f64;
            metrics.push(self.value(&define::CLIENT_CPU_PER_REQUEST, each, ended));
        }
        metrics
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Hits,
    Misses,
}

pub(super) fn low_sample(mut metric: Metric) -> Metric {
    if metric.n < MIN_COUNT {
        metric.flags.push(Flag::LowSample);
    }
    metric
}

fn scale(metric: &mut Metric, factor: f64) {
    metric.value = metric.value.map(|value| value * factor);
    if let Some(interval) = &mut metric.interval {
        interval.low *= factor;
        interval.high *= factor;
    }
}

/// The interval of the mean of `parts`, moved to the exact value and cut at zero.
fn set_centered(metric: &mut Metric, value: f64, parts: &[f64]) {
    match within_run(parts, Dependence::Serial) {
        Err(error) => metric.interval_reason = Some(reason(&error)),
        Ok(estimate) => {
            let half_width = 0.5 * estimate.interval.width();
            metric.n_effective = estimate.n_effective;
            metric.interval = Some(MetricInterval {
                low: (value - half_width).max(0.0),
                high: value + half_width,
                confidence: CONFIDENCE.level(),
                method: estimate.interval.method.as_str().to_owned(),
            });
        }
    }
}
