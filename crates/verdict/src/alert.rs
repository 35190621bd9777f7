//! What is said of a verdict of worse to whoever does not read the output.

use std::fmt::Write as _;

use weighbridge_types::alert::{ALERT_VERSION, Alert, IntervalOf, Regression};
use weighbridge_types::comparison::{ComparedMetric, Comparison, Verdict};
use weighbridge_types::history::Course;
use weighbridge_types::metric::{Cell, MetricInterval};
use weighbridge_types::performance::{Change, ResultsComparison};

use crate::Again;
use crate::regress::{Assessment, Regress, RegressPart};

/// What got worse where the verdict over all sides is worse; nothing otherwise.
#[must_use]
pub fn of_comparison(comparison: &Comparison) -> Vec<Regression> {
    let contrasts = comparison.contrasts.iter().filter(|contrast| contrast.verdict == Verdict::Worse);
    let rows = contrasts.flat_map(|contrast| contrast.rows.iter().map(|row| (&contrast.candidate, row)));
    let worse = rows.filter(|(_, row)| row.gating && row.verdict == Some(Verdict::Worse));
    worse.map(|(side, row)| of_row(side, row)).collect()
}

fn of_row(side: &str, row: &ComparedMetric) -> Regression {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let margin = if row.margin_is_noise { "what equal runs differ by" } else { "the threshold" };
    Regression {
        key: row.key.clone(),
        cell: row.cell.clone(),
        side: Some(side.to_owned()),
        unit: row.unit.clone(),
        baseline: mean(&row.baseline),
        current: mean(&row.candidate),
        ratio: row.ratio,
        interval_of: row.interval.as_ref().map(|_| match row.ratio {
            Some(_) => IntervalOf::Ratio,
            None => IntervalOf::Difference,
        }),
        interval: row.interval.clone(),
        because: format!("the whole interval is beyond {margin}"),
    }
}

/// Figures of results that regressed.
#[must_use]
pub fn of_results(found: &ResultsComparison) -> Vec<Regression> {
    let worse = found.figures.iter().filter(|figure| figure.change == Change::Regression);
    let all = worse.filter_map(|figure| {
        Some(Regression {
            key: figure.figure.clone(),
            cell: Cell::default().with("benchmark", &figure.benchmark),
            side: None,
            unit: figure.unit.clone(),
            baseline: figure.baseline?,
            current: figure.current?,
            ratio: figure.change_percent.map(|percent| 1.0 + percent / 100.0),
            interval: None,
            interval_of: None,
            because: figure.because.clone(),
        })
    });
    all.collect()
}

/// Parts of a judgement of the document pipeline that failed.
#[must_use]
pub fn of_regress(found: &Regress) -> Vec<Regression> {
    let parts: [(&str, &str, &RegressPart); 3] = [
        (crate::regress::DOCUMENTS, "1/h", &found.throughput_regression),
        (crate::regress::QUALITY, "score", &found.quality_regression),
        (crate::regress::MEMORY, "GB", &found.memory_regression),
    ];
    let failed = parts.into_iter().filter(|(_, _, part)| part.assessment == Assessment::Fail);
    let all = failed.filter_map(|(key, unit, part)| {
        let (baseline, current) = part.baseline.zip(part.current)?;
        Some(Regression {
            key: key.to_owned(),
            cell: Cell::default(),
            side: None,
            unit: unit.to_owned(),
            baseline,
            current,
            ratio: part.change_percent.map(|percent| 1.0 + percent / 100.0),
            interval: None,
            interval_of: None,
            because: format!("it fails at {:+} %", part.threshold_percent),
        })
    });
    all.collect()
}

/// A level of a history that moved for the worse, which new runs have confirmed.
#[must_use]
pub fn of_course(course: &Course, again: &Again) -> Option<Regression> {
    let before = course.changes.last()?.before;
    let difference = again.difference;
    Some(Regression {
        key: course.key.clone(),
        cell: course.cell.clone(),
        side: None,
        unit: course.unit.clone(),
        baseline: before,
        current: again.mean,
        ratio: (before > 0.0).then(|| again.mean / before),
        interval: Some(MetricInterval {
            low: difference.low,
            high: difference.high,
            confidence: difference.confidence.level(),
            method: difference.method.as_str().to_owned(),
        }),
        interval_of: Some(IntervalOf::Difference),
        because: "new runs confirm that the level moved".to_owned(),
    })
}

