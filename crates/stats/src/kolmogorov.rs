//! Kolmogorov–Smirnov tests: whether values follow a distribution, and whether two samples follow the same one.
//!
//! Both take the values as independent. Gaps between arrivals of a schedule are; latencies under load are not.

use crate::special::ln_gamma;
use crate::{Sorted, StatsError};

/// Result of a test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KolmogorovSmirnov {
    /// Largest distance between the two distribution functions, 0 to 1.
    pub distance: f64,
    /// Chance of a distance at least this large if the distributions are the same.
    pub p: f64,
}

/// Widest matrix of the exact computation; beyond it the limit with corrections is closer than 1.5e-5.
const MAX_HALF_WIDTH: usize = 60;

/// Above this `n · d²` the two sides of the distribution hardly ever exceed `d` together: the relative error of adding
/// their chances is below 1e-5.
const APART: f64 = 2.2;

/// The chance of one side is an exact sum over the values up to this many.
const MAX_SUM: usize = 200_000;

/// Two samples are compared path by path up to this many cells, and by the limit beyond.
const MAX_CELLS: usize = 4_000_000;

/// One-sample test against a continuous distribution function.
///
/// ```
/// use weighbridge_stats::{Sorted, kolmogorov::ks_one_sample};
/// let gaps = Sorted::new(vec![0.1, 0.4, 0.7, 1.2, 2.5])?;
/// let test = ks_one_sample(&gaps, |gap| 1.0 - (-gap).exp());
/// assert!(test.p > 0.5);
/// # Ok::<(), weighbridge_stats::StatsError>(())
/// ```
pub fn ks_one_sample(sample: &Sorted, cdf: impl Fn(f64) -> f64) -> KolmogorovSmirnov {
    let n = sample.values().len() as f64;
    let distance = sample.values().iter().enumerate().fold(0.0_f64, |largest, (below, &value)| {
        let expected = cdf(value);
        largest.max(expected - below as f64 / n).max((below as f64 + 1.0) / n - expected)
    });
    let distance = distance.clamp(0.0, 1.0);
    KolmogorovSmirnov { distance, p: survival(sample.values().len(), distance) }
}

/// Two-sample test, ties allowed (they make it conservative).
///
/// The chance is exact up to four million pairs of values, counted over lattice paths (Hodges 1958), and beyond that the
/// one-sample chance at the effective count `n m / (n + m)`.
pub fn ks_two_sample(left: &Sorted, right: &Sorted) -> KolmogorovSmirnov {
    let (a, b) = (left.values(), right.values());
    let (n, m) = (a.len(), b.len());
    let (mut i, mut j, mut largest) = (0, 0, 0_u128);
    while i < n && j < m {
        let value = a[i].min(b[j]);
        i += a[i..].iter().take_while(|&&other| other <= value).count();
        j += b[j..].iter().take_while(|&&other| other <= value).count();
        largest = largest.max((i as u128 * m as u128).abs_diff(j as u128 * n as u128));
    }
    let distance = largest as f64 / (n as f64 * m as f64);
    let p = if n.saturating_mul(m) <= MAX_CELLS {
        paths_reaching(n, m, largest)
    } else {
        let effective = n as f64 * m as f64 / (n as f64 + m as f64);
        survival(crate::sample::to_index(effective.round()), distance)
    };
    KolmogorovSmirnov { distance, p }
}

/// Checks and sorts two samples, and compares them.
///
/// # Errors
/// [`StatsError::Empty`] or [`StatsError::NotFinite`].
pub fn ks_two_samples(left: &[f64], right: &[f64]) -> Result<KolmogorovSmirnov, StatsError> {
    Ok(ks_two_sample(&Sorted::new(left.to_vec())?, &Sorted::new(right.to_vec())?))
}

