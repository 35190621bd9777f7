//! Results of other tools, as records.
//!
//! The fixtures are written by hand; their numbers are made up. Field names were held against the sources of AIPerf
//! 0.13.0 and GuideLLM 0.8.1 (wheels), vLLM at 009e6d4, SGLang at 0033168, inference-perf at 010d12f, LoadGen at 05a9cec
//! and llama-bench's README at 08d0baa; those of GenAI-Perf, k6, oha, hyperfine and criterion against documents alone.

use proptest::prelude::*;
use weighbridge_report::console::Color;
use weighbridge_report::import::{Format, ImportError, Imported, check, console, import};
use weighbridge_types::metric::{Metric, Provenance, Statistic};
use weighbridge_types::record::{Record, Status};
use weighbridge_types::request::{FailureClass, Outcome};

/// Every fixture, with the format that its shape tells.
pub(crate) const FIXTURES: [(&str, Format, &[u8]); 15] = [
    ("vllm-detailed", Format::Vllm, include_bytes!("../fixtures/vllm-detailed.json")),
    ("vllm-nothing", Format::Vllm, include_bytes!("../fixtures/vllm-nothing.json")),
    ("sglang", Format::Sglang, include_bytes!("../fixtures/sglang.jsonl")),
    ("aiperf", Format::Aiperf, include_bytes!("../fixtures/aiperf.json")),
    ("aiperf-jsonl", Format::AiperfRows, include_bytes!("../fixtures/aiperf.jsonl")),
    ("aiperf-aggregate", Format::AiperfAggregate, include_bytes!("../fixtures/aiperf-aggregate.json")),
    ("genai-perf", Format::GenaiPerf, include_bytes!("../fixtures/genai-perf.json")),
    ("guidellm", Format::Guidellm, include_bytes!("../fixtures/guidellm.json")),
    ("inference-perf", Format::InferencePerf, include_bytes!("../fixtures/inference-perf.json")),
    ("llama-bench", Format::LlamaBench, include_bytes!("../fixtures/llama-bench.json")),
    ("k6", Format::K6, include_bytes!("../fixtures/k6.json")),
    ("k6-export", Format::K6, include_bytes!("../fixtures/k6-export.json")),
    ("oha", Format::Oha, include_bytes!("../fixtures/oha.json")),
    ("hyperfine", Format::Hyperfine, include_bytes!("../fixtures/hyperfine.json")),
    ("criterion", Format::Criterion, include_bytes!("../fixtures/criterion.json")),
];
const ESCAPE: char = '\u{1b}';
const LOADGEN: &[u8] = include_bytes!("../fixtures/loadgen.txt");

pub(crate) fn fixture(name: &str) -> Imported {
    let bytes = FIXTURES.iter().find(|(known, _, _)| *known == name).map_or(LOADGEN, |(_, _, bytes)| *bytes);
    import(bytes, None).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A figure by its key, wherever its cell.
fn find<'a>(record: &'a Record, key: &str) -> &'a Metric {
    let found = record.metrics.iter().find(|metric| metric.key() == key);
    found.unwrap_or_else(|| panic!("{key} is not in {:?}", record.metrics.iter().map(Metric::key).collect::<Vec<_>>()))
}

#[test]
fn every_shape_is_told_and_checks_out() {
    let named = FIXTURES.into_iter().chain([("loadgen", Format::Loadgen, LOADGEN)]);
    for (name, format, bytes) in named {
        let found = fixture(name);
        assert_eq!(found.format, format, "{name}");
        assert_eq!(import(bytes, Some(format)).unwrap().record, found.record, "{name}");
        let report = check::check_imported(&found.record);
        assert!(report.passed(), "{name}\n{}", report.render());
        let text = console::render(&found.record, 100, Color::Never);
        assert!(text.contains(format.tool().name()) && text.contains("weighbridge did not measure them"), "{text}");
        let stored = serde_json::to_string(&found.record).unwrap();
        assert_eq!(Record::from_json(&stored).unwrap(), found.record, "{name}");
        assert!(!stored.contains("secret") && !stored.contains("abc --n"), "{name}: {stored}");
        assert!(found.rows.iter().all(|row| row.timeline.is_ordered()), "{name}");
        for metric in &found.record.metrics {
            let is_of_tool = matches!(metric.provenance, Provenance::Reference | Provenance::Derived);
            assert_eq!(metric.value.is_some(), is_of_tool, "{name} {}", metric.key());
        }
    }
}

