//! Results of `performance-benchmark` and their comparison, as console text and Markdown.

use weighbridge_report::console::{self, Color, Width};
use weighbridge_report::{Results, html, markdown};
use weighbridge_types::performance::{
    BenchmarkResult, BenchmarkType, Change, ComparedFigure, ConcurrencyLevel, ResultsComparison, TargetVerdict,
};

fn results() -> Vec<BenchmarkResult> {
    let inference = BenchmarkResult {
        model: Some("gguf:a<b>.gguf".to_owned()),
        n: 100,
        avg_latency_ms: Some(45.2),
        p50_latency_ms: Some(42.1),
        p99_latency_ms: Some(124.7),
        throughput_rps: Some(22.1),
        error_rate: Some(0.002),
        ..BenchmarkResult::new(BenchmarkType::Inference, "2026-11-28T00:00:00.000Z".to_owned())
    };
    let level = |concurrency: u64, rate: f64| ConcurrencyLevel {
        concurrency,
        n: 100,
        avg_latency_ms: Some(1e3 * concurrency as f64 / rate),
        throughput_rps: Some(rate),
        error_rate: Some(0.0),
        ..ConcurrencyLevel::default()
    };
    let mut concurrent = BenchmarkResult {
        n: 100,
        throughput_rps: Some(40.0),
        levels: vec![level(1, 20.0), level(4, 40.0)],
        notes: vec!["12 % of the requests ran while this host was short of processor time".to_owned()],
        ..BenchmarkResult::new(BenchmarkType::Concurrent, "2026-11-28T00:01:00.000Z".to_owned())
    };
    concurrent.unknown.insert("memory_usage_mb".to_owned(), "no model computes in this process".to_owned());
    vec![inference, concurrent]
}

fn targets() -> Vec<TargetVerdict> {
    let of = |target: &str, measured: Option<f64>, reached| TargetVerdict {
        target: target.to_owned(),
        benchmark: "inference".to_owned(),
        limit: 100.0,
        measured,
        reached,
    };
    vec![
        of("inference_latency_ms", Some(45.2), Some(true)),
        of("throughput_rps", Some(40.0), Some(false)),
        of("memory_efficiency_mb", None, None),
    ]
}

fn comparison() -> ResultsComparison {
    let of = |figure: &str, change: Change, percent: Option<f64>, because: &str| ComparedFigure {
        benchmark: "inference".to_owned(),
        figure: figure.to_owned(),
        unit: "ms".to_owned(),
        baseline: Some(100.0),
        current: percent.map(|percent| 100.0 + percent),
        change_percent: percent,
        noise_percent: None,
        change,
        because: because.to_owned(),
    };
    ResultsComparison {
        schema_version: "1.0".to_owned(),
        threshold_percent: 10.0,
        figures: vec![
            of(
                "avg_latency_ms",
                Change::Regression,
                Some(50.0),
                "beyond 10 %, what a run's parts differ by is not known",
            ),
            of("p50_latency_ms", Change::Unchanged, Some(3.0), "within 10 %"),
            of(
                "p99_latency_ms",
                Change::WithinNoise,
                Some(-20.0),
                "beyond 10 %, but parts of one run differ by 31.0 %",
            ),
            of("memory_usage_mb", Change::Missing, None, "the current side does not have it"),
        ],
        notes: vec!["inference: the baseline was measured on another host or system".to_owned()],
    }
}

#[test]
fn results_fit_a_narrow_terminal() {
    let (results, targets) = (results(), targets());
    let found = Results { title: "weighbridge performance-benchmark", results: &results, targets: &targets };
    let text = console::performance_results(found, Width::new(80), Color::Never);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
    let page = html::performance_results(found);
    assert!(page.contains("gguf:a&lt;b&gt;.gguf") && page.contains("45.20") && !page.contains("<b>"));
    insta::assert_snapshot!(markdown::performance_results(found));
}

#[test]
fn a_comparison_says_why() {
    let text = console::performance_comparison(&comparison(), Width::new(80), Color::Never);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
    insta::assert_snapshot!(markdown::performance_comparison(&comparison()));
    assert!(html::performance_comparison(&comparison()).contains("regression"));
}
