//! From logits to probabilities.
//!
//! Plain code without fused operations and without branches, so that every machine computes the same and loops become vector
//! code. Engines in process share it.

/// Sums are added in so many lanes.
const LANES: usize = 16;

/// Natural exponential, within 2 units in the last place; 0 below -87.3.
///
/// Source: S. Moshier, Cephes, `expf.c`: `2^n · P(r)` with `x = n ln 2 + r`. Without branches, so that loops over it
/// become vector code.
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    const LOWEST: f32 = -87.336_54;
    const HIGHEST: f32 = 88.02;
    /// Adding it rounds to a whole number, which its low bits then hold.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x < LOWEST { LOWEST } else { x };
    let clamped = if clamped > HIGHEST { HIGHEST } else { clamped };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    let p = 1.987_569_1e-4 * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    let value = (p * r * r + r + 1.0) * power;
    if x < LOWEST { 0.0 } else { value }
}

/// The largest value, and the sum of `exp(value - largest)` over all.
#[inline(always)]
fn largest_and_sum(values: &[f32]) -> (f32, f32) {
    let largest = values.iter().fold(f32::NEG_INFINITY, |a, &b| if b > a { b } else { a });
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += exp(value - largest);
        }
    }
    (largest, add_lanes(lanes) + rest.iter().map(|&value| exp(value - largest)).sum::<f32>())
}

/// `ln Σ exp(value)`.
#[inline(always)]
#[must_use]
pub fn log_sum_exp(values: &[f32]) -> f64 {
    let (largest, sum) = largest_and_sum(values);
    f64::from(largest) + f64::from(sum).ln()
}

/// Turns logits into probabilities in place.
#[inline(always)]
pub fn softmax(values: &mut [f32]) {
    let (largest, sum) = largest_and_sum(values);
    for value in values {
        *value = exp(*value - largest) / sum;
    }
}

/// Adds lanes in the order of a halving tree.
#[inline(always)]
fn add_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-6 * expected.abs().max(1.0), "{found} for {expected}");
        }
    }

    #[test]
    fn exp_is_close_to_the_exact_one() {
        for step in -8_730_i16..8_800 {
            let x = f32::from(step) / 100.0;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.4e-7, "exp({x}) is off by {error}");
        }
        close(&[exp(-200.0), exp(f32::NEG_INFINITY), exp(0.0)], &[0.0, 0.0, 1.0]);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn softmax_and_its_logarithm_agree() {
        let logits = [1.0, 3.0, -2.0, 0.5, 100.0, 99.0, 98.5, -1000.0, 97.0];
        let mut probabilities = logits;
        softmax(&mut probabilities);
        close(&[probabilities.iter().sum()], &[1.0]);
        let total = log_sum_exp(&logits);
        for (probability, logit) in probabilities.iter().zip(logits).take(7) {
            let expected = (f64::from(logit) - total).exp();
            assert!((f64::from(*probability) - expected).abs() < 1e-6);
        }
    }
}
