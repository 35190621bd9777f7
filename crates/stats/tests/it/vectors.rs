//! Agreement with SciPy, NumPy, scikit-learn, statsmodels and pymannkendall.
//!
//! `tests/vectors/make.py` made the numbers: each case there shows its expression, and `vectors.json` carries the versions
//! (SciPy 1.17.1, NumPy 2.4.6, scikit-learn 1.9.1, statsmodels 0.15.0, pymannkendall 1.4.3).

use std::sync::LazyLock;

use serde_json::Value;
use weighbridge_stats::classify::{Confusion, macro_f1_interval};
use weighbridge_stats::cluster::ClusterSums;
use weighbridge_stats::compare::{mcnemar_exact, welch};
use weighbridge_stats::dependence::{autocorrelation, block_length, effective_n};
use weighbridge_stats::family::holm;
use weighbridge_stats::fit::linear_fit;
use weighbridge_stats::proportion::{clopper_pearson, wilson};
use weighbridge_stats::trend::{mann_kendall, mann_kendall_hamed_rao, theil_sen};
use weighbridge_stats::{
    Confidence, Resampling, Sorted, StatsError, Summary, batch_means, order_statistic_quantile, special, student_t_mean,
};

static VECTORS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../vectors/vectors.json")).unwrap());

fn cases(name: &str) -> &'static [Value] {
    VECTORS[name].as_array().unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn count(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

fn counts(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(count).collect()
}

/// Equal to 1e-10 of the larger of the number and one.
#[track_caller]
fn check(found: f64, expected: f64) {
    check_within(found, expected, 1e-10);
}

#[track_caller]
fn check_within(found: f64, expected: f64, tolerance: f64) {
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error <= tolerance, "found {found}, expected {expected}, relative error {error:e}");
}

#[track_caller]
fn check_all(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (&found, &expected) in found.iter().zip(expected) {
        check(found, expected);
    }
}

#[test]
fn quantiles_equal_numpy() {
    for case in cases("quantiles") {
        let sorted = Sorted::new(numbers(&case["values"])).unwrap();
        let found: Vec<f64> = numbers(&case["q"]).iter().map(|&q| sorted.quantile(q).unwrap()).collect();
        let expected = numbers(&case["expected"]);
        check_all(&found, &expected);
        let grid = sorted.percentile_grid().percentiles.map(|percentile| percentile.value);
        check_all(&grid, &expected[1..expected.len() - 1]);
        check(sorted.median(), sorted.quantile(0.5).unwrap());
    }
}

#[test]
fn summaries_equal_numpy_and_the_t_interval_scipy() {
    for case in cases("summaries") {
        let values = numbers(&case["values"]);
        let summary = Summary::new(&values).unwrap();
        for (found, name) in [(summary.mean, "mean"), (summary.min, "min"), (summary.max, "max")] {
            check(found, number(&case[name]));
        }
        // The sample around 1e9 keeps about nine digits of its spread.
        check_within(summary.sd.unwrap(), number(&case["sd"]), 1e-9);
        check(summary.cv().unwrap(), number(&case["cv"]));
        let interval = student_t_mean(&values, Confidence::P95).unwrap().interval;
        check_all(&[interval.low, interval.high], &numbers(&case["t95"]));
    }
}

#[test]
fn special_functions_equal_scipy() {
    type Function = fn(&[f64]) -> f64;
    let functions: [(&str, Function); 8] = [
        ("ln_gamma", |a| special::ln_gamma(a[0])),
        ("normal_cdf", |a| special::normal_cdf(a[0])),
        ("normal_quantile", |a| special::normal_quantile(a[0])),
        ("student_t_cdf", |a| special::student_t_cdf(a[0], a[1])),
        ("student_t_quantile", |a| special::student_t_quantile(a[0], a[1])),
        ("beta_regularized", |a| special::beta_regularized(a[0], a[1], a[2])),
        ("beta_quantile", |a| special::beta_quantile(a[0], a[1], a[2])),
        ("binomial_cdf", |a| {
            let [k, n] = [a[0], a[1]].map(|whole| format!("{whole}").parse().unwrap());
            special::binomial_cdf(k, n, a[2])
        }),
    ];
    for (name, function) in functions {
        for case in VECTORS["functions"][name].as_array().unwrap() {
            let mut arguments = numbers(case);
            let expected = arguments.pop().unwrap();
            let found = function(&arguments);
            let error = (found - expected).abs() / expected.abs().max(1.0);
            assert!(error <= 1e-10, "{name}{arguments:?}: found {found}, expected {expected}");
        }
    }
    // Far tails keep their relative precision.
    let tail = special::normal_cdf(-12.0);
    assert!((tail / 1.776_482_112_077_679e-33 - 1.0).abs() < 1e-12, "{tail:e}");
}

#[test]
fn proportions_equal_scipy() {
    for case in cases("proportions") {
        let (k, n) = (count(&case["k"]), count(&case["n"]));
        let confidence = Confidence::new(number(&case["level"])).unwrap();
        for (found, name) in [(wilson(k, n, confidence), "wilson"), (clopper_pearson(k, n, confidence), "exact")] {
            let interval = found.unwrap().interval;
            check_all(&[interval.low, interval.high], &numbers(&case[name]));
        }
    }
}

#[test]
fn autocorrelations_equal_statsmodels_and_block_lengths_their_papers() {
    for case in cases("dependence") {
        let values = numbers(&case["values"]);
        check_all(&autocorrelation(&values, 12).unwrap(), &numbers(&case["acf"]));
        let found = block_length(&values).unwrap();
        check(found.fixed, number(&case["circular"]));
        check(found.geometric, number(&case["stationary"]));
    }
}

