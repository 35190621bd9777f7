//! A comparison on the console, as Markdown and as a page.

use weighbridge_report::console::{Color, Width};
use weighbridge_report::{console, html, markdown, schema};
use weighbridge_types::comparison::{
    COMPARISON_VERSION, ComparedMetric, Comparison, Contrast, Mismatch, MissingMetric, Rule, Shape, SideNote, Verdict,
};
use weighbridge_types::metric::{Cell, MetricInterval};

fn cell() -> Cell {
    Cell::default().with("phase", "load").with("concurrency", 4)
}

fn row(key: &str, unit: &str, ratio: Option<f64>, verdict: Verdict) -> ComparedMetric {
    let (low, high) = ratio.map_or((-1.0, 3.0), |ratio| (ratio - 0.02, ratio + 0.02));
    ComparedMetric {
        key: key.to_owned(),
        cell: cell(),
        unit: unit.to_owned(),
        gating: !key.starts_with("e2e"),
        baseline: vec![100.0, 102.0],
        candidate: vec![100.0 * ratio.unwrap_or(1.0), 102.0 * ratio.unwrap_or(1.0)],
        ratio,
        difference: ratio.map_or(1.0, |ratio| 101.0 * (ratio - 1.0)),
        interval: Some(MetricInterval { low, high, confidence: 0.95, method: "hierarchical_bootstrap".to_owned() }),
        interval_reason: None,
        probability_worse: Some(0.97),
        margin: 0.05,
        margin_is_noise: key.starts_with("tpot"),
        p_adjusted: Some(0.001),
        verdict: Some(verdict),
        detectable: Some(0.068),
        runs_needed: (verdict == Verdict::Inconclusive).then_some(23),
    }
}

/// A candidate of the name given, with one metric of each verdict.
fn sample(candidate: &str) -> Comparison {
    let side = |name: &str| SideNote {
        name: name.to_owned(),
        kind: "load".to_owned(),
        model_ref: "tiny".to_owned(),
        engine: "local 0.1.0".to_owned(),
        commit: Some("0123456789ab".to_owned()),
        runs: vec![format!("{name}-1"), format!("{name}-2")],
    };
    let mut open = row("failed", "requests", None, Verdict::Inconclusive);
    open.interval_reason = None;
    let rows = vec![
        row("ttft.p50", "ms", Some(1.12), Verdict::Worse),
        row("tpot.p50", "ms", Some(1.01), Verdict::Equivalent),
        open,
        row("e2e.p50", "ms", Some(0.9), Verdict::Better),
        row("e2e.p99", "ms", Some(0.91), Verdict::Better),
    ];
    let missing = MissingMetric {
        key: "goodput".to_owned(),
        cell: cell(),
        gating: true,
        side: candidate.to_owned(),
        reason: "no objective was set".to_owned(),
    };
    let points = vec![(0.25, 90.0, 99.0), (0.5, 100.0, 112.0), (0.75, 110.0, 130.0)];
    let shape = Shape { name: "ttft".to_owned(), cell: cell(), unit: "ms".to_owned(), points };
    let contrast = Contrast {
        candidate: candidate.to_owned(),
        verdict: Verdict::Worse,
        because: "ttft.p50 (concurrency=4 phase=load)".to_owned(),
        rows,
        missing: vec![missing],
        shapes: vec![shape.clone(), Shape { name: "itl".to_owned(), ..shape }],
    };
    let mismatch = Mismatch {
        what: "settings.sessions".to_owned(),
        expected: "30".to_owned(),
        found: "40".to_owned(),
        run: format!("{candidate}-2"),
    };
    Comparison {
        schema_version: COMPARISON_VERSION.to_owned(),
        sides: vec![side("old"), side(candidate)],
        rule: Rule {
            threshold: 0.05,
            confidence: 0.95,
            power: 0.8,
            resamples: 2_000,
            seed: 42,
            noise_runs: 24,
            paired: false,
        },
        mismatches: vec![mismatch],
        contrasts: vec![contrast],
        notes: vec!["`old` has 2: at least 5 runs a side make a verdict that holds".to_owned()],
    }
}

#[test]
fn console_says_the_verdict_first_and_fits_its_width() {
    let text = console::comparison(&sample("new"), false, Width::new(80), Color::Never);
    insta::assert_snapshot!(text);
    let full = console::comparison(&sample("new"), true, Width::PIPE, Color::Never);
    assert!(full.contains("e2e.p99") && !text.contains("e2e.p99"), "{full}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn markdown_is_short_enough_for_a_pull_request() {
    insta::assert_snapshot!(markdown::comparison(&sample("new")));
}

#[test]
fn the_page_shows_distributions_and_runs_nothing() {
    let page = html::comparison(&sample("<script>alert(1)</script>"));
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "names are escaped");
    assert!(page.contains("default-src 'none'"));
    // Laid over each other and shifted; what did not change is not drawn.
    assert_eq!(page.matches("<svg").count(), 2);
    assert!(page.contains("1 further distributions"));
}

#[test]
fn the_form_follows_its_schema_and_reads_back() {
    let comparison = sample("new");
    let value = serde_json::to_value(&comparison).unwrap();
    let schema = serde_json::from_str(&schema::comparison()).unwrap();
    let errors: Vec<String> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert_eq!(serde_json::from_value::<Comparison>(value).unwrap(), comparison);
}
