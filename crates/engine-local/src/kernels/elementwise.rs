//! What lies between the matrix products: norms, activations, rotary positions.
//!
//! Plain code without fused operations, so that every machine computes the same. Callers wrap it in
//! [`Isa::vectorize`](super::Isa).

use weighbridge_engine::logits::exp;

use super::portable::{LANES, add_lanes};
use crate::weights::RopeStyle;

/// Sums `of(value)` in [`LANES`] lanes.
#[inline(always)]
fn sum_of(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += of(value);
        }
    }
    add_lanes(lanes) + rest.iter().map(|&value| of(value)).sum::<f32>()
}

/// `out = x / sqrt(mean(x²) + epsilon) · weight`.
#[inline(always)]
pub fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let scale = 1.0 / (sum_of(x, |value| value * value) / x.len() as f32 + epsilon).sqrt();
    for ((out, &value), &weight) in out.iter_mut().zip(x).zip(weight) {
        *out = value * scale * weight;
    }
}

/// `out = (x - mean) / sqrt(variance + epsilon) · weight + bias`, with the variance over all values.
#[inline(always)]
pub fn layer_norm(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
    let count = x.len() as f32;
    let mean = sum_of(x, |value| value) / count;
    let variance = sum_of(x, |value| (value - mean) * (value - mean)) / count;
    let scale = 1.0 / (variance + epsilon).sqrt();
    for (((out, &value), &weight), &bias) in out.iter_mut().zip(x).zip(weight).zip(bias) {
        *out = (value - mean) * scale * weight + bias;
    }
}

/// Adds in place.
#[inline(always)]
pub fn add(to: &mut [f32], what: &[f32]) {
    for (to, &what) in to.iter_mut().zip(what) {
        *to += what;
    }
}

/// GELU in its tanh form, in place: `x / 2 · (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))`, where
/// `(1 + tanh(u)) / 2 = 1 / (1 + exp(-2u))`.
#[inline(always)]
pub fn gelu(values: &mut [f32]) {
    const TWICE_SQRT_2_OVER_PI: f32 = 1.595_769_2;
    for value in values {
        let x = *value;
        let twice_u = TWICE_SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x);
        *value = x / (1.0 + exp(-twice_u));
    }
}

/// SwiGLU in place: `gate = gate · sigmoid(gate) · up`.
#[inline(always)]
pub fn swiglu(gate: &mut [f32], up: &[f32]) {
    for (gate, &up) in gate.iter_mut().zip(up) {
        *gate = *gate / (1.0 + exp(-*gate)) * up;
    }
}

/// Rotates the pairs of one head: `(a, b)` becomes `(a cos - b sin, a sin + b cos)`. `cosines` and `sines` hold one
/// value per pair; values beyond the pairs stay.
#[inline(always)]
pub fn rotate(style: RopeStyle, head: &mut [f32], cosines: &[f32], sines: &[f32]) {
    let pairs = cosines.len();
    match style {
        RopeStyle::Interleaved => {
            for ((pair, &cos), &sin) in head.as_chunks_mut::<2>().0.iter_mut().zip(cosines).zip(sines) {
                *pair = [pair[0] * cos - pair[1] * sin, pair[0] * sin + pair[1] * cos];
            }
        }
        RopeStyle::Neox => {
            let (first, second) = head[..2 * pairs].split_at_mut(pairs);
            for (((a, b), &cos), &sin) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
                (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
            }
        }
    }
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
    fn norms_follow_their_formulas() {
        let x = [1.0, -2.0, 3.0, 4.0, 0.5, -1.5, 2.5, 0.0, 1.0, 1.0];
        let (weight, bias) = ([2.0; 10], [0.5; 10]);
        let mut out = [0.0; 10];
        rms_norm(&x, &weight, 1e-5, &mut out);
        let rms = (x.iter().map(|v| v * v).sum::<f32>() / 10.0 + 1e-5).sqrt();
        close(&out, &x.map(|v| v / rms * 2.0));
        layer_norm(&x, &weight, &bias, 1e-5, &mut out);
        let mean = x.iter().sum::<f32>() / 10.0;
        let deviation = (x.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 10.0 + 1e-5).sqrt();
        close(&out, &x.map(|v| (v - mean) / deviation * 2.0 + 0.5));
    }

    #[test]
    fn activations_follow_their_formulas() {
        let x = [-20.0, -3.0, -0.5, 0.0, 0.1, 1.0, 2.0, 30.0_f32];
        let mut found = x;
        gelu(&mut found);
        close(&found, &x.map(|v| 0.5 * v * (1.0 + (0.797_884_6 * (v + 0.044_715 * v.powi(3))).tanh())));
        let mut found = x;
        swiglu(&mut found, &[3.0; 8]);
        close(&found, &x.map(|v| v / (1.0 + (-v).exp()) * 3.0));
    }

    #[test]
    fn both_styles_rotate_their_pairs() {
        let (cos, sin) = ([0.6, 1.0], [0.8, 0.0]);
        let check = |style, expected: [f32; 5]| {
            let mut head = [1.0, 2.0, 3.0, 4.0, 9.0];
            rotate(style, &mut head, &cos, &sin);
            close(&head, &expected);
        };
        check(RopeStyle::Interleaved, [0.6 - 1.6, 0.8 + 1.2, 3.0, 4.0, 9.0]);
        check(RopeStyle::Neox, [0.6 - 2.4, 2.0, 0.8 + 1.8, 4.0, 9.0]);
    }
}
