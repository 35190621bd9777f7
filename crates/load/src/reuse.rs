//! What a cache is worth: the same requests with it and without it, in pairs.

use serde::Serialize;
use weighbridge_stats::compare::paired_bootstrap;
use weighbridge_stats::proportion::wilson;
use weighbridge_stats::{Confidence, Resampling};

/// One request, asked with the cache and without it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reused {
    /// Whether the cache answered.
    pub is_hit: bool,
    /// Seconds with the cache, looking up and keeping among them.
    pub with_s: f64,
    /// Seconds without it.
    pub without_s: f64,
}

/// A figure with its interval of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReuseFigure {
    /// The figure.
    pub value: f64,
    /// Lower end; `None` below two requests.
    pub low: Option<f64>,
    /// Upper end; `None` below two requests.
    pub high: Option<f64>,
}

/// What a cache is worth for some requests. Shares are of 1.
///
/// All but the hit rate are shares of the time that all requests take without the cache, so that they add up:
/// `net = effectiveness − overhead = 1 − time with / time without`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReuseFigures {
    /// Requests, each asked twice.
    pub n: usize,
    /// Those that the cache answered.
    pub hits: usize,
    /// `hits / n`, with Wilson's interval.
    pub hit_rate: ReuseFigure,
    /// Share of the time that hits save.
    pub effectiveness: ReuseFigure,
    /// Share of the time that the cache adds to what it does not answer; below 0 where noise is larger than it.
    pub overhead: ReuseFigure,
    /// What is left: the share of the time that the cache saves.
    pub net: ReuseFigure,
    /// `time without / time with`.
    pub speedup: ReuseFigure,
    /// Mean time with the cache, milliseconds.
    pub with_ms: f64,
    /// Mean time without it, milliseconds.
    pub without_ms: f64,
}

/// The figures of requests; `None` without any, or where they took no time.
///
/// Intervals of the shares come from resampled pairs. A share is a ratio of two sums that depend on each other, so that what is
/// resampled is how far each pair is from it (W. Cochran, "Sampling Techniques", 1977, chapter 6).
#[must_use]
pub fn reuse_figures(rows: &[Reused], seed: u64) -> Option<ReuseFigures> {
    let n = rows.len();
    let mean = |of: fn(&Reused) -> f64| rows.iter().map(of).sum::<f64>() / n as f64;
    let (with_s, without_s) = (mean(|row| row.with_s), mean(|row| row.without_s));
    let hits = rows.iter().filter(|row| row.is_hit).count();
    let rate = wilson(hits, n, Confidence::P95).ok()?;
    if !(with_s > 0.0 && without_s > 0.0) {
        return None;
    }
    let effectiveness = share(rows, seed, without_s, |row| if row.is_hit { row.without_s - row.with_s } else { 0.0 });
    let overhead = share(rows, seed, without_s, |row| if row.is_hit { 0.0 } else { row.with_s - row.without_s });
    let net = share(rows, seed, without_s, |row| row.without_s - row.with_s);
    let faster = |net: f64| 1.0 / (1.0 - net);
    let bound = |net: Option<f64>| net.filter(|net| *net < 1.0).map(faster);
    Some(ReuseFigures {
        n,
        hits,
        hit_rate: ReuseFigure { value: rate.value, low: Some(rate.interval.low), high: Some(rate.interval.high) },
        effectiveness,
        overhead,
        net,
        speedup: ReuseFigure { value: without_s / with_s, low: bound(net.low), high: bound(net.high) },
        with_ms: with_s * 1e3,
        without_ms: without_s * 1e3,
    })
}

/// The mean of seconds as a share of the mean without the cache.
fn share(rows: &[Reused], seed: u64, of_s: f64, seconds: fn(&Reused) -> f64) -> ReuseFigure {
    let values: Vec<f64> = rows.iter().map(seconds).collect();
    let value = values.iter().sum::<f64>() / values.len() as f64 / of_s;
    let shared: Vec<f64> = rows.iter().map(|row| value * row.without_s).collect();
    let interval = paired_bootstrap(&shared, &values, Confidence::P95, Resampling::new(seed)).ok();
    let end =
        |end: fn(&weighbridge_stats::Estimate) -> f64| interval.as_ref().map(|estimate| value + end(estimate) / of_s);
    ReuseFigure { value, low: end(|estimate| estimate.interval.low), high: end(|estimate| estimate.interval.high) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prop_assert;

    use super::*;

    fn row(is_hit: bool, with_s: f64, without_s: f64) -> Reused {
        Reused { is_hit, with_s, without_s }
    }

    #[test]
    fn hits_save_and_misses_cost() {
        // 8 hits of 1 s that took 10 s, 2 misses of 11 s that took 10 s.
        let rows = [vec![row(true, 1.0, 10.0); 8], vec![row(false, 11.0, 10.0); 2]].concat();
        let figures = reuse_figures(&rows, 1).unwrap();
        assert_eq!((figures.n, figures.hits), (10, 8));
        let check = |figure: ReuseFigure, expected: f64| {
            assert!((figure.value - expected).abs() < 1e-12, "{figure:?} {expected}");
            assert!(figure.low.unwrap() <= expected + 1e-12 && expected <= figure.high.unwrap() + 1e-12, "{figure:?}");
        };
        check(figures.hit_rate, 0.8);
        check(figures.effectiveness, 0.72);
        check(figures.overhead, 0.02);
        check(figures.net, 0.70);
        check(figures.speedup, 100.0 / 30.0);
        assert!((figures.with_ms - 3_000.0).abs() < 1e-9 && (figures.without_ms - 10_000.0).abs() < 1e-9);
    }

    #[test]
    fn what_all_requests_have_in_common_widens_no_interval() {
        // Long and short requests, of each of which a tenth is left.
        let rows: Vec<Reused> = (1..=40).map(|size| row(true, 0.1 * f64::from(size), f64::from(size))).collect();
        let net = reuse_figures(&rows, 1).unwrap().net;
        assert!((net.low.unwrap() - 0.9).abs() < 1e-9 && (net.high.unwrap() - 0.9).abs() < 1e-9, "{net:?}");
    }

    #[test]
    fn nothing_has_no_figures_and_one_request_no_interval() {
        assert_eq!(reuse_figures(&[], 1), None);
        assert_eq!(reuse_figures(&[row(true, 0.0, 0.0)], 1), None);
        let one = reuse_figures(&[row(false, 1.0, 1.0)], 1).unwrap();
        assert_eq!((one.net.low, one.hit_rate.value.to_bits()), (None, 0.0_f64.to_bits()));
    }

    proptest::proptest! {
        #[test]
        fn net_is_what_is_saved_less_what_is_added(times in vec((proptest::bool::ANY, 1e-6..10.0, 1e-6..10.0), 1..30)) {
            let rows: Vec<Reused> = times.into_iter().map(|(is_hit, with, without)| row(is_hit, with, without)).collect();
            let figures = reuse_figures(&rows, 3).unwrap();
            let left = figures.effectiveness.value - figures.overhead.value;
            prop_assert!((figures.net.value - left).abs() < 1e-9);
            prop_assert!((figures.speedup.value * (1.0 - figures.net.value) - 1.0).abs() < 1e-6);
        }
    }
}
