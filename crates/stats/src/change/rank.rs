//! The rank detector: Pettitt's statistic (1979) at each split, on the scale of its own spread.
//!
//! `U = Σ sign(later − earlier)` over the pairs across a split into parts of m and n values is the Mann–Whitney statistic;
//! its variance without a change is `m n (m + n + 1) / 3`, less what ties take. Pettitt takes the largest `|U|` and
//! thereby looks in the middle most; taking the largest `|U|` over its own deviation sees a step in the latest few runs
//! as well, which is what a history is watched for. p values are those of the normal distribution, without correction for
//! continuity: the normal tail already overstates the chance of separation where a side is short.

use super::segment::{Detector, changes};
use super::{Change, ChangeSettings};
use crate::special::normal_cdf;
use crate::trend::ranks;
use crate::{StatsError, sample};

/// The changes of a series as this detector alone sees them, ascending, whatever their size.
///
/// # Errors
/// As [`super::change_points`].
pub fn rank_changes(series: &[f64], settings: ChangeSettings) -> Result<Vec<Change>, StatsError> {
    changes(&Ranks, series, settings)
}

struct Ranks;

impl Detector for Ranks {
    fn best_split(&self, values: &[f64], min_segment: usize) -> Option<usize> {
        let u = statistics(values);
        let mut best = (0.0, None);
        for length in min_segment..=values.len() - min_segment {
            // Ties and the count are the same at each split: only m n differs.
            let score = u[length - 1].powi(2) / (length as f64 * (values.len() - length) as f64);
            if score > best.0 {
                best = (score, Some(length));
            }
        }
        best.1
    }

    fn p(&self, before: &[f64], after: &[f64]) -> f64 {
        let values = [before, after].concat();
        let u = statistics(&values)[before.len() - 1];
        let n = values.len() as f64;
        let variance = before.len() as f64 * after.len() as f64 * (n + 1.0) / 3.0 * untied_share(&values);
        if variance > 0.0 { 2.0 * normal_cdf(-u.abs() / variance.sqrt()) } else { 1.0 }
    }

    fn is_large(&self, _: &[f64], _: &[f64]) -> bool {
        true
    }
}

/// Pettitt's U after each value: pairs that rise across the split less pairs that fall.
fn statistics(values: &[f64]) -> Vec<f64> {
    let middle = values.len() as f64 + 1.0;
    let mut u = 0.0;
    ranks(values)
        .into_iter()
        .map(|rank| {
            u += middle - 2.0 * rank;
            u
        })
        .collect()
}

/// What ties leave of the variance: `1 − Σ (g³ − g) / (n³ − n)` over groups of g equal values.
fn untied_share(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let cube_term = |count: usize| (count as f64).powi(3) - count as f64;
    let tied: f64 = sorted.chunk_by(|&a, &b| sample::is_same(a, b)).map(|group| cube_term(group.len())).sum();
    1.0 - tied / cube_term(values.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// `tests/vectors/make_change.py`: Pettitt's double sum written out in NumPy, and SciPy's `mannwhitneyu`.
    #[test]
    fn statistics_equal_the_double_sum_and_p_values_scipy() {
        let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/change.json")).unwrap();
        let numbers =
            |value: &Value| -> Vec<f64> { value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
        let cases = vectors["pettitt"].as_array().unwrap();
        assert!(cases.len() >= 5);
        for case in cases {
            let values = numbers(&case["values"]);
            let (u, p) = (statistics(&values), numbers(&case["p"]));
            for (found, expected) in u.iter().zip(numbers(&case["u"])) {
                assert!((found - expected).abs() < 1e-9, "{found} {expected}");
            }
            for (length, expected) in (2..).zip(&p) {
                let found = Ranks.p(&values[..length], &values[length..]);
                assert!((found - expected).abs() <= 1e-9 * expected.max(1e-3), "{length}: {found} {expected}");
            }
            let best = case["best"].as_u64().and_then(|best| usize::try_from(best).ok());
            assert_eq!(Ranks.best_split(&values, 3), best);
        }
    }

    #[test]
    fn equal_values_have_no_split() {
        assert_eq!(Ranks.best_split(&[4.0; 12], 2), None);
        assert!((Ranks.p(&[4.0; 6], &[4.0; 6]) - 1.0).abs() < 1e-15);
    }
}