#[test]
fn batch_means_equal_the_formula_in_numpy() {
    for case in cases("batch_means") {
        let values = numbers(&case["values"]);
        check(effective_n(&values).unwrap(), number(&case["n_effective"]));
        let found = batch_means(&values, Confidence::P95);
        if case["half_width"].is_null() {
            let need = count(&case["need"]);
            assert_eq!(found, Err(StatsError::Insufficient { have: values.len(), need }));
        } else {
            let estimate = found.unwrap();
            check(estimate.value, number(&case["mean"]));
            check(0.5 * estimate.interval.width(), number(&case["half_width"]));
        }
    }
}

#[test]
fn order_statistics_equal_the_binomial_of_scipy() {
    for case in cases("order_statistics") {
        let sorted = Sorted::new(numbers(&case["values"])).unwrap();
        let interval = order_statistic_quantile(&sorted, number(&case["q"]), Confidence::P95).unwrap().interval;
        check_all(&[interval.low, interval.high], &[number(&case["low"]), number(&case["high"])]);
    }
}

#[test]
fn slopes_equal_scipy_and_trend_tests_pymannkendall() {
    for case in cases("trends") {
        let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
        let line = theil_sen(&x, &y, Confidence::P95).unwrap();
        check_all(&[line.slope, line.intercept, line.interval.low, line.interval.high], &numbers(&case["theil_sen"]));
        let plain = mann_kendall(&y).unwrap();
        check_all(&[plain.s, plain.tau, plain.z, plain.p], &numbers(&case["mann_kendall"]));
        let rao = mann_kendall_hamed_rao(&y).unwrap();
        check_all(&[rao.s, rao.tau, rao.z, rao.p, rao.variance_factor], &numbers(&case["hamed_rao"]));
    }
}

#[test]
fn welch_equals_scipy() {
    for case in cases("welch") {
        let test = welch(&numbers(&case["a"]), &numbers(&case["b"]), Confidence::P95).unwrap();
        check_all(&[test.t, test.df, test.p, test.interval.low, test.interval.high], &numbers(&case["expected"]));
    }
}

#[test]
fn mcnemar_equals_statsmodels() {
    for case in cases("mcnemar") {
        let discordant = |index: usize| case[index].as_u64().unwrap();
        check(mcnemar_exact(discordant(0), discordant(1)), number(&case[2]));
    }
}

#[test]
fn paired_differences_equal_scipy_and_statsmodels() {
    for case in cases("pairs") {
        let differences = numbers(&case["differences"]);
        let test = |cluster: &dyn Fn(usize) -> usize| {
            let mut sums = ClusterSums::default();
            differences.iter().enumerate().for_each(|(index, &value)| sums.add(cluster(index), value, 1.0));
            sums.test(Confidence::P95).unwrap()
        };
        let alone = test(&|index| index);
        let interval = alone.estimate.interval;
        check_all(&[alone.p.unwrap(), interval.low, interval.high], &numbers(&case["paired"]));
        let clusters = counts(&case["clusters"]);
        let robust = test(&|index| clusters[index]);
        let interval = robust.estimate.interval;
        check_all(&[robust.error, robust.p.unwrap(), interval.low, interval.high], &numbers(&case["clustered"]));
    }
}

#[test]
fn corrected_p_values_equal_statsmodels() {
    for case in cases("families") {
        check_all(&holm(&numbers(&case["p"])), &numbers(&case["holm"]));
    }
}

#[test]
fn lines_equal_scipy() {
    for case in cases("fits") {
        let fit = linear_fit(&numbers(&case["x"]), &numbers(&case["y"]), Confidence::P95).unwrap();
        let (slope, intercept) = (fit.slope_interval, fit.intercept_interval);
        check_all(
            &[fit.slope, slope.low, slope.high, fit.intercept, intercept.low, intercept.high, fit.r_squared.unwrap()],
            &numbers(&case["expected"]),
        );
    }
}

#[test]
fn label_scores_equal_scikit_learn() {
    for case in cases("classification") {
        let (classes, truth) = (count(&case["classes"]), counts(&case["truth"]));
        let predicted: Vec<Option<usize>> = case["predicted"]
            .as_array()
            .unwrap()
            .iter()
            .map(|label| label.as_u64().map(|label| usize::try_from(label).unwrap()))
            .collect();
        let confusion = Confusion::new(classes, &truth, &predicted).unwrap();
        check(confusion.accuracy(Confidence::P95).unwrap().value, number(&case["accuracy"]));
        check(confusion.macro_f1(), number(&case["macro_f1"]));
        for class in 0..classes {
            let score = confusion.class(class);
            assert_eq!(score.support, count(&case["support"][class]));
            check(score.precision().unwrap_or(0.0), number(&case["precision"][class]));
            check(score.recall().unwrap_or(0.0), number(&case["recall"][class]));
            check(score.f1().unwrap_or(0.0), number(&case["f1"][class]));
            for label in 0..classes {
                assert_eq!(confusion.count(class, Some(label)), count(&case["confusion"][class][label]));
            }
        }
        let interval =
            macro_f1_interval(classes, &truth, &predicted, Confidence::P95, Resampling::new(1)).unwrap().interval;
        assert!(interval.contains(confusion.macro_f1()) && interval.width() < 0.7);
    }
}
