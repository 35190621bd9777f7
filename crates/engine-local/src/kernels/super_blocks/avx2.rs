//! Products over super-blocks with AVX2, FMA and F16C.
#![expect(unsafe_code, reason = "vector instructions are unsafe unless the machine has them")]

use std::arch::x86_64::*;
use std::ops::Range;

use super::FEW;
use super::formats::{GROUPS, HeaderInRegisters, MOST_SCALES, SuperBlocks, sums_of};
use super::tile::{self, SuperTile};
use crate::kernels::activations::{BLOCK, WideBlock};
use crate::kernels::few::EIGHT;
use crate::kernels::tile::{Group, LINE, Lanes, ROWS, Rows, STEP, STEPS};
use crate::kernels::x86::{Avx2, HALF, half_to_f32, turned};

impl Avx2 {
    /// See [`tile::fill`].
    pub(in crate::kernels) fn fill_super<B: SuperBlocks>(
        self,
        tile: &mut SuperTile,
        rows: Rows<'_>,
        span: Range<usize>,
    ) {
        // SAFETY: `self` proves the features.
        unsafe { fill::<B>(tile, rows, span) }
    }

    /// See [`tile::multiply_portable`].
    pub(in crate::kernels) fn multiply_super<B: SuperBlocks>(
        self,
        tile: &SuperTile,
        x: &[WideBlock],
        stride: usize,
        sums: &mut [Lanes],
    ) {
        // SAFETY: `self` proves the features.
        unsafe { multiply::<B>(tile, x, stride, sums) }
    }

