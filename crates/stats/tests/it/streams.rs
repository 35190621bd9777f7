//! What streaming statistics must keep of the values they do not keep.

use proptest::collection::vec;
use proptest::prelude::*;
use weighbridge_stats::histogram::{Histogram, RELATIVE_ERROR};
use weighbridge_stats::kolmogorov::ks_two_samples;
use weighbridge_stats::slope::dependent_slope;
use weighbridge_stats::steady::{SteadyRule, steady_state};
use weighbridge_stats::stream::{GroupMeans, Moments};
use weighbridge_stats::{Confidence, Sorted, Summary};

/// Latencies from nothing to hours, with ties.
fn latency() -> impl Strategy<Value = f64> {
    prop_oneof![Just(0.0), 1e-6..1e-3_f64, 0.01..1e3_f64, 1e3..1e7_f64, (1..20_i32).prop_map(f64::from)]
}

fn histogram(values: &[f64]) -> Histogram {
    let mut histogram = Histogram::default();
    values.iter().for_each(|&value| histogram.push(value));
    histogram
}

fn moments(values: &[f64]) -> Moments {
    let mut moments = Moments::default();
    values.iter().for_each(|&value| moments.push(value));
    moments
}

proptest! {
    #[test]
    fn quantiles_of_a_histogram_are_within_its_error(values in vec(latency(), 1..300), q in 0.0..=1.0_f64) {
        let (histogram, sorted) = (histogram(&values), Sorted::new(values).unwrap());
        let exact = sorted.quantile(q).unwrap();
        let found = histogram.quantile(q).unwrap();
        prop_assert!((found - exact).abs() <= RELATIVE_ERROR * exact + 1e-12, "{} {}", found, exact);
        prop_assert_eq!(histogram.quantile(0.0), sorted.values().first().copied());
        prop_assert_eq!(histogram.quantile(1.0), sorted.values().last().copied());
    }

    #[test]
    fn quantiles_of_a_histogram_never_turn_back(values in vec(latency(), 1..200), mut qs in vec(0.0..=1.0_f64, 2..20)) {
        let histogram = histogram(&values);
        qs.sort_by(f64::total_cmp);
        let found: Vec<f64> = qs.iter().map(|&q| histogram.quantile(q).unwrap()).collect();
        prop_assert!(found.windows(2).all(|pair| pair[0] <= pair[1]), "{:?}", found);
    }

    #[test]
    fn merging_equals_counting_together_in_any_order(a in vec(latency(), 0..99), b in vec(latency(), 0..99), q in 0.0..=1.0_f64) {
        let (left, right) = (histogram(&a), histogram(&b));
        let (mut forth, mut back) = (left.clone(), right.clone());
        forth.merge(&right);
        back.merge(&left);
        let mut together = a.clone();
        together.extend(&b);
        together.reverse();
        let together = histogram(&together);
        for merged in [&forth, &back] {
            prop_assert_eq!((merged.count(), merged.min(), merged.max()), (together.count(), together.min(), together.max()));
            prop_assert_eq!(merged.quantile(q), together.quantile(q));
        }
    }

    #[test]
    fn counts_to_a_limit_are_those_of_a_bucket_more_at_most(values in vec(latency(), 1..200), limit in latency()) {
        let count = |limit: f64| values.iter().filter(|value| **value <= limit).count() as u64;
        let found = histogram(&values).count_to(limit);
        prop_assert!(count(limit) <= found && found <= count(limit * (1.0 + 2.0 * RELATIVE_ERROR) + 1e-12));
    }

    #[test]
    fn moments_equal_those_of_the_values(a in vec(-1e3..1e3_f64, 1..99), b in vec(-1e3..1e3_f64, 0..99)) {
        let mut merged = moments(&a);
        merged.merge(&moments(&b));
        let all: Vec<f64> = a.iter().chain(&b).copied().collect();
        let (found, exact) = (merged.summary().unwrap(), Summary::new(&all).unwrap());
        prop_assert_eq!((found.n, found.min, found.max), (exact.n, exact.min, exact.max));
        prop_assert!((found.mean - exact.mean).abs() < 1e-9);
        prop_assert!((found.sd.unwrap_or(0.0) - exact.sd.unwrap_or(0.0)).abs() < 1e-6);
    }

    #[test]
    fn weights_are_repetitions(values in vec((0.0..1e3_f64, 0..9_u64), 1..60), limit in 4..64_usize) {
        let (mut moments, mut groups) = ((Moments::default(), Moments::default()), (GroupMeans::new(limit), GroupMeans::new(limit)));
        for &(value, times) in &values {
            moments.0.push_n(value, times);
            groups.0.push_n(value, times);
            for _ in 0..times {
                moments.1.push(value);
                groups.1.push(value);
            }
        }
        prop_assert_eq!(moments.0.count(), moments.1.count());
        prop_assert!((moments.0.sum() - moments.1.sum()).abs() < 1e-6);
        prop_assert_eq!(groups.0.group_size(), groups.1.group_size());
        prop_assert!(groups.0.means().len() < limit.max(4));
        for (a, b) in groups.0.means().iter().zip(groups.1.means()) {
            prop_assert!((a - b).abs() < 1e-6);
        }
    }

    #[test]
    fn no_input_panics(a in vec(any::<f64>(), 0..80), b in vec(any::<f64>(), 0..80), times in 0..1_000_u64) {
        let _ = steady_state(&a, SteadyRule::default());
        let _ = ks_two_samples(&a, &b);
        let _ = dependent_slope(&a, &b, Confidence::P95);
        let mut histogram = histogram(&a);
        b.iter().for_each(|&value| histogram.push_n(value, times));
        prop_assert!(histogram.quantile(0.5).is_none_or(f64::is_finite));
    }
}
