//! Histograms: put together from their series, subtracted, and read for quantiles.

use std::collections::BTreeMap;

use weighbridge_types::server::HistogramSnapshot;

use super::parse::Series;

/// Most buckets of one histogram; servers have two dozen.
const BUCKET_LIMIT: usize = 1_024;
/// Above this a float no longer counts by ones.
const COUNT_LIMIT: f64 = 9_007_199_254_740_992.0;

/// Series that make no histogram, or two histograms that cannot be subtracted.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HistogramError {
    /// A bucket's count is no count.
    #[error("read a histogram: the count {value} of the bucket up to `{bound}` is no whole number")]
    Count {
        /// The bucket's `le`.
        bound: String,
        /// What was found.
        value: f64,
    },
    /// A bucket's bound is missing or no number.
    #[error("read a histogram: `le` is `{bound}`, which is no bound")]
    Bound {
        /// What was found.
        bound: String,
    },
    /// A larger bucket holds less than a smaller one.
    #[error("read a histogram: the counts fall above the bound {bound}")]
    Falling {
        /// The lower bound of the bucket that holds too little.
        bound: f64,
    },
    /// Series of one histogram have other bounds than others.
    #[error("read a histogram: the bucket up to {bound} is missing in some of its series")]
    Uneven {
        /// The bucket's bound.
        bound: f64,
    },
    /// No bucket for every value.
    #[error("read a histogram: the bucket `le=\"+Inf\"` is missing")]
    Open,
    /// Too many buckets.
    #[error("read a histogram: it has more than {BUCKET_LIMIT} buckets")]
    TooLarge,
    /// The later of two has other bounds.
    #[error("subtract histograms: the bounds changed between the two readings")]
    Bounds,
    /// The later of two counts less.
    #[error("subtract histograms: a count fell between the two readings")]
    Restarted,
}

impl HistogramError {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Bounds | Self::Restarted => "the server was restarted while it was measured: measure again",
            Self::Count { .. }
            | Self::Bound { .. }
            | Self::Falling { .. }
            | Self::Uneven { .. }
            | Self::Open
            | Self::TooLarge => "the server's figure is left out; compare its /metrics with the Prometheus text format",
        }
    }
}

/// Puts a histogram together from its `_bucket` series, and `_sum` where given. Series that differ in other labels
/// (engines, models) are added up: each must have the same bounds.
///
/// # Errors
/// When the series make no histogram.
pub fn histogram<'a>(
    buckets: impl IntoIterator<Item = &'a Series<'a>>,
    sum: Option<f64>,
) -> Result<HistogramSnapshot, HistogramError> {
    let mut cumulative: BTreeMap<Bound, Bucket> = BTreeMap::new();
    for series in buckets {
        let bound = series.labels.get("le").unwrap_or_default();
        let count = whole(series.value)
            .ok_or_else(|| HistogramError::Count { bound: bound.to_owned(), value: series.value })?;
        let key = Bound::read(bound).ok_or_else(|| HistogramError::Bound { bound: bound.to_owned() })?;
        let bucket = cumulative.entry(key).or_default();
        bucket.total = bucket.total.saturating_add(count);
        bucket.series += 1;
        if cumulative.len() > BUCKET_LIMIT {
            return Err(HistogramError::TooLarge);
        }
    }
    let Some(series) = cumulative.get(&Bound(f64::INFINITY)).map(|bucket| bucket.series) else {
        return Err(HistogramError::Open);
    };
    let mut found = HistogramSnapshot { sum: sum.filter(|sum| sum.is_finite()), ..HistogramSnapshot::default() };
    let mut below = 0;
    for (bound, Bucket { total, series: own }) in cumulative {
        if own != series {
            return Err(HistogramError::Uneven { bound: bound.0 });
        }
        let last = found.bounds.last().copied().unwrap_or(f64::NEG_INFINITY);
        found.counts.push(total.checked_sub(below).ok_or(HistogramError::Falling { bound: last })?);
        below = total;
        if bound.0.is_finite() {
            found.bounds.push(bound.0);
        }
    }
    Ok(found)
}

/// Values up to a bound, and in how many series the bound stands.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    total: u64,
    series: usize,
}

/// An upper bound, ordered.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Bound(f64);

