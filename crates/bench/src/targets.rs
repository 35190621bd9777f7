//! Targets: limits on figures, decided by the bound of the interval.

use weighbridge_summary::{Bound, Decision, Limit, rounded};
use weighbridge_types::definition;
use weighbridge_types::metric::{Cell, Metric, Provenance};
use weighbridge_types::record::{MetricPointer, Phase, Record, TargetResult, Verdict};

/// Profiles that ship with this program. They inform; targets of the user's own profiles gate.
pub(crate) const BUILT_IN: [&str; 2] = ["cpu", "gpu"];

/// One target. It must hold in every cell that it matches; the worst cell decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Name in reports.
    pub name: String,
    /// `cpu` and `gpu` ship with this program; every other profile is a user's and gates.
    pub profile: String,
    /// Key of the metric: `ttft.p99`.
    pub metric: String,
    /// Settings that a cell must have. Without `phase`, cells of the latency phase are taken where the metric has any.
    pub cell: Cell,
    /// The limit.
    pub limit: Limit,
}

/// The targets of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Targets {
    pub(crate) targets: Vec<Target>,
}

impl Default for Targets {
    /// The targets of the older system's plan, by profile. Those for a GPU are shown on a CPU, and not judged.
    fn default() -> Self {
        let target = |profile: &str, name: &str, metric: &str, phase: Phase, bound, value| Target {
            name: name.to_owned(),
            profile: profile.to_owned(),
            metric: metric.to_owned(),
            cell: Cell::of(phase),
            limit: Limit { bound, value },
        };
        let of_profile = |profile: &str, ttft_ms: f64, tokens_per_second: f64| {
            vec![
                target(profile, "first token", "ttft.mean", Phase::Latency, Bound::Below, ttft_ms),
                target(profile, "generation", "decode_rate.mean", Phase::Latency, Bound::Above, tokens_per_second),
                target(profile, "memory", "rss_peak", Phase::Memory, Bound::Below, 2e9),
                // 10 MB per hour, in the metric's MiB.
                target(
                    profile,
                    "memory growth",
                    "memory_growth_hourly",
                    Phase::Memory,
                    Bound::Below,
                    1e7 / 1_048_576.0,
                ),
                target(profile, "reliability", "reliability", Phase::Throughput, Bound::AtLeast, 100.0),
            ]
        };
        let mut targets = of_profile("cpu", 300.0, 30.0);
        targets.extend(of_profile("gpu", 200.0, 200.0));
        targets.push(target("gpu", "requests", "request_rate", Phase::Throughput, Bound::Above, 50.0));
        Self { targets }
    }
}

impl Targets {
    /// These and the user's own.
    #[must_use]
    pub fn and(mut self, own: Self) -> Self {
        self.targets.extend(own.targets);
        self
    }

    /// Every target, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Target> {
        self.targets.iter()
    }

    /// Judges a record.
    #[must_use]
    pub fn judge(&self, record: &Record) -> Vec<TargetResult> {
        self.targets.iter().map(|target| target.judge(record)).collect()
    }
}

impl Target {
    fn judge(&self, record: &Record) -> TargetResult {
        let unit = definition::find(name_of(&self.metric)).map_or("", |definition| definition.unit);
        let mut result = TargetResult {
            name: self.name.clone(),
            profile: self.profile.clone(),
            metric: MetricPointer { key: self.metric.clone(), cell: self.cell.clone() },
            limit: format!("{} {unit}", self.limit).trim_end().to_owned(),
            observed: "—".to_owned(),
            verdict: Verdict::NotApplicable,
            because: String::new(),
        };
        let device = record.engine.device.as_str();
        if BUILT_IN.contains(&self.profile.as_str()) && self.profile != device {
            result.because = format!("a target for `{}`; this run computed on `{device}`", self.profile);
            return result;
        }
        let matching = self.matching(record);
        let judged = matching.iter().filter_map(|metric| Some((*metric, self.limit.decide(metric, record)?)));
        match judged.max_by_key(|(_, decision)| severity(decision.verdict)) {
            Some((metric, Decision { verdict, because })) => {
                result.metric.cell = metric.cell.clone();
                result.observed = observed(metric);
                result.verdict = verdict;
                result.because = if matching.len() > 1 {
                    format!("{because}; decided by the worst of {} cells, {}", matching.len(), metric.cell)
                } else {
                    because
                };
            }
            None => {
                let reason = matching.iter().find_map(|metric| metric.reason.clone());
                result.because = reason.unwrap_or_else(|| "not measured in this run".to_owned());
            }
        }
        result
    }

