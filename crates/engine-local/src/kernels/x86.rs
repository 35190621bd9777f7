//! Matrix products with AVX2, FMA and F16C.
//!
//! A tile computes a few weight rows against a few rows of activations, so that each loaded value serves several
//! products. Whatever the tile, one output is one accumulator of eight lanes over the whole length.
#![expect(unsafe_code, reason = "vector instructions are unsafe unless the machine has them")]

use std::arch::x86_64::*;

use super::activations::QuantizedBlock;
use super::blocks::Blocks;
use super::portable::{LANES, add_lanes};

/// Proof that the machine has AVX2, FMA and F16C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// `None` where an instruction is missing.
    pub(super) fn detect() -> Option<Self> {
        let is_there =
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
        is_there.then_some(Self(()))
    }

    /// Runs plain code compiled for AVX2.
    #[inline(always)]
    pub(super) fn vectorize<T>(self, work: impl FnOnce() -> T) -> T {
        // SAFETY: `self` proves the features.
        unsafe { vectorized(work) }
    }

    /// See [`portable::float_panel`](super::portable::float_panel).
    pub(super) fn float_panel(self, weights: &[f32], x: &[f32], columns: usize, put: impl FnMut(usize, usize, f32)) {
        // SAFETY: `self` proves the features.
        unsafe { float_panel(weights, x, columns, put) }
    }

    /// See [`portable::block_panel`](super::portable::block_panel).
    pub(super) fn block_panel<B: Blocks>(
        self,
        weights: &[u8],
        x: &[QuantizedBlock],
        groups: usize,
        put: impl FnMut(usize, usize, f32),
    ) {
        // SAFETY: `self` proves the features.
        unsafe { block_panel::<B>(weights, x, groups, put) }
    }

    /// Converts F16 values.
    pub(super) fn widen_f16(self, halves: &[u16], out: &mut [f32]) {
        // SAFETY: `self` proves the features.
        unsafe { widen_f16(halves, out) }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn vectorized<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[target_feature(enable = "avx2,fma,f16c")]
fn widen_f16(halves: &[u16], out: &mut [f32]) {
    let ((halves, rest), (out, out_rest)) = (halves.as_chunks::<8>(), out.as_chunks_mut::<8>());
    for (halves, out) in halves.iter().zip(out) {
        // SAFETY: both point to eight values.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), _mm256_cvtph_ps(_mm_loadu_si128(halves.as_ptr().cast()))) };
    }
    for (half, out) in rest.iter().zip(out_rest) {
        *out = half_to_f32(*half);
    }
}

#[inline]
#[target_feature(enable = "f16c")]
fn half_to_f32(bits: u16) -> f32 {
    _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(bits))))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add_up(lanes: __m256) -> f32 {
    let mut all = [0.0; LANES];
    // SAFETY: `all` holds eight floats.
    unsafe { _mm256_storeu_ps(all.as_mut_ptr(), lanes) };
    add_lanes(all)
}

/// Rows of weights and rows of activations in the largest tile: with twelve accumulators, three registers of
/// activations and one of weights, it fills the sixteen registers.
const FLOAT_TILE: (usize, usize) = (4, 3);

#[target_feature(enable = "avx2,fma,f16c")]
fn float_panel(weights: &[f32], x: &[f32], columns: usize, mut put: impl FnMut(usize, usize, f32)) {
    let (rows, positions) = (weights.len() / columns, x.len() / columns);
    let mut row = 0;
    while row < rows {
        let height = if rows - row >= FLOAT_TILE.0 { FLOAT_TILE.0 } else { 1 };
        let weights = &weights[row * columns..][..height * columns];
        let mut position = 0;
        while position < positions {
            let width = (positions - position).min(FLOAT_TILE.1);
            let x = &x[position * columns..][..width * columns];
            let mut emit = |r: usize, m: usize, value| put(row + r, position + m, value);
            match (height, width) {
                (4, 1) => float_tile::<4, 1>(weights, x, columns, &mut emit),
                (4, 2) => float_tile::<4, 2>(weights, x, columns, &mut emit),
                (4, _) => float_tile::<4, 3>(weights, x, columns, &mut emit),
                (_, 1) => float_tile::<1, 1>(weights, x, columns, &mut emit),
                (_, 2) => float_tile::<1, 2>(weights, x, columns, &mut emit),
                (_, _) => float_tile::<1, 3>(weights, x, columns, &mut emit),
            }
            position += width;
        }
        row += height;
    }
}

