//! A load over hours: slices of time, trends over them, outages. Each line is taken once, and memory stays flat.

use std::collections::VecDeque;
use std::time::Duration;

use weighbridge_stats::trend::{Trend, theil_sen_blocks};
use weighbridge_stats::{Dependence, MIN_BATCHES};
use weighbridge_types::definition::{self as define, Definition};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::Phase;
use weighbridge_types::request::{Outcome, RequestRow};
use weighbridge_types::resource::ResourceSample;
use weighbridge_types::server::ProcessTreeSample;
use weighbridge_types::time::Stamp;

use super::outages::Outages;
use super::window::low_sample;
use crate::basis::{Basis, CONFIDENCE};
use crate::estimate::{Series, Shape, reason, stored};
use crate::memory::{MemoryPoint, growth_metrics};

/// Width of the first slices, seconds.
const FIRST_WIDTH: u64 = 1;

/// More slices than this are joined two by two. A day then has slices of 512 s.
const MAX_SLICES: usize = 240;

/// Samples that wait for a request. While none ends, memory is not told.
const MOST_EARLY: usize = 4_096;

/// The three figures that the growth rule decides by, of memory under load.
pub(crate) const GROWTH: [&Definition; 3] =
    [&define::SOAK_MEMORY_GROWTH, &define::SOAK_MEMORY_GROWTH_LATE, &define::SOAK_MEMORY_TREND];

/// Places of the processes whose memory is read.
const CLIENT: usize = 0;
const SERVER: usize = 1;

/// The setting of a cell that says whose memory is meant: `client` or `server`.
pub const PROCESS: &str = "process";

/// What happened in one slice, by the end of its requests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Slice {
    succeeded: u64,
    failed: u64,
    /// Sums over those that succeeded, ms.
    ttft: f64,
    e2e: f64,
    /// Least memory seen of each process, bytes: under load the floor tells growth, the rest is requests in flight.
    memory: [Option<u64>; 2],
}

impl Slice {
    fn take(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed += other.failed;
        self.ttft += other.ttft;
        self.e2e += other.e2e;
        for (own, other) in self.memory.iter_mut().zip(other.memory) {
            *own = [*own, other].into_iter().flatten().min();
        }
    }

    fn ended(&self) -> u64 {
        self.succeeded + self.failed
    }
}

/// The slices of a soak, in memory that does not grow with the run.
#[derive(Clone, Debug, Default)]
pub struct Soak {
    origin: Option<Stamp>,
    /// Seconds of a slice; a power of two.
    width: u64,
    slices: Vec<Slice>,
    /// Latest end of a request.
    latest: Stamp,
    outages: Outages,
    /// Samples of memory, bytes, that no request has come up to.
    early: [VecDeque<(Stamp, u64)>; 2],
}