    fn matching<'a>(&self, record: &'a Record) -> Vec<&'a Metric> {
        let is_of_run = |metric: &Metric| !matches!(metric.provenance, Provenance::Projected | Provenance::Reference);
        let fits = |metric: &Metric| self.cell.iter().all(|(key, value)| metric.cell.get(key) == Some(value));
        let of_key = record.metrics.iter().filter(|metric| metric.key() == self.metric && is_of_run(metric));
        let found: Vec<&Metric> = of_key.filter(|metric| fits(metric)).collect();
        let is_latency = |metric: &&&Metric| metric.cell.get("phase") == Some(Phase::Latency.name());
        if self.cell.get("phase").is_none() && found.iter().any(|metric| is_latency(&metric)) {
            return found.iter().filter(is_latency).copied().collect();
        }
        found
    }
}

/// The name within a key: `ttft` of `ttft.p99`, `rss_peak` of itself.
pub(crate) fn name_of(key: &str) -> &str {
    key.split_once('.').map_or(key, |(name, _)| name)
}

const fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::NotApplicable => 0,
        Verdict::Exceeded | Verdict::Met => 1,
        Verdict::Unclear => 2,
        Verdict::Missed => 3,
    }
}

fn observed(metric: &Metric) -> String {
    metric.value.map_or_else(|| "—".to_owned(), |value| format!("{} {}", rounded(value), metric.unit))
}

/// What the user's own targets say of a run as a whole. Targets that ship with this program never gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Every target of the user is met, or there is none.
    Passed,
    /// None is missed, and at least one could not be decided.
    Inconclusive,
    /// At least one is missed.
    Failed,
}