    /// Products of sixteen rows at most with each of at most [`FEW`] rows of activations, one for each of `sums`.
    pub(in crate::kernels) fn few_super<B: SuperBlocks>(self, rows: Rows<'_>, x: &[WideBlock], sums: &mut [Lanes]) {
        // SAFETY: `self` proves the features.
        unsafe {
            match sums {
                [one] => few::<B, 1>(rows, x, std::array::from_mut(one)),
                [_, _] => few::<B, 2>(rows, x, sums.as_mut_array().expect("there are two")),
                [_, _, _] => few::<B, 3>(rows, x, sums.as_mut_array().expect("there are three")),
                _ => few::<B, FEW>(rows, x, sums.as_mut_array().expect("four rows at most")),
            }
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn fill<B: SuperBlocks>(tile: &mut SuperTile, rows: Rows<'_>, span: Range<usize>) {
    let fetch = |line: *const u8| _mm_prefetch::<_MM_HINT_T1>(line.cast());
    tile::fill::<B>(tile, rows, span, |bits| half_to_f32(bits), fetch, |group| transpose(group));
}

/// Brings words from the order of rows to sixteen rows side by side.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn transpose(group: &mut Group) {
    // SAFETY: a group is sixteen rows of eight words on a boundary of 64.
    let words: [[i32; EIGHT]; ROWS] = unsafe { *group.0.as_ptr().cast() };
    for start in [0, HALF] {
        for (step, words) in group.0.chunks_exact_mut(ROWS * STEP).zip(turned(&words, start)) {
            // SAFETY: half a step is 32 bytes on a boundary of 32.
            unsafe { _mm256_store_si256(step[start * STEP..].as_mut_ptr().cast(), words) };
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn multiply<B: SuperBlocks>(tile: &SuperTile, x: &[WideBlock], stride: usize, mut sums: &mut [Lanes]) {
    let mut start = 0;
    while !sums.is_empty() {
        let x = &x[start * stride..];
        let done = match sums.len() {
            1 => several::<B, 1>(tile, x, stride, sums),
            2 => several::<B, 2>(tile, x, stride, sums),
            3 => several::<B, 3>(tile, x, stride, sums),
            _ => several::<B, 4>(tile, x, stride, sums),
        };
        start += done;
        sums = &mut sums[done..];
    }
}

/// Steps whose products fit in words of sixteen bits, two of each step in one.
const fn steps_in_a_word<B: SuperBlocks>() -> usize {
    let fitting = (i16::MAX / (2 * B::TOP * 128)) as usize;
    if fitting < STEPS / B::HALVES { fitting } else { STEPS / B::HALVES }
}

/// `P` rows of activations, with each half of the tile; returns `P`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn several<B: SuperBlocks, const P: usize>(
    tile: &SuperTile,
    x: &[WideBlock],
    stride: usize,
    sums: &mut [Lanes],
) -> usize {
    assert!(x.len() >= (P - 1) * stride + tile.count && sums.len() >= P);
    // The lower half of each word, twice.
    let twice = _mm_set_epi32(0x0d0c_0d0c, 0x0908_0908, 0x0504_0504, 0x0100_0100);
    let twice = _mm256_set_m128i(twice, twice);
    for start in [0, HALF] {
        // SAFETY, here and below: it reads half of sixteen words on a boundary of 64, from 0 or 8 on.
        let word = |group: &Group, step: usize| unsafe {
            _mm256_load_si256(group.0.as_ptr().add((step * ROWS + start) * STEP).cast())
        };
        let floats = |lanes: &Lanes| unsafe { _mm256_load_ps(lanes.0[start..].as_ptr()) };
        let mut totals = [_mm256_setzero_ps(); P];
        for (total, sums) in totals.iter_mut().zip(&*sums) {
            *total = floats(sums);
        }
        for (number, block) in tile.blocks[..tile.count].iter().enumerate() {
            // SAFETY: the assertion above; `p` is below `P`.
            let x = |p: usize| unsafe { x.get_unchecked(p * stride + number) };
            let mut products = [_mm256_setzero_si256(); P];
            for group in 0..GROUPS {
                for first in (0..STEPS).step_by(const { steps_in_a_word::<B>() }) {
                    let mut words = [_mm256_setzero_si256(); P];
                    for step in first..first + const { steps_in_a_word::<B>() } {
                        let weights = word(&block.codes[group], step);
                        for (p, words) in words.iter_mut().enumerate() {
                            let at = group * STEPS + step;
                            // SAFETY: it reads 4 of 256 codes.
                            let codes = unsafe { x(p).codes.as_ptr().cast::<i32>().add(at).read_unaligned() };
                            let pairs = _mm256_maddubs_epi16(weights, _mm256_set1_epi32(codes));
                            *words = _mm256_add_epi16(*words, pairs);
                        }
                    }
                    let scales = word(&block.scales[first * B::HALVES / STEPS], group);
                    let scales = _mm256_shuffle_epi8(scales, twice);
                    for (products, words) in products.iter_mut().zip(words) {
                        *products = _mm256_add_epi32(*products, _mm256_madd_epi16(words, scales));
                    }
                }
            }
            let mut minimums = [_mm256_setzero_si256(); P];
            for two in 0..GROUPS * B::HALVES / 2 {
                let words = word(&block.minimums, two);
                for (p, minimums) in minimums.iter_mut().enumerate() {
                    let [first, second] = sums_of::<B>(x(p)).as_chunks().0[two];
                    let pair = i32::from(second) << 16 | i32::from(first) & 0xffff;
                    *minimums = _mm256_add_epi32(*minimums, _mm256_madd_epi16(words, _mm256_set1_epi32(pair)));
                }
            }
            let (steps, minimum_steps) = (floats(&block.steps), floats(&block.minimum_steps));
            for (p, total) in totals.iter_mut().enumerate() {
                let scale = _mm256_set1_ps(x(p).scale);
                let mut products = products[p];
                if B::OFFSET > 0 {
                    let offset = _mm256_set1_epi32(B::OFFSET);
                    products = _mm256_sub_epi32(products, _mm256_mullo_epi32(minimums[p], offset));
                }
                *total = _mm256_fmadd_ps(_mm256_mul_ps(steps, scale), _mm256_cvtepi32_ps(products), *total);
                if B::OFFSET == 0 {
                    let factor = _mm256_mul_ps(minimum_steps, scale);
                    *total = _mm256_fnmadd_ps(factor, _mm256_cvtepi32_ps(minimums[p]), *total);
                }
            }
        }
        for (total, sums) in totals.iter().zip(&mut *sums) {
            // SAFETY: as above.
            unsafe { _mm256_store_ps(sums.0[start..].as_mut_ptr(), *total) };
        }
    }
    P
}

/// Bytes ahead of those that are read that memory is asked for.
pub(super) const AHEAD: usize = 4096;

/// Each row is read from its beginning to its end, because memory delivers only what is read in order at its full speed.
#[target_feature(enable = "avx2,fma,f16c")]
fn few<B: SuperBlocks, const P: usize>(rows: Rows<'_>, x: &[WideBlock], sums: &mut [Lanes; P]) {
    let count = x.len() / P;
    assert!(x.len() == P * count && rows.row_bytes == count * B::BYTES);
    for (row, bytes) in rows.bytes.chunks_exact(rows.row_bytes).enumerate() {
        let mut totals = [_mm_setzero_ps(); P];
        for (number, block) in bytes.chunks_exact(B::BYTES).enumerate() {
            for line in (0..B::BYTES).step_by(LINE) {
                _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD + line).cast());
            }
            // SAFETY: the assertion above; `p` is below `P`.
            let x = |p: usize| unsafe { x.get_unchecked(p * count + number) };
            // SAFETY: this function has the instructions.
            let header = unsafe { B::header_in_registers(block) };
            let mut scales = [0_i16; MOST_SCALES];
            // SAFETY: it writes sixteen words.
            unsafe { _mm256_storeu_si256(scales.as_mut_ptr().cast(), header.scales) };
            let mut products = [_mm256_setzero_si256(); P];
            for group in 0..GROUPS {
                // SAFETY: this function has the instructions.
                let weights = unsafe { B::group_in_register(block, group) };
                let first = scales[group * B::HALVES];
                let second = scales[(group + 1) * B::HALVES - 1];
                let scales = _mm256_set_m128i(_mm_set1_epi16(second), _mm_set1_epi16(first));
                for (p, products) in products.iter_mut().enumerate() {
                    // SAFETY: it reads 32 of 256 codes.
                    let codes = unsafe { _mm256_load_si256(x(p).codes.as_ptr().add(BLOCK * group).cast()) };
                    let pairs = _mm256_maddubs_epi16(weights, codes);
                    *products = _mm256_add_epi32(*products, _mm256_madd_epi16(pairs, scales));
                }
            }
            for (p, total) in totals.iter_mut().enumerate() {
                let minimums = minimums::<B>(&header, x(p));
                *total = add::<B>(*total, halved(products[p]), minimums, header.steps, x(p).scale);
            }
        }
        for (sums, total) in sums.iter_mut().zip(totals) {
            sums.0[row] = _mm_cvtss_f32(total);
        }
    }
}

/// Eight words as four, the upper half added to the lower one.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn halved(words: __m256i) -> __m128i {
    _mm_add_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
}

/// The minimums times the sums of activations, in four words to be added.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn minimums<B: SuperBlocks>(header: &HeaderInRegisters, x: &WideBlock) -> __m128i {
    if B::HALVES == 2 {
        // SAFETY: it reads sixteen words.
        let sums = unsafe { _mm256_loadu_si256(x.half_sums.as_ptr().cast()) };
        halved(_mm256_madd_epi16(header.minimums, sums))
    } else {
        // SAFETY: it reads eight words.
        let sums = unsafe { _mm_loadu_si128(x.sums.as_ptr().cast()) };
        _mm_madd_epi16(_mm256_castsi256_si128(header.minimums), sums)
    }
}

/// Adds one super-block to the first lane of a total. Products and minimums are the sums of their four words.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn add<B: SuperBlocks>(
    total: __m128,
    products: __m128i,
    minimums: __m128i,
    steps: __m128,
    scale: f32,
) -> __m128 {
    let products = if B::OFFSET > 0 {
        _mm_sub_epi32(products, _mm_mullo_epi32(minimums, _mm_set1_epi32(B::OFFSET)))
    } else {
        products
    };
    let two = _mm_add_epi32(_mm_unpacklo_epi32(products, minimums), _mm_unpackhi_epi32(products, minimums));
    let sums = _mm_cvtepi32_ps(_mm_add_epi32(two, _mm_unpackhi_epi64(two, two)));
    let factors = _mm_mul_ps(steps, _mm_set1_ps(scale));
    let total = _mm_fmadd_ss(factors, sums, total);
    if B::OFFSET > 0 {
        return total;
    }
    _mm_fnmadd_ss(_mm_movehdup_ps(factors), _mm_movehdup_ps(sums), total)
}
