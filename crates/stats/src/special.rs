//! The special functions behind intervals and tests, to about 1e-10 or better.
//!
//! Outside its domain a function gives NaN, as `f64::ln` does; the rest of the room passes arguments it has checked.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

/// Steps that the continued fraction of the incomplete beta may take. It needs about the square root of its larger
/// parameter, so this serves samples of more than ten million values.
const MAX_FRACTION_STEPS: u32 = 20_000;

/// Natural logarithm of Γ(x), for x > 0.
pub fn ln_gamma(x: f64) -> f64 {
    if x.is_nan() || x <= 0.0 {
        return f64::NAN;
    }
    stirling(x) + stirling_error(x)
}

/// Regularized incomplete beta function I_x(a, b), for a, b > 0 and x in [0, 1] (DLMF 8.17).
///
/// Continued fraction DLMF 8.17.22, evaluated by Lentz's method, on the side of the mean where it converges fast.
pub fn beta_regularized(x: f64, a: f64, b: f64) -> f64 {
    if !(a > 0.0 && b > 0.0 && (0.0..=1.0).contains(&x)) {
        return f64::NAN;
    }
    if x <= 0.0 || x >= 1.0 {
        return x;
    }
    let front = beta_front(x, a, b);
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(x, a, b) / a
    } else {
        1.0 - front * beta_fraction(1.0 - x, b, a) / b
    }
}

/// The x at which I_x(a, b) reaches `p`, for p in [0, 1].
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    if !(a > 0.0 && b > 0.0 && (0.0..=1.0).contains(&p)) {
        return f64::NAN;
    }
    bisect(0.0, 1.0, |x| beta_regularized(x, a, b) < p)
}

/// P(X ≤ k) for X binomial with n trials of probability p in [0, 1].
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> f64 {
    if k >= n {
        return if (0.0..=1.0).contains(&p) { 1.0 } else { f64::NAN };
    }
    beta_regularized(1.0 - p, (n - k) as f64, k as f64 + 1.0)
}

/// P(Z ≤ x) for Z standard normal.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * erfc(-x * FRAC_1_SQRT_2)
}

/// The x with P(Z ≤ x) = p for Z standard normal, p in (0, 1).
///
/// Starts from Abramowitz and Stegun 26.2.23 (error below 4.5e-4); each Halley step triples the digits.
pub fn normal_quantile(p: f64) -> f64 {
    if !(p > 0.0 && p < 1.0) {
        return f64::NAN;
    }
    if p > 0.5 {
        return -normal_quantile(1.0 - p);
    }
    let t = (-2.0 * p.ln()).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    let mut x = above / below - t;
    for _ in 0..3 {
        let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
        let step = (normal_cdf(x) - p) / density;
        x -= step / (1.0 + 0.5 * x * step);
    }
    x
}

