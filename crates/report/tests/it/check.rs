//! The validator: a sound record passes, and each way of doctoring one is named.

use weighbridge_report::check::{CheckReport, check};
use weighbridge_summary::Rows;
use weighbridge_types::metric::{Cell, Metric, Provenance};
use weighbridge_types::record::{Phase, Record, Status, Verdict};
use weighbridge_types::time::Stamp;

use crate::sample;

fn lengths() -> Cell {
    Cell::of(Phase::Latency).with("input_tokens", 128).with("output_tokens", 64)
}

fn level(concurrency: u32) -> Cell {
    Cell::of(Phase::Throughput).with("concurrency", concurrency)
}

fn metric<'a>(record: &'a mut Record, key: &str, cell: &Cell) -> &'a mut Metric {
    let wanted = |metric: &&mut Metric| metric.key() == key && metric.cell == *cell;
    record.metrics.iter_mut().find(wanted).unwrap_or_else(|| panic!("the sample has no {key} [{cell}]"))
}

fn scale(record: &mut Record, key: &str, cell: &Cell, factor: f64) {
    let metric = metric(record, key, cell);
    metric.value = metric.value.map(|value| value * factor);
    metric.interval = None;
}

#[test]
fn a_sound_record_passes() {
    let report = check(&sample::record(), Some(&sample::rows()));
    assert!(report.passed(), "{}", report.render());
    assert!(report.checked > 5_000, "{}", report.checked);
    let alone = check(&sample::record(), None);
    assert!(alone.passed(), "{}", alone.render());
}

#[test]
fn a_killed_run_passes() {
    let mut rows = sample::rows();
    rows.requests.truncate(100);
    rows.items.clear();
    let report = check(&sample::partial(), Some(&rows));
    assert!(report.passed(), "{}", report.render());
}

/// Doctors the sample, checks it without the log, and expects this rule on this subject among the violations.
fn doctored(rule: &str, subject: &str, doctor: impl Fn(&mut Record)) {
    let mut record = sample::record();
    doctor(&mut record);
    expect(&check(&record, None), rule, subject);
}

fn expect(report: &CheckReport, rule: &str, subject: &str) {
    let is_found = report.violations.iter().any(|found| found.rule == rule && found.subject == subject);
    assert!(is_found, "{rule} on {subject} not found in:\n{}", report.render());
}

#[test]
fn a_doctored_metric_is_found() {
    doctored("definition-known", "ttft.mean", |r| metric(r, "ttft.mean", &lengths()).definition = "ttft/9".into());
    doctored("unit", "ttft.mean", |r| metric(r, "ttft.mean", &lengths()).unit = "s".into());
    doctored("finite", "ttft.mean", |r| metric(r, "ttft.mean", &lengths()).value = Some(f64::INFINITY));
    doctored("null-has-reason", "steal", |r| metric(r, "steal", &Cell::of(Phase::Throughput)).reason = None);
    doctored("null-has-reason", "ttft.mean", |r| metric(r, "ttft.mean", &lengths()).reason = Some("none".into()));
    doctored("provenance", "ttft.mean", |r| {
        metric(r, "ttft.mean", &lengths()).provenance = Provenance::Unavailable;
    });
    doctored("provenance", "steal", |r| {
        metric(r, "steal", &Cell::of(Phase::Throughput)).provenance = Provenance::Measured;
    });
    doctored("count", "ttft.mean", |r| metric(r, "ttft.mean", &lengths()).n = 0);
    doctored("cv", "ttft.mean", |r| metric(r, "ttft.mean", &lengths()).cv = Some(0.001));
    doctored("deviation", "ttft.mean", |r| metric(r, "ttft.mean", &lengths()).deviation = Some(-1.0));
    doctored("effective-n", "ttft.mean", |r| metric(r, "ttft.mean", &lengths()).n_effective = Some(0.0));
    doctored("interval-holds-value", "ttft.mean", |r| {
        metric(r, "ttft.mean", &lengths()).interval.as_mut().unwrap().high = 5.0;
    });
    doctored("confidence", "ttft.mean", |r| {
        metric(r, "ttft.mean", &lengths()).interval.as_mut().unwrap().confidence = 95.0;
    });
    doctored("interval-method", "ttft.mean", |r| {
        metric(r, "ttft.mean", &lengths()).interval.as_mut().unwrap().method.clear();
    });
    doctored("interval-reason", "ttft.mean", |r| {
        metric(r, "ttft.mean", &lengths()).interval_reason = Some("too few".into());
    });
    doctored("range", "reliability", |r| metric(r, "reliability", &lengths()).value = Some(101.0));
    doctored("range", "ttft.min", |r| metric(r, "ttft.min", &lengths()).value = Some(-1.0));
}

