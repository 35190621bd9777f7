//! What must hold for every input.

use proptest::collection::vec;
use proptest::prelude::*;
use weighbridge_stats::classify::macro_f1_interval;
use weighbridge_stats::compare::{paired_bootstrap, welch};
use weighbridge_stats::fit::linear_fit;
use weighbridge_stats::hierarchical::{Center, Nest, ratio};
use weighbridge_stats::proportion::{clopper_pearson, wilson};
use weighbridge_stats::tail::{min_samples_for_percentile, percentile_upper_bound};
use weighbridge_stats::trend::{mann_kendall, mann_kendall_hamed_rao, trend};
use weighbridge_stats::{
    Confidence, Dependence, Estimate, Interval, Resampling, Sorted, StatsError, Summary, mean_interval,
    quantile_interval, quantile_sorted,
};

fn values() -> impl Strategy<Value = Vec<f64>> {
    // Coarse steps make ties, which continuous numbers never would.
    prop_oneof![vec(-1e6..1e6_f64, 1..80), vec((0..6_i32).prop_map(f64::from), 1..80)]
}

fn anything() -> impl Strategy<Value = Vec<f64>> {
    vec(any::<f64>(), 0..40)
}

fn resampling(seed: u64) -> Resampling {
    Resampling::new(seed).with_count(Resampling::MIN_COUNT)
}

fn dependence() -> impl Strategy<Value = Dependence> {
    prop_oneof![Just(Dependence::Independent), Just(Dependence::Serial)]
}

fn is_whole(value: f64, interval: &Interval) -> bool {
    interval.low <= interval.high && interval.contains(value)
}