#[test]
fn figures_have_value_unit_and_definition() {
    let check = |name: &str, key: &str, expected: f64, unit: &str, definition: &str, n: u64| {
        let imported = fixture(name);
        let metric = find(&imported.record, key);
        let value = metric.value.unwrap_or_else(|| panic!("{name} {key}: {:?}", metric.reason));
        assert!((value - expected).abs() < 1e-9 * expected.abs().max(1.0), "{name} {key}: {value}");
        assert_eq!((metric.unit.as_str(), metric.definition.as_str(), metric.n), (unit, definition, n), "{name} {key}");
    };
    check("vllm-detailed", "vllm.ttft.mean", 200.0, "ms", "vllm.ttft/1", 2);
    check("vllm-detailed", "tpot.p99", 59.7, "ms", "tpot/1", 2);
    check("vllm-detailed", "icl.mean", 40.0, "ms", "icl/1", 3);
    check("vllm-detailed", "failed", 1.0, "requests", "failed/1", 3);
    check("vllm-detailed", "vllm.output_lens.mean", 2.5, "tokens", "vllm.output_lens/1", 2);
    check("sglang", "sglang.e2e_latency.p50", 480.0, "ms", "sglang.e2e_latency/1", 40);
    check("sglang", "tpot.mean", 22.0, "ms", "tpot/1", 0);
    check("aiperf", "tpot.p90", 5.5, "ms", "tpot/1", 9);
    check("aiperf", "aiperf.request_throughput", 4.5, "requests/s", "aiperf.request_throughput/1", 0);
    check("aiperf", "requests", 10.0, "requests", "requests/1", 10);
    check("aiperf-jsonl", "aiperf.time_to_first_token.mean", 20.0, "ms", "aiperf.time_to_first_token/1", 2);
    check("aiperf-jsonl", "icl.max", 20.0, "ms", "icl/1", 3);
    check("aiperf-aggregate", "aiperf.time_to_first_token.p99", 30.0, "ms", "aiperf.time_to_first_token/1", 5);
    check("genai-perf", "genai_perf.inter_token_latency.p99", 8.0, "ms", "genai_perf.inter_token_latency/1", 0);
    check("guidellm", "guidellm.time_per_output_token_ms.mean", 25.0, "ms", "guidellm.time_per_output_token_ms/1", 400);
    check("guidellm", "guidellm.request_latency.p99.9", 0.7, "s", "guidellm.request_latency/1", 20);
    check("inference-perf", "tpot.mean", 22.0, "ms", "tpot/1", 0);
    check("inference-perf", "inference_perf.schedule_delay.mean", -0.1, "ms", "inference_perf.schedule_delay/1", 21);
    check("llama-bench", "llama_bench.pp.mean", 256.6, "tokens/s", "llama_bench.pp/1", 3);
    check("llama-bench", "llama_bench.time.mean", 2000.0, "ms", "llama_bench.time/1", 3);
    check("k6", "k6.http_req_duration.p95", 25.0, "ms", "k6.http_req_duration/1", 300);
    check("k6-export", "k6.http_req_failed", 0.01, "share", "k6.http_req_failed/1", 0);
    check("oha", "oha.latency.p99", 80.0, "ms", "oha.latency/1", 100);
    check("hyperfine", "hyperfine.time.mean", 200.0, "ms", "hyperfine.time/1", 3);
    check("criterion", "criterion.time.p50", 99.0, "ns", "criterion.time/1", 0);
    check("loadgen", "loadgen.tpot.p99", 18.0, "ms", "loadgen.tpot/1", 0);
    check("loadgen", "loadgen.latency.p99.9", 900.0, "ms", "loadgen.latency/1", 0);
}

#[test]
fn what_is_missing_is_null_with_its_reason() {
    let check = |name: &str, key: &str, word: &str| {
        let imported = fixture(name);
        let metric = find(&imported.record, key);
        assert_eq!(metric.value, None, "{name} {key}");
        let reason = metric.reason.as_deref().unwrap_or_default();
        assert!(reason.contains(word), "{name} {key}: {reason}");
    };
    check("vllm-detailed", "vllm.e2el.mean", "does not state `mean_e2el_ms`");
    check("vllm-nothing", "vllm.ttft.p99", "no request completed");
    check("vllm-nothing", "tpot.mean", "no request completed");
    check("aiperf-aggregate", "aiperf.goodput.mean", "NaN");
    check("guidellm", "guidellm.time_to_first_token_ms.p99", "taints");
    check("guidellm", "guidellm.time_to_first_output_token_ms.mean", "does not state");
    check("inference-perf", "inference_perf.normalized_time_per_output_token.mean", "without a token");
    check("inference-perf", "inference_perf.inter_token_latency.mean", "not in the file");
}

