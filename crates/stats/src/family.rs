//! Many tests at once, and what a test can see.

use crate::special::normal_quantile;

/// Holm's step-down correction (1979): p values such that rejecting those at most α keeps the chance of any false
/// rejection at α, however the tests depend on each other.
///
/// The i-th smallest of m becomes `max over j ≤ i of min(1, (m − j + 1) · p_j)`. The order of the result is that of `p`.
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut floor = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        floor = floor.max(((p.len() - rank) as f64 * p[index]).min(1.0));
        adjusted[index] = floor;
    }
    adjusted
}

/// Benjamini and Hochberg's step-up correction (1995): p values such that of the tests rejected at α, a share of at most α
/// is expected to be false, where the tests are independent or lean the same way.
///
/// Weaker than [`holm`], for screens of many metrics where a false lead costs a look and not a failed gate. The i-th
/// smallest of m becomes `min over j ≥ i of min(1, m / j · p_j)`. The order of the result is that of `p`.
#[must_use]
pub fn benjamini_hochberg(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut ceiling = 1.0_f64;
    for (rank, &index) in order.iter().enumerate().rev() {
        ceiling = ceiling.min(p.len() as f64 / (rank + 1) as f64 * p[index]);
        adjusted[index] = ceiling;
    }
    adjusted
}

/// The smallest true difference that a two-sided test at `alpha` finds with probability `power`, from the standard error
/// of the difference: `(z(1 − α/2) + z(power)) · SE` (Cohen 1988). `None` without spread or outside the domain.
#[must_use]
pub fn detectable_difference(error: f64, alpha: f64, power: f64) -> Option<f64> {
    let is_share = |value: f64| value > 0.0 && value < 1.0;
    let found = (normal_quantile(1.0 - 0.5 * alpha) + normal_quantile(power)) * error;
    (is_share(alpha) && is_share(power) && found.is_finite() && found > 0.0).then_some(found)
}

/// How many times as many values would make `difference` the smallest detectable one: `(detectable / |difference|)²`.
/// `None` where there is no difference to detect.
#[must_use]
pub fn sample_factor(detectable: f64, difference: f64) -> Option<f64> {
    let factor = (detectable / difference).powi(2);
    factor.is_finite().then_some(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detectable_difference_needs_spread() {
        // (1.959964 + 0.841621) · 0.01, the textbook's 2.8 standard errors.
        let found = detectable_difference(0.01, 0.05, 0.8).unwrap();
        assert!((found - 0.028_015_85).abs() < 1e-8, "{found}");
        assert_eq!(detectable_difference(0.0, 0.05, 0.8), None);
        assert_eq!(detectable_difference(0.01, 1.5, 0.8), None);
        assert!((sample_factor(found, 0.5 * found).unwrap() - 4.0).abs() < 1e-12);
        assert_eq!(sample_factor(found, 0.0), None);
    }

    proptest::proptest! {
        /// Correcting keeps the order, never lowers, and of one test changes nothing.
        #[test]
        fn corrected_values_keep_their_order(p in proptest::collection::vec(0.0_f64..=1.0, 0..40)) {
            let (strict, lenient) = (holm(&p), benjamini_hochberg(&p));
            for adjusted in [&strict, &lenient] {
                for i in 0..p.len() {
                    proptest::prop_assert!(adjusted[i] >= p[i] && adjusted[i] <= 1.0);
                    for j in 0..p.len() {
                        proptest::prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                    }
                }
                if let [only] = p[..] {
                    proptest::prop_assert!((adjusted[0] - only).abs() < 1e-15);
                }
            }
            // Up to rounding, control of a share asks for less than control of any.
            for (lenient, strict) in lenient.iter().zip(&strict) {
                proptest::prop_assert!(*lenient <= strict * (1.0 + 1e-12));
            }
        }
    }
}