/// The message; `None` where nothing got worse.
#[must_use]
pub fn alert(verb: &str, exit_code: u8, runs: Vec<String>, regressions: Vec<Regression>) -> Option<Alert> {
    let first = regressions.first()?;
    let mut text = format!("weighbridge {verb}: worse: {}", words(first));
    for more in &regressions[1..] {
        let _ = write!(text, "; {}", words(more));
    }
    let (verb, schema_version) = (verb.to_owned(), ALERT_VERSION.to_owned());
    Some(Alert { schema_version, text, verb, verdict: Verdict::Worse, exit_code, runs, regressions })
}

fn words(of: &Regression) -> String {
    let (key, cell, unit) = (&of.key, of.cell.to_string(), &of.unit);
    let mut text = if cell.is_empty() { key.clone() } else { format!("{key} ({cell})") };
    if let Some(side) = &of.side {
        let _ = write!(text, " of {side}");
    }
    let _ = write!(text, " {:.4} → {:.4} {unit}", of.baseline, of.current);
    if let Some(ratio) = of.ratio {
        let _ = write!(text, ", × {ratio:.3}");
    }
    match (&of.interval, of.interval_of) {
        (Some(interval), Some(IntervalOf::Ratio)) => {
            let _ = write!(text, " ({:.3} to {:.3})", interval.low, interval.high);
        }
        (Some(interval), Some(IntervalOf::Difference)) => {
            let _ = write!(text, " ({:+.4} to {:+.4} {unit})", interval.low, interval.high);
        }
        (Some(_) | None, _) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weighbridge_types::performance::{BenchmarkResult, BenchmarkType};

    use super::*;
    use crate::regress::{RegressLimits, regress};
    use crate::results::compare_results;

    #[test]
    fn what_is_not_worse_is_no_alert() {
        assert_eq!(alert("compare", 0, Vec::new(), Vec::new()), None);
        let result = BenchmarkResult {
            avg_latency_ms: Some(100.0),
            ..BenchmarkResult::new(BenchmarkType::Inference, String::new())
        };
        let slower = BenchmarkResult { avg_latency_ms: Some(150.0), ..result.clone() };
        let of = |a: &BenchmarkResult, b: &BenchmarkResult| {
            of_results(&compare_results(std::slice::from_ref(a), std::slice::from_ref(b), 10.0).unwrap())
        };
        assert_eq!(of(&slower, &result), Vec::new());
        let [worse] = &of(&result, &slower)[..] else { panic!("one figure got worse") };
        assert_eq!((worse.key.as_str(), worse.baseline, worse.current), ("avg_latency_ms", 100.0, 150.0));
        assert_eq!(worse.ratio, Some(1.5));
        let said = alert("performance-benchmark compare", 1, vec!["run".to_owned()], of(&result, &slower)).unwrap();
        let expected = "weighbridge performance-benchmark compare: worse: avg_latency_ms (benchmark=inference) \
                        100.0000 → 150.0000 ms, × 1.500";
        assert_eq!((said.text.as_str(), said.exit_code, said.verdict), (expected, 1, Verdict::Worse));
    }

    #[test]
    fn parts_of_the_pipeline_that_fail_are_named() {
        let runs =
            |documents: f64| json!([{"pipeline.documents_per_hour": documents, "pipeline.quality_score_avg": 0.5}]);
        let limits = RegressLimits { throughput: 10.0, quality: 5.0, memory: 15.0 };
        let found = of_regress(&regress(&runs(100.0), &runs(80.0), limits).unwrap());
        let [worse] = &found[..] else { panic!("{found:?}") };
        assert_eq!((worse.key.as_str(), worse.because.as_str()), ("pipeline.documents_per_hour", "it fails at -10 %"));
        assert_eq!(words(worse), "pipeline.documents_per_hour 100.0000 → 80.0000 1/h, × 0.800");
        assert_eq!(of_regress(&regress(&runs(100.0), &runs(91.0), limits).unwrap()), Vec::new());
    }
}