/// `P(D ≥ d)` of `n` independent values.
fn survival(n: usize, distance: f64) -> f64 {
    let count = n as f64;
    let scaled = count * distance;
    if n == 0 || scaled <= 0.5 {
        return 1.0;
    }
    if distance >= 1.0 {
        return 0.0;
    }
    let p = if scaled * distance >= APART && n <= MAX_SUM {
        2.0 * one_sided(n, distance)
    } else if crate::sample::to_index(scaled.ceil()) <= MAX_HALF_WIDTH {
        1.0 - within(n, distance)
    } else {
        limit(count, distance)
    };
    p.clamp(0.0, 1.0)
}

/// `P(D⁺ ≥ d) = d Σ C(n, j) (d + j/n)^(j−1) (1 − d − j/n)^(n−j)` (Smirnov 1944; Birnbaum and Tingey 1951). No term is
/// negative, so that small chances keep their precision.
fn one_sided(n: usize, d: f64) -> f64 {
    let count = n as f64;
    let all = ln_gamma(count + 1.0);
    let last = crate::sample::to_index((count * (1.0 - d)).floor()).min(n);
    let terms = (0..=last).map(|j| {
        let chosen = j as f64;
        let rest = 1.0 - d - chosen / count;
        let outside = if j == n { 0.0 } else { (count - chosen) * rest.max(0.0).ln() };
        let ways = all - ln_gamma(chosen + 1.0) - ln_gamma(count - chosen + 1.0);
        (ways + outside + (chosen - 1.0) * (d + chosen / count).ln()).exp()
    });
    d * crate::sample::sum(terms)
}

/// `P(D < d)` exactly, by the matrix of Durbin (1973) as Marsaglia, Tsang and Wang (2003) set it up: with `d = (k − h)/n`
/// the answer is `n!/nⁿ` times the middle element of the n-th power of a matrix of width `2k − 1`.
fn within(n: usize, d: f64) -> f64 {
    let scaled = n as f64 * d;
    let k = crate::sample::to_index(scaled.ceil());
    let matrix = Matrix::of_steps(k, k as f64 - scaled);
    let (power, exponent) = matrix.power(n);
    let mut chance = power.at(k - 1, k - 1).ln() + exponent;
    for i in 1..=n {
        chance += (i as f64 / n as f64).ln();
    }
    chance.exp()
}

/// A square matrix, row by row.
struct Matrix {
    width: usize,
    cells: Vec<f64>,
}

impl Matrix {
    fn of_steps(k: usize, h: f64) -> Self {
        let width = 2 * k - 1;
        let mut inverse_factorial = vec![1.0; width + 1];
        for i in 1..=width {
            inverse_factorial[i] = inverse_factorial[i - 1] / i as f64;
        }
        let power = |order: usize| (0..order).fold(1.0, |product, _| product * h);
        let mut cells = vec![0.0; width * width];
        for row in 0..width {
            for column in 0..=(row + 1).min(width - 1) {
                let order = row + 1 - column;
                let mut value = 1.0;
                // The first column and the last row lose what lies beyond the edge of the band.
                if column == 0 {
                    value -= power(order);
                }
                if row == width - 1 {
                    value -= power(order);
                }
                if column == 0 && row == width - 1 && 2.0 * h > 1.0 {
                    value += (0..order).fold(1.0, |product, _| product * (2.0 * h - 1.0));
                }
                cells[row * width + column] = value * inverse_factorial[order];
            }
        }
        Self { width, cells }
    }

    fn at(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.width + column]
    }

    fn times(&self, other: &Self) -> Self {
        let width = self.width;
        let mut cells = vec![0.0; width * width];
        for (row, out) in cells.chunks_exact_mut(width).enumerate() {
            for inner in 0..width {
                let factor = self.at(row, inner);
                let line = &other.cells[inner * width..(inner + 1) * width];
                out.iter_mut().zip(line).for_each(|(cell, value)| *cell += factor * value);
            }
        }
        Self { width, cells }
    }

    /// Divides by the largest element; its logarithm is handed back, so that no power overflows.
    fn scale(&mut self) -> f64 {
        let largest = self.cells.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
        self.cells.iter_mut().for_each(|cell| *cell /= largest);
        largest.ln()
    }

    /// The power, scaled, and the logarithm of the scale.
    fn power(self, exponent: usize) -> (Self, f64) {
        let mut result: Option<(Self, f64)> = None;
        let (mut base, mut base_log) = (self, 0.0);
        let mut left = exponent;
        while left > 0 {
            if left % 2 == 1 {
                result = Some(match result {
                    None => (Self { width: base.width, cells: base.cells.clone() }, base_log),
                    Some((product, log)) => {
                        let mut product = product.times(&base);
                        let scale = product.scale();
                        (product, log + base_log + scale)
                    }
                });
            }
            left /= 2;
            if left > 0 {
                base = base.times(&base);
                base_log = 2.0 * base_log + base.scale();
            }
        }
        result.unwrap_or((base, base_log))
    }
}

