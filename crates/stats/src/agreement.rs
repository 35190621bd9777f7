//! Agreement between those who judge: Cohen's kappa, Krippendorff's alpha, and rates corrected for a judge's errors.

use crate::interval::{Confidence, Interval, Method};
use crate::special::normal_quantile;

/// How far apart two ratings are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// Equal or not.
    Nominal,
    /// The squared difference: ratings on a scale with equal steps.
    Squared,
}

impl Distance {
    #[expect(clippy::float_cmp, reason = "ratings are labels: equal or not")]
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Nominal => f64::from(u8::from(a != b)),
            Self::Squared => (a - b).powi(2),
        }
    }
}

/// Cohen's kappa of two raters, weighted by a distance.
///
/// Formula: `1 − Σ observed distance / Σ expected distance`, where the expected one pairs every rating of the one with
/// every rating of the other (Cohen 1960; 1968 for weights). With [`Distance::Squared`] it is scikit-learn's
/// `cohen_kappa_score(weights="quadratic")`. `None` without pairs, or where chance alone would agree always.
#[must_use]
pub fn cohen_kappa(pairs: &[(f64, f64)], distance: Distance) -> Option<f64> {
    let (first, second) = (counts(pairs.iter().map(|pair| pair.0)), counts(pairs.iter().map(|pair| pair.1)));
    let observed: f64 = pairs.iter().map(|pair| distance.of(pair.0, pair.1)).sum::<f64>() * pairs.len() as f64;
    let expected: f64 =
        first.iter().flat_map(|(a, n)| second.iter().map(move |(b, m)| distance.of(*a, *b) * n * m)).sum();
    (expected > 0.0).then(|| 1.0 - observed / expected)
}

/// Krippendorff's alpha over units that two or more ratings each were given; a unit with fewer says nothing.
///
/// Formula: `1 − observed disagreement / expected disagreement` (Krippendorff 2011, "Computing Krippendorff's
/// alpha-reliability"): within a unit of m ratings each ordered pair weighs 1/(m − 1), and the expected disagreement pairs
/// all n pairable ratings, divided by n − 1. `None` below two pairable ratings, or where all of them are equal.
#[must_use]
pub fn krippendorff_alpha(units: &[Vec<f64>], distance: Distance) -> Option<f64> {
    let pairable = || units.iter().filter(|unit| unit.len() > 1);
    let within = |unit: &Vec<f64>| {
        let sum: f64 = unit.iter().flat_map(|a| unit.iter().map(|b| distance.of(*a, *b))).sum();
        sum / (unit.len() - 1) as f64
    };
    let observed: f64 = pairable().map(within).sum();
    let values = counts(pairable().flatten().copied());
    let n: f64 = values.iter().map(|(_, count)| count).sum();
    let expected: f64 =
        values.iter().flat_map(|(a, n)| values.iter().map(move |(b, m)| distance.of(*a, *b) * n * m)).sum();
    (n > 1.0 && expected > 0.0).then(|| 1.0 - (n - 1.0) * observed / expected)
}

/// Different values with how often they occur.
fn counts(values: impl Iterator<Item = f64>) -> Vec<(f64, f64)> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let mut counts: Vec<(f64, f64)> = Vec::new();
    for value in sorted {
        match counts.last_mut().filter(|(known, _)| known.total_cmp(&value).is_eq()) {
            Some((_, count)) => *count += 1.0,
            None => counts.push((value, 1.0)),
        }
    }
    counts
}

/// A count out of trials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How often it happened.
    pub successes: u64,
    /// How often it could have.
    pub trials: u64,
}

impl Count {
    /// The share; `None` without trials.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        (self.trials > 0).then(|| self.successes as f64 / self.trials as f64)
    }

    /// The count with `successes` and `trials` raised, as adjusted intervals ask for.
    fn raised(self, successes: f64, trials: f64) -> (f64, f64) {
        let n = self.trials as f64 + trials;
        ((self.successes as f64 + successes) / n, n)
    }
}

/// What a judge said of all items, and how often it was right where the truth is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JudgeCounts {
    /// Items that the judge passed, of all that it judged.
    pub passed: Count,
    /// Items that it passed, of those that are truly good: its sensitivity.
    pub right_pass: Count,
    /// Items that it failed, of those that are truly bad: its specificity.
    pub right_fail: Count,
}

/// The true rate behind a judge's rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CorrectedRate {
    /// The rate, within 0 and 1.
    pub value: f64,
    /// Its interval, for the errors of all three counts.
    pub interval: Interval,
}

