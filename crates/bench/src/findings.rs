//! Findings: statements that follow from the figures of a record by named rules. No text stands without its numbers.

mod reader;
mod rules;

use weighbridge_types::record::{Finding, FindingKind, Record};

use reader::Reader;

/// Every finding of a record: strengths, weaknesses, recommendations, limitations, in this order.
pub(crate) fn derive(record: &Record) -> Vec<Finding> {
    let reader = Reader::new(record);
    let mut findings: Vec<Finding> = rules::ALL.iter().flat_map(|rule| rule(&reader)).collect();
    findings.sort_by_key(|finding| (finding.kind, priority(finding)));
    findings
}

/// Recommendations that matter now come first.
fn priority(finding: &Finding) -> u8 {
    match (finding.kind, finding.priority.as_deref(), finding.impact.as_deref()) {
        (FindingKind::Recommendation, Some("immediate"), Some("high")) => 0,
        (FindingKind::Recommendation, Some("immediate"), _) => 1,
        _ => 2,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use weighbridge_types::definition as define;
    use weighbridge_types::environment::Environment;
    use weighbridge_types::metric::{Cell, Metric, MetricInterval, Statistic};
    use weighbridge_types::record::{EngineDescription, Phase, SCHEMA_VERSION, Status};

    pub(crate) fn record(metrics: Vec<Metric>) -> Record {
        Record {
            schema_version: SCHEMA_VERSION.to_string(),
            run_id: "run".to_owned(),
            kind: "bench".to_owned(),
            label: String::new(),
            created_at: String::new(),
            updated_at: String::new(),
            status: Status::Complete,
            settings: serde_json::Value::Null,
            seed: 1,
            engine: EngineDescription { device: "cpu".to_owned(), ..EngineDescription::default() },
            environment: Environment::default(),
            calibration: None,
            phases: Vec::new(),
            duration_s: 0.0,
            metrics,
            targets: Vec::new(),
            findings: Vec::new(),
        }
    }

    pub(crate) fn with_interval(metric: Metric, low: f64, high: f64) -> Metric {
        metric.with_interval(MetricInterval { low, high, confidence: 0.95, method: "student_t".to_owned() })
    }

    fn rules(metrics: Vec<Metric>) -> Vec<String> {
        derive(&record(metrics)).into_iter().map(|finding| finding.rule).collect()
    }

    fn latency(definition: &define::Definition, input: u32, value: f64, cv: f64) -> Metric {
        let cell = Cell::of(Phase::Latency).with("input_tokens", input);
        Metric { cv: Some(cv), ..Metric::measured(definition, Statistic::Mean, &cell, value, 30) }
    }

    fn level(definition: &define::Definition, concurrency: u32, value: f64) -> Metric {
        let cell = Cell::of(Phase::Throughput).with("concurrency", concurrency);
        Metric::measured(definition, Statistic::Value, &cell, value, 64)
    }

    fn has(rules: &[String], rule: &str) -> bool {
        rules.iter().any(|found| found == rule)
    }

    #[test]
    fn long_inputs_are_advised_against_only_where_they_vary() {
        let ttft = |cv| vec![latency(&define::TTFT, 128, 100.0, 0.05), latency(&define::TTFT, 1024, 900.0, cv)];
        assert!(has(&rules(ttft(0.97)), "limit-input-length"));
        assert!(!has(&rules(ttft(0.08)), "limit-input-length"));
        let advice = derive(&record(ttft(0.97)));
        let advice = advice.iter().find(|finding| finding.rule == "limit-input-length").unwrap();
        assert!(advice.text.contains("128") && advice.text.contains("97 %"), "{}", advice.text);
        assert_eq!(advice.evidence.len(), 1);
    }

    #[test]
    fn speed_is_stable_or_not_by_its_spread() {
        let decode = |cv| vec![latency(&define::DECODE_RATE, 128, 30.0, cv)];
        assert!(has(&rules(decode(0.02)), "stable-generation"));
        assert!(has(&rules(decode(0.14)), "unsteady-generation"));
    }

    #[test]
    fn failures_turn_a_strength_into_a_weakness() {
        let reliability =
            |percent| vec![level(&define::RELIABILITY, 1, percent), level(&define::FAILED, 1, 100.0 - percent)];
        assert!(has(&rules(reliability(100.0)), "all-requests-succeeded"));
        assert!(has(&rules(reliability(90.0)), "requests-failed"));
    }

    #[test]
    fn growth_is_judged_with_its_last_third() {
        let cell = Cell::of(Phase::Memory);
        let slope = |definition: &define::Definition, (low, high): (f64, f64)| {
            with_interval(
                Metric::measured(definition, Statistic::Slope, &cell, f64::midpoint(low, high), 200),
                low,
                high,
            )
        };
        let check = |whole, late, expected: &[&str]| {
            let trend = Metric::measured(&define::MEMORY_TREND, Statistic::Value, &cell, 0.001, 200);
            let found =
                rules(vec![slope(&define::MEMORY_GROWTH, whole), slope(&define::MEMORY_GROWTH_LATE, late), trend]);
            for rule in ["no-memory-growth", "slow-memory-growth", "memory-grows", "find-leak", "memory-growth-unclear"]
            {
                assert_eq!(has(&found, rule), expected.contains(&rule), "{rule} of {whole:?}, {late:?}");
            }
        };
        check((-40.0, 30.0), (-10.0, 10.0), &["no-memory-growth"]);
        check((38.0, 109.0), (0.0, 0.0), &["no-memory-growth"]);
        check((38.0, 109.0), (20.0, 90.0), &["slow-memory-growth"]);
        check((9e5, 1.1e6), (9e5, 1.1e6), &["memory-grows", "find-leak"]);
        check((100.0, 900.0), (100.0, 900.0), &["memory-growth-unclear"]);
    }

    #[test]
    fn the_knee_becomes_advice_with_measured_numbers() {
        let knee = Metric::measured(&define::KNEE, Statistic::Value, &Cell::of(Phase::Throughput), 2.0, 192);
        let metrics = vec![knee, level(&define::REQUEST_RATE, 2, 1.26), level(&define::REQUEST_RATE, 4, 1.38)];
        let findings = derive(&record(metrics));
        let advice = findings.iter().find(|finding| finding.rule == "set-concurrency").unwrap();
        assert!(advice.text.contains("concurrency 2") && advice.text.contains("1.26"), "{}", advice.text);
        assert_eq!((advice.priority.as_deref(), advice.impact.as_deref()), (Some("immediate"), Some("high")));
    }

    #[test]
    fn guessing_is_a_weakness() {
        let metric = |definition: &define::Definition, variant: bool, value| {
            let cell = Cell::of(Phase::Quality);
            let cell = if variant { cell.with("variant", "F32") } else { cell };
            Metric::measured(definition, Statistic::Value, &cell, value, 100)
        };
        let quality = |accuracy, low, high| {
            vec![
                metric(&define::CHANCE, false, 0.25),
                with_interval(metric(&define::ACCURACY, true, accuracy), low, high),
            ]
        };
        assert!(has(&rules(quality(0.27, 0.2, 0.36)), "near-chance"));
        assert!(has(&rules(quality(0.8, 0.7, 0.87)), "better-than-chance"));
    }

    #[test]
    fn an_empty_record_praises_nothing() {
        let findings = derive(&record(Vec::new()));
        assert!(findings.iter().all(|finding| finding.kind != FindingKind::Strength), "{findings:?}");
    }
}