impl Soak {
    /// Takes a request, in the order of the log.
    pub fn push(&mut self, row: &RequestRow) {
        let Some(ended) = row.timeline.ended.filter(|_| !row.warmup) else { return };
        if matches!(row.outcome, Outcome::Cancelled | Outcome::Dropped) {
            return;
        }
        let is_success = row.outcome.is_success();
        self.origin.get_or_insert(row.timeline.released);
        self.latest = self.latest.max(ended);
        self.outages.push(ended, is_success);
        let ms = |time: Option<Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1e3);
        let (ttft, e2e) = (ms(row.timeline.ttft()), ms(row.timeline.e2e()));
        self.take_samples();
        let Some(slice) = self.at(ended) else { return };
        if is_success {
            slice.succeeded += 1;
            slice.ttft += ttft;
            slice.e2e += e2e;
        } else {
            slice.failed += 1;
        }
    }

    /// Takes a sample of this process.
    pub fn push_sample(&mut self, sample: &ResourceSample) {
        self.push_memory(CLIENT, sample.at, sample.anonymous_bytes);
    }

    /// Takes a sample of the server's processes.
    pub fn push_tree(&mut self, sample: &ProcessTreeSample) {
        self.push_memory(SERVER, sample.at, sample.anonymous_bytes);
    }

    fn push_memory(&mut self, process: usize, at: Stamp, bytes: Option<u64>) {
        let Some(bytes) = bytes else { return };
        let early = &mut self.early[process];
        if early.len() == MOST_EARLY {
            early.pop_front();
        }
        early.push_back((at, bytes));
        self.take_samples();
    }

    /// Takes the samples up to the latest end of a request. Later ones wait: requests alone decide how many slices there
    /// are, so that a checkpoint tells what its part of the log tells.
    fn take_samples(&mut self) {
        for process in [CLIENT, SERVER] {
            while let Some((at, bytes)) = self.early[process].pop_front() {
                if self.origin.is_none() || at > self.latest {
                    self.early[process].push_front((at, bytes));
                    break;
                }
                if let Some(slice) = self.at(at) {
                    slice.memory[process] = Some(slice.memory[process].map_or(bytes, |least| least.min(bytes)));
                }
            }
        }
    }

    /// The slice of a stamp; `None` before the first request.
    fn at(&mut self, at: Stamp) -> Option<&mut Slice> {
        let origin = self.origin.filter(|origin| at >= *origin)?;
        self.width = self.width.max(FIRST_WIDTH);
        let second = (at - origin).as_secs();
        while second / self.width >= MAX_SLICES as u64 {
            self.join();
        }
        let index = (second / self.width) as usize;
        if index >= self.slices.len() {
            self.slices.resize(index + 1, Slice::default());
        }
        self.slices.get_mut(index)
    }

    fn join(&mut self) {
        let joined = self.slices.chunks(2).map(|pair| {
            let mut slice = pair[0];
            pair.iter().skip(1).for_each(|other| slice.take(other));
            slice
        });
        self.slices = joined.collect();
        self.width *= 2;
    }

    /// The slices that are over: no later request can end in them, but for one whose line came late.
    fn whole(&self) -> &[Slice] {
        let Some(origin) = self.origin else { return &[] };
        let over = ((self.latest - origin).as_secs() / self.width.max(1)) as usize;
        &self.slices[..over.min(self.slices.len())]
    }

    /// Figures of all slices that are over, and outages: what a checkpoint tells. It costs the same however long the run
    /// is.
    #[must_use]
    pub fn figures(&self, basis: &Basis) -> Vec<Metric> {
        let cell = Cell::of(Phase::Load);
        let mut all = Slice::default();
        self.whole().iter().for_each(|slice| all.take(slice));
        let seconds = (self.whole().len() as u64 * self.width) as f64;
        let ended = all.ended();
        let value = |definition, value: f64, n| Metric::measured(definition, Statistic::Value, &cell, value, n);
        let share = |definition: &'static Definition, part: f64, of: f64, n, why: &str| match of > 0.0 {
            true => {
                let mut metric = low_sample(value(definition, part / of, n));
                metric.interval_reason = Some("a figure of the time so far; the trends have intervals".to_owned());
                metric
            }
            false => Metric::unavailable(definition, Statistic::Value, &cell, why),
        };
        const NO_SLICE: &str = "no slice of time is over";
        let mut metrics = vec![
            value(&define::SOAK_TIME, seconds, self.whole().len() as u64),
            share(&define::SOAK_THROUGHPUT, all.succeeded as f64, seconds, ended, NO_SLICE),
            share(&define::SOAK_ERROR_RATE, all.failed as f64, ended as f64, ended, "no request ended"),
            share(&define::SOAK_E2E, all.e2e, all.succeeded as f64, all.succeeded, "no request succeeded"),
        ];
        metrics.extend(self.outages(&cell, basis));
        metrics.iter_mut().for_each(|metric| basis.mark(metric));
        metrics
    }

    fn outages(&self, cell: &Cell, basis: &Basis) -> Vec<Metric> {
        let outages = &self.outages;
        let recovered: Vec<f64> =
            outages.kept().iter().filter_map(|outage| Some(outage.recovery()?.as_secs_f64())).collect();
        let n = outages.requests();
        let mut metrics = vec![Metric::measured(&define::OUTAGES, Statistic::Value, cell, outages.count() as f64, n)];
        let downtime = outages.downtime(self.latest).as_secs_f64();
        metrics.push(Metric::measured(&define::DOWNTIME, Statistic::Value, cell, downtime, n));
        let definition = &define::RECOVERY_TIME;
        let series = Series { definition, cell, runs: vec![recovered], dependence: Dependence::Independent, basis };
        metrics.extend(series.metrics(Shape::Range, "there was no outage, or none that ended"));
        metrics
    }

    /// Trends over the slices, and growth of memory: dear, so at the end alone.
    #[must_use]
    pub fn trends(&self, basis: &Basis) -> Vec<Metric> {
        let cell = Cell::of(Phase::Load);
        let width = self.width.max(1) as f64;
        let hours = |index: usize| (index as f64 + 0.5) * width / 3600.0;
        let points = |value: &dyn Fn(&Slice) -> Option<f64>| -> (Vec<f64>, Vec<f64>) {
            let slices = self.whole().iter().enumerate();
            slices.filter_map(|(index, slice)| Some((hours(index), value(slice)?))).unzip()
        };
        let mean = |sum: f64, slice: &Slice| (slice.succeeded > 0).then(|| sum / slice.succeeded as f64);
        let ttft = |slice: &Slice| mean(slice.ttft, slice);
        let e2e = |slice: &Slice| mean(slice.e2e, slice);
        let errors = |slice: &Slice| (slice.ended() > 0).then(|| 100.0 * slice.failed as f64 / slice.ended() as f64);
        let rate = |slice: &Slice| Some(slice.succeeded as f64 / width);
        let mut metrics = vec![
            trend(&define::TTFT_TREND, &cell, points(&ttft), basis),
            trend(&define::E2E_TREND, &cell, points(&e2e), basis),
            trend(&define::ERROR_TREND, &cell, points(&errors), basis),
            trend(&define::THROUGHPUT_TREND, &cell, points(&rate), basis),
        ];
        for (process, name) in [(CLIENT, "client"), (SERVER, "server")] {
            let memory = self.memory(process);
            // Nobody watched a server that has no reading at all.
            if process == CLIENT || !memory.is_empty() {
                metrics.extend(growth_metrics(&memory, &cell.clone().with(PROCESS, name), basis, GROWTH));
            }
        }
        metrics.iter_mut().for_each(|metric| basis.mark(metric));
        metrics
    }

    /// The floor of memory in each slice, over the requests that had ended by its end.
    fn memory(&self, process: usize) -> Vec<MemoryPoint> {
        let mut served = 0;
        let slices = self.whole().iter().map(|slice| {
            served += slice.ended();
            Some(MemoryPoint { served: served as f64, bytes: slice.memory[process]? as f64 })
        });
        slices.flatten().collect()
    }

    /// Outages in words: when they began, how long they lasted, what they cost.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        self.origin.map(|origin| self.outages.notes(origin)).unwrap_or_default()
    }
}