fn check(found: Result<Estimate, StatsError>) -> Result<(), TestCaseError> {
    match found {
        Ok(estimate) => prop_assert!(is_whole(estimate.value, &estimate.interval), "{:?}", estimate),
        Err(error) => prop_assert!(error.is_insufficient(), "{:?}", error),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn quantiles_rise_with_q_and_stay_in_range(values in values(), a in 0.0..=1.0, b in 0.0..=1.0) {
        let sorted = Sorted::new(values.clone()).unwrap();
        let (low, high) = (sorted.quantile(f64::min(a, b)).unwrap(), sorted.quantile(f64::max(a, b)).unwrap());
        let summary = Summary::new(&values).unwrap();
        prop_assert!(summary.min <= low && low <= high && high <= summary.max);
        let grid = sorted.percentile_grid().percentiles;
        prop_assert!(grid.windows(2).all(|pair| pair[0].value <= pair[1].value));
    }

    #[test]
    fn order_does_not_matter(values in values(), q in 0.0..=1.0) {
        let mut reversed = values.clone();
        reversed.reverse();
        let (a, b) = (Sorted::new(values.clone()).unwrap(), Sorted::new(reversed.clone()).unwrap());
        prop_assert_eq!(a.quantile(q), b.quantile(q));
        let (a, b) = (Summary::new(&values).unwrap(), Summary::new(&reversed).unwrap());
        prop_assert!((a.mean - b.mean).abs() <= 1e-12 * a.mean.abs().max(1.0));
        prop_assert!(a.min <= a.mean && a.mean <= a.max);
    }

    #[test]
    fn intervals_hold_their_estimate_or_name_a_need(
        values in values(), dependence in dependence(), q in 0.01..0.99_f64, seed: u64,
    ) {
        check(mean_interval(&values, dependence, Confidence::P95))?;
        check(quantile_interval(&values, q, dependence, Confidence::P95, resampling(seed)))?;
        check(paired_bootstrap(&values, &values, Confidence::P99, resampling(seed)))?;
    }

    #[test]
    fn more_confidence_is_never_narrower(values in values(), k in 0_usize..50, more in 0_usize..50) {
        let width = |found: Result<Estimate, StatsError>| found.map(|estimate| estimate.interval.width());
        let mean = |c| width(mean_interval(&values, Dependence::Independent, c));
        if let (Ok(narrow), Ok(wide)) = (mean(Confidence::P90), mean(Confidence::P99)) {
            prop_assert!(narrow <= wide);
        }
        let n = k + more + 1;
        for method in [wilson, clopper_pearson] {
            check(method(k, n, Confidence::P95))?;
            prop_assert!(width(method(k, n, Confidence::P90)) .unwrap()<= width(method(k, n, Confidence::P99)).unwrap());
        }
    }

    #[test]
    fn the_tail_bound_is_above_the_percentile_and_exists_from_the_minimum_on(
        values in vec(0.0..1e3_f64, 1..400), q in 0.5..0.99_f64,
    ) {
        let sorted = Sorted::new(values).unwrap();
        let bound = percentile_upper_bound(&sorted, q, Confidence::P99).unwrap();
        let need = min_samples_for_percentile(q, Confidence::P99).unwrap();
        prop_assert_eq!(bound.is_some(), sorted.values().len() >= need);
        if let Some(bound) = bound {
            prop_assert!(bound.value >= sorted.quantile(q).unwrap());
        }
    }

    #[test]
    fn slopes_scale_with_y(y in vec(-1e3..1e3_f64, 8..60), scale in 0.5..8.0_f64) {
        let x: Vec<f64> = (0..y.len()).map(|i| i as f64).collect();
        let scaled: Vec<f64> = y.iter().map(|y| y * scale).collect();
        let slope = |y: &[f64]| trend(&x, y, Dependence::Independent, Confidence::P95, resampling(1)).unwrap();
        let (plain, large) = (slope(&y), slope(&scaled));
        prop_assert!(is_whole(plain.slope, &plain.interval));
        prop_assert!((plain.slope * scale - large.slope).abs() <= 1e-9 * large.slope.abs().max(1.0));
        let (up, down): (Vec<f64>, Vec<f64>) = (y.clone(), y.iter().map(|y| -y).collect());
        prop_assert!((mann_kendall(&up).unwrap().z + mann_kendall(&down).unwrap().z).abs() < 1e-12);
    }

    #[test]
    fn swapping_the_sides_inverts_the_comparison(
        a in vec(1.0..1e3_f64, 4..30), b in vec(1.0..1e3_f64, 4..30), seed: u64,
    ) {
        let (forth, back) = (welch(&a, &b, Confidence::P95).unwrap(), welch(&b, &a, Confidence::P95).unwrap());
        prop_assert!((forth.t + back.t).abs() < 1e-9 && (forth.p - back.p).abs() < 1e-9);
        let [a, b] = [a, b].map(|side| Nest::of_runs(side.chunks(2).map(<[f64]>::to_vec)));
        let found = ratio(&a, &b, Center::Median, Confidence::P95, resampling(seed)).unwrap();
        prop_assert!(is_whole(found.value, &found.interval) && found.interval.low > 0.0);
    }

    /// NaN, infinities, subnormal and huge numbers, empty slices: an answer or a typed error, and no NaN in the answer.
    #[test]
    fn no_input_panics(a in anything(), b in anything(), q: f64, dependence in dependence(), labels in vec(0_usize..4, 0..9)) {
        let _ = quantile_sorted(&a, q);
        let _ = min_samples_for_percentile(q, Confidence::P95);
        if let Ok(summary) = Summary::new(&a) {
            prop_assert!(summary.mean.is_finite() && summary.sd.is_none_or(f64::is_finite));
        }
        if let Ok(estimate) = mean_interval(&a, dependence, Confidence::P95) {
            prop_assert!(is_whole(estimate.value, &estimate.interval), "{:?}", estimate);
        }
        if let Ok(estimate) = quantile_interval(&a, q, dependence, Confidence::P95, resampling(1)) {
            prop_assert!(is_whole(estimate.value, &estimate.interval), "{:?}", estimate);
        }
        let _ = trend(&a, &b, dependence, Confidence::P95, resampling(1));
        let _ = mann_kendall_hamed_rao(&a);
        let _ = linear_fit(&a, &b, Confidence::P95);
        let _ = welch(&a, &b, Confidence::P95);
        let _ = ratio(&Nest::Values(a), &Nest::Values(b), Center::Mean, Confidence::P95, resampling(1));
        let predicted: Vec<Option<usize>> = labels.iter().map(|&label| (label < 3).then_some(label)).collect();
        let _ = macro_f1_interval(3, &labels, &predicted, Confidence::P95, resampling(1));
    }
}
