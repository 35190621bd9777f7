//! Attention of one query head over the keys and values of one sequence.

use super::elementwise::exp;
use super::portable::dot;

/// Positions whose scores are held at once, on the stack.
const STEP: usize = crate::graph::BLOCK_TOKENS;

/// Values of a head that are summed in registers at a time.
const SPAN: usize = 32;

/// Sums values weighted by `softmax(query · keys / sqrt(dims))` into `out`. Runs of keys and values hold one row of
/// `query.len()` for each of [`BLOCK_TOKENS`](crate::graph::BLOCK_TOKENS) positions; the last may be shorter.
///
/// One pass with a running maximum, so that no buffer grows with the context. Source: M. Milakov and N. Gimelshein,
/// "Online normalizer calculation for softmax" (2018).
#[inline(always)]
pub fn attend<'a>(query: &[f32], runs: impl Iterator<Item = (&'a [f32], &'a [f32])>, out: &mut [f32]) {
    let dims = query.len();
    let scale = 1.0 / (dims as f32).sqrt();
    let (mut largest, mut total) = (f32::NEG_INFINITY, 0.0);
    out.fill(0.0);
    for (keys, values) in runs {
        let mut scores = [f32::NEG_INFINITY; STEP];
        for (score, key) in scores.iter_mut().zip(keys.chunks_exact(dims)) {
            *score = dot(query, key) * scale;
        }
        let new_largest = scores.iter().fold(largest, |a, &b| if b > a { b } else { a });
        let shrink = exp(largest - new_largest);
        let mut sums = [0.0; 8];
        for eight in scores.as_chunks_mut::<8>().0 {
            for (sum, score) in sums.iter_mut().zip(eight) {
                *score = exp(*score - new_largest);
                *sum += *score;
            }
        }
        total = total * shrink + sums.iter().sum::<f32>();
        largest = new_largest;
        add_weighted(&scores, values, shrink, out);
    }
    for out in out {
        *out /= total;
    }
}

/// `out = out · shrink + Σ weights[i] · values[i]`.
#[inline(always)]
fn add_weighted(weights: &[f32; STEP], values: &[f32], shrink: f32, out: &mut [f32]) {
    let dims = out.len();
    let (spans, rest) = out.as_chunks_mut::<SPAN>();
    for (number, span) in spans.iter_mut().enumerate() {
        let mut sums = *span;
        sums.iter_mut().for_each(|sum| *sum *= shrink);
        for (&weight, values) in weights.iter().zip(values.chunks_exact(dims)) {
            let values = &values[number * SPAN..][..SPAN];
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += weight * value;
            }
        }
        *span = sums;
    }
    let start = dims - rest.len();
    if rest.is_empty() {
        return;
    }
    rest.iter_mut().for_each(|value| *value *= shrink);
    for (&weight, values) in weights.iter().zip(values.chunks_exact(dims)) {
        for (sum, value) in rest.iter_mut().zip(&values[start..]) {
            *sum += weight * value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values in -1 to 1 without a pattern.
    fn noise(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    #[test]
    fn it_equals_the_textbook_formula() {
        for (dims, positions) in [(8, 1), (20, 63), (64, 64), (64, 65), (100, 200), (128, 1000)] {
            let (query, keys, values) = (noise(dims, 1), noise(dims * positions, 2), noise(dims * positions, 3));
            let mut found = vec![7.0; dims];
            attend(&query, keys.chunks(STEP * dims).zip(values.chunks(STEP * dims)), &mut found);
            let scores: Vec<f64> = keys
                .chunks(dims)
                .map(|key| {
                    let product: f64 = key.iter().zip(&query).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                    (product / (dims as f64).sqrt()).exp()
                })
                .collect();
            let total: f64 = scores.iter().sum();
            for (d, found) in found.iter().enumerate() {
                let weighted = scores.iter().enumerate().map(|(t, score)| score * f64::from(values[t * dims + d]));
                let expected = weighted.sum::<f64>() / total;
                assert!((f64::from(*found) - expected).abs() < 1e-5, "{found} for {expected}");
            }
        }
    }
}