#[test]
fn doubts_are_noted() {
    let check = |name: &str, word: &str| {
        let imported = fixture(name);
        assert!(imported.notes.iter().any(|note| note.contains(word)), "{name}: {:#?}", imported.notes);
    };
    check("vllm-detailed", "off our grid");
    check("vllm-detailed", "whose zone");
    check("sglang", "how many requests failed");
    check("sglang", "2 results");
    check("aiperf", "`energy_per_token` is not mapped");
    check("aiperf", "`furlongs`");
    check("aiperf-jsonl", "cut off");
    check("guidellm", "3 requests were incomplete");
    check("oha", "5 answers with an HTTP error");
    check("hyperfine", "1 runs of a command did not exit with 0");
    check("loadgen", "not satisfied: Min duration satisfied");
}

#[test]
fn population_deviations_become_sample_deviations() {
    let vllm = fixture("vllm-detailed").record;
    let check = |key: &str, expected: f64| {
        let deviation = find(&vllm, key).deviation.unwrap();
        assert!((deviation - expected).abs() < 1e-9, "{key}: {deviation}");
    };
    check("vllm.ttft.mean", 100.0 * 2.0_f64.sqrt());
    // 20, 40 and 60 ms: sample deviation 20.
    check("icl.mean", 20.0);
    // Token-weighted: there is no n − 1.
    assert_eq!(find(&fixture("guidellm").record, "guidellm.inter_token_latency_ms.mean").deviation, None);
}

#[test]
fn intervals_come_from_the_file_or_its_repetitions() {
    let aggregate = fixture("aiperf-aggregate").record;
    let interval = find(&aggregate, "aiperf.time_to_first_token.mean").interval.clone().unwrap();
    assert_eq!((interval.low, interval.high, interval.method.as_str()), (18.76, 21.24, "student_t_over_runs"));
    let llama = fixture("llama-bench").record;
    let interval = find(&llama, "llama_bench.time.mean").interval.clone().unwrap();
    // Student's t with two degrees of freedom: 4.303 × 100 / √3 ms.
    assert!((interval.high - 2248.4).abs() < 0.1, "{interval:?}");
    let criterion = fixture("criterion").record;
    assert_eq!(find(&criterion, "criterion.time.mean").interval.as_ref().unwrap().method, "independent_bootstrap");
}

#[test]
fn status_and_tally_follow_the_file() {
    let check = |name: &str, status: Status, scheduled: u64, failed: u64| {
        let record = fixture(name).record;
        let tally = record.phases[0].tally;
        assert_eq!((record.status, tally.scheduled, tally.failed), (status, scheduled, failed), "{name}");
        assert!(tally.adds_up(), "{name}");
    };
    check("vllm-detailed", Status::Complete, 3, 1);
    check("vllm-nothing", Status::Failed, 4, 4);
    check("aiperf", Status::Complete, 10, 1);
    check("aiperf-jsonl", Status::Interrupted, 3, 1);
    check("guidellm", Status::Complete, 24, 1);
    check("k6", Status::Complete, 300, 3);
    check("oha", Status::Complete, 102, 7);
    check("loadgen", Status::Failed, 0, 0);
    check("llama-bench", Status::Complete, 0, 0);
}

#[test]
fn requests_become_rows() {
    let vllm = fixture("vllm-detailed");
    assert_eq!(vllm.rows.len(), 3);
    let seconds = |row: usize| vllm.rows[row].timeline.ttft().map(|first| first.as_secs_f64());
    assert_eq!((seconds(0), seconds(1), seconds(2)), (Some(0.1), Some(0.3), None));
    assert_eq!(vllm.rows[1].timeline.released.as_nanos(), 500_000_000);
    assert!(
        matches!(&vllm.rows[2].outcome, Outcome::Failed { class: FailureClass::Timeout, message } if message.contains("timed out"))
    );
    assert_eq!(vllm.rows[0].tpot().map(|tpot| tpot.as_millis()), Some(30));
    let aiperf = fixture("aiperf-jsonl");
    assert_eq!(aiperf.rows.len(), 4);
    assert!(aiperf.rows[0].warmup);
    assert!(matches!(&aiperf.rows[3].outcome, Outcome::Failed { class: FailureClass::RateLimited, .. }));
    assert_eq!(aiperf.record.created_at, "2026-03-01T12:30:00.001Z");
}

