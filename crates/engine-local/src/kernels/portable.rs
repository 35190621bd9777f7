//! Matrix products for every machine, and the reference that the faster ones are tested against.
//!
//! Each output is computed in sixteen lanes over its whole length, which are added at the end.

/// Lanes of one accumulator.
pub(super) const LANES: usize = 16;

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
pub(super) fn add_lanes(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}