/// Decides the gate of a record.
#[must_use]
pub fn gate(record: &Record) -> Gate {
    let own = record.targets.iter().filter(|target| !BUILT_IN.contains(&target.profile.as_str()));
    own.fold(Gate::Passed, |gate, target| match (target.verdict, gate) {
        (Verdict::Missed, _) | (_, Gate::Failed) => Gate::Failed,
        (Verdict::Unclear | Verdict::NotApplicable, _) | (_, Gate::Inconclusive) => Gate::Inconclusive,
        (Verdict::Met | Verdict::Exceeded, Gate::Passed) => Gate::Passed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::tests::{record, with_interval};
    use weighbridge_types::definition as define;
    use weighbridge_types::metric::Statistic;

    fn judge(limit: Limit, metrics: Vec<Metric>) -> TargetResult {
        let target = Target {
            name: "t".to_owned(),
            profile: "cpu".to_owned(),
            metric: "decode_rate.mean".to_owned(),
            cell: Cell::default(),
            limit,
        };
        target.judge(&record(metrics))
    }

    fn rate(input: u32, low: f64, high: f64) -> Metric {
        let cell = Cell::of(Phase::Latency).with("input_tokens", input);
        with_interval(Metric::measured(&define::DECODE_RATE, Statistic::Mean, &cell, (low + high) / 2.0, 30), low, high)
    }

    #[test]
    fn the_bound_decides_not_the_point() {
        let above = |value| Limit { bound: Bound::Above, value };
        let check = |low, high, expected| {
            assert_eq!(judge(above(30.0), vec![rate(128, low, high)]).verdict, expected, "{low} to {high}");
        };
        check(31.0, 34.0, Verdict::Met);
        check(27.0, 34.0, Verdict::Unclear);
        check(27.0, 29.0, Verdict::Missed);
    }

    #[test]
    fn the_worst_cell_decides() {
        let limit = Limit { bound: Bound::Above, value: 30.0 };
        let result = judge(limit, vec![rate(128, 33.0, 35.0), rate(512, 25.0, 26.0), rate(1024, 31.0, 32.0)]);
        assert_eq!((result.verdict, result.metric.cell.get("input_tokens")), (Verdict::Missed, Some("512")));
        assert_eq!(result.limit, "> 30 tokens/s");
    }

    #[test]
    fn without_an_interval_a_rate_is_unclear_and_a_size_is_not() {
        let limit = Limit { bound: Bound::Above, value: 30.0 };
        let bare = Metric::measured(&define::DECODE_RATE, Statistic::Mean, &Cell::of(Phase::Latency), 50.0, 3);
        assert_eq!(judge(limit, vec![bare]).verdict, Verdict::Unclear);
        let peak = Metric::measured(&define::RSS_PEAK, Statistic::Value, &Cell::of(Phase::Memory), 1e9, 1);
        let results = Targets::default().judge(&record(vec![peak]));
        let memory = results.iter().find(|target| target.name == "memory" && target.profile == "cpu").unwrap();
        assert_eq!(memory.verdict, Verdict::Met);
    }

    /// The rate of a fast model turns a page per hundred requests into tens of MiB per hour.
    #[test]
    fn growth_per_hour_is_judged_by_the_rule_that_judges_growth() {
        let cell = Cell::of(Phase::Memory);
        let slope = |definition: &define::Definition, (low, high): (f64, f64)| {
            with_interval(
                Metric::measured(definition, Statistic::Slope, &cell, f64::midpoint(low, high), 300),
                low,
                high,
            )
        };
        let check = |whole: (f64, f64), late, expected| {
            let metrics = vec![
                slope(&define::MEMORY_GROWTH, whole),
                slope(&define::MEMORY_GROWTH_LATE, late),
                Metric::measured(&define::MEMORY_TREND, Statistic::Value, &cell, 0.001, 300),
                slope(&define::MEMORY_GROWTH_HOURLY, (whole.0 * 0.3, whole.1 * 0.3)),
            ];
            let mut targets = Targets::default();
            for target in &mut targets.targets {
                target.metric = target.metric.replace("memory_growth_hourly", "memory_growth_hourly.slope");
            }
            let results = targets.judge(&record(metrics));
            let result =
                results.iter().find(|target| target.name == "memory growth" && target.profile == "cpu").unwrap();
            assert_eq!(result.verdict, expected, "{result:?}");
        };
        check((-40.0, 60.0), (-10.0, 10.0), Verdict::Met);
        check((38.0, 109.0), (0.0, 0.0), Verdict::Met);
        check((38.0, 109.0), (20.0, 90.0), Verdict::Missed);
        check((20.0, 109.0), (20.0, 90.0), Verdict::Unclear);
        check((9e5, 1.1e6), (1e5, 2e5), Verdict::Missed);
        check((1.0, 2.0), (1.0, 2.0), Verdict::Met);
    }

    #[test]
    fn a_cpu_is_not_judged_by_targets_for_a_gpu() {
        let results = Targets::default().judge(&record(vec![rate(128, 40.0, 41.0)]));
        let gpu: Vec<_> = results.iter().filter(|target| target.profile == "gpu").collect();
        assert!(!gpu.is_empty() && gpu.iter().all(|target| target.verdict == Verdict::NotApplicable));
    }

    #[test]
    fn only_the_users_targets_gate() {
        let result = |profile: &str, verdict| TargetResult {
            name: String::new(),
            profile: profile.to_owned(),
            metric: MetricPointer { key: String::new(), cell: Cell::default() },
            limit: String::new(),
            observed: String::new(),
            verdict,
            because: String::new(),
        };
        let check = |targets: Vec<TargetResult>, expected| {
            let record = Record { targets, ..record(Vec::new()) };
            assert_eq!(gate(&record), expected);
        };
        check(vec![result("cpu", Verdict::Missed)], Gate::Passed);
        check(vec![result("own", Verdict::Met)], Gate::Passed);
        check(vec![result("own", Verdict::Missed), result("own", Verdict::Unclear)], Gate::Failed);
        check(vec![result("own", Verdict::NotApplicable), result("own", Verdict::Met)], Gate::Inconclusive);
    }
}
