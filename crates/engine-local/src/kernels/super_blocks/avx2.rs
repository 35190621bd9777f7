//! Products over super-blocks with AVX2, FMA and F16C.
#![expect(unsafe_code, reason = "vector instructions are unsafe unless the machine has them")]

use std::arch::x86_64::*;
use std::ops::Range;

use super::formats::{HeaderInRegisters, SuperBlocks, sums_of};
use super::tile::{self, SuperTile};
use crate::kernels::activations::{BLOCK, GROUPS, RUN, WideBlock};
use crate::kernels::few::EIGHT;
use crate::kernels::tile::{Group, LINE, Lanes, ROWS, Rows, STEP, STEPS};
use crate::kernels::x86::{Avx2, HALF, half_to_f32, turned};

/// Rows of activations up to which a weight row is read from its beginning to its end and multiplied as it comes; with
/// more, unpacking a tile pays.
pub(super) const FEW: usize = 4;

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
                            let at = WideBlock::step(group, step);
                            // SAFETY: it reads 4 of 256 codes.
                            let codes = unsafe { x(p).codes.as_ptr().cast::<i32>().add(at).read_unaligned() };
                            let pairs = _mm256_maddubs_epi16(weights, _mm256_set1_epi32(codes));
                            *words = _mm256_add_epi16(*words, pairs);
                        }
                    }
                    for (p, (products, words)) in products.iter_mut().zip(words).enumerate() {
                        let scales = word(&block.scales[first * B::HALVES / STEPS][x(p).shift(group)], group);
                        let scaled = _mm256_madd_epi16(words, _mm256_shuffle_epi8(scales, twice));
                        *products = _mm256_add_epi32(*products, scaled);
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

/// Runs of a group.
pub(super) const PLACES: usize = BLOCK / RUN;

/// Each row is read from its beginning to its end, because memory delivers only what is read in order at its full speed.
#[target_feature(enable = "avx2,fma,f16c")]
fn few<B: SuperBlocks, const P: usize>(rows: Rows<'_>, x: &[WideBlock], sums: &mut [Lanes; P]) {
    // Sums of a run's pairs fit in sixteen bits for all places that share a scale.
    const { assert!(2 * PLACES / B::HALVES * B::TOP as usize * 128 <= i16::MAX as usize) };
    let count = x.len() / P;
    assert!(x.len() == P * count && rows.row_bytes == count * B::BYTES);
    for (row, bytes) in rows.bytes.chunks_exact(rows.row_bytes).enumerate() {
        let mut total = _mm_setzero_ps();
        for (number, block) in bytes.chunks_exact(B::BYTES).enumerate() {
            for line in (0..B::BYTES).step_by(LINE) {
                _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().wrapping_add(AHEAD + line).cast());
            }
            // SAFETY: the assertion above; `p` is below `P`.
            let x: [&WideBlock; P] = std::array::from_fn(|p| unsafe { x.get_unchecked(p * count + number) });
            // SAFETY: this function has the instructions.
            let header = unsafe { B::header_in_registers(block) };
            let mut products = [_mm256_setzero_si256(); P];
            for four in 0..2 {
                for half in 0..B::HALVES {
                    let mut words = [_mm256_setzero_si256(); P];
                    for place in half * PLACES / B::HALVES..(half + 1) * PLACES / B::HALVES {
                        // SAFETY: this function has the instructions.
                        let weights = unsafe { B::four_runs(block, place, four) };
                        for (words, x) in words.iter_mut().zip(x) {
                            // SAFETY: it reads eight codes of each of four groups, on a boundary of 32.
                            let codes = unsafe { _mm256_load_si256(x.codes[place][4 * four..].as_ptr().cast()) };
                            *words = _mm256_add_epi16(*words, _mm256_maddubs_epi16(weights, codes));
                        }
                    }
                    let scales = scales::<B>(&header, four, half);
                    for ((products, words), x) in products.iter_mut().zip(words).zip(x) {
                        // SAFETY: it reads eight words on a boundary of 32.
                        let shifts = unsafe { _mm256_load_si256(x.shifts[4 * four..].as_ptr().cast()) };
                        let scaled = _mm256_sllv_epi32(_mm256_madd_epi16(words, scales), shifts);
                        *products = _mm256_add_epi32(*products, scaled);
                    }
                }
            }
            total = add::<B>(total, &products.map(|products| halved(products)), &header, &x);
        }
        for (sums, total) in sums.iter_mut().zip(lanes(total)) {
            sums.0[row] = total;
        }
    }
}

