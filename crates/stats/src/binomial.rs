//! Draws from a binomial distribution.

use crate::random::Random;

/// Below this mean, adding up probabilities is cheaper than rejection, whose hat needs a bell shape.
const SMALL_MEAN: f64 = 10.0;

impl Random {
    /// Successes in `n` trials of chance `p`, in [0, 1].
    pub(crate) fn binomial(&mut self, n: u64, p: f64) -> u64 {
        if n == 0 || p <= 0.0 {
            0
        } else if p > 0.5 {
            n - self.binomial_low(n, 1.0 - p)
        } else {
            self.binomial_low(n, p)
        }
    }

    fn binomial_low(&mut self, n: u64, p: f64) -> u64 {
        if p <= 0.0 {
            0
        } else if n as f64 * p < SMALL_MEAN {
            self.by_inversion(n, p)
        } else {
            self.by_rejection(n, p)
        }
    }

    /// Adds up the probabilities of 0, 1, 2, … until they pass a uniform number.
    fn by_inversion(&mut self, n: u64, p: f64) -> u64 {
        let ratio = p / (1.0 - p);
        let mut probability = (n as f64 * (-p).ln_1p()).exp();
        let mut left = self.unit();
        let mut k = 0;
        while left > probability && k < n {
            left -= probability;
            k += 1;
            probability *= ratio * (n - k + 1) as f64 / k as f64;
        }
        k
    }

    /// Hörmann's transformed rejection, algorithm BTRS (1993, "The generation of binomial random variates").
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to lie in 0..=n before")]
    fn by_rejection(&mut self, n: u64, p: f64) -> u64 {
        let trials = n as f64;
        let spread = (trials * p * (1.0 - p)).sqrt();
        let b = 1.15 + 2.53 * spread;
        let a = -0.0873 + 0.0248 * b + 0.01 * p;
        let center = trials * p + 0.5;
        let quick = 0.92 - 4.2 / b;
        loop {
            let v = self.unit();
            let u = self.unit() - 0.5;
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + center).floor();
            if us >= 0.07 && v <= quick {
                return k as u64;
            }
            if k < 0.0 || k > trials || v <= 0.0 {
                continue;
            }
            let alpha = (2.83 + 5.1 / b) * spread;
            if (v * alpha / (a / (us * us) + b)).ln() <= log_ratio(k, trials, p) {
                return k as u64;
            }
        }
    }
}

/// Logarithm of the probability of `k` over that of the mode.
fn log_ratio(k: f64, n: f64, p: f64) -> f64 {
    let odds = p / (1.0 - p);
    let mode = ((n + 1.0) * p).floor();
    (mode + 0.5) * ((mode + 1.0) / (odds * (n - mode + 1.0))).ln()
        + (n + 1.0) * ((n - mode + 1.0) / (n - k + 1.0)).ln()
        + (k + 0.5) * (odds * (n - k + 1.0) / (k + 1.0)).ln()
        + (stirling(mode) + stirling(n - mode) - stirling(k) - stirling(n - k))
}

/// What Stirling's formula leaves out of `ln k!`: `ln k! − ((k + ½) ln(k + 1) − (k + 1) + ½ ln 2π)`.
fn stirling(k: f64) -> f64 {
    let next = k + 1.0;
    if k < 10.0 {
        return crate::special::ln_gamma(next)
            - ((k + 0.5) * next.ln() - next + 0.5 * (2.0 * std::f64::consts::PI).ln());
    }
    let square = next * next;
    (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::binomial_cdf;

    /// Against the exact distribution: the largest gap of 40,000 draws stays below Kolmogorov's 1e-6 bound of 0.0137.
    #[test]
    fn draws_follow_the_exact_distribution() {
        for (n, p) in [(5, 0.3), (40, 0.5), (1_000, 0.004), (1_000, 0.02), (1_000, 0.97), (50_000, 0.4)] {
            let mut random = Random::stream(9, n);
            let mut draws: Vec<u64> = (0..40_000).map(|_| random.binomial(n, p)).collect();
            draws.sort_unstable();
            let at_most = |k: u64| draws.partition_point(|&draw| draw <= k) as f64 / draws.len() as f64;
            let gap = |&k: &u64| (at_most(k) - binomial_cdf(k, n, p)).abs();
            let worst = draws.iter().step_by(97).map(gap).fold(0.0, f64::max);
            assert!(worst < 0.0137, "n {n} p {p}: {worst}");
        }
    }

    #[test]
    fn the_ends_are_certain() {
        let mut random = Random::stream(1, 1);
        assert_eq!((random.binomial(10, 0.0), random.binomial(10, 1.0), random.binomial(0, 0.5)), (0, 10, 0));
    }
}
