//! No record makes a renderer or the validator fail.

use proptest::prelude::*;
use weighbridge_report::console::{self, Color, Width};
use weighbridge_report::{check, documents, html, json, markdown};
use weighbridge_types::definition;
use weighbridge_types::metric::{Cell, Flag, Metric, MetricInterval, Provenance, Statistic};
use weighbridge_types::record::{Phase, Record};

use crate::{sample, sample_load};

const ESCAPE: char = '\u{1b}';

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
        Just(-1e-300),
        -1e12_f64..1e12,
        0.0_f64..1.0,
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just("<script>alert(1)</script>".to_owned()),
        "\\PC{0,12}",
        Just("\u{1b}[2J\n|".to_owned())
    ]
}

fn cell() -> impl Strategy<Value = Cell> {
    let key = prop_oneof![
        Just("concurrency"),
        Just("input_tokens"),
        Just("output_tokens"),
        Just("task"),
        Just("variant"),
        Just("run"),
    ];
    let value = prop_oneof![text(), (0_i64..5_000).prop_map(|n| n.to_string())];
    let settings = prop::collection::vec((key, value), 0..3);
    (prop::sample::select(Phase::ALL.to_vec()), settings).prop_map(|(phase, settings)| {
        settings.into_iter().fold(Cell::of(phase), |cell, (key, value)| cell.with(key, value))
    })
}

fn metric() -> impl Strategy<Value = Metric> {
    let statistic = prop::sample::select(vec![
        Statistic::Mean,
        Statistic::Min,
        Statistic::P50,
        Statistic::P90,
        Statistic::P99,
        Statistic::Max,
        Statistic::Slope,
        Statistic::Value,
    ]);
    let interval = prop::option::of((number(), number(), number(), text()));
    let definition = prop::sample::select(definition::ALL.to_vec());
    let spread = (prop::option::of(number()), prop::option::of(number()), prop::option::of(number()));
    (
        definition,
        statistic,
        cell(),
        prop::option::of(number()),
        interval,
        spread,
        prop::option::of(text()),
        any::<u64>(),
    )
        .prop_map(|(definition, statistic, cell, value, interval, (n_effective, deviation, cv), reason, n)| {
            Metric {
                value,
                n,
                n_effective,
                deviation,
                cv,
                interval: interval.map(|(low, high, confidence, method)| MetricInterval {
                    low,
                    high,
                    confidence,
                    method,
                }),
                reason,
                provenance: if value.is_some() { Provenance::Measured } else { Provenance::Unavailable },
                flags: vec![Flag::LowSample, Flag::Disturbed],
                ..Metric::measured(&definition, statistic, &cell, 0.0, 0)
            }
        })
}

fn any_record() -> impl Strategy<Value = Record> {
    (prop::collection::vec(metric(), 0..60), text(), text(), number()).prop_map(|(metrics, label, model, duration)| {
        let mut record = sample::partial();
        record.metrics = metrics;
        record.label.clone_from(&label);
        record.run_id = label;
        record.engine.model = model;
        record.engine.parameters = None;
        record.duration_s = duration;
        record.environment.cpu_model = None;
        record
    })
}

/// A load run with some of its figures replaced by anything.
fn any_load() -> impl Strategy<Value = Record> {
    let value = prop_oneof![Just(None), number().prop_map(Some), (0.0..1e4).prop_map(Some)];
    let changes = prop::collection::vec((any::<prop::sample::Index>(), value, number(), number()), 0..400);
    let of = |loads: usize| sample_load::record(&sample_load::rows(&sample_load::LOADS[..loads]), loads > 1);
    let records = prop::sample::select((1..=sample_load::LOADS.len()).map(of).collect::<Vec<_>>());
    (records, changes).prop_map(|(mut record, changes)| {
        for (index, value, low, high) in changes {
            let at = index.index(record.metrics.len());
            let metric = &mut record.metrics[at];
            metric.value = value;
            if let Some(interval) = &mut metric.interval {
                (interval.low, interval.high) = (low, high);
            }
        }
        record
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_load_can_be_drawn(record in any_load()) {
        let page = html::render(&record, None);
        prop_assert!(!page.contains("NaN"), "a coordinate that is no number");
        prop_assert!(!page.contains("inf,") && !page.contains("\"inf"), "a coordinate without end");
    }

    #[test]
    fn every_record_can_be_rendered_and_checked(record in any_record(), width in 0_usize..300) {
        let plain = console::render(&record, Width::new(width), Color::Never);
        prop_assert!(!plain.contains(ESCAPE), "an escape sequence came through");
        prop_assert!(!console::render(&record, Width::new(width), Color::Always).is_empty());
        prop_assert!(!markdown::render(&record).contains("<script"));
        let page = html::render(&record, None);
        prop_assert!(!page.contains("<script"));
        prop_assert!(!page.contains("NaN"), "a coordinate that is no number");
        prop_assert!(json::csv(&record).lines().count() > record.metrics.len());
        prop_assert_eq!(documents::documents(&record, None).len(), 13);
        prop_assert!(!check::check(&record, None).render().is_empty());
    }
}
