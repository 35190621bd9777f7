//! Records in the forms of other tools: what is written, and that it comes back.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;
use weighbridge_report::export::{ExportError, ExportFile, ExportFormat, export};
use weighbridge_report::import::import;
use weighbridge_summary::{Basis, Rows, summarize, tally};
use weighbridge_types::metric::{Cell, Metric, Statistic};
use weighbridge_types::record::{MetricPointer, Phase, Record, TargetResult, Verdict};
use weighbridge_types::request::{
    Channel, FailureClass, FinishReason, FrameStamp, Outcome, RequestRow, Timeline, Usage,
};
use weighbridge_types::time::Stamp;

use crate::import::{FIXTURES, fixture};
use crate::sample;

/// A latency cell with requests of 16 prompt and 8 output tokens, of which one failed.
fn load() -> (Record, Rows) {
    let cell = Cell::of(Phase::Latency).with("input_tokens", 16).with("output_tokens", 8);
    let rows = Rows { requests: (0..12).map(|index| row(index, &cell)).collect(), ..Rows::default() };
    let mut record = sample::partial();
    record.metrics = summarize(&rows, &Basis::default());
    for phase in &mut record.phases {
        phase.key_metric = None;
        if phase.phase == Phase::Latency {
            phase.tally = tally(rows.requests.iter());
        }
    }
    record.targets.clear();
    (record, rows)
}

fn row(index: u64, cell: &Cell) -> RequestRow {
    let start = Stamp::from_nanos(index * 100_000_000);
    let after = |micros: u64| start.after(Duration::from_micros(micros));
    let first = 20_000 + 137 * index;
    let frames: Vec<FrameStamp> = (0..8)
        .map(|token| FrameStamp { at: after(first + token * (3_000 + index)), tokens: 1, channel: Channel::Answer })
        .collect();
    let is_failed = index == 5;
    let outcome = if is_failed {
        Outcome::Failed { class: FailureClass::ServerError, message: "internal server error".to_owned() }
    } else {
        Outcome::Succeeded { finish: FinishReason::Length }
    };
    let timeline = Timeline {
        planned: start,
        released: start,
        first_byte_written: Some(after(50)),
        ended: Some(after(60_000)),
        frames: if is_failed { Vec::new() } else { frames },
        ..Timeline::default()
    };
    let usage = Usage { input_tokens: 16, output_tokens: 8, ..Usage::default() };
    RequestRow {
        usage: (!is_failed).then_some(usage),
        planned_input_tokens: Some(16),
        ..RequestRow::new(index, cell.clone(), 8, timeline, outcome)
    }
}

fn only(files: Vec<ExportFile>) -> ExportFile {
    assert_eq!(files.len(), 1, "{:?}", files.iter().map(|file| &file.name).collect::<Vec<_>>());
    files.into_iter().next().unwrap()
}

fn text(file: &ExportFile) -> &str {
    std::str::from_utf8(&file.bytes).unwrap()
}

fn key(metric: &Metric) -> (String, String, Option<u64>) {
    (metric.key(), metric.definition.clone(), metric.value.map(|value| (value * 1e6).round() as u64))
}

/// Every latency of `record` in the forms' reach comes back with value, definition, count and deviation.
fn comes_back(record: &Record, format: ExportFormat, rows: Option<&Rows>, names: &[&str]) {
    let back = import(&only(export(record, rows, format).unwrap()).bytes, None).unwrap().record;
    let mut compared = 0;
    for metric in record.metrics.iter().filter(|metric| names.contains(&metric.name.as_str())) {
        let is_in_form =
            !matches!(metric.statistic, Statistic::P999 | Statistic::P9999 | Statistic::Min | Statistic::Max);
        if metric.value.is_none() || !is_in_form {
            continue;
        }
        let found = back.metrics.iter().find(|found| found.key() == metric.key());
        let found = found.unwrap_or_else(|| panic!("{} did not come back in {format}", metric.key()));
        assert_eq!(key(found), key(metric), "{format}");
        if metric.statistic == Statistic::Mean {
            assert_eq!(found.n, metric.n, "{format} {}", metric.key());
            let deviations = (found.deviation.unwrap(), metric.deviation.unwrap());
            assert!((deviations.0 - deviations.1).abs() < 1e-9, "{format} {}", metric.key());
        }
        compared += 1;
    }
    assert!(compared >= names.len(), "{format}: {compared}");
}

