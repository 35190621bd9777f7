//! Checks and sums that every statistic starts with.

use std::cmp::Ordering;

use crate::StatsError;

/// Values must stay below this size, so that their squares and sums of squares stay finite.
const MAX_MAGNITUDE: f64 = 1e150;

/// Checks that the sample has a value and that all values are usable.
pub(crate) fn check(values: &[f64]) -> Result<(), StatsError> {
    if values.is_empty() {
        return Err(StatsError::Empty);
    }
    match values.iter().position(|value| value.is_nan() || value.abs() >= MAX_MAGNITUDE) {
        Some(index) => Err(StatsError::NotFinite { index, value: values[index] }),
        None => Ok(()),
    }
}

/// Checks the sample and that it holds at least `need` values.
pub(crate) fn check_at_least(values: &[f64], need: usize) -> Result<(), StatsError> {
    check(values)?;
    if values.len() < need {
        return Err(StatsError::Insufficient { have: values.len(), need });
    }
    Ok(())
}

/// Checks two samples that belong together, value by value.
pub(crate) fn check_pairs(left: &[f64], right: &[f64], need: usize) -> Result<(), StatsError> {
    if left.len() != right.len() {
        return Err(StatsError::LengthMismatch { left: left.len(), right: right.len() });
    }
    check_at_least(left, need)?;
    check(right)
}

/// Sum with the compensation of Neumaier (1974): the error does not grow with the count.
pub(crate) fn sum(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut total = 0.0_f64;
    let mut lost = 0.0_f64;
    for value in values {
        let next = total + value;
        lost += if total.abs() >= value.abs() { (total - next) + value } else { (value - next) + total };
        total = next;
    }
    total + lost
}

/// Arithmetic mean. The sample must not be empty.
pub(crate) fn mean(values: &[f64]) -> f64 {
    sum(values.iter().copied()) / values.len() as f64
}

/// Sample variance, divisor n − 1, in two passes. Zero when all values are equal, without rounding noise.
pub(crate) fn variance(values: &[f64], mean: f64) -> f64 {
    if is_constant(values) {
        return 0.0;
    }
    sum(values.iter().map(|value| (value - mean).powi(2))) / (values.len() as f64 - 1.0)
}

/// Whether all values are equal.
pub(crate) fn is_constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| is_same(pair[0], pair[1]))
}

/// Whether two values are tied. Both zeros are the same, which `total_cmp` would deny.
pub(crate) fn is_same(a: f64, b: f64) -> bool {
    a.partial_cmp(&b).is_some_and(Ordering::is_eq)
}

/// The whole part of a non-negative number, as an index; saturates.
#[expect(clippy::cast_possible_truncation, reason = "saturating is the wanted behaviour at both ends")]
pub(crate) fn to_index(value: f64) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_keeps_what_plain_addition_loses() {
        let total = sum([1.0, 1e100, 1.0, -1e100]);
        assert!((total - 2.0).abs() < 1e-12, "{total}");
    }

    #[test]
    fn check_names_the_first_unusable_value() {
        assert_eq!(check(&[]), Err(StatsError::Empty));
        assert!(matches!(check(&[1.0, f64::NAN]), Err(StatsError::NotFinite { index: 1, .. })));
        assert!(matches!(check(&[f64::INFINITY]), Err(StatsError::NotFinite { index: 0, .. })));
        assert!(matches!(check(&[1e200]), Err(StatsError::NotFinite { .. })));
        assert_eq!(check(&[0.0, -0.0, 1e-300]), Ok(()));
    }

    #[test]
    fn variance_of_equal_values_is_zero() {
        for values in [[0.1; 3], [0.0, -0.0, 0.0]] {
            assert!(variance(&values, mean(&values)).abs() < f64::MIN_POSITIVE);
        }
    }
}
