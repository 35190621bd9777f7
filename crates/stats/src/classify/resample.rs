//! Intervals of any score, from resampled counts or resampled units.

use crate::bootstrap::{expanded_tail, percentile_interval_at};
use crate::random::Random;
use crate::{Confidence, Interval, Method, Resampling, StatsError};

/// An interval rests on at least this share of the resamples; in the others the statistic does not exist, as recall
/// does not where the class was not drawn.
const MIN_DEFINED: f64 = 0.95;

/// Resamples items by their counts: `statistics` numbers for each replicate.
///
/// Items of one cell cannot be told apart, so drawing n items with replacement is drawing the counts of the cells from
/// a multinomial distribution. Its cost depends on the number of cells and not on n. `compute` is given the drawn counts,
/// in the order of `counts`, and writes its statistics; NaN stands for one that does not exist.
///
/// Returns one list of replicates per statistic.
pub fn count_bootstrap(
    counts: &[u64],
    resampling: Resampling,
    statistics: usize,
    mut compute: impl FnMut(&[f64], &mut [f64]),
) -> Vec<Vec<f64>> {
    // The largest cells first: the later binomials then draw from little, which is cheap.
    let mut filled: Vec<(usize, u64)> = counts.iter().copied().enumerate().filter(|&(_, count)| count > 0).collect();
    filled.sort_unstable_by_key(|&(cell, count)| (std::cmp::Reverse(count), cell));
    let total: u64 = counts.iter().sum();
    let mut drawn = vec![0.0; counts.len()];
    replicate(resampling, statistics, |random, out| {
        let (mut left, mut rest) = (total, total);
        for &(cell, count) in &filled {
            // The last cell takes what is left: its share of the rest is the whole.
            let taken = if count == rest { left } else { random.binomial(left, count as f64 / rest as f64) };
            drawn[cell] = taken as f64;
            left -= taken;
            rest -= count;
        }
        compute(&drawn, out);
    })
}

/// Resamples `units` (items or clusters of items) with replacement: `compute` is given how often each was drawn.
/// Otherwise as [`count_bootstrap`].
pub fn unit_bootstrap(
    units: usize,
    resampling: Resampling,
    statistics: usize,
    mut compute: impl FnMut(&[f64], &mut [f64]),
) -> Vec<Vec<f64>> {
    let mut drawn = vec![0.0; units];
    replicate(resampling, statistics, |random, out| {
        drawn.fill(0.0);
        for _ in 0..units {
            drawn[random.below(units)] += 1.0;
        }
        compute(&drawn, out);
    })
}

/// The interval around `value` of its replicates, over `units` independent units. Replicates that are NaN are left out.
///
/// # Errors
/// [`StatsError::Insufficient`] below two units, or when the statistic does not exist in one of twenty resamples.
pub fn replicates_interval(
    replicates: Vec<f64>,
    value: f64,
    units: usize,
    confidence: Confidence,
    method: Method,
) -> Result<Interval, StatsError> {
    replicates_intervals(vec![replicates], &[value], units, confidence, method).remove(0)
}

/// The intervals of several statistics over the same units, one list of replicates each: cheaper than one by one.
/// As many are returned as there are pairs of list and value; the errors are those of [`replicates_interval`].
pub fn replicates_intervals(
    lists: Vec<Vec<f64>>,
    values: &[f64],
    units: usize,
    confidence: Confidence,
    method: Method,
) -> Vec<Result<Interval, StatsError>> {
    let tail = (units >= 2).then(|| expanded_tail(units, confidence));
    let interval = |(mut list, &value): (Vec<f64>, &f64)| {
        let drawn = list.len();
        list.retain(|replicate| replicate.is_finite());
        match tail {
            Some(tail) if !list.is_empty() && list.len() as f64 >= MIN_DEFINED * drawn as f64 => {
                Ok(percentile_interval_at(list, value, tail, confidence, method))
            }
            _ => Err(StatsError::Insufficient { have: units, need: units.max(1) + 1 }),
        }
    };
    lists.into_iter().zip(values).map(interval).collect()
}

fn replicate(
    resampling: Resampling,
    statistics: usize,
    mut draw: impl FnMut(&mut Random, &mut [f64]),
) -> Vec<Vec<f64>> {
    let count = resampling.count() as usize;
    let mut replicates: Vec<Vec<f64>> = (0..statistics).map(|_| Vec::with_capacity(count)).collect();
    let mut out = vec![f64::NAN; statistics];
    for index in 0..resampling.count() {
        let mut random = Random::stream(resampling.seed(), u64::from(index));
        out.fill(f64::NAN);
        draw(&mut random, &mut out);
        for (list, &value) in replicates.iter_mut().zip(&out) {
            list.push(value);
        }
    }
    replicates
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of resampled counts are those of the multinomial distribution.
    #[test]
    fn drawn_counts_have_the_moments_of_the_multinomial() {
        let counts = [700_u64, 0, 250, 50];
        let draws = 20_000;
        let replicates = count_bootstrap(&counts, Resampling::new(3).with_count(draws), 4, |drawn, out| {
            assert!((drawn.iter().sum::<f64>() - 1_000.0).abs() < 1e-9);
            out.copy_from_slice(drawn);
        });
        for (list, &count) in replicates.iter().zip(&counts) {
            let mean = list.iter().sum::<f64>() / f64::from(draws);
            let variance = list.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / f64::from(draws);
            let p = count as f64 / 1_000.0;
            let expected = 1_000.0 * p * (1.0 - p);
            assert!((mean - count as f64).abs() <= 5.0 * (expected / f64::from(draws)).sqrt(), "{count}: {mean}");
            assert!((variance - expected).abs() <= 0.05 * expected, "{count}: {variance} for {expected}");
        }
    }

    #[test]
    fn units_are_drawn_as_often_as_there_are() {
        let replicates = unit_bootstrap(7, Resampling::new(1), 1, |drawn, out| out[0] = drawn.iter().sum());
        assert!(replicates[0].iter().all(|&sum| (sum - 7.0).abs() < 1e-12));
    }

    #[test]
    fn a_statistic_that_often_does_not_exist_has_no_interval() {
        let half = vec![f64::NAN, 1.0, f64::NAN, 1.0];
        assert!(replicates_interval(half, 1.0, 9, Confidence::P95, Method::CountBootstrap).is_err());
        assert!(replicates_interval(vec![1.0; 4], 1.0, 1, Confidence::P95, Method::CountBootstrap).is_err());
        assert!(replicates_interval(vec![1.0; 4], 1.0, 2, Confidence::P95, Method::CountBootstrap).is_ok());
    }
}
