//! What must hold of the run: versions, phases, tallies, pointers, verdicts.

use weighbridge_summary::Limit;
use weighbridge_types::record::{
    FindingKind, MetricPointer, SCHEMA_VERSION, SchemaVersion, Status, TargetResult, Verdict,
};

use super::{Checker, is_close, shown};

impl Checker<'_> {
    /// Checks everything but the metrics.
    pub(super) fn run(&mut self) {
        let record = self.record;
        let version = record.schema_version.parse::<SchemaVersion>();
        let is_readable = version.is_ok_and(|version| version.major <= SCHEMA_VERSION.major);
        self.field(is_readable, "schema-version", "schema_version", &record.schema_version, SCHEMA_VERSION);
        self.durations();
        self.phases();
        for target in &record.targets {
            self.target(target);
        }
        for finding in &record.findings {
            self.field(
                !finding.evidence.is_empty() || finding.kind == FindingKind::Limitation,
                "finding-has-evidence",
                &finding.rule,
                "no metric",
                "at least one metric",
            );
            for pointer in &finding.evidence {
                self.pointer("finding-has-evidence", &finding.rule, pointer);
            }
        }
    }

    fn durations(&mut self) {
        let record = self.record;
        let sum: f64 = record.phases.iter().filter_map(|phase| phase.duration_s).sum();
        let holds = (record.duration_s - sum).abs() <= 1e-3 || is_close(record.duration_s, sum);
        self.field(holds, "durations-sum", "duration_s", shown(record.duration_s), shown(sum));
    }

    fn phases(&mut self) {
        let record = self.record;
        let is_over = |status| matches!(status, Status::Complete | Status::Skipped);
        let is_consistent =
            record.status != Status::Complete || record.phases.iter().all(|phase| is_over(phase.status));
        self.field(
            is_consistent,
            "status",
            "status",
            "complete",
            "complete only when every phase is complete or skipped",
        );
        for result in &record.phases {
            let subject = format!("phases.{}", result.phase);
            let tally = &result.tally;
            let states = tally.succeeded + tally.failed + tally.cancelled + tally.dropped + tally.in_flight;
            self.field(tally.adds_up(), "tally-adds-up", &subject, format!("{} scheduled", tally.scheduled), states);
            if result.status == Status::Complete {
                let has_time = result.duration_s.is_some_and(|seconds| seconds.is_finite() && seconds >= 0.0);
                self.field(has_time, "phase-duration", &subject, "complete without a duration", "its duration");
                self.field(
                    tally.in_flight == 0,
                    "tally-adds-up",
                    &subject,
                    format!("{} in flight", tally.in_flight),
                    "none after the end",
                );
            }
            if let Some(pointer) = result.key_metric.as_ref().filter(|_| result.status == Status::Complete) {
                self.pointer("pointer", &subject, pointer);
            }
        }
    }

    fn pointer(&mut self, rule: &'static str, subject: &str, pointer: &MetricPointer) {
        let is_found = self.record.metric(&pointer.key, &pointer.cell).is_some();
        let stated = format!("{} [{}]", pointer.key, pointer.cell);
        self.field(is_found, rule, subject, stated, "a metric of this record");
    }

    /// A verdict follows from the bounds, where the limit is a plain number in the metric's unit.
    fn target(&mut self, target: &TargetResult) {
        if target.verdict == Verdict::NotApplicable {
            return;
        }
        self.pointer("target", &target.name, &target.metric);
        let Some(metric) = self.record.metric(&target.metric.key, &target.metric.cell) else { return };
        let Some((limit, step)) = Limit::parse(&target.limit, &metric.unit) else { return };
        // The record shows the limit rounded; the verdict was made with all digits.
        let near = [0.0, -step, step].map(|off| Limit { value: limit.value + off, ..limit });
        // Whether a target is merely met or exceeded is told for streams alone.
        let decide = |limit: &Limit| match target.verdict {
            Verdict::Exceeded => limit.beyond_or_within(metric, self.record),
            _ => limit.decide(metric, self.record),
        };
        let decisions: Vec<_> = near.iter().filter_map(decide).collect();
        let Some(decision) = decisions.first() else { return };
        let holds = decisions.iter().any(|decision| decision.verdict == target.verdict);
        let words = |verdict: Verdict| format!("{verdict:?}").to_lowercase();
        let expected = format!("{}: {}", words(decision.verdict), decision.because);
        self.field(holds, "verdict-follows-interval", &target.name, words(target.verdict), expected);
    }
}
