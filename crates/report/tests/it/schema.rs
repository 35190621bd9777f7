//! The published schemas, and the stored forms of earlier versions.

use std::path::{Path, PathBuf};

use serde_json::Value;
use weighbridge_report::schema;
use weighbridge_types::exhibit::{Confusion, Curves, Exhibit, Failure};
use weighbridge_types::health::HealthBreach;
use weighbridge_types::metric::Cell;
use weighbridge_types::record::{LogLine, Phase, Record};
use weighbridge_types::request::ClientFault;
use weighbridge_types::sample::{SampleAnswer, SampleOutcome, SampleRow, SampleScore};
use weighbridge_types::time::Stamp;

use crate::sample;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn validator(text: &str) -> jsonschema::Validator {
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
}

fn valid(schema: &str, value: &Value) {
    let errors: Vec<String> = validator(schema).iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn published_schemas_are_up_to_date() {
    for (name, text) in schema::files() {
        let path = root().join("schemas").join(name);
        let published = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            published == text,
            "{name} is out of date: run `cargo run -p weighbridge-report --example write_schemas`"
        );
    }
}

#[test]
fn records_and_log_lines_match_their_schemas() {
    for record in [sample::record(), sample::partial()] {
        valid(&schema::record(), &serde_json::to_value(record).unwrap());
    }
    let rows = sample::rows();
    let lines = [
        LogLine::PhaseStarted { phase: Phase::Latency, attempt: 1 },
        LogLine::Request(Box::new(rows.requests[0].clone())),
        LogLine::Resource { phase: Phase::Memory, sample: rows.samples[0].1 },
        LogLine::Item(rows.items[0].clone()),
        LogLine::Breach {
            phase: Phase::Load,
            breach: HealthBreach {
                fault: ClientFault::Steal,
                from: Stamp::from_nanos(1),
                to: Stamp::from_nanos(2),
                value: 0.5,
                limit: 0.05,
            },
        },
        LogLine::Sample(Box::new(SampleRow {
            cell: Cell::of(Phase::Evaluate).with("task", "a"),
            id: "00".to_owned(),
            doc_id: 0,
            document: Some("ff".to_owned()),
            repeat: 0,
            answers: vec![SampleAnswer::LogProbability { value: -1.5, is_greedy: true, tokens: 2 }],
            outcome: SampleOutcome::Right,
            scores: [
                ("acc", SampleScore::Number(1.0)),
                ("byte_perplexity", SampleScore::Weighted { sum: -2.0, units: 3.0 }),
                ("f1,first", SampleScore::Labels { gold: 1, given: 0 }),
            ]
            .map(|(name, score)| (name.to_owned(), score))
            .into(),
            problem: None,
            latency_ms: Some(1.5),
            cached: true,
            input_tokens: None,
            output_tokens: None,
        })),
        LogLine::Exhibit(Box::new(Exhibit {
            cell: Cell::of(Phase::Evaluate),
            confusion: Some(Confusion { labels: vec!["a".to_owned()], counts: vec![vec![1.0, 0.0]] }),
            curves: Some(Curves {
                positive: "a".to_owned(),
                points: vec![(None, 0.0, 0.0, 1.0)],
                reliability: vec![(0.0, None, None)],
            }),
            failures: vec![Failure {
                id: "1".to_owned(),
                outcome: SampleOutcome::Refused,
                prompt: None,
                target: Some("a".to_owned()),
                answer: None,
                why: None,
            }],
            failed: 1,
        })),
    ];
    for line in lines {
        valid(&schema::events(), &serde_json::to_value(line).unwrap());
    }
}

#[test]
fn a_record_without_its_seed_does_not_match() {
    let mut value = serde_json::to_value(sample::record()).unwrap();
    value.as_object_mut().unwrap().remove("seed");
    assert!(!validator(&schema::record()).is_valid(&value));
}

/// A record as version 1.0 wrote it. It is never written again: whatever changes, this must stay readable.
#[test]
fn a_record_of_version_1_0_is_read() {
    let text = std::fs::read_to_string(root().join("crates/report/tests/golden/record-1.0.json")).unwrap();
    let record = Record::from_json(&text).unwrap();
    assert_eq!(record.run_id, "20260301T123000Z-bench-nightly");
    assert_eq!(record.phases.len(), 5);
    assert!(record.metrics.iter().any(|metric| metric.value.is_none() && metric.reason.is_some()));
    valid(&schema::record(), &serde_json::from_str(&text).unwrap());
}
