//! Agreement with SciPy and NumPy on what a load run needs. `tests/vectors/make_load.py` made the numbers; `load.json`
//! carries the versions (SciPy 1.17.1).

use std::sync::LazyLock;

use serde_json::Value;
use weighbridge_stats::Sorted;
use weighbridge_stats::kolmogorov::{ks_one_sample, ks_two_samples};
use weighbridge_stats::steady::{MSER_BATCH, mser};

static VECTORS: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("../vectors/load.json")).unwrap());

fn cases(name: &str) -> &'static [Value] {
    VECTORS[name].as_array().unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Equal within the tolerance of the larger of the number and one.
#[track_caller]
fn check(found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error <= tolerance, "found {found}, expected {expected}, error {error:e}");
}

#[test]
fn one_sample_tests_equal_scipy() {
    for case in cases("one_sample") {
        let sorted = Sorted::new(numbers(&case["values"])).unwrap();
        let test = ks_one_sample(&sorted, |value| 1.0 - (-value).exp());
        check(test.distance, number(&case["d"]), 1e-12);
        // SciPy goes over to an expansion above 140 values, good for 1e-7.
        check(test.p, number(&case["p"]), 1e-7);
    }
}

/// A sample of a uniform distribution whose largest distance is `d`: all steps even but for one shift.
fn shifted(n: usize, d: f64) -> Sorted {
    let even = |i: usize| (i as f64 + 0.5) / n as f64;
    let first = (0..n).map(|i| (even(i) + d - 0.5 / n as f64).min(1.0)).collect();
    Sorted::new(first).unwrap()
}

#[test]
fn chances_equal_scipy_at_any_count() {
    for case in cases("distribution") {
        let n = usize::try_from(case["n"].as_u64().unwrap()).unwrap();
        let d = number(&case["d"]);
        let test = ks_one_sample(&shifted(n, d), |value| value);
        check(test.distance, d, 1e-9);
        check(test.p, number(&case["p"]), 2e-5);
    }
}

#[test]
fn two_sample_tests_equal_scipy() {
    for case in cases("two_samples") {
        let test = ks_two_samples(&numbers(&case["left"]), &numbers(&case["right"])).unwrap();
        check(test.distance, number(&case["d"]), 1e-12);
        check(test.p, number(&case["p"]), 1e-10);
    }
}

#[test]
fn truncation_equals_its_formula() {
    for case in cases("mser") {
        let found = mser(&numbers(&case["series"]), MSER_BATCH).unwrap();
        assert_eq!(found.cut as u64, case["cut"].as_u64().unwrap());
        assert_eq!(found.is_early, case["is_early"].as_bool().unwrap());
        check(found.statistic, number(&case["statistic"]), 1e-12);
    }
}
