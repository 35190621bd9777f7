//! What must hold between metrics of a record.

use std::collections::BTreeSet;

use weighbridge_summary::knee;
use weighbridge_types::definition::{self as d, Definition};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::Phase;

use super::{Checker, is_close, shown};

/// Statistics in the order that their values must have.
const ORDER: [Statistic; 13] = [
    Statistic::Min,
    Statistic::P1,
    Statistic::P5,
    Statistic::P10,
    Statistic::P25,
    Statistic::P50,
    Statistic::P75,
    Statistic::P90,
    Statistic::P95,
    Statistic::P99,
    Statistic::P999,
    Statistic::P9999,
    Statistic::Max,
];

/// Latencies of which the first ends no later than the second, for every request.
const DOMINATED: [(&Definition, &Definition); 4] =
    [(&d::TTFT, &d::E2E), (&d::TTFT, &d::TTFT_USER), (&d::E2E, &d::E2E_SCHEDULED), (&d::TTFT, &d::TTFO)];

impl Checker<'_> {
    /// Checks metrics against each other.
    pub(super) fn relations(&mut self) {
        self.unique();
        let cells: BTreeSet<&Cell> = self.record.metrics.iter().map(|metric| &metric.cell).collect();
        for cell in cells {
            self.ordered(cell);
            self.dominated(cell);
            self.rates(cell);
        }
        self.ratios();
        self.knee();
        self.instances();
    }

    fn find(&self, definition: &Definition, statistic: Statistic, cell: &Cell) -> Option<&'_ Metric> {
        let wanted =
            |metric: &&Metric| metric.name == definition.name && metric.statistic == statistic && metric.cell == *cell;
        self.record.metrics.iter().find(wanted)
    }

    fn value(&self, definition: &Definition, statistic: Statistic, cell: &Cell) -> Option<f64> {
        self.find(definition, statistic, cell)?.value
    }

    fn unique(&mut self) {
        let mut seen = BTreeSet::new();
        for metric in &self.record.metrics {
            let is_new = seen.insert((metric.key(), &metric.cell));
            self.of_metric(is_new, "unique", metric, "the same figure twice", "one figure for each key and cell");
        }
    }

    /// min ≤ p1 ≤ … ≤ max, and min ≤ mean ≤ max.
    fn ordered(&mut self, cell: &Cell) {
        let record = self.record;
        let of_cell = || record.metrics.iter().filter(|metric| metric.cell == *cell);
        let names: BTreeSet<&str> = of_cell().map(|metric| metric.name.as_str()).collect();
        for name in names {
            let find = |statistic| of_cell().find(|m| m.name == name && m.statistic == statistic && m.value.is_some());
            let steps: Vec<&Metric> = ORDER.into_iter().filter_map(find).collect();
            for pair in steps.windows(2) {
                self.at_most("percentiles-ordered", pair[0], pair[1]);
            }
            if let Some(mean) = find(Statistic::Mean) {
                if let Some(min) = find(Statistic::Min) {
                    self.at_most("percentiles-ordered", min, mean);
                }
                if let Some(max) = find(Statistic::Max) {
                    self.at_most("percentiles-ordered", mean, max);
                }
            }
        }
    }

    fn at_most(&mut self, rule: &'static str, low: &Metric, high: &Metric) {
        let (Some(low_value), Some(high_value)) = (low.value, high.value) else { return };
        let holds = low_value <= high_value || is_close(low_value, high_value);
        let expected = format!("at most {} ({})", shown(high_value), high.key());
        self.of_metric(holds, rule, low, shown(low_value), expected);
    }

    /// What holds for every request holds for every statistic of the same requests.
    fn dominated(&mut self, cell: &Cell) {
        let record = self.record;
        for (first, second) in DOMINATED {
            for statistic in ORDER.into_iter().chain([Statistic::Mean]) {
                let get = |of: &Definition| {
                    record.metrics.iter().find(|m| m.name == of.name && m.statistic == statistic && m.cell == *cell)
                };
                if let Some((low, high)) = get(first).zip(get(second)).filter(|(low, high)| low.n == high.n) {
                    self.at_most("latencies-ordered", low, high);
                }
            }
        }
    }

    /// Rates are counts over the window.
    fn rates(&mut self, cell: &Cell) {
        let record = self.record;
        let get = |of: &Definition| record.metrics.iter().find(|metric| metric.name == of.name && metric.cell == *cell);
        let value = |of: &Definition| get(of).and_then(|metric| metric.value);
        let (requests, failed) = (value(&d::REQUESTS), value(&d::FAILED));
        let window = value(&d::WINDOW).filter(|window| *window > 0.0);
        let rate = get(&d::REQUEST_RATE);
        if let (Some(rate), Some(window), Some(requests), Some(failed)) = (rate, window, requests, failed) {
            let cancelled = self.cancelled(cell);
            let succeeded = requests - failed;
            match cancelled {
                0 => self.equals("rate-is-count-over-window", rate, succeeded / window),
                _ => {
                    let limit = succeeded / window;
                    let stated = rate.value.unwrap_or(0.0);
                    let holds = stated <= limit || is_close(stated, limit);
                    self.of_metric(
                        holds,
                        "rate-is-count-over-window",
                        rate,
                        shown(stated),
                        format!("at most {}", shown(limit)),
                    );
                }
            }
            if let (Some(reliability), 0) = (get(&d::RELIABILITY), cancelled)
                && requests > 0.0
            {
                self.equals("shares-sum", reliability, 100.0 * succeeded / requests);
            }
        }
        let tokens = self.value(&d::OUTPUT_TOKENS, Statistic::Mean, cell);
        if let (Some(output), Some(rate), Some(tokens)) = (get(&d::OUTPUT_RATE), rate.and_then(|m| m.value), tokens) {
            self.equals("token-rate", output, rate * tokens);
        }
        self.little(cell);
        if let Some(accuracy) = get(&d::ACCURACY)
            && let Some(share) = accuracy.value
        {
            let right = share * accuracy.n as f64;
            let holds = (right - right.round()).abs() < 1e-6 * right.max(1.0);
            let expected = format!("k/{} with a whole k", accuracy.n);
            self.of_metric(holds, "share-is-count-over-items", accuracy, shown(share), expected);
        }
    }

    /// Little's law: requests in flight are no fewer than rate × E2E, because a request is in flight at least as long
    /// as its E2E; and the recorded residual leaves out nothing more than that.
    fn little(&mut self, cell: &Cell) {
        let record = self.record;
        let get = |of: &Definition| record.metrics.iter().find(|metric| metric.name == of.name && metric.cell == *cell);
        let Some(residual) = get(&d::LITTLE_RESIDUAL) else { return };
        let in_flight = get(&d::CONCURRENCY).and_then(|metric| metric.value).filter(|value| *value > 0.0);
        let rate = get(&d::REQUEST_RATE).and_then(|metric| metric.value);
        let e2e = self.value(&d::E2E, Statistic::Mean, cell);
        if let (Some(in_flight), Some(rate), Some(e2e), Some(stated)) = (in_flight, rate, e2e, residual.value) {
            let bound = 1.0 - rate * e2e / 1000.0 / in_flight;
            let holds = stated <= bound + TOLERANCE_OF_LITTLE;
            self.of_metric(holds, "littles-law", residual, shown(stated), format!("at most {}", shown(bound)));
        }
    }

    fn cancelled(&self, cell: &Cell) -> u64 {
        let phase = self.record.phases.iter().find(|result| cell.get("phase") == Some(result.phase.name()));
        phase.map_or(0, |result| result.tally.cancelled)
    }

    /// Growth and scaling are ratios to the first cell; the gain is over the level below.
    fn ratios(&mut self) {
        let rates = self.by_number(Phase::Throughput, &d::REQUEST_RATE, Statistic::Value, "concurrency");
        let latencies = self.by_number(Phase::Throughput, &d::E2E, Statistic::Mean, "concurrency");
        let first_tokens = self.by_number(Phase::Latency, &d::TTFT, Statistic::Mean, "input_tokens");
        let base = |series: &[(f64, Cell, f64)]| series.first().map(|point| (point.0, point.2));
        for (series, definition) in
            [(&rates, &d::SCALING), (&latencies, &d::LATENCY_GROWTH), (&first_tokens, &d::TTFT_GROWTH)]
        {
            let Some((level, first)) = base(series).filter(|(_, first)| *first > 0.0) else { continue };
            if definition != &d::TTFT_GROWTH && !is_close(level, 1.0) {
                continue;
            }
            for (_, cell, value) in series {
                self.stated(definition, cell, "ratio", value / first);
            }
        }
        for pair in rates.windows(2).filter(|pair| pair[0].2 > 0.0) {
            self.stated(&d::MARGINAL_GAIN, &pair[1].1, "ratio", 100.0 * (pair[1].2 / pair[0].2 - 1.0));
        }
    }

    fn stated(&mut self, definition: &Definition, cell: &Cell, rule: &'static str, expected: f64) {
        let record = self.record;
        let found = record.metrics.iter().find(|metric| metric.name == definition.name && metric.cell == *cell);
        if let Some(metric) = found {
            self.equals(rule, metric, expected);
        }
    }

    /// Values of a phase by the number under a setting, ascending.
    fn by_number(&self, phase: Phase, of: &Definition, statistic: Statistic, setting: &str) -> Vec<(f64, Cell, f64)> {
        let wanted = self.record.metrics_of(phase).filter(|m| m.name == of.name && m.statistic == statistic);
        let point = |m: &Metric| Some((m.cell.get(setting)?.parse::<f64>().ok()?, m.cell.clone(), m.value?));
        let mut points: Vec<_> = wanted.filter_map(point).collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
        points
    }

    fn knee(&mut self) {
        let rates = self.by_number(Phase::Throughput, &d::REQUEST_RATE, Statistic::Value, "concurrency");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "levels are small whole numbers")]
        let levels: Vec<(u32, f64)> = rates.iter().map(|(level, _, rate)| (*level as u32, *rate)).collect();
        let record = self.record;
        let stated = record.metrics_of(Phase::Throughput).find(|metric| metric.name == d::KNEE.name);
        if let (Some(stated), Ok(level)) = (stated, knee(&levels)) {
            self.equals("knee", stated, f64::from(level));
        }
    }

    /// Whole processes of the peak size in nine tenths of the memory.
    fn instances(&mut self) {
        let record = self.record;
        let environment = &record.environment;
        let limits = [environment.cgroup_memory_limit_bytes, environment.memory_bytes];
        let Some(memory) = limits.into_iter().flatten().min() else { return };
        let peaks = record.metrics.iter().filter(|metric| metric.name == d::RSS_PEAK.name);
        for (cell, peak) in peaks.filter_map(|metric| Some((metric.cell.clone(), metric.value.filter(|v| *v > 0.0)?))) {
            self.stated(&d::INSTANCES, &cell, "instances", (0.9 * memory as f64 / peak).floor());
        }
    }
}

/// Slack of Little's law: stamps of release and first byte differ by the time of a system call.
const TOLERANCE_OF_LITTLE: f64 = 1e-3;
