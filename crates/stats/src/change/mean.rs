//! The mean detector: E-divisive by energy distance (Matteson and James 2014), with Welch's t test in place of its
//! permutations, as Hunter has it (Fleming et al. 2023) and Otava after it.
//!
//! The statistic of a split into parts of m and n values is `m n / (m + n) · (2 E|X − Y| − E|X − X'| − E|Y − Y'|)`, the
//! energy distance with exponent 1. Exponent 2 would need two sums only, but is the squared difference of means: one wild
//! run then weighs by its square and draws the split to itself. With exponent 1 a split costs as many steps as the window
//! has runs, by moving one value across at a time; at thirty runs that is a microsecond for each window.

use super::segment::{Detector, changes};
use super::{Change, ChangeSettings};
use crate::compare::WelchStatistic;
use crate::{StatsError, sample};

/// The changes of a series as this detector alone sees them, ascending; a step smaller than `min_change` is none.
///
/// # Errors
/// As [`super::change_points`].
pub fn mean_changes(series: &[f64], settings: ChangeSettings) -> Result<Vec<Change>, StatsError> {
    changes(&Energy { min_change: settings.min_change }, series, settings)
}

struct Energy {
    min_change: f64,
}

impl Detector for Energy {
    fn best_split(&self, values: &[f64], min_segment: usize) -> Option<usize> {
        let mut best = (0.0, None);
        energies(values, |length, energy| {
            if length >= min_segment && values.len() - length >= min_segment && energy > best.0 {
                best = (energy, Some(length));
            }
        });
        best.1
    }

    fn p(&self, before: &[f64], after: &[f64]) -> f64 {
        let test = WelchStatistic::new(before, after);
        if test.variance > 0.0 {
            return test.p();
        }
        // Values that never vary, such as counts of instructions: any difference is a change. Not so where the variance is
        // too small for a number.
        let is_certain = sample::is_constant(before) && sample::is_constant(after) && test.difference.abs() > 0.0;
        if is_certain { 0.0 } else { 1.0 }
    }

    /// The same for a step and for the way back, so that a reversed series has the same points.
    fn is_large(&self, before: &[f64], after: &[f64]) -> bool {
        let (before, after) = (sample::mean(before), sample::mean(after));
        let (small, large) = (before.abs().min(after.abs()), before.abs().max(after.abs()));
        before.signum() * after.signum() < 0.0 || large >= small * (1.0 + self.min_change)
    }
}

/// Calls with the length of the first part and its statistic, for each split into parts of two values or more.
fn energies(values: &[f64], mut visit: impl FnMut(usize, f64)) {
    let distance_sum = |value: f64, others: &[f64]| others.iter().map(|other| (value - other).abs()).sum::<f64>();
    // Sums over the pairs within the first part, within the second, and between them.
    let (mut first, mut between) = (0.0, 0.0);
    let mut second: f64 = values.iter().enumerate().map(|(i, &value)| distance_sum(value, &values[i + 1..])).sum();
    for (i, &value) in values.iter().enumerate() {
        let (to_first, to_second) = (distance_sum(value, &values[..i]), distance_sum(value, &values[i + 1..]));
        first += to_first;
        second -= to_second;
        between += to_second - to_first;
        let (m, n) = ((i + 1) as f64, (values.len() - i - 1) as f64);
        if m >= 2.0 && n >= 2.0 {
            let pairs = |count: f64| 0.5 * count * (count - 1.0);
            let energy = 2.0 * between / (m * n) - first / pairs(m) - second / pairs(n);
            visit(i + 1, m * n / (m + n) * energy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, over all pairs of each split.
    fn energy(x: &[f64], y: &[f64]) -> f64 {
        let between: f64 = x.iter().flat_map(|a| y.iter().map(move |b| (a - b).abs())).sum();
        let within = |values: &[f64]| -> f64 {
            let count = values.len() as f64;
            let all: f64 = values.iter().flat_map(|a| values.iter().map(move |b| (a - b).abs())).sum();
            all / (count * (count - 1.0))
        };
        let (m, n) = (x.len() as f64, y.len() as f64);
        m * n / (m + n) * (2.0 * between / (m * n) - within(x) - within(y))
    }

    proptest::proptest! {
        #[test]
        fn moving_one_value_at_a_time_gives_the_sums_over_all_pairs(
            values in proptest::collection::vec(-1e3..1e3_f64, 0..40),
        ) {
            let mut visited = 0;
            energies(&values, |length, found| {
                visited += 1;
                let expected = energy(&values[..length], &values[length..]);
                assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs() + 1e3), "{found} {expected}");
            });
            proptest::prop_assert_eq!(visited, values.len().saturating_sub(3));
        }
    }

    #[test]
    fn the_split_lies_at_the_step() {
        let detector = Energy { min_change: 0.0 };
        let series = [1.0, 2.0, 1.5, 1.2, 1.8, 1.1, 5.0, 5.5, 5.2, 5.9];
        assert_eq!(detector.best_split(&series, 2), Some(6));
        assert_eq!(detector.best_split(&series, 5), Some(5));
        assert_eq!(detector.best_split(&[3.0; 12], 2), None);
        // One wild run does not draw the split to itself, as it would with squares.
        let wild =
            [1.0, 1.1, 1.0, 1.2, 20.0, 1.1, 1.0, 1.2, 1.1, 1.0, 2.0, 2.1, 2.0, 2.2, 2.1, 2.0, 2.2, 2.1, 2.0, 2.1];
        assert_eq!(detector.best_split(&wild, 3), Some(10));
    }
}