#[test]
fn figures_and_definitions_come_back() {
    let (record, rows) = load();
    let latencies = ["ttft", "tpot", "icl", "e2e", "request_rate", "output_rate", "window"];
    comes_back(&record, ExportFormat::Vllm, None, &latencies);
    comes_back(&record, ExportFormat::Vllm, Some(&rows), &latencies);
    comes_back(
        &record,
        ExportFormat::Aiperf,
        None,
        &["ttft", "ttfo", "tpot", "icl", "e2e", "decode_rate", "output_tokens"],
    );
}

#[test]
fn the_cell_comes_back() {
    let (record, rows) = load();
    let back = import(&only(export(&record, Some(&rows), ExportFormat::Vllm).unwrap()).bytes, None).unwrap();
    assert_eq!(back.record.metrics[0].cell.get("input_tokens"), Some("16"));
    assert!(back.notes.iter().any(|note| note.contains("exported by weighbridge")), "{:#?}", back.notes);
}

#[test]
fn requests_come_back_to_the_nanosecond() {
    let (record, rows) = load();
    for format in [ExportFormat::Vllm, ExportFormat::AiperfRows] {
        let back = import(&only(export(&record, Some(&rows), format).unwrap()).bytes, None).unwrap();
        assert_eq!(back.rows.len(), rows.requests.len(), "{format}");
        for (found, row) in back.rows.iter().zip(&rows.requests) {
            let line = (&found.timeline, &row.timeline);
            assert_eq!(line.0.ttft(), line.1.ttft(), "{format} {}", row.id);
            assert!(line.0.chunk_gaps().eq(line.1.chunk_gaps()), "{format} {}", row.id);
            assert_eq!(line.0.e2e(), line.1.e2e(), "{format} {}", row.id);
            assert_eq!((found.output_tokens(), found.tpot()), (row.output_tokens(), row.tpot()), "{format}");
            assert_eq!(found.outcome.is_success(), row.outcome.is_success(), "{format} {}", row.id);
        }
        let starts = |rows: &[RequestRow]| -> Vec<Duration> {
            rows.iter().map(|row| row.timeline.origin() - rows[0].timeline.origin()).collect()
        };
        assert_eq!(starts(&back.rows), starts(&rows.requests), "{format}");
    }
}

#[test]
fn llama_bench_has_a_test_per_direction() {
    let (record, rows) = load();
    let file = only(export(&record, Some(&rows), ExportFormat::LlamaBench).unwrap());
    let tests: Vec<Value> = serde_json::from_slice(&file.bytes).unwrap();
    assert_eq!((&tests[0]["n_prompt"], &tests[0]["n_gen"]), (&16.into(), &0.into()));
    assert_eq!((&tests[1]["n_prompt"], &tests[1]["n_gen"]), (&0.into(), &7.into()));
    assert_eq!(tests[0]["samples_ns"].as_array().unwrap().len(), 11);
    let back = import(&file.bytes, None).unwrap().record;
    let find = |record: &Record, name: &str| {
        let is_it = |metric: &&Metric| metric.name == name && metric.statistic == Statistic::Mean;
        record.metrics.iter().find(is_it).and_then(|metric| metric.value).unwrap()
    };
    for name in ["prefill_rate", "decode_rate"] {
        assert!((find(&back, name) / find(&record, name) - 1.0).abs() < 1e-9, "{name}");
    }
}

