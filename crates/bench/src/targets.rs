//! Targets: limits on figures, decided by the bound of the interval.

use std::fmt;

use weighbridge_types::definition;
use weighbridge_types::metric::{Cell, Metric, Provenance};
use weighbridge_types::record::{MetricPointer, Phase, Record, TargetResult, Verdict};

/// Profiles that ship with this program. They inform; targets of the user's own profiles gate.
pub(crate) const BUILT_IN: [&str; 2] = ["cpu", "gpu"];

/// On which side of a limit a value must lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Bound {
    Below,
    AtMost,
    Above,
    AtLeast,
}

/// A limit, in the unit of its metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// Which side is right.
    pub bound: Bound,
    /// The limit itself.
    pub value: f64,
}

impl Limit {
    /// Decides by the two ends of an interval.
    fn decide(self, low: f64, high: f64) -> Verdict {
        let holds = |value: f64| match self.bound {
            Bound::Below => value < self.value,
            Bound::AtMost => value <= self.value,
            Bound::Above => value > self.value,
            Bound::AtLeast => value >= self.value,
        };
        match (holds(low), holds(high)) {
            (true, true) => Verdict::Met,
            (false, false) => Verdict::Missed,
            _ => Verdict::Unclear,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.bound {
            Bound::Below => "<",
            Bound::AtMost => "≤",
            Bound::Above => ">",
            Bound::AtLeast => "≥",
        };
        let is_whole = self.value.fract().abs() < f64::EPSILON;
        if is_whole { write!(f, "{sign} {:.0}", self.value) } else { write!(f, "{sign} {}", rounded(self.value)) }
    }
}

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
        let judged = matching.iter().filter_map(|metric| Some((*metric, self.decide(metric)?)));
        match judged.max_by_key(|(_, (verdict, _))| severity(*verdict)) {
            Some((metric, (verdict, because))) => {
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

    /// The verdict and the reason, for a metric that has a value.
    fn decide(&self, metric: &Metric) -> Option<(Verdict, String)> {
        let value = metric.value?;
        if self.is_exact(metric) {
            return Some((self.limit.decide(value, value), format!("counted: {}", rounded(value))));
        }
        let Some(interval) = &metric.interval else {
            let why = metric.interval_reason.as_deref().unwrap_or("the metric has none");
            return Some((Verdict::Unclear, format!("no interval to decide by: {why}")));
        };
        let verdict = self.limit.decide(interval.low, interval.high);
        let percent = 100.0 * interval.confidence;
        Some((verdict, format!("{percent:.0} % interval {} to {}", rounded(interval.low), rounded(interval.high))))
    }

    /// Sizes and counts are facts of the run and need no interval. A reliability of 100 % is one too: no interval of a
    /// share reaches it, and what it asks is that no request of this run failed.
    fn is_exact(&self, metric: &Metric) -> bool {
        let is_whole = metric.name == definition::RELIABILITY.name && self.limit.value >= 100.0;
        is_whole || ["bytes", "requests", "instances"].contains(&metric.unit.as_str())
    }
}

/// The name within a key: `ttft` of `ttft.p99`, `rss_peak` of itself.
pub(crate) fn name_of(key: &str) -> &str {
    key.split_once('.').map_or(key, |(name, _)| name)
}

const fn severity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::NotApplicable => 0,
        Verdict::Met => 1,
        Verdict::Unclear => 2,
        Verdict::Missed => 3,
    }
}

fn observed(metric: &Metric) -> String {
    metric.value.map_or_else(|| "—".to_owned(), |value| format!("{} {}", rounded(value), metric.unit))
}

/// Four significant digits, or whole numbers above that.
pub(crate) fn rounded(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if size >= 1000.0 => format!("{value:.0}"),
        _ if size >= 100.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
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
        (Verdict::Met, Gate::Passed) => Gate::Passed,
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