/// A rate corrected for the judge's sensitivity and specificity.
///
/// Formula: `(passed + specificity − 1) / (sensitivity + specificity − 1)` (Rogan and Gladen 1978, "Estimating prevalence
/// from the results of a screening test"), cut to 0 and 1. The interval is that of Lang and Reiczigel 2014 ("Confidence
/// limits for prevalence of disease adjusted for estimated sensitivity and specificity"): counts raised by z²/2 and z²
/// (the rate), and by 1 and 2 (the judge), and the delta method.
///
/// `None` without items of each kind, or where the judge is no better than a coin: then its rate says nothing.
#[must_use]
pub fn corrected_rate(counts: &JudgeCounts, confidence: Confidence) -> Option<CorrectedRate> {
    let (passed, sensitivity, specificity) =
        (counts.passed.share()?, counts.right_pass.share()?, counts.right_fail.share()?);
    let youden = sensitivity + specificity - 1.0;
    if youden <= 0.0 {
        return None;
    }
    let value = ((passed + specificity - 1.0) / youden).clamp(0.0, 1.0);
    let z = normal_quantile(1.0 - confidence.tail());
    let (rate, n) = counts.passed.raised(z * z / 2.0, z * z);
    let (sensitivity, n_good) = counts.right_pass.raised(1.0, 2.0);
    let (specificity, n_bad) = counts.right_fail.raised(1.0, 2.0);
    let youden = sensitivity + specificity - 1.0;
    if youden <= 0.0 {
        return None;
    }
    let center = (rate + specificity - 1.0) / youden;
    let (of_good, of_bad) = (sensitivity * (1.0 - sensitivity) / n_good, specificity * (1.0 - specificity) / n_bad);
    let shift = 2.0 * z * z * (center * of_good - (1.0 - center) * of_bad);
    let variance = rate * (1.0 - rate) / n + center * center * of_good + (1.0 - center).powi(2) * of_bad;
    let half = z * variance.sqrt() / youden;
    let (low, high) = ((center + shift - half).clamp(0.0, 1.0), (center + shift + half).clamp(0.0, 1.0));
    let interval = Interval { low: low.min(value), high: high.max(value), confidence, method: Method::LangReiczigel };
    Some(CorrectedRate { value, interval })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn close(value: Option<f64>, expected: f64, tolerance: f64) {
        let value = value.unwrap();
        assert!((value - expected).abs() < tolerance, "{value} is not {expected}");
    }

    /// Origin: the table 20, 5, 10, 15 by hand: observed agreement 0.7, by chance 0.5. With squared distances
    /// six pairs of the ratings 1 to 3 by hand: observed 6 · 2, expected 8 + 8 + 32.
    #[test]
    fn kappa_of_tables_by_hand() {
        let table = [((1.0, 1.0), 20), ((1.0, 0.0), 5), ((0.0, 1.0), 10), ((0.0, 0.0), 15)];
        let pairs: Vec<(f64, f64)> =
            table.iter().flat_map(|(pair, count)| std::iter::repeat_n(*pair, *count)).collect();
        close(cohen_kappa(&pairs, Distance::Nominal), 0.4, 1e-12);
        close(cohen_kappa(&pairs, Distance::Squared), 0.4, 1e-12);
        let graded = [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (1.0, 2.0), (2.0, 1.0), (3.0, 3.0)];
        close(cohen_kappa(&graded, Distance::Squared), 0.75, 1e-12);
        assert_eq!(cohen_kappa(&[(1.0, 1.0)], Distance::Nominal), None);
        assert_eq!(cohen_kappa(&[], Distance::Nominal), None);
    }

    /// Origin: Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example C: four observers, twelve units
    /// with missing values; he gives 0.743 for nominal and 0.849 for interval data.
    #[test]
    fn alpha_of_krippendorffs_example() {
        let none = f64::NAN;
        let observers = [
            [1.0, 2.0, 3.0, 3.0, 2.0, 1.0, 4.0, 1.0, 2.0, none, none, none],
            [1.0, 2.0, 3.0, 3.0, 2.0, 2.0, 4.0, 1.0, 2.0, 5.0, none, 3.0],
            [none, 3.0, 3.0, 3.0, 2.0, 3.0, 4.0, 2.0, 2.0, 5.0, 1.0, none],
            [1.0, 2.0, 3.0, 3.0, 2.0, 4.0, 4.0, 1.0, 2.0, 5.0, 1.0, none],
        ];
        let units: Vec<Vec<f64>> = (0..12)
            .map(|unit| observers.iter().map(|observer| observer[unit]).filter(|rating| !rating.is_nan()).collect())
            .collect();
        close(krippendorff_alpha(&units, Distance::Nominal), 0.743, 5e-4);
        close(krippendorff_alpha(&units, Distance::Squared), 0.849, 5e-4);
        assert_eq!(krippendorff_alpha(&[vec![1.0], vec![2.0]], Distance::Nominal), None);
        assert_eq!(krippendorff_alpha(&[vec![1.0, 1.0]], Distance::Nominal), None);
    }

    /// A perfect judge's rate is the true one; a judge with known errors is seen through; a coin says nothing.
    #[test]
    fn rates_are_corrected_for_the_judge() {
        let count = |successes, trials| Count { successes, trials };
        let counts = |passed, right_pass, right_fail| JudgeCounts { passed, right_pass, right_fail };
        let perfect = corrected_rate(&counts(count(30, 100), count(50, 50), count(50, 50)), Confidence::P95).unwrap();
        assert!((perfect.value - 0.3).abs() < 1e-12 && perfect.interval.contains(0.3));
        // True rate 0.6 · 0.9 + 0.4 · 0.2 = 0.62 passed, by hand.
        let seen = corrected_rate(&counts(count(620, 1_000), count(90, 100), count(80, 100)), Confidence::P95).unwrap();
        assert!((seen.value - 0.6).abs() < 1e-12, "{seen:?}");
        assert_eq!(corrected_rate(&counts(count(5, 10), count(5, 10), count(5, 10)), Confidence::P95), None);
        assert_eq!(corrected_rate(&counts(count(5, 10), count(0, 0), count(5, 10)), Confidence::P95), None);
    }

    /// The interval holds the true rate about as often as it says: 2,000 simulated studies with 40 labels a side.
    #[test]
    fn the_corrected_interval_covers() {
        let mut random = Random::stream(7, 0);
        let mut drawn = |chance: f64, trials: u64| {
            let successes = (0..trials).filter(|_| random.unit() < chance).count() as u64;
            Count { successes, trials }
        };
        let (truth, sensitivity, specificity) = (0.3, 0.85, 0.8);
        let (mut held, mut studies) = (0, 0);
        for _ in 0..2_000 {
            let counts = JudgeCounts {
                passed: drawn(truth * sensitivity + (1.0 - truth) * (1.0 - specificity), 200),
                right_pass: drawn(sensitivity, 40),
                right_fail: drawn(specificity, 40),
            };
            if let Some(rate) = corrected_rate(&counts, Confidence::P95) {
                studies += 1;
                held += u32::from(rate.interval.contains(truth));
            }
        }
        let coverage = f64::from(held) / f64::from(studies);
        assert!(studies > 1_900 && (0.94..=0.99).contains(&coverage), "{coverage} of {studies}");
    }

    proptest::proptest! {
        #[test]
        fn agreement_never_exceeds_one(pairs in proptest::collection::vec((0_u8..5, 0_u8..5), 0..40)) {
            let pairs: Vec<(f64, f64)> = pairs.iter().map(|(a, b)| (f64::from(*a), f64::from(*b))).collect();
            let units: Vec<Vec<f64>> = pairs.iter().map(|(a, b)| vec![*a, *b]).collect();
            for distance in [Distance::Nominal, Distance::Squared] {
                let both = [cohen_kappa(&pairs, distance), krippendorff_alpha(&units, distance)];
                for value in both.into_iter().flatten() {
                    proptest::prop_assert!(value <= 1.0 + 1e-12);
                }
                // Who agrees always has 1, whatever the labels.
                let same: Vec<(f64, f64)> = pairs.iter().map(|(a, _)| (*a, *a)).collect();
                proptest::prop_assert!(cohen_kappa(&same, distance).is_none_or(|kappa| (kappa - 1.0).abs() < 1e-12));
            }
        }

        #[test]
        fn corrected_rates_are_rates(passed in 0_u64..50, good in 0_u64..20, bad in 0_u64..20) {
            let counts = JudgeCounts {
                passed: Count { successes: passed, trials: 50 },
                right_pass: Count { successes: good, trials: 20 },
                right_fail: Count { successes: bad, trials: 20 },
            };
            if let Some(rate) = corrected_rate(&counts, Confidence::P95) {
                proptest::prop_assert!((0.0..=1.0).contains(&rate.value));
                proptest::prop_assert!(rate.interval.low <= rate.value && rate.value <= rate.interval.high);
            }
        }
    }
}