impl Bound {
    fn read(text: &str) -> Option<Self> {
        // Adding zero makes a negative zero positive.
        text.parse::<f64>()
            .ok()
            .filter(|bound| !bound.is_nan() && *bound != f64::NEG_INFINITY)
            .map(|bound| Self(bound + 0.0))
    }
}

impl Eq for Bound {}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range, as checked")]
fn whole(value: f64) -> Option<u64> {
    ((0.0..=COUNT_LIMIT).contains(&value) && value.fract() == 0.0).then_some(value as u64)
}

/// What a histogram gained between two readings.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramDelta {
    gained: HistogramSnapshot,
}

/// A quantile read from buckets. Nothing is known of where in its bucket a value lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BucketQuantile {
    /// Linear interpolation within the bucket; `None` in the last one, which has no upper bound.
    pub value: Option<f64>,
    /// Lower bound of the bucket. Durations are not negative, so that the first bucket starts at 0.
    pub low: f64,
    /// Upper bound of the bucket; `None` for the last one.
    pub high: Option<f64>,
    /// Values in all buckets.
    pub count: u64,
}

impl HistogramDelta {
    /// Subtracts an earlier reading from a later one.
    ///
    /// # Errors
    /// When the bounds differ or a count fell.
    pub fn between(earlier: &HistogramSnapshot, later: &HistogramSnapshot) -> Result<Self, HistogramError> {
        if earlier.bounds != later.bounds || earlier.counts.len() != later.counts.len() {
            return Err(HistogramError::Bounds);
        }
        let pairs = later.counts.iter().zip(&earlier.counts);
        let counts: Option<Vec<u64>> = pairs.map(|(later, earlier)| later.checked_sub(*earlier)).collect();
        let sum = later.sum.zip(earlier.sum).map(|(later, earlier)| later - earlier);
        let counts = counts.ok_or(HistogramError::Restarted)?;
        Ok(Self { gained: HistogramSnapshot { bounds: later.bounds.clone(), counts, sum } })
    }

