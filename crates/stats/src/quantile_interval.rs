//! Intervals of a quantile.

use crate::bootstrap::{draw_blocks, percentile_interval};
use crate::dependence::{block_length, correlation_time, shortest_block};
use crate::quantile::quantile_unsorted;
use crate::special::binomial_cdf;
use crate::tail::{check_inner_quantile, first_index};
use crate::{
    BlockScheme, Confidence, Dependence, Estimate, Interval, MIN_BATCHES, Method, Resampling, Sorted, StatsError,
    sample,
};

/// Quantile `q` in (0, 1) with the interval that fits the series: [`order_statistic_quantile`] for independent values,
/// [`block_bootstrap_quantile`] with stationary blocks for a series in time order.
///
/// # Errors
/// [`StatsError::Insufficient`] with the count that would do, [`StatsError::OutOfRange`] for another `q`,
/// [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn quantile_interval(
    series: &[f64],
    q: f64,
    dependence: Dependence,
    confidence: Confidence,
    resampling: Resampling,
) -> Result<Estimate, StatsError> {
    match dependence {
        Dependence::Independent => order_statistic_quantile(&Sorted::new(series.to_vec())?, q, confidence),
        Dependence::Serial => block_bootstrap_quantile(series, q, BlockScheme::Stationary, confidence, resampling),
    }
}

/// Quantile of independent values between two of them, free of any assumption about their distribution.
///
/// The number of values below the true quantile is Binomial(n, q); each end leaves out at most half of `1 − confidence`
/// (David and Nagaraja, "Order Statistics", 7.1). The true coverage is at least the stated one.
///
/// # Errors
/// [`StatsError::Insufficient`] when even the extreme values would not do: below 6 values for the median at 95 %,
/// below 368 for p99.
pub fn order_statistic_quantile(sorted: &Sorted, q: f64, confidence: Confidence) -> Result<Estimate, StatsError> {
    let values = sorted.values();
    let ranks = order_statistic_ranks(values.len(), q, confidence)?;
    let (low, high) = (values[ranks.0], values[ranks.1]);
    let value = sorted.quantile(q)?;
    let interval = Interval { low, high, confidence, method: Method::OrderStatistic }.holding(value);
    Ok(Estimate { value, interval, n: values.len(), n_effective: None })
}

/// The ranks of the two of `n` independent values that hold the quantile between them, from 0, for
/// [`order_statistic_quantile`]; where the values themselves are not at hand, a histogram has them.
///
/// # Errors
/// [`StatsError::Insufficient`] when even the extreme values would not do, [`StatsError::OutOfRange`] for another `q`.
pub fn order_statistic_ranks(n: usize, q: f64, confidence: Confidence) -> Result<(usize, usize), StatsError> {
    check_inner_quantile(q)?;
    let tail = confidence.tail();
    let below = |k: usize| binomial_cdf(k as u64, n as u64, q);
    // Ranks count from 1: the largest `low` with P(X ≤ low − 1) ≤ tail, the smallest `high` with P(X ≥ high) ≤ tail.
    let low_rank = first_index(0, n, |k| below(k) > tail);
    let high_rank = 1 + first_index(0, n, |k| 1.0 - below(k) <= tail);
    if low_rank == 0 || high_rank > n {
        let need = (tail.ln() / q.max(1.0 - q).ln()).ceil();
        return Err(StatsError::Insufficient { have: n, need: sample::to_index(need).max(n + 1) });
    }
    Ok((low_rank - 1, high_rank - 1))
}

/// Quantile of a dependent series with an interval from a block bootstrap.
///
/// The error of a quantile rests on the series "is the value at most the quantile" (Bahadur), so that the automatic block
/// length is that series' ([`block_length`]), within the range that leaves 30 blocks of five correlation times or more.
/// The correlation time, and with it the effective n, is the longer one of that series and the values themselves: a tail
/// shows too few exceedances to reveal its own memory.
///
/// # Errors
/// [`StatsError::Insufficient`] when fewer than 30 blocks fit, or when the effective n is too small for the quantile to
/// lie inside the sample's range ([`order_statistic_quantile`]).
pub fn block_bootstrap_quantile(
    series: &[f64],
    q: f64,
    scheme: BlockScheme,
    confidence: Confidence,
    resampling: Resampling,
) -> Result<Estimate, StatsError> {
    check_inner_quantile(q)?;
    sample::check_at_least(series, MIN_BATCHES)?;
    let n = series.len();
    let value = quantile_unsorted(&mut series.to_vec(), q);
    let is_below: Vec<f64> = series.iter().map(|&x| f64::from(u8::from(x <= value))).collect();
    let time = correlation_time(&is_below).max(correlation_time(series));
    let shortest = shortest_block(time);
    let inside = (confidence.tail().ln() / q.max(1.0 - q).ln() * time).ceil();
    let need = (MIN_BATCHES * shortest).max(sample::to_index(inside));
    if n < need {
        return Err(StatsError::Insufficient { have: n, need });
    }
    let length = block_length(&is_below)?.of(scheme).clamp(shortest, n / MIN_BATCHES);
    let mut resample = Vec::with_capacity(n);
    let replicates = resampling.replicates(|random| {
        resample.clear();
        draw_blocks(scheme, length, n, random, |position| resample.push(series[position]));
        quantile_unsorted(&mut resample, q)
    });
    let interval = percentile_interval(replicates, value, n / length, confidence, scheme.method());
    Ok(Estimate { value, interval, n, n_effective: Some(n as f64 / time) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    fn scrambled(n: usize) -> Vec<f64> {
        let mut random = Random::stream(4, 0);
        (0..n).map(|_| random.unit()).collect()
    }

    #[test]
    fn the_median_of_six_values_has_an_interval_and_their_p99_has_none() {
        let check = |n: usize, q: f64, expected: Result<(), StatsError>| {
            let sorted = Sorted::new(scrambled(n)).unwrap();
            assert_eq!(order_statistic_quantile(&sorted, q, Confidence::P95).map(|_| ()), expected, "{n} {q}");
        };
        check(5, 0.5, Err(StatsError::Insufficient { have: 5, need: 6 }));
        check(6, 0.5, Ok(()));
        check(367, 0.99, Err(StatsError::Insufficient { have: 367, need: 368 }));
        check(368, 0.99, Ok(()));
    }

    #[test]
    fn blocks_refuse_short_series_and_thin_tails() {
        let run = |n: usize, q: f64| {
            let resampling = Resampling::new(1).with_count(200);
            quantile_interval(&scrambled(n), q, Dependence::Serial, Confidence::P95, resampling)
        };
        assert_eq!(run(29, 0.5), Err(StatsError::Insufficient { have: 29, need: 30 }));
        assert!(matches!(run(100, 0.99), Err(StatsError::Insufficient { have: 100, need: 368.. })));
        assert_eq!(run(800, 0.5).unwrap().interval.method, Method::StationaryBootstrap);
    }

    #[test]
    fn the_seed_alone_decides() {
        let run = |seed| {
            block_bootstrap_quantile(
                &scrambled(400),
                0.5,
                BlockScheme::Fixed,
                Confidence::P95,
                Resampling::new(seed).with_count(300),
            )
            .unwrap()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1).interval, run(2).interval);
    }
}