#[test]
fn an_imported_record_goes_back_to_its_tool_and_to_no_other() {
    for (name, format) in [
        ("vllm-detailed", ExportFormat::Vllm),
        ("aiperf", ExportFormat::Aiperf),
        ("llama-bench", ExportFormat::LlamaBench),
    ] {
        let first = fixture(name);
        let rows = Rows { requests: first.rows.clone(), ..Rows::default() };
        let back = import(&only(export(&first.record, Some(&rows), format).unwrap()).bytes, None).unwrap();
        let figures = |record: &Record| {
            let is_latency = |metric: &&Metric| metric.unit == "ms" || metric.unit == "tokens/s";
            let mut keys: Vec<_> = record.metrics.iter().filter(is_latency).map(key).collect();
            keys.retain(|(_, _, value)| value.is_some());
            keys.sort();
            keys
        };
        assert_eq!(figures(&back.record), figures(&first.record), "{name}");
    }
    for format in [ExportFormat::Vllm, ExportFormat::Aiperf, ExportFormat::LlamaBench] {
        let error = export(&fixture("guidellm").record, None, format).unwrap_err();
        assert!(matches!(&error, ExportError::ForeignFigures { tool, .. } if tool == "GuideLLM"), "{error}");
        assert!(error.hint().contains("csv"));
    }
}

#[test]
fn what_a_form_needs_is_named() {
    let (record, _) = load();
    let check = |record: &Record, format, word: &str| {
        let error = export(record, None, format).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(!error.hint().is_empty());
    };
    check(&record, ExportFormat::AiperfRows, "needs the requests");
    check(&record, ExportFormat::LlamaBench, "needs the requests");
    let mut empty = record;
    empty.metrics.clear();
    for phase in &mut empty.phases {
        phase.checks.clear();
    }
    for format in [
        ExportFormat::Vllm,
        ExportFormat::Aiperf,
        ExportFormat::GithubAction,
        ExportFormat::Bencher,
        ExportFormat::Junit,
    ] {
        check(&empty, format, "it has no");
    }
    assert!("nonsense".parse::<ExportFormat>().unwrap_err().hint().contains("bencher"));
}

#[test]
fn a_cell_is_a_file() {
    let files = export(&sample::record(), None, ExportFormat::Vllm).unwrap();
    assert!(files.len() > 1);
    let mut names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), files.len());
    for file in &files {
        assert!(import(&file.bytes, None).is_ok(), "{}", file.name);
    }
}

fn target(verdict: Verdict) -> TargetResult {
    TargetResult {
        name: "ttft <p99>".to_owned(),
        profile: "cpu".to_owned(),
        metric: MetricPointer { key: "ttft.p99".to_owned(), cell: Cell::of(Phase::Latency) },
        limit: "< 300 ms".to_owned(),
        observed: "310 ms".to_owned(),
        verdict,
        because: "the interval is \"above\" & beyond".to_owned(),
    }
}

#[test]
fn verdicts_become_test_cases() {
    let (mut record, _) = load();
    record.targets = [Verdict::Met, Verdict::Missed, Verdict::Unclear, Verdict::NotApplicable].map(target).to_vec();
    let file = only(export(&record, None, ExportFormat::Junit).unwrap());
    let xml = text(&file);
    assert!(xml.contains("failures=\"1\" errors=\"1\" skipped=\""), "{xml}");
    assert!(xml.contains("<failure type=\"missed\" message=\"limit &lt; 300 ms"), "{xml}");
    assert!(xml.contains("<error type=\"undecided\"") && xml.contains("<skipped message="), "{xml}");
    assert!(xml.contains("&quot;above&quot; &amp; beyond"), "{xml}");
    let summary = only(export(&record, None, ExportFormat::JobSummary).unwrap());
    assert!(text(&summary).contains("**Targets: 1 met, 1 missed, 1 unclear.**"), "{}", text(&summary));
}