/// Theil–Sen over the slices, with an interval from blocks of them.
fn trend(definition: &'static Definition, cell: &Cell, (x, y): (Vec<f64>, Vec<f64>), basis: &Basis) -> Metric {
    let missing = |why: String| Metric::unavailable(definition, Statistic::Slope, cell, why);
    if y.len() < MIN_BATCHES {
        return missing(format!("{} slices of time; a trend needs {MIN_BATCHES}", y.len()));
    }
    if y.iter().all(|value| (value - y[0]).abs() < f64::EPSILON * y[0].abs()) || y.iter().all(|value| *value == 0.0) {
        let mut metric = Metric::measured(definition, Statistic::Slope, cell, 0.0, y.len() as u64);
        metric.interval_reason = Some("every slice is the same".to_owned());
        return metric;
    }
    match theil_sen_blocks(&x, &y, CONFIDENCE, basis.resampling()) {
        Ok(Trend { slope, interval, .. }) => {
            let metric = Metric::measured(definition, Statistic::Slope, cell, slope, y.len() as u64);
            let interval = stored(&interval, metric.value, None);
            metric.with_interval(interval)
        }
        Err(error) => missing(reason(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::{Growth, GrowthVerdict};
    use crate::request::tests::{at, row};
    use weighbridge_types::request::FailureClass;

    fn failed(id: u64, at: u64) -> RequestRow {
        let failed = Outcome::Failed { class: FailureClass::ServerError, message: String::new() };
        RequestRow { outcome: failed, ..row(id, at, (10, 10, 2)) }
    }

    /// A request every 100 ms, E2E from a line, a sample every second.
    fn soak(seconds: u64, slower_ms: f64, leak: f64) -> Soak {
        let mut soak = Soak::default();
        for id in 0..seconds * 10 {
            let ttft = 20 + (slower_ms * id as f64 / (seconds * 10) as f64) as u64;
            soak.push(&row(id, id * 100, (ttft, 5, 2)));
            if id % 10 == 5 {
                let noise = f64::from((id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 52) as u32);
                let bytes = (5e7 + leak * id as f64 + noise) as u64;
                let at = at(id * 100);
                soak.push_sample(&ResourceSample { at, anonymous_bytes: Some(bytes), ..ResourceSample::default() });
                soak.push_tree(&ProcessTreeSample { at, anonymous_bytes: Some(bytes), ..ProcessTreeSample::default() });
            }
        }
        soak
    }

    fn get(metrics: &[Metric], key: &str) -> Metric {
        metrics.iter().find(|metric| metric.key() == key).cloned().unwrap_or_else(|| panic!("no {key}"))
    }

    #[test]
    fn a_planted_leak_and_a_planted_drift_are_found() {
        let basis = Basis::default();
        let check = |slower, leak, verdict, drifts| {
            let metrics = soak(120, slower, leak).trends(&basis);
            for process in ["client", "server"] {
                let growth = Growth::of_soak(&metrics, process).unwrap();
                assert_eq!(growth.verdict(), verdict, "{process}: {growth:?}");
            }
            let drift = get(&metrics, "e2e_trend.slope");
            assert_eq!(drift.interval.is_some_and(|interval| interval.low > 0.0), drifts);
        };
        check(0.0, 0.0, GrowthVerdict::Flat, false);
        check(60.0, 5_000.0, GrowthVerdict::Leak, true);
    }

    #[test]
    fn figures_tell_the_time_that_is_over() {
        let metrics = soak(60, 0.0, 0.0).figures(&Basis::default());
        let check = |key, expected: f64| {
            let value = get(&metrics, key).value.unwrap();
            assert!((value - expected).abs() < 1e-9, "{key}: {value}");
        };
        check("soak_time", 59.0);
        check("soak_error_rate", 0.0);
        check("soak_e2e", 25.0);
        check("outages", 0.0);
        assert!((get(&metrics, "soak_throughput").value.unwrap() - 10.0).abs() < 0.1);
        assert!(
            Soak::default()
                .figures(&Basis::default())
                .iter()
                .all(|metric| metric.name != "soak_e2e" || metric.value.is_none())
        );
    }

    #[test]
    fn memory_does_not_grow_with_the_run_and_joined_slices_hold_the_same() {
        let long = soak(4_000, 0.0, 0.0);
        assert!(long.slices.len() <= MAX_SLICES && long.width == 32, "{} {}", long.slices.len(), long.width);
        let ended: u64 = long.slices.iter().map(Slice::ended).sum();
        assert_eq!(ended, 40_000);
    }

    #[test]
    fn an_outage_has_a_recovery_time() {
        let mut soak = Soak::default();
        (0..100).for_each(|id| soak.push(&row(id, id * 100, (10, 10, 2))));
        (100..130).for_each(|id| soak.push(&failed(id, id * 100)));
        (130..200).for_each(|id| soak.push(&row(id, id * 100, (10, 10, 2))));
        let metrics = soak.figures(&Basis::default());
        assert_eq!(get(&metrics, "outages").value, Some(1.0));
        assert_eq!(get(&metrics, "recovery_time.max").value, Some(3.0));
        assert!(soak.notes()[0].contains("30 requests failed"), "{:?}", soak.notes());
    }
}