/// Kolmogorov's limit at `z + 1/(6√n) + (z − 1)/(4n)`, whose error falls with n^(−3/2) (Vrbik 2018).
fn limit(n: f64, distance: f64) -> f64 {
    let z = distance * n.sqrt();
    let z = z + 1.0 / (6.0 * n.sqrt()) + (z - 1.0) / (4.0 * n);
    if z < 1.0 {
        // The form that converges fast for small z.
        let factor = -std::f64::consts::PI.powi(2) / (8.0 * z * z);
        let sum: f64 = (0..10).map(|k| (factor * f64::from(2 * k + 1).powi(2)).exp()).sum();
        return 1.0 - (2.0 * std::f64::consts::PI).sqrt() / z * sum;
    }
    let sum: f64 = (1..=10)
        .map(|k| {
            let sign = if k % 2 == 1 { 1.0 } else { -1.0 };
            sign * (-2.0 * f64::from(k).powi(2) * z * z).exp()
        })
        .sum();
    2.0 * sum
}

/// Share of the ways to merge `n` and `m` values in which the distance times `n m` reaches `limit` somewhere.
fn paths_reaching(n: usize, m: usize, limit: u128) -> f64 {
    if limit == 0 {
        return 1.0;
    }
    // `inside[j]`: share of the paths to (i, j) that stay below the limit on their way.
    let is_inside = |i: usize, j: usize| (i as u128 * m as u128).abs_diff(j as u128 * n as u128) < limit;
    let mut inside = vec![0.0; m + 1];
    for i in 0..=n {
        for j in 0..=m {
            let steps = (i + j) as f64;
            inside[j] = match (i, j) {
                _ if !is_inside(i, j) => 0.0,
                (0, 0) => 1.0,
                (0, _) => inside[j - 1],
                (_, 0) => inside[0],
                _ => i as f64 / steps * inside[j] + j as f64 / steps * inside[j - 1],
            };
        }
    }
    (1.0 - inside[m]).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_of_computing_agree_where_they_meet() {
        for (n, d) in [(50, 0.22), (200, 0.11), (500, 0.07), (1_000, 0.048)] {
            let (exact, sum) = (1.0 - within(n, d), 2.0 * one_sided(n, d));
            assert!((exact - sum).abs() < 1e-7, "{n} {d}: {exact} {sum}");
        }
        for d in [0.01, 0.018, 0.025] {
            let (exact, limit) = (1.0 - within(1_700, d), limit(1_700.0, d));
            assert!((exact - limit).abs() < 1.5e-5, "{d}: {exact} {limit}");
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        assert!((survival(10, 0.04) - 1.0).abs() < 1e-15);
        assert!(survival(10, 1.0) < 1e-15);
        let same = ks_two_samples(&[1.0, 2.0], &[1.0, 2.0]).unwrap();
        assert!(same.distance < 1e-15 && (same.p - 1.0).abs() < 1e-15);
        assert_eq!(ks_two_samples(&[], &[1.0]), Err(StatsError::Empty));
    }

    /// Of the 6 ways to merge two and two values, 2 keep the samples apart.
    #[test]
    fn two_values_against_two() {
        let test = ks_two_samples(&[1.0, 2.0], &[3.0, 4.0]).unwrap();
        assert!((test.distance - 1.0).abs() < 1e-15 && (test.p - 1.0 / 3.0).abs() < 1e-15, "{test:?}");
    }
}