#[test]
fn directions_are_apart_and_intervals_are_bounds() {
    let record = sample::record();
    let files = export(&record, None, ExportFormat::GithubAction).unwrap();
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["benchmark_smaller_is_better.json", "benchmark_bigger_is_better.json"]);
    assert!(text(&files[0]).contains("\"ttft.mean [") && !text(&files[0]).contains("request_rate"));
    assert!(text(&files[1]).contains("\"request_rate [") && text(&files[1]).contains("\"range\": \"± "));
    let bencher: Value =
        serde_json::from_slice(&only(export(&record, None, ExportFormat::Bencher).unwrap()).bytes).unwrap();
    let metric = record.metrics.iter().find(|metric| metric.key() == "ttft.mean" && metric.interval.is_some()).unwrap();
    let measure = &bencher[metric.cell.to_string()]["ttft.mean (ms)"];
    let interval = metric.interval.as_ref().unwrap();
    assert_eq!(measure["value"].as_f64(), metric.value);
    assert_eq!(
        (measure["lower_value"].as_f64(), measure["upper_value"].as_f64()),
        (Some(interval.low), Some(interval.high))
    );
}

/// The exposition format, line by line: a name, labels in quotes, a number.
fn check_exposition(text: &str) {
    let mut typed = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.strip_suffix(" gauge").unwrap().to_owned();
            assert!(!typed.contains(&name), "{name} twice");
            typed.push(name);
        } else if !line.starts_with("# HELP ") {
            let (name, rest) = line.split_once('{').unwrap_or_else(|| panic!("{line}"));
            assert_eq!(typed.last().map(String::as_str), Some(name), "a sample apart from its type");
            assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{name}");
            let (_, value) = rest.rsplit_once("} ").unwrap_or_else(|| panic!("{line}"));
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        }
    }
}

#[test]
fn prometheus_has_base_units_and_one_info() {
    let (record, _) = load();
    let file = only(export(&record, None, ExportFormat::Prometheus).unwrap());
    check_exposition(text(&file));
    let metric = record.metrics.iter().find(|metric| metric.key() == "ttft.mean").unwrap();
    let line = text(&file)
        .lines()
        .find(|line| line.starts_with("weighbridge_ttft_seconds{") && line.contains("\"mean\""))
        .unwrap();
    let value: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!((value * 1e3 - metric.value.unwrap()).abs() < 1e-9, "{line}");
    assert_eq!(text(&file).matches("weighbridge_run_info{").count(), 1);
    check_exposition(text(&only(export(&fixture("vllm-detailed").record, None, ExportFormat::Prometheus).unwrap())));
}

#[test]
fn sql_has_a_row_per_figure() {
    let mut record = sample::record();
    record.label = "it's".to_owned();
    let file = only(export(&record, None, ExportFormat::Sql).unwrap());
    let inserts = text(&file).matches("INSERT INTO weighbridge_metrics VALUES (").count();
    assert_eq!(inserts, record.metrics.len());
    assert!(text(&file).contains("'it''s'"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_imported_record_exports_or_says_why(
        which in 0..FIXTURES.len(),
        name in "\\PC{0,12}",
        value in prop::option::of(prop::num::f64::ANY),
        at in any::<usize>(),
    ) {
        let mut imported = fixture(FIXTURES[which].0);
        let record = &mut imported.record;
        record.run_id.clone_from(&name);
        record.engine.model.clone_from(&name);
        let count = record.metrics.len();
        record.metrics[at % count].value = value;
        record.metrics[at % count].cell = Cell::of(Phase::Load).with("x", &name);
        let rows = Rows { requests: imported.rows.clone(), ..Rows::default() };
        for format in ExportFormat::ALL {
            match export(&imported.record, Some(&rows), format) {
                Ok(files) => {
                    for file in files {
                        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
                        prop_assert!(file.name.chars().all(is_plain), "{}", file.name);
                        let text = std::str::from_utf8(&file.bytes).unwrap();
                        match format {
                            ExportFormat::Prometheus => check_exposition(text),
                            ExportFormat::AiperfRows | ExportFormat::Sql | ExportFormat::Junit | ExportFormat::JobSummary => {}
                            _ => prop_assert!(serde_json::from_str::<Value>(text).is_ok()),
                        }
                    }
                }
                Err(error) => prop_assert!(!error.hint().is_empty()),
            }
        }
    }
}