#[test]
fn unreadable_files_say_why_and_what_to_do() {
    let check = |bytes: &[u8], hint: Option<Format>, word: &str| {
        let error = import(bytes, hint).unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
        assert!(!error.hint().is_empty());
    };
    check(b"", None, "empty");
    check(b"\xff\xfe{", None, "UTF-16");
    check(br#"{"completed": 3, "duration"#, None, "cut off");
    check(br#"{"some": 1, "thing": 2}"#, None, "`some`, `thing`");
    check(b"[]", None, "an empty list");
    check(b"hello", None, "the text `hello`");
    check(br#"{"schema_version": "2.0", "request_latency": {"unit": "ms", "avg": 1}}"#, None, "version 2.0");
    check(br#"{"metadata": {"version": 3}, "benchmarks": []}"#, None, "version 3");
    check(br#"{"benchmarks": []}"#, None, "a benchmark");
    check(br#"{"a": 1}"#, Some(Format::Vllm), "`completed`");
    check(b"not json", Some(Format::Aiperf), "JSON is missing");
    check(br#"[{"n_prompt": 0, "n_gen": 0}]"#, None, "of test 1");
    let error = "nonsense".parse::<Format>().unwrap_err();
    assert!(error.hint().contains("guidellm"), "{error}");
    assert_eq!("GenAI_Perf".parse::<Format>().unwrap(), Format::GenaiPerf);
    assert!(matches!(import(b"{}", None), Err(ImportError::UnknownFormat { .. })));
}

#[test]
fn a_stated_mean_that_its_array_contradicts_is_suspicious() {
    let text =
        String::from_utf8(FIXTURES[0].2.to_vec()).unwrap().replace("\"mean_ttft_ms\": 200.0", "\"mean_ttft_ms\": 20.0");
    let imported = import(text.as_bytes(), None).unwrap();
    assert!(imported.notes.iter().any(|note| note.contains("suspicious")), "{:#?}", imported.notes);
}

#[test]
fn a_contradicting_record_fails_the_check() {
    let mut record = fixture("vllm-detailed").record;
    record.metrics.iter_mut().find(|metric| metric.statistic == Statistic::P99).unwrap().value = Some(1.0);
    assert!(!check::check_imported(&record).passed());
    let mut record = fixture("vllm-detailed").record;
    record.metrics[0].definition = "vllm.unheard_of/1".to_owned();
    assert!(!check::check_imported(&record).passed());
}

#[test]
fn the_console_of_an_import() {
    insta::assert_snapshot!(console::render(&fixture("vllm-detailed").record, 100, Color::Never));
}

/// A JSON value that a damaged or hostile file may hold.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<f64>().prop_map(|number| serde_json::json!(number)),
        any::<i64>().prop_map(Into::into),
        Just("NaN".into()),
        Just("inf".into()),
        "\\PC{0,8}".prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::vec(
                (prop::sample::select(vec!["avg", "unit", "mean", "count", "value", "min"]), inner),
                0..4
            )
            .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// Replaces one value somewhere in a document.
fn damage(document: &mut serde_json::Value, path: &[usize], value: serde_json::Value) {
    let Some((first, rest)) = path.split_first() else {
        *document = value;
        return;
    };
    match document {
        serde_json::Value::Object(map) if !map.is_empty() => {
            let index = first % map.len();
            if let Some(inner) = map.values_mut().nth(index) {
                damage(inner, rest, value);
            }
        }
        serde_json::Value::Array(list) if !list.is_empty() => {
            let index = first % list.len();
            damage(&mut list[index], rest, value);
        }
        other => *other = value,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_damage_makes_an_importer_panic_or_write_nonsense(
        which in 0..FIXTURES.len(),
        path in prop::collection::vec(any::<usize>(), 1..5),
        value in value(),
    ) {
        let (_, format, bytes) = FIXTURES[which];
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches('\u{feff}').replace("NaN", "null").replace("Infinity", "null");
        let first = text.lines().next().unwrap_or_default();
        let document = serde_json::from_str(&text).or_else(|_| serde_json::from_str(first));
        let mut document: serde_json::Value = document.unwrap();
        damage(&mut document, &path, value);
        for hint in [None, Some(format)] {
            let Ok(imported) = import(document.to_string().as_bytes(), hint) else { continue };
            for metric in &imported.record.metrics {
                prop_assert!(metric.value.is_none_or(f64::is_finite));
                prop_assert!(metric.value.is_some() != metric.reason.is_some());
                prop_assert!(metric.deviation.is_none_or(|deviation| deviation.is_finite() && deviation >= 0.0));
            }
            prop_assert!(imported.record.phases[0].tally.adds_up());
            prop_assert!(imported.rows.iter().all(|row| row.timeline.is_ordered()));
            let text = console::render(&imported.record, 80, Color::Never);
            prop_assert!(!text.contains(ESCAPE));
            prop_assert!(!check::check_imported(&imported.record).render().is_empty());
        }
    }

    #[test]
    fn any_bytes_are_an_import_or_a_typed_error(bytes in prop::collection::vec(any::<u8>(), 0..300), which in 0..Format::ALL.len()) {
        for hint in [None, Some(Format::ALL[which])] {
            if let Err(error) = import(&bytes, hint) {
                prop_assert!(!error.hint().is_empty());
            }
        }
    }
}