#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn float_tile<const R: usize, const M: usize>(
    weights: &[f32],
    x: &[f32],
    columns: usize,
    emit: &mut impl FnMut(usize, usize, f32),
) {
    assert!(weights.len() == R * columns && x.len() == M * columns);
    let whole = columns / LANES * LANES;
    let mut sums = [[_mm256_setzero_ps(); M]; R];
    for at in (0..whole).step_by(LANES) {
        // SAFETY: at + 8 <= columns, and the slices hold R and M rows of that many columns.
        unsafe {
            let mut values = [_mm256_setzero_ps(); M];
            for (m, values) in values.iter_mut().enumerate() {
                *values = _mm256_loadu_ps(x.as_ptr().add(m * columns + at));
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let weight = _mm256_loadu_ps(weights.as_ptr().add(r * columns + at));
                for (sum, &value) in sums.iter_mut().zip(&values) {
                    *sum = _mm256_fmadd_ps(weight, value, *sum);
                }
            }
        }
    }
    for (r, sums) in sums.iter().enumerate() {
        for (m, &sum) in sums.iter().enumerate() {
            let rest = weights[r * columns + whole..(r + 1) * columns].iter().zip(&x[m * columns + whole..]);
            emit(r, m, add_up(sum) + rest.map(|(a, b)| a * b).sum::<f32>());
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn block_panel<B: Blocks>(weights: &[u8], x: &[QuantizedBlock], groups: usize, mut put: impl FnMut(usize, usize, f32)) {
    let row_bytes = groups / B::GROUPS * B::BYTES;
    let positions = x.len() / groups;
    for (row, weights) in weights.chunks_exact(row_bytes).enumerate() {
        let mut position = 0;
        while position < positions {
            let left = positions - position;
            let x = &x[position * groups..];
            let mut emit = |m: usize, value| put(row, position + m, value);
            position += match left {
                1 => byte_tile::<B, 1>(weights, x, groups, &mut emit),
                2 => byte_tile::<B, 2>(weights, x, groups, &mut emit),
                3 => byte_tile::<B, 3>(weights, x, groups, &mut emit),
                4..8 => byte_tile::<B, 4>(weights, x, groups, &mut emit),
                _ => byte_tile::<B, 8>(weights, x, groups, &mut emit),
            };
        }
    }
}

/// One weight row against `M` rows of activations; returns `M`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn byte_tile<B: Blocks, const M: usize>(
    weights: &[u8],
    x: &[QuantizedBlock],
    groups: usize,
    emit: &mut impl FnMut(usize, f32),
) -> usize {
    assert!(weights.len() == groups / B::GROUPS * B::BYTES && x.len() >= M * groups);
    let mut sums = [_mm256_setzero_ps(); M];
    let mut minimums = [0.0_f32; M];
    for (number, block) in weights.chunks_exact(B::BYTES).enumerate() {
        let header = B::header(block, |bits| half_to_f32(bits));
        for group in 0..B::GROUPS {
            let codes = B::codes(block, group);
            // SAFETY: it reads 32 bytes of an array of 32.
            let codes = unsafe { _mm256_loadu_si256(codes.as_ptr().cast()) };
            let magnitudes = _mm256_abs_epi8(codes);
            let [low, high] = B::scales(&header, group);
            let scale =
                if B::HALVES { _mm256_set_m128(_mm_set1_ps(high), _mm_set1_ps(low)) } else { _mm256_set1_ps(low) };
            for m in 0..M {
                // SAFETY: number * GROUPS + group < groups, and `x` holds M rows of `groups` blocks.
                let x = unsafe { x.get_unchecked(m * groups + number * B::GROUPS + group) };
                // SAFETY: it reads 32 bytes of an array of 32.
                let x_codes = unsafe { _mm256_loadu_si256(x.codes.as_ptr().cast()) };
                let products = four_products(magnitudes, _mm256_sign_epi8(x_codes, codes));
                let factor = _mm256_mul_ps(scale, _mm256_set1_ps(x.scale));
                sums[m] = _mm256_fmadd_ps(factor, _mm256_cvtepi32_ps(products), sums[m]);
                if B::MINIMUMS {
                    minimums[m] += B::minimum(&header, group) * x.sum;
                }
            }
        }
    }
    for m in 0..M {
        emit(m, add_up(sums[m]) - minimums[m]);
    }
    M
}

/// Sums of four products of bytes. A pair stays within 16 bits: 2 · 128 · 127 < 32768.
///
/// The byte products of AVX-512 VNNI do the same in one instruction; measured on Zen 4 they were not faster in this
/// layout, and for one row of Q8_0 half as fast.
#[inline]
#[target_feature(enable = "avx2")]
fn four_products(unsigned: __m256i, signed: __m256i) -> __m256i {
    _mm256_madd_epi16(_mm256_maddubs_epi16(unsigned, signed), _mm256_set1_epi16(1))
}