/// P(T ≤ t) for Student's t with `df` > 0 degrees of freedom.
pub fn student_t_cdf(t: f64, df: f64) -> f64 {
    let tail = 0.5 * beta_regularized(df / (df + t * t), 0.5 * df, 0.5);
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The t with P(T ≤ t) = p for Student's t with `df` > 0 degrees of freedom, p in (0, 1).
pub fn student_t_quantile(p: f64, df: f64) -> f64 {
    if !(p > 0.0 && p < 1.0 && df > 0.0) {
        return f64::NAN;
    }
    if p < 0.5 {
        return -student_t_quantile(1.0 - p, df);
    }
    let mut high = 1.0;
    while student_t_cdf(high, df) < p && high < f64::MAX / 2.0 {
        high *= 2.0;
    }
    bisect(0.0, high, |t| student_t_cdf(t, df) < p)
}

/// Complementary error function: series (DLMF 7.6.2) below 2, continued fraction (DLMF 7.9.2) above.
fn erfc(z: f64) -> f64 {
    /// At z = 2, the worst place, the rest after this many terms is below 1e-17.
    const FRACTION_TERMS: u32 = 60;
    if z < 0.0 {
        return 2.0 - erfc(-z);
    }
    if z < 2.0 {
        let (mut term, mut sum, mut odd) = (z, z, 1.0);
        while term > sum * 1e-17 {
            odd += 2.0;
            term *= 2.0 * z * z / odd;
            sum += term;
        }
        return 1.0 - FRAC_2_SQRT_PI * (-z * z).exp() * sum;
    }
    let fraction = (1..=FRACTION_TERMS).rev().fold(z, |rest, k| z + 0.5 * f64::from(k) / rest);
    0.5 * FRAC_2_SQRT_PI * (-z * z).exp() / fraction
}

/// `(x − ½) ln x − x + ½ ln 2π`, the leading part of ln Γ (DLMF 5.11.1).
fn stirling(x: f64) -> f64 {
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln()
}

/// What [`stirling`] misses: its series at x ≥ 15, where seven terms reach double precision; smaller x are raised there
/// by Γ(x + 1) = x Γ(x).
fn stirling_error(x: f64) -> f64 {
    const COEFFICIENTS: [f64; 7] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];
    if x >= 15.0 {
        let square = x * x;
        return COEFFICIENTS.iter().rev().fold(0.0, |sum, term| sum / square + term) / x;
    }
    let (mut raised, mut product) = (x, 1.0_f64);
    while raised < 15.0 {
        product *= raised;
        raised += 1.0;
    }
    stirling(raised) + stirling_error(raised) - product.ln() - stirling(x)
}

/// `x^a (1 − x)^b / B(a, b)`, without the difference of large ln Γ, which would cost six digits at a million trials
/// (the saddle-point form of Loader 2000).
fn beta_front(x: f64, a: f64, b: f64) -> f64 {
    let sum = a + b;
    let power = a * (x * sum / a).ln() + b * ((1.0 - x) * sum / b).ln();
    let error = stirling_error(sum) - stirling_error(a) - stirling_error(b);
    (power + error).exp() * (a / sum * b / (2.0 * PI)).sqrt()
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut result = d;
    for step in 1..=MAX_FRACTION_STEPS {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut factor = 1.0;
        for numerator in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + numerator * d);
            c = away_from_zero(1.0 + numerator / c);
            factor *= d * c;
        }
        result *= factor;
        if (factor - 1.0).abs() < 1e-15 {
            break;
        }
    }
    result
}

/// The point where `is_below` turns false, to the last bit: halves until no number lies between the ends.
fn bisect(mut low: f64, mut high: f64, is_below: impl Fn(f64) -> bool) -> f64 {
    loop {
        let middle = low + 0.5 * (high - low);
        if middle <= low || middle >= high {
            return high;
        }
        if is_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outside_the_domain_is_nan() {
        for value in [
            ln_gamma(0.0),
            ln_gamma(f64::NAN),
            beta_regularized(1.1, 1.0, 1.0),
            beta_regularized(0.5, -1.0, 1.0),
            beta_quantile(-0.1, 1.0, 1.0),
            binomial_cdf(3, 2, 1.5),
            normal_quantile(0.0),
            normal_quantile(f64::NAN),
            student_t_quantile(0.9, 0.0),
            student_t_quantile(1.0, 3.0),
        ] {
            assert!(value.is_nan(), "{value}");
        }
    }

    #[test]
    fn quantiles_invert_their_distributions() {
        for p in [1e-6, 0.025, 0.3, 0.5, 0.9, 0.999] {
            assert!((normal_cdf(normal_quantile(p)) - p).abs() < 1e-14);
            assert!((student_t_cdf(student_t_quantile(p, 4.0), 4.0) - p).abs() < 1e-13);
            assert!((beta_regularized(beta_quantile(p, 2.5, 7.0), 2.5, 7.0) - p).abs() < 1e-13);
        }
    }
}