#[test]
fn a_doctored_relation_is_found() {
    doctored("unique", "ttft.mean", |r| {
        let copy = metric(r, "ttft.mean", &lengths()).clone();
        r.metrics.push(copy);
    });
    doctored("percentiles-ordered", "itl.p90", |r| scale(r, "itl.p90", &lengths(), 3.0));
    doctored("percentiles-ordered", "ttft.mean", |r| scale(r, "ttft.mean", &lengths(), 3.0));
    doctored("latencies-ordered", "ttft.mean", |r| scale(r, "ttft.mean", &lengths(), 100.0));
    doctored("rate-is-count-over-window", "request_rate", |r| scale(r, "request_rate", &level(2), 1.5));
    doctored("token-rate", "output_rate", |r| scale(r, "output_rate", &level(2), 1.5));
    doctored("shares-sum", "reliability", |r| scale(r, "reliability", &level(2), 0.9));
    doctored("littles-law", "little_residual", |r| {
        metric(r, "little_residual", &level(2)).value = Some(0.3);
    });
    doctored("ratio", "scaling", |r| scale(r, "scaling", &level(4), 1.2));
    doctored("ratio", "latency_growth", |r| scale(r, "latency_growth", &level(4), 1.2));
    doctored("ratio", "marginal_gain", |r| scale(r, "marginal_gain", &level(4), 2.0));
    doctored("ratio", "ttft_growth", |r| {
        let cell = Cell::of(Phase::Latency).with("input_tokens", 1024).with("output_tokens", 256);
        scale(r, "ttft_growth", &cell, 0.5);
    });
    doctored("knee", "knee_concurrency", |r| scale(r, "knee_concurrency", &Cell::of(Phase::Throughput), 4.0));
    doctored("instances", "instances", |r| scale(r, "instances", &Cell::of(Phase::Memory), 2.0));
    doctored("share-is-count-over-items", "accuracy", |r| {
        metric(r, "accuracy", &Cell::of(Phase::Quality).with("variant", "F16")).value = Some(0.819_3);
    });
}

#[test]
fn a_doctored_run_is_found() {
    doctored("schema-version", "schema_version", |r| r.schema_version = "2.0".into());
    doctored("durations-sum", "duration_s", |r| r.duration_s += 60.0);
    doctored("status", "status", |r| r.phases[3].status = Status::Failed);
    doctored("phase-duration", "phases.latency", |r| r.phases[1].duration_s = None);
    doctored("tally-adds-up", "phases.throughput", |r| r.phases[3].tally.failed = 7);
    doctored("pointer", "phases.memory", |r| r.phases[2].key_metric.as_mut().unwrap().key = "rss_low".into());
    doctored("target", "ttft", |r| r.targets[0].metric.key = "ttft.p12".into());
    doctored("verdict-follows-interval", "request rate", |r| r.targets[2].verdict = Verdict::Met);
    doctored("finding-has-evidence", "no-growth", |r| r.findings[1].evidence.clear());
}

/// What only the log can contradict.
fn doctored_log(rule: &str, subject: &str, doctor: impl Fn(&mut Record, &mut Rows)) {
    let (mut record, mut rows) = (sample::record(), sample::rows());
    doctor(&mut record, &mut rows);
    expect(&check(&record, Some(&rows)), rule, subject);
}

#[test]
fn the_log_contradicts_a_doctored_figure() {
    doctored_log("recomputed-value", "ttft.mean", |r, _| scale(r, "ttft.mean", &lengths(), 0.99));
    doctored_log("recomputed-count", "ttft.mean", |r, _| metric(r, "ttft.mean", &lengths()).n = 240);
    doctored_log("recomputed-interval", "ttft.mean", |r, _| {
        metric(r, "ttft.mean", &lengths()).interval.as_mut().unwrap().low -= 5.0;
    });
    doctored_log("recomputed-interval", "itl.p50", |r, _| metric(r, "itl.p50", &lengths()).interval = None);
    doctored_log("figure-left-out", "ttft.max", |r, _| r.metrics.retain(|metric| metric.key() != "ttft.max"));
    doctored_log("recomputed-value", "accuracy", |_, rows| rows.items[0].given = Some("another".into()));
    doctored_log("recomputed-tally", "phases.latency", |r, _| {
        r.phases[1].tally.scheduled += 8;
        r.phases[1].tally.succeeded += 8;
    });
    doctored_log("timeline-ordered", "events", |_, rows| {
        rows.requests[5].timeline.frames[0].at = Stamp::from_nanos(0);
    });
    doctored_log("doubts", "ttft.mean", |r, _| r.engine.scripted = true);
}

#[test]
fn the_outcome_names_metric_cell_and_both_values() {
    let mut record = sample::record();
    scale(&mut record, "scaling", &level(4), 2.0);
    insta::assert_snapshot!(check(&record, None).render());
}
