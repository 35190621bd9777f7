//! Matrix products for every machine, and the reference that the faster ones are tested against.
//!
//! Each output is computed in eight lanes over its whole length, which are added at the end.

use super::activations::{BLOCK, QuantizedBlock};
use super::blocks::Blocks;

/// Lanes of one accumulator.
pub(super) const LANES: usize = 8;

/// Products of all rows of `weights` with all rows of `x`, each `columns` long; `put` gets the weight row, the row of
/// `x` and the result.
pub(super) fn float_panel(weights: &[f32], x: &[f32], columns: usize, mut put: impl FnMut(usize, usize, f32)) {
    for (row, weights) in weights.chunks_exact(columns).enumerate() {
        for (position, x) in x.chunks_exact(columns).enumerate() {
            put(row, position, dot(weights, x));
        }
    }
}

/// Sum of products.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut lanes = [0.0; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    add_lanes(lanes) + rest
}

/// Adds lanes in the order of a halving tree.
#[inline(always)]
pub(super) fn add_lanes(lanes: [f32; LANES]) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// As [`float_panel`], for quantized weights; `x` holds `groups` blocks per row.
pub(super) fn block_panel<B: Blocks>(
    weights: &[u8],
    x: &[QuantizedBlock],
    groups: usize,
    mut put: impl FnMut(usize, usize, f32),
) {
    let row_bytes = groups / B::GROUPS * B::BYTES;
    for (row, weights) in weights.chunks_exact(row_bytes).enumerate() {
        for (position, x) in x.chunks_exact(groups).enumerate() {
            put(row, position, block_dot::<B>(weights, x));
        }
    }
}

fn block_dot<B: Blocks>(weights: &[u8], x: &[QuantizedBlock]) -> f32 {
    let mut lanes = [0.0; LANES];
    let mut minimums = 0.0;
    for (block, x) in weights.chunks_exact(B::BYTES).zip(x.chunks_exact(B::GROUPS)) {
        let header = B::header(block, |bits| half::f16::from_bits(bits).to_f32());
        for (group, x) in x.iter().enumerate() {
            let codes = B::codes(block, group);
            let scales = B::scales(&header, group);
            for (lane, sum) in lanes.iter_mut().enumerate() {
                const SPAN: usize = BLOCK / LANES;
                let whole: i32 =
                    (lane * SPAN..(lane + 1) * SPAN).map(|i| i32::from(codes[i]) * i32::from(x.codes[i])).sum();
                *sum += scales[lane / 4] * x.scale * whole as f32;
            }
            minimums += B::minimum(&header, group) * x.sum;
        }
    }
    add_lanes(lanes) - minimums
}
