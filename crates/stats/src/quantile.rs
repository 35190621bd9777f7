//! Exact quantiles: Hyndman and Fan's type 7, the one definition of this project.

use crate::{Confidence, StatsError, sample, tail};

/// The percentiles of every table.
pub const PERCENTS: [f64; 11] = [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99];

/// Quantile of an ascending slice, type 7: linear between the order statistics around `(n − 1) q`.
///
/// Source: Hyndman and Fan, "Sample quantiles in statistical packages", 1996; NumPy's `method="linear"`.
/// `None` for an empty slice and for `q` outside [0, 1].
///
/// ```
/// use weighbridge_stats::quantile_sorted;
/// assert_eq!(quantile_sorted(&[10.0, 20.0, 40.0], 0.75), Some(30.0));
/// ```
pub fn quantile_sorted(sorted: &[f64], q: f64) -> Option<f64> {
    if !(0.0..=1.0).contains(&q) {
        return None;
    }
    let (below, share) = position(sorted.len().checked_sub(1)?, q);
    let above = (below + 1).min(sorted.len() - 1);
    Some(interpolate(sorted[below], sorted[above], share))
}

/// The same quantile of an unsorted, non-empty slice with `q` in [0, 1], which is left partly ordered. Linear time:
/// a bootstrap calls this thousands of times.
pub(crate) fn quantile_unsorted(values: &mut [f64], q: f64) -> f64 {
    let (below, share) = position(values.len() - 1, q);
    let (_, &mut low, rest) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(low);
    interpolate(low, high, share)
}

/// Index of the order statistic below quantile `q`, and the share of the way to the next.
fn position(last: usize, q: f64) -> (usize, f64) {
    let virtual_index = last as f64 * q;
    let below = sample::to_index(virtual_index).min(last);
    (below, virtual_index - below as f64)
}

/// Starts from the nearer end, as NumPy does, which keeps the result monotone in `share`.
fn interpolate(low: f64, high: f64, share: f64) -> f64 {
    let gap = high - low;
    if share < 0.5 { low + gap * share } else { high - gap * (1.0 - share) }
}

/// A checked sample in ascending order; never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Sorted {
    values: Vec<f64>,
}

impl Sorted {
    /// Checks and sorts.
    ///
    /// # Errors
    /// [`StatsError::Empty`] without values, [`StatsError::NotFinite`] at an unusable one.
    pub fn new(mut values: Vec<f64>) -> Result<Self, StatsError> {
        sample::check(&values)?;
        values.sort_unstable_by(f64::total_cmp);
        Ok(Self { values })
    }

    /// The values in ascending order.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Quantile `q` in [0, 1], type 7.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] for another `q`.
    pub fn quantile(&self, q: f64) -> Result<f64, StatsError> {
        quantile_sorted(&self.values, q).ok_or(StatsError::OutOfRange {
            what: "a quantile",
            value: q,
            expected: "a number from 0 to 1",
        })
    }

    /// The middle: quantile 0.5.
    pub fn median(&self) -> f64 {
        let (below, share) = position(self.values.len() - 1, 0.5);
        interpolate(self.values[below], self.values[(below + 1).min(self.values.len() - 1)], share)
    }

    /// The percentiles of every table ([`PERCENTS`]).
    pub fn percentile_grid(&self) -> PercentileGrid {
        let n = self.values.len();
        let percentiles = PERCENTS.map(|percent| {
            let q = percent / 100.0;
            let (below, share) = position(n - 1, q);
            let value = interpolate(self.values[below], self.values[(below + 1).min(n - 1)], share);
            let is_supported = tail::min_samples_for_percentile(q, Confidence::P99).is_some_and(|need| n >= need);
            Percentile { percent, value, is_supported }
        });
        PercentileGrid { n, percentiles }
    }
}

/// One percentile of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentile {
    /// Which one, from 0 to 100.
    pub percent: f64,
    /// The exact type-7 quantile of the sample.
    pub value: f64,
    /// Whether the sample is large enough to bound it at 99 % confidence ([`tail::min_samples_for_percentile`]).
    /// Tables hide a percentile that is not.
    pub is_supported: bool,
}

/// The fixed set of percentiles of one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct PercentileGrid {
    /// Values in the sample.
    pub n: usize,
    /// In the order of [`PERCENTS`].
    pub percentiles: [Percentile; PERCENTS.len()],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_has_no_quantile() {
        assert_eq!(quantile_sorted(&[], 0.5), None);
        assert_eq!(quantile_sorted(&[1.0], 1.5), None);
        assert_eq!(quantile_sorted(&[1.0], f64::NAN), None);
        assert_eq!(quantile_sorted(&[1.0], 1.0), Some(1.0));
        assert!(matches!(Sorted::new(vec![1.0]).unwrap().quantile(-0.1), Err(StatsError::OutOfRange { .. })));
    }

    #[test]
    fn grid_flags_percentiles_that_rest_on_too_few_values() {
        let supported = |n: u32| {
            let grid = Sorted::new((0..n).map(f64::from).collect()).unwrap().percentile_grid();
            grid.percentiles.iter().filter(|p| p.is_supported).map(|p| p.percent).collect::<Vec<_>>()
        };
        assert_eq!(supported(8), Vec::<f64>::new());
        assert_eq!(supported(63), [25.0, 50.0, 75.0]);
        assert_eq!(supported(64), [10.0, 25.0, 50.0, 75.0, 90.0]);
        assert_eq!(supported(662), [1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0]);
    }
}