    /// Values gained.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.gained.count()
    }

    /// Mean of the values gained, exact: sum / count. `None` without a value or a sum.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        self.gained.sum.filter(|_| count > 0).map(|sum| sum / count as f64)
    }

    /// The quantile `q` (0 to 1) by linear interpolation within its bucket, the rule of Prometheus'
    /// `histogram_quantile`: rank `q × count`, the first bucket whose cumulative count reaches it. The bucket's
    /// bounds are the honest interval. `None` without a value, or for a `q` that is no share.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<BucketQuantile> {
        let count = self.count();
        if count == 0 || !(0.0..=1.0).contains(&q) {
            return None;
        }
        let rank = q * count as f64;
        let mut below = 0_u64;
        for (index, &own) in self.gained.counts.iter().enumerate() {
            let reached = below.saturating_add(own);
            // An empty bucket holds no value, so that the rank 0 belongs to the first one that is not empty.
            if own > 0 && reached as f64 >= rank {
                return Some(self.within(index, (rank - below as f64) / own as f64, count));
            }
            below = reached;
        }
        let last = self.gained.counts.iter().rposition(|&own| own > 0)?;
        Some(self.within(last, 1.0, count))
    }

    fn within(&self, index: usize, share: f64, count: u64) -> BucketQuantile {
        let high = self.gained.bounds.get(index).copied();
        let low = match index {
            // A first bound at or below 0 has nothing that is known below it but itself.
            0 => high.map_or(0.0, |high| high.min(0.0)),
            _ => self.gained.bounds.get(index - 1).copied().unwrap_or_default(),
        };
        BucketQuantile { value: high.map(|high| low + (high - low) * share.clamp(0.0, 1.0)), low, high, count }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse::parse;
    use super::*;

    fn read(text: &str) -> Result<HistogramSnapshot, HistogramError> {
        histogram(&parse(text.as_bytes()).unwrap().series, Some(1.5))
    }

    #[test]
    fn buckets_in_any_order_make_one_histogram() {
        let text = "a_bucket{le=\"+Inf\"} 4\na_bucket{le=\"0.10\"} 1\na_bucket{le=\"1e-1\",x=\"b\"} 1\n\
                    a_bucket{le=\"1\"} 3\na_bucket{le=\"1.0\",x=\"b\"} 1\na_bucket{le=\"+Inf\",x=\"b\"} 2\n";
        let expected = HistogramSnapshot { bounds: vec![0.1, 1.0], counts: vec![2, 2, 2], sum: Some(1.5) };
        assert_eq!(read(text), Ok(expected));
    }

    #[test]
    fn odd_series_are_no_histogram() {
        let check = |text: &str, expected: &str| {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.hint().is_empty());
        };
        check("a_bucket{le=\"1\"} 3\n", "`le=\"+Inf\"` is missing");
        check("", "missing");
        check("a_bucket{le=\"1\"} 3\na_bucket{le=\"+Inf\"} 2\n", "fall above the bound 1");
        check("a_bucket{le=\"1\"} 1\na_bucket{le=\"+Inf\"} 2\na_bucket{le=\"+Inf\",x=\"b\"} 2\n", "up to 1 is missing");
        check("a_bucket{le=\"x\"} 3\n", "`le` is `x`");
        check("a_bucket{le=\"NaN\"} 3\n", "`le` is `NaN`");
        check("a_bucket 3\n", "`le` is ``");
        check("a_bucket{le=\"1\"} 0.5\n", "count 0.5");
        check("a_bucket{le=\"1\"} -1\n", "count -1");
        check("a_bucket{le=\"1\"} NaN\n", "count NaN");
    }

    fn delta(counts: &[u64]) -> HistogramDelta {
        let zero = HistogramSnapshot { bounds: vec![0.1, 0.2, 0.4], counts: vec![5; 4], sum: Some(2.0) };
        let later = counts.iter().map(|count| count + 5).collect();
        HistogramDelta::between(&zero, &HistogramSnapshot { counts: later, sum: Some(3.0), ..zero.clone() }).unwrap()
    }

    /// Expected values by hand, from the rule in Prometheus' documentation of `histogram_quantile`.
    #[test]
    fn quantiles_interpolate_within_their_bucket() {
        let check = |counts: &[u64], q: f64, expected: (Option<f64>, f64, Option<f64>)| {
            let found = delta(counts).quantile(q).unwrap();
            assert_eq!((found.low, found.high, found.value.is_some()), (expected.1, expected.2, expected.0.is_some()));
            assert!(found.value.zip(expected.0).is_none_or(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
            assert_eq!(found.count, counts.iter().sum::<u64>());
        };
        check(&[10, 0, 0, 0], 0.5, (Some(0.05), 0.0, Some(0.1)));
        check(&[2, 4, 4, 0], 0.5, (Some(0.175), 0.1, Some(0.2)));
        check(&[2, 4, 4, 0], 1.0, (Some(0.4), 0.2, Some(0.4)));
        check(&[0, 4, 0, 0], 0.0, (Some(0.1), 0.1, Some(0.2)));
        check(&[1, 0, 0, 9], 0.5, (None, 0.4, None));
        assert_eq!(delta(&[0; 4]).quantile(0.5), None);
        assert_eq!(delta(&[1; 4]).quantile(1.5), None);
        assert_eq!(delta(&[1, 1, 0, 0]).mean(), Some(0.5));
        assert_eq!(delta(&[0; 4]).mean(), None);
    }

    #[test]
    fn a_restart_is_seen() {
        let old = HistogramSnapshot { bounds: vec![1.0], counts: vec![5, 0], sum: None };
        let check = |bounds: &[f64], counts: &[u64], expected| {
            let later = HistogramSnapshot { bounds: bounds.to_vec(), counts: counts.to_vec(), sum: None };
            assert_eq!(HistogramDelta::between(&old, &later), Err(expected));
        };
        check(&[1.0], &[4, 9], HistogramError::Restarted);
        check(&[2.0], &[6, 9], HistogramError::Bounds);
        check(&[1.0], &[6], HistogramError::Bounds);
    }

    proptest! {
        #[test]
        fn quantiles_rise_and_stay_in_their_bucket(counts in prop::array::uniform4(0_u64..50), a in 0.0..=1.0, b in 0.0..=1.0) {
            let delta = delta(&counts);
            let (a, b): (f64, f64) = if a <= b { (a, b) } else { (b, a) };
            if let (Some(low), Some(high)) = (delta.quantile(a), delta.quantile(b)) {
                prop_assert!(low.low <= high.low);
                if let (Some(low), Some(high)) = (low.value, high.value) {
                    prop_assert!(low <= high);
                }
                for found in [low, high] {
                    prop_assert!(found.value.is_none_or(|value| value >= found.low && Some(value) <= found.high));
                }
            }
        }
    }
}