/// The scale of each of four groups, or of one half of each, in four lanes of sixteen bits.
#[inline]
#[target_feature(enable = "avx2")]
fn scales<B: SuperBlocks>(header: &HeaderInRegisters, four: usize, half: usize) -> __m256i {
    let lower = _mm256_castsi256_si128(header.scales);
    let of_groups = match (B::HALVES, four) {
        (1, 0) => _mm256_cvtepu16_epi64(lower),
        (1, _) => _mm256_cvtepu16_epi64(_mm_unpackhi_epi64(lower, lower)),
        (_, 0) => _mm256_cvtepu32_epi64(lower),
        (_, _) => _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(header.scales)),
    };
    let first = if half == 0 { 0x0100_0100_0100_0100 } else { 0x0302_0302_0302_0302 };
    let second = first + 0x0808_0808_0808_0808;
    _mm256_shuffle_epi8(of_groups, _mm256_set_epi64x(second, first, second, first))
}

/// Eight words as four, the upper half added to the lower one.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn halved(words: __m256i) -> __m128i {
    _mm_add_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words))
}

/// The four floats of a register.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn lanes(floats: __m128) -> [f32; FEW] {
    let mut lanes = [0.0; FEW];
    // SAFETY: it writes four floats.
    unsafe { _mm_storeu_ps(lanes.as_mut_ptr(), floats) };
    lanes
}

/// Adds one super-block to the totals of up to four rows of activations, a lane each. Products are four words to be added.
#[inline]
#[target_feature(enable = "avx2,fma")]
pub(super) fn add<B: SuperBlocks>(
    total: __m128,
    products: &[__m128i],
    header: &HeaderInRegisters,
    x: &[&WideBlock],
) -> __m128 {
    let mut minimums_of = [_mm_setzero_si128(); FEW];
    for (minimums_of, x) in minimums_of.iter_mut().zip(x) {
        *minimums_of = minimums::<B>(header, x);
    }
    let (mut products, minimums) = if let [products] = *products {
        // Both in one go: the lane behind the products has the minimums.
        let both = add_up([products, minimums_of[0], products, minimums_of[0]]);
        (both, _mm_shuffle_epi32::<0b01_01_01_01>(both))
    } else {
        let mut padded = [_mm_setzero_si128(); FEW];
        padded[..products.len()].copy_from_slice(products);
        (add_up(padded), add_up(minimums_of))
    };
    let mut scales = [0.0; FEW];
    for (scale, x) in scales.iter_mut().zip(x) {
        *scale = x.scale;
    }
    let [first, second, third, fourth] = scales;
    let scales = _mm_set_ps(fourth, third, second, first);
    if B::OFFSET > 0 {
        products = _mm_sub_epi32(products, _mm_mullo_epi32(minimums, _mm_set1_epi32(B::OFFSET)));
    }
    let factors = _mm_mul_ps(_mm_broadcastss_ps(header.steps), scales);
    let total = _mm_fmadd_ps(factors, _mm_cvtepi32_ps(products), total);
    if B::OFFSET > 0 {
        return total;
    }
    let steps = _mm_movehdup_ps(header.steps);
    let factors = _mm_mul_ps(_mm_broadcastss_ps(steps), scales);
    _mm_fnmadd_ps(factors, _mm_cvtepi32_ps(minimums), total)
}

/// The minimums times the sums of activations, in four words to be added.
#[inline]
#[target_feature(enable = "avx2")]
fn minimums<B: SuperBlocks>(header: &HeaderInRegisters, x: &WideBlock) -> __m128i {
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

/// The sums of four registers' four words.
#[inline]
#[target_feature(enable = "avx2")]
fn add_up([a, b, c, d]: [__m128i; FEW]) -> __m128i {
    let early = _mm_add_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b));
    let late = _mm_add_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
    _mm_add_epi32(_mm_unpacklo_epi64(early, late), _mm_unpackhi_epi64(early, late))
}
